/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "text.h"
#include "unit-name.h"

/* What do_escape_mangle() of systemd (src/basic/unit-name.c) leaves as it is. The backslash is left out on
 * purpose: a name that contains one has to be escaped, or it could not be told from an escaped one. */
#define PLAIN_CHARS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.@"

/* The longest of our unit names around the name of the VM. */
#define UNIT_NAME_FRAME "vfio-gpu-hugepages@.service"

static bool is_plain(char c) {
        return c && strchr(PLAIN_CHARS, c);
}

const char *vm_name_problem(const char *vm) {
        size_t escaped = 0;

        if (isempty(vm))
                return "is empty";
        if (*vm == '.')
                return "begins with a dot, as files that are not to be listed do";
        if (*vm == '-')
                return "begins with a dash, as options do";

        for (const char *p = vm; *p;) {
                size_t n = utf8_char_length(p);

                if (n == 0)
                        return "is not valid UTF-8";
                if (*p == '/')
                        return "contains '/'";
                if (*p == '\\')
                        return "contains a backslash, as escaped names do: systemctl would not escape it again";
                if ((unsigned char) *p < ' ' || *p == 0x7f)
                        return "contains a control character";
                escaped += is_plain(*p) ? 1 : 4 * n;
                p += n;
        }

        return escaped + strlen(UNIT_NAME_FRAME) > UNIT_NAME_LENGTH_MAX
                       ? "is too long for the name of a unit"
                       : NULL;
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

/* Of the types that a unit can have, those that a person starts and stops. */
static bool is_unit_suffix(const char *s) {
        static const char *const suffixes[] = {
                ".service", ".socket",    ".target", ".timer", ".path",
                ".mount",   ".automount", ".swap",   ".slice", ".scope",
        };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (streq(s, suffixes[i]))
                        return true;
        return false;
}

const char *unit_name_problem(const char *unit) {
        const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

        if (strlen(unit) > UNIT_NAME_LENGTH_MAX)
                return "is longer than a unit's name can be";
        for (const char *p = unit; *p; p++)
                if (!is_plain(*p) && *p != '\\')
                        return "contains characters that a unit's name cannot have";
        if (!dot || dot == unit || !is_unit_suffix(dot))
                return "does not end like a unit's name (.service, .socket, .timer, …)";
        if (at == unit)
                return "has nothing before the '@'";
        if (at && at + 1 == dot)
                return "is a template without an instance after the '@'";
        return NULL;
}

const char *unit_glob_problem(const char *glob) {
        if (strlen(glob) > UNIT_NAME_LENGTH_MAX)
                return "is longer than a unit's name can be";
        for (const char *p = glob; *p; p++)
                if (!is_plain(*p) && !strchr("\\*?[]!^", *p))
                        return "contains characters that a unit's name or a pattern cannot have";
        return strpbrk(glob, "*?[") ? NULL : unit_name_problem(glob);
}
