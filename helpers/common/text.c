/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <stdarg.h>

#include "text.h"

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_DAY (86400 * USEC_PER_SEC)

/* Longer words are no misspelt names. */
#define NAME_LENGTH_MAX 40

size_t utf8_char_length(const char *s) {
        static const struct {
                unsigned char mask, lead;
                uint32_t least;
        } forms[] = {
                { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
        };
        const unsigned char *p = (const unsigned char *) s;

        for (size_t n = 1; n <= ELEMENTSOF(forms); n++) {
                uint32_t c = p[0] & (unsigned char) ~forms[n - 1].mask;
                size_t i;

                if ((p[0] & forms[n - 1].mask) != forms[n - 1].lead)
                        continue;
                for (i = 1; i < n && (p[i] & 0xc0) == 0x80; i++)
                        c = c << 6 | (p[i] & 0x3f);
                if (i < n || c < forms[n - 1].least || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                        return 0;
                return n;
        }
        return 0;
}

char *text_printable(const char *s) {
        char *printable, *p;

        printable = p = malloc(strlen(s) * 4 + 1);
        if (!printable)
                return NULL;

        while (*s) {
                size_t n = utf8_char_length(s);

                /* The two-byte characters that begin with c2 and are below a0 are control characters as
                 * well. */
                if (n == 0 || iscntrl((unsigned char) *s) ||
                    (n == 2 && s[0] == '\xc2' && (unsigned char) s[1] < 0xa0))
                        p += sprintf(p, "\\x%02x", (unsigned char) *s++);
                else {
                        p = mempcpy(p, s, n);
                        s += n;
                }
        }
        *p = 0;
        return printable;
}

char *text_replace(const char *s, const char *what, const char *with) {
        size_t n = strlen(what), grown = strlen(s) / n * strlen(with);
        char *replaced, *p;

        replaced = p = malloc(strlen(s) + grown + 1);
        if (!replaced)
                return NULL;

        for (const char *found; (found = strstr(s, what)); s = found + n) {
                p = mempcpy(p, s, (size_t) (found - s));
                p = stpcpy(p, with);
        }
        (void) strcpy(p, s);
        return replaced;
}

static size_t min3(size_t a, size_t b, size_t c) {
        size_t m = a < b ? a : b;

        return m < c ? m : c;
}

/* Returns how many characters have to be added, left out or changed to make 'b' of 'a', case apart. */
static size_t distance(const char *a, const char *b) {
        size_t n = strlen(b), row[NAME_LENGTH_MAX + 1];

        for (size_t j = 0; j <= n; j++)
                row[j] = j;

        for (size_t i = 1; a[i - 1]; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n; j++) {
                        size_t changed = diagonal + (tolower((unsigned char) a[i - 1]) !=
                                                     tolower((unsigned char) b[j - 1]));

                        diagonal = row[j];
                        row[j] = min3(row[j] + 1, row[j - 1] + 1, changed);
                }
        }
        return row[n];
}

const char *nearest_name(const char *s, const char *const *names, size_t n) {
        const char *nearest = NULL;
        size_t least;

        if (strlen(s) > NAME_LENGTH_MAX)
                return NULL;

        least = strlen(s) / 4 + 2;
        for (size_t i = 0; i < n; i++) {
                size_t length = strlen(names[i]), d;

                if (length > NAME_LENGTH_MAX)
                        continue;
                d = distance(s, names[i]);
                if (d < least && d < length) {
                        least = d;
                        nearest = names[i];
                }
        }
        return nearest;
}

/* Returns how many microseconds the unit stands for, 0 if there is no such unit. */
static uint64_t time_unit(const char *s, size_t n) {
        static const struct {
                const char *names;
                uint64_t usec;
        } units[] = {
                { " s sec second seconds ", USEC_PER_SEC },
                { " m min minute minutes ", 60 * USEC_PER_SEC },
                { " h hr hour hours ", 3600 * USEC_PER_SEC },
                { " d day days ", USEC_PER_DAY },
                { " ms msec ", 1000 },
                { " us usec µs ", 1 },
        };
        char word[sizeof(" seconds ")];

        if (n == 0)
                return USEC_PER_SEC;
        if (n + 3 > sizeof(word))
                return 0;

        (void) snprintf(word, sizeof(word), " %.*s ", (int) n, s);
        for (size_t i = 0; i < ELEMENTSOF(units); i++)
                if (strstr(units[i].names, word))
                        return units[i].usec;
        return 0;
}

/* Reads digits, at most as many as no product of them with a unit of time can overflow with. */
static const char *parse_digits(const char *s, uint64_t *value, uint64_t *scale) {
        const char *begin = s;

        for (; isdigit((unsigned char) *s); s++) {
                if (s - begin >= 7)
                        return NULL;
                *value = *value * 10 + (uint64_t) (*s - '0');
                *scale *= 10;
        }
        return s > begin ? s : NULL;
}

/* Reads one number with its unit and adds it to 'usec'. Returns what follows, or NULL. */
static const char *parse_component(const char *s, uint64_t *usec) {
        uint64_t whole = 0, fraction = 0, scale = 1, unused = 1, unit;
        size_t n;

        s = parse_digits(s, &whole, &unused);
        if (s && *s == '.')
                s = parse_digits(s + 1, &fraction, &scale);
        if (!s)
                return NULL;

        s += strspn(s, " \t");
        n = strcspn(s, " \t0123456789.");
        unit = time_unit(s, n);
        if (unit == 0)
                return NULL;

        *usec += whole * unit + (fraction * unit + scale - 1) / scale;
        s += n;
        return s + strspn(s, " \t");
}

int parse_seconds(const char *s, unsigned *ret) {
        uint64_t usec = 0;

        s += strspn(s, " \t");
        do {
                s = parse_component(s, &usec);
                if (!s)
                        return -EINVAL;
        } while (*s && usec <= USEC_PER_DAY);

        if (usec > USEC_PER_DAY)
                return -ERANGE;
        *ret = (unsigned) ((usec + USEC_PER_SEC - 1) / USEC_PER_SEC);
        return 0;
}

int refusal(char **ret_problem, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(ret_problem, format, ap);
        va_end(ap);
        return n < 0 ? -ENOMEM : -EINVAL;
}
