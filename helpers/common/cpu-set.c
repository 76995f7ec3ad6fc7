/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cpu-set.h"
#include "strv.h"

static bool has(const CpuSet *set, unsigned cpu) {
        return cpu < CPU_SET_MAX && set->bytes[cpu / 8] & (1U << (cpu % 8));
}

/* Reads a number at *p and goes on behind it. Returns false where there is none. */
static bool read_cpu(const char **p, unsigned *ret) {
        unsigned n = 0;

        if (**p < '0' || **p > '9')
                return false;
        for (; **p >= '0' && **p <= '9' && n < CPU_SET_MAX; (*p)++)
                n = n * 10 + (unsigned) (**p - '0');
        *ret = n;
        return n < CPU_SET_MAX;
}

int cpu_set_add(CpuSet *set, const char *list) {
        unsigned first, last;

        for (const char *p = list; *p;) {
                if (!read_cpu(&p, &first))
                        return -EINVAL;
                last = first;
                if (*p == '-') {
                        p++;
                        if (!read_cpu(&p, &last) || last < first)
                                return -EINVAL;
                }
                if (*p == ',' && p[1])
                        p++;
                else if (*p)
                        return -EINVAL;

                for (unsigned cpu = first; cpu <= last; cpu++)
                        set->bytes[cpu / 8] |= (uint8_t) (1U << (cpu % 8));
        }
        return 0;
}

void cpu_set_remove(CpuSet *set, const CpuSet *other) {
        for (size_t i = 0; i < sizeof(set->bytes); i++)
                set->bytes[i] &= (uint8_t) ~other->bytes[i];
}

bool cpu_set_is_empty(const CpuSet *set) {
        return cpu_set_size(set) == 0;
}

size_t cpu_set_size(const CpuSet *set) {
        size_t n = sizeof(set->bytes);

        while (n > 0 && set->bytes[n - 1] == 0)
                n--;
        return n;
}

char *cpu_set_list(const CpuSet *set) {
        _cleanup_strv_free_ char **ranges = NULL;
        int r = 0;

        for (unsigned cpu = 0, last; cpu < CPU_SET_MAX && r >= 0; cpu++) {
                if (!has(set, cpu))
                        continue;
                for (last = cpu; has(set, last + 1);)
                        last++;
                r = last > cpu ? strv_extendf(&ranges, "%u-%u", cpu, last) : strv_extendf(&ranges, "%u", cpu);
                cpu = last;
        }
        return r < 0 ? NULL : strv_join(ranges, ",");
}
