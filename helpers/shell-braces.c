/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-state.h"

#define BRACES_MAX 256

void shell_make_plain(char *value) {
        for (; *value; value++)
                *value = shell_plain(*value);
}

/* Returns the brace that closes the one at 'open', with the number of commas between them; or NULL. */
static char *closing_brace(char *open, size_t *ret_commas) {
        unsigned depth = 0;

        *ret_commas = 0;
        for (char *p = open; *p; p++) {
                depth += *p == SHELL_OPEN;
                *ret_commas += *p == SHELL_COMMA && depth == 1;
                if (*p == SHELL_CLOSE && --depth == 0)
                        return p;
        }
        return NULL;
}

static int expand_braces(Shell *s, char *value, Strings *fields, unsigned depth);

static int expand_alternative(Shell *s, const char *before, const char *between, const char *behind,
                              Strings *fields, unsigned depth) {
        char *value = shell_append(s, before, between);

        value = value ? shell_append(s, value, behind) : NULL;
        return value ? expand_braces(s, value, fields, depth + 1) : -ENOMEM;
}

/* Takes {a,b,…}: 'open' and 'close' are zero bytes by now. */
static int expand_list(Shell *s, const char *before, char *open, char *close, Strings *fields, unsigned depth) {
        char *begin = open + 1;
        unsigned inner = 0;
        int r = 0;

        for (char *p = begin; p <= close && r >= 0; p++) {
                inner += *p == SHELL_OPEN;
                inner -= *p == SHELL_CLOSE;
                if ((*p == SHELL_COMMA && inner == 0) || p == close) {
                        char *piece = arena_strndup(s->arena, begin, (size_t) (p - begin));

                        r = piece ? expand_alternative(s, before, piece, close + 1, fields, depth) : -ENOMEM;
                        begin = p + 1;
                }
        }
        return r;
}

/* Takes {0..15}. Returns 1 if it was that, 0 if not, or a negative errno. */
static int expand_range(Shell *s, const char *before, const char *between, const char *behind, Strings *fields,
                        unsigned depth) {
        char *end;
        long from = strtol(between, &end, 10), to;
        int r = 0;

        if (end == between || !startswith(end, ".."))
                return 0;
        between = end + 2;
        to = strtol(between, &end, 10);
        if (end == between || *end || labs(from) > 65536 || labs(to) > 65536 || labs(to - from) > BRACES_MAX)
                return 0;
        for (long i = from;; i += from < to ? 1 : -1) {
                char *number = arena_printf(s->arena, "%ld", i);

                r = number ? expand_alternative(s, before, number, behind, fields, depth) : -ENOMEM;
                if (r < 0 || i == to)
                        return r < 0 ? r : 1;
        }
}

static int expand_braces(Shell *s, char *value, Strings *fields, unsigned depth) {
        char *open = depth < 8 ? strchr(value, SHELL_OPEN) : NULL, *close;
        size_t commas;
        int r;

        if (fields->n >= BRACES_MAX)
                return -E2BIG;
        close = open ? closing_brace(open, &commas) : NULL;
        if (close) {
                *open = *close = 0;
                r = commas > 0 ? 1 : expand_range(s, value, open + 1, close + 1, fields, depth);
                if (commas > 0)
                        r = expand_list(s, value, open, close, fields, depth);
                if (r != 0 || commas > 0)
                        return r;
                *open = '{';
                *close = '}';
        }
        shell_make_plain(value);
        return strings_add(s->arena, fields, value);
}

int shell_expand_braces(Shell *s, char *value, Strings *fields) {
        return expand_braces(s, value, fields, 0);
}
