/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "huge-pool.h"
#include "root.h"
#include "strv.h"

static int add_unknown_size(CheckContext *c, const char *word) {
        _cleanup_strv_free_ char **names = NULL, **sizes = NULL;
        _cleanup_free_ char *path = root_path(HUGE_POOLS), *known = NULL;
        int r;

        r = path ? list_directory(path, &names) : -ENOMEM;
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(name, names)
                if (r >= 0 && startswith(*name, "hugepages-"))
                        r = strv_extend(&sizes, startswith(*name, "hugepages-"));
        known = r < 0 ? NULL : strv_join(sizes, ", ");
        if (!known)
                return -ENOMEM;
        return findings_add(c->findings, FINDING_HUGE_PAGES_SIZE, word,
                            "HugePages= asks for %s, and this machine has no huge pages of that size, but of: %s",
                            word, isempty(known) ? "none" : known);
}

/* How much of it is free enough only the attempt shows, which is made before the desktop is stopped. */
static int check_memory(CheckContext *c, unsigned long missing, unsigned long taken) {
        unsigned long total;
        int r;

        r = memory_read("MemTotal", &total);
        if (r < 0 || taken + missing < total)
                return r == -ENOENT ? 0 : r;
        return findings_add(c->findings, FINDING_HUGE_PAGES_MEMORY, "HugePages=",
                            "HugePages= needs %lu MiB more than there are in huge pages, and this machine has %lu MiB "
                            "of memory, %lu of them in huge pages already: correct it in vfio-gpu.conf",
                            missing / 1024, total / 1024, taken / 1024);
}

int check_huge_pages(CheckContext *c) {
        unsigned long missing = 0, taken = 0;

        for (char *const *word = c->check->huge_pages; word && *word; word++) {
                HugePages wanted;
                HugePool pool;
                int r;

                r = huge_pages_parse(*word, &wanted);
                if (r >= 0)
                        r = huge_pool_read(wanted.kb, &pool);
                if (r == -ENOENT)
                        return add_unknown_size(c, *word);
                if (r < 0)
                        return r;
                missing += huge_pool_missing(&pool, wanted.count) * wanted.kb;
                taken += pool.pages * wanted.kb;
        }
        /* A VM that has the GPU has its pages as well, and they are in use; one that left something behind has not. */
        if (missing == 0 || (strv_contains(c->owners, c->check->vm) && !findings_have(c->findings, FINDING_STATE_LEFT)))
                return 0;
        return check_memory(c, missing, taken);
}
