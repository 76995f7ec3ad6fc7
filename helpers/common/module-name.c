/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "module-name.h"

/* The kernel's MODULE_NAME_LEN on 64-bit machines, with its final zero byte. */
#define MODULE_NAME_MAX 56

bool module_name_is_valid(const char *s) {
        size_t n = strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-");

        return n > 0 && n < MODULE_NAME_MAX && !s[n] && *s != '-';
}

bool module_is_shared(const char *name) {
        static const char *const families[] = { "drm", "snd", "ttm" };

        for (size_t i = 0; i < ELEMENTSOF(families); i++) {
                const char *rest = startswith(name, families[i]);

                if (rest && (!*rest || *rest == '_' || *rest == '-'))
                        return true;
        }
        return false;
}
