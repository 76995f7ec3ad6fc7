/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json-rules.h"
#include "text.h"

/* All of these return what follows, or NULL where it is not as it should be. */
static const char *skip_value(const char *p);

static const char *skip_space(const char *p) {
        return p + strspn(p, " \t\r\n");
}

static const char *skip_escape(const char *p) {
        if (*p == 'u')
                return strspn(p + 1, "0123456789abcdefABCDEF") >= 4 ? p + 5 : NULL;
        return *p && strchr("\"\\/bfnrt", *p) ? p + 1 : NULL;
}

static const char *skip_character(const char *p) {
        size_t n = utf8_char_length(p);

        return n > 0 && (unsigned char) *p >= ' ' ? p + n : NULL;
}

static const char *skip_string(const char *p) {
        if (*p++ != '"')
                return NULL;
        while (p && *p != '"')
                p = *p == '\\' ? skip_escape(p + 1) : skip_character(p);
        return p ? p + 1 : NULL;
}

static const char *skip_number(const char *p) {
        size_t n = strspn(p, "0123456789");

        return n == 0 || (n > 1 && *p == '0') ? NULL : p + n;
}

static const char *skip_member(const char *p, bool has_key) {
        if (has_key) {
                p = skip_string(skip_space(p));
                if (!p || *(p = skip_space(p)) != ':')
                        return NULL;
                p++;
        }
        return skip_value(p);
}

static const char *skip_list(const char *p, char end) {
        p = skip_space(p + 1);
        if (*p == end)
                return p + 1;
        while ((p = skip_member(p, end == '}'))) {
                p = skip_space(p);
                if (*p == end)
                        return p + 1;
                if (*p++ != ',')
                        return NULL;
        }
        return NULL;
}

static const char *skip_value(const char *p) {
        p = skip_space(p);
        switch (*p) {
        case '{':
                return skip_list(p, '}');
        case '[':
                return skip_list(p, ']');
        case '"':
                return skip_string(p);
        case 't':
                return startswith(p, "true");
        case 'f':
                return startswith(p, "false");
        case 'n':
                return startswith(p, "null");
        default:
                return skip_number(p);
        }
}

bool json_is_valid(const char *text) {
        const char *end = skip_value(text);

        return end && !*skip_space(end);
}
