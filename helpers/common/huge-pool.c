/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "huge-pool.h"
#include "root.h"

#define NUMBER_MAX_BYTES 64
#define MEMINFO_MAX 65536

static int read_count(unsigned long kb, const char *attribute, unsigned long *ret) {
        _cleanup_free_ char *path = root_path(HUGE_POOLS "/hugepages-%lukB/%s_hugepages", kb, attribute), *text = NULL;
        char *end;
        int r;

        r = path ? read_text_file(path, NUMBER_MAX_BYTES, &text) : -ENOMEM;
        if (r < 0)
                return r;
        *ret = strtoul(text, &end, 10);
        return end == text || *end ? -EBADMSG : 0;
}

int huge_pool_read(unsigned long kb, HugePool *ret) {
        unsigned long pages, free_pages, reserved, surplus;
        int r;

        r = read_count(kb, "nr", &pages);
        if (r >= 0)
                r = read_count(kb, "free", &free_pages);
        if (r >= 0)
                r = read_count(kb, "resv", &reserved);
        if (r >= 0)
                r = read_count(kb, "surplus", &surplus);
        if (r < 0)
                return r;

        /* They are read one after the other. */
        *ret = (HugePool) {
                .pages = pages,
                .persistent = pages > surplus ? pages - surplus : 0,
                .unclaimed = free_pages > reserved ? free_pages - reserved : 0,
        };
        return 0;
}

int huge_pool_resize(unsigned long kb, unsigned long persistent) {
        _cleanup_free_ char *path = root_path(HUGE_POOLS "/hugepages-%lukB/nr_hugepages", kb);
        char text[3 * sizeof(persistent) + 1];

        (void) snprintf(text, sizeof(text), "%lu", persistent);
        return path ? write_attribute(path, text) : -ENOMEM;
}

unsigned long huge_pool_missing(const HugePool *pool, unsigned long count) {
        return count > pool->unclaimed ? count - pool->unclaimed : 0;
}

int memory_read(const char *what, unsigned long *ret) {
        _cleanup_free_ char *path = root_path("/proc/meminfo"), *text = NULL;
        size_t n = strlen(what);
        int r;

        r = path ? read_text_file(path, MEMINFO_MAX, &text) : -ENOMEM;
        if (r < 0)
                return r;
        for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (strncmp(line, what, n) == 0 && line[n] == ':' && sscanf(line + n + 1, "%lu kB", ret) == 1)
                        return 0;
        return -ENOENT;
}
