/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "strv.h"

char **strv_free(char **list) {
        STRV_FOREACH(s, list)
                free(*s);
        free(list);
        return NULL;
}

size_t strv_length(char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

bool strv_contains(char *const *list, const char *s) {
        for (; list && *list; list++)
                if (streq(*list, s))
                        return true;
        return false;
}

int strv_consume(char ***list, char *s) {
        size_t n = strv_length(*list);
        char **grown = NULL;

        if (s)
                grown = reallocarray(*list, n + 2, sizeof(char *));
        if (!grown) {
                free(s);
                return -ENOMEM;
        }

        grown[n] = s;
        grown[n + 1] = NULL;
        *list = grown;
        return 0;
}

int strv_extend(char ***list, const char *s) {
        return strv_consume(list, strdup(s));
}

int strv_extend_joined(char ***list, const char *a, const char *b) {
        char *s = malloc(strlen(a) + strlen(b) + 1);

        if (s)
                (void) stpcpy(stpcpy(s, a), b);
        return strv_consume(list, s);
}

int strv_extendf(char ***list, const char *format, ...) {
        char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;
        return strv_consume(list, s);
}

int strv_copy(char *const *list, char ***ret) {
        _cleanup_strv_free_ char **copy = NULL;
        int r;

        for (; list && *list; list++) {
                r = strv_extend(&copy, *list);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(copy);
        return 0;
}

int strv_split(const char *s, const char *separators, char ***ret) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        for (;;) {
                size_t n;

                s += strspn(s, separators);
                n = strcspn(s, separators);
                if (n == 0)
                        break;

                r = strv_consume(&words, strndup(s, n));
                if (r < 0)
                        return r;
                s += n;
        }

        *ret = TAKE_PTR(words);
        return 0;
}

char *strv_join(char *const *list, const char *separator) {
        size_t n = 1, k = strlen(separator);
        char *joined, *p;

        for (char *const *s = list; s && *s; s++)
                n += strlen(*s) + k;

        joined = p = malloc(n);
        if (!joined)
                return NULL;

        *p = 0;
        for (char *const *s = list; s && *s; s++) {
                if (s != list)
                        p = stpcpy(p, separator);
                p = stpcpy(p, *s);
        }
        return joined;
}
