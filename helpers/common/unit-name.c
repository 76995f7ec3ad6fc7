/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit-name.h"

/* What do_escape_mangle() of systemd (src/basic/unit-name.c) leaves as it is. The backslash is left out on purpose: a
 * name that contains one has to be escaped, or it could not be told from an escaped one. */
#define PLAIN_CHARS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.@"

/* The longest of our unit names around the name of the VM. */
#define UNIT_NAME_FRAME "vfio-gpu-desktop@.service"

static bool is_plain(char c) {
        return c && strchr(PLAIN_CHARS, c);
}

/* Returns the length of the UTF-8 character at 's', 0 if it is none (overlong forms and surrogates included). */
static size_t utf8_length(const char *s) {
        static const struct {
                unsigned char mask, lead;
                uint32_t least;
        } forms[] = { { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 } };
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

const char *vm_name_problem(const char *vm) {
        size_t escaped = 0;

        if (isempty(vm))
                return "is empty";
        if (streq(vm, ".") || streq(vm, ".."))
                return "would name a directory";

        for (const char *p = vm; *p;) {
                size_t n = utf8_length(p);

                if (n == 0)
                        return "is not valid UTF-8";
                if (*p == '/')
                        return "contains '/'";
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return "contains a control character";
                escaped += is_plain(*p) ? 1 : 4 * n;
                p += n;
        }

        return escaped + strlen(UNIT_NAME_FRAME) > UNIT_NAME_LENGTH_MAX ? "is too long for the name of a unit" : NULL;
}

int vm_name_escape(const char *vm, char **ret) {
        static const char digits[] = "0123456789abcdef";
        char *escaped, *p;

        escaped = p = malloc(strlen(vm) * 4 + 1);
        if (!escaped)
                return -ENOMEM;

        for (; *vm; vm++)
                if (is_plain(*vm))
                        *p++ = *vm;
                else {
                        *p++ = '\\';
                        *p++ = 'x';
                        *p++ = digits[(unsigned char) *vm >> 4];
                        *p++ = digits[*vm & 0xf];
                }
        *p = 0;

        *ret = escaped;
        return 0;
}

static int unhex(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return -1;
}

int vm_name_unescape(const char *escaped, char **ret) {
        _cleanup_free_ char *vm = NULL;
        char *p;

        vm = p = malloc(strlen(escaped) + 1);
        if (!vm)
                return -ENOMEM;

        while (*escaped) {
                if (*escaped != '\\') {
                        *p++ = *escaped++;
                        continue;
                }
                if (escaped[1] != 'x' || unhex(escaped[2]) < 0 || unhex(escaped[3]) < 0)
                        return -EINVAL;
                *p++ = (char) (unhex(escaped[2]) << 4 | unhex(escaped[3]));
                escaped += 4;
        }
        *p = 0;

        *ret = TAKE_PTR(vm);
        return 0;
}
