/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "huge-pages.h"

/* Far more than there can be, and few enough for all sums: 2^26 pages of 2^26 KiB. */
#define NUMBER_MAX (1UL << 26)

/* Reads a number at *p and goes on behind it. Returns 0 for none, and for one that is too large. */
static unsigned long read_number(const char **p) {
        unsigned long n = 0;

        for (; **p >= '0' && **p <= '9'; (*p)++) {
                n = n * 10 + (unsigned long) (**p - '0');
                if (n > NUMBER_MAX)
                        return 0;
        }
        return n;
}

int huge_pages_parse(const char *s, HugePages *ret) {
        const char *p = s;
        unsigned long count, size, unit;

        count = read_number(&p);
        if (count == 0 || *p++ != 'x')
                return -EINVAL;
        size = read_number(&p);
        unit = *p == 'K' ? 1 : *p == 'M' ? 1024 : *p == 'G' ? 1024 * 1024 : 0;
        if (size == 0 || unit == 0 || p[1] || size * unit > NUMBER_MAX)
                return -EINVAL;

        *ret = (HugePages) { count, size * unit };
        return 0;
}
