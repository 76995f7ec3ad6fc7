/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bar-size.h"

int bar_size_parse(const char *s, BarSize *ret) {
        unsigned long long n = 0;
        unsigned order = 0;
        const char *p = s + 2;

        if (s[0] < '0' || s[0] > '5' || s[1] != ':')
                return -EINVAL;
        for (; *p >= '0' && *p <= '9' && n < 1ULL << 50; p++)
                n = n * 10 + (unsigned long long) (*p - '0');
        if ((*p != 'M' && *p != 'G' && *p != 'T') || p[1] || n == 0 || n & (n - 1))
                return -EINVAL;

        for (; n > 1; n /= 2)
                order++;
        order += *p == 'M' ? 0 : *p == 'G' ? 10 : 20;
        if (order > BAR_ORDER_MAX)
                return -EINVAL;
        *ret = (BarSize) { (unsigned) (s[0] - '0'), order };
        return 0;
}

char *bar_size_text(unsigned order) {
        unsigned unit = order < 10 ? 0 : order < 20 ? 1 : 2;
        char *text;

        return asprintf(&text, "%llu%c", 1ULL << (order - 10 * unit), "MGT"[unit]) < 0 ? NULL : text;
}
