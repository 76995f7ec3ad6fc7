/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "huge-pages.h"

/* The kernel's pool of huge pages of one size. */
#define HUGE_POOLS "/sys/kernel/mm/hugepages"

typedef struct HugePool {
        unsigned long pages;      /* all that there are, in use or not */
        unsigned long persistent; /* those that stay when nobody uses them */
        unsigned long unclaimed;  /* those that nobody has, or has been promised */
} HugePool;

/* Looks at the pool of pages of 'kb' KiB. Returns 0, -ENOENT where the kernel has no such pages, or another
 * negative errno. */
int huge_pool_read(unsigned long kb, HugePool *ret);

/* Has the kernel make the number of persistent pages that, or as near to it as it gets. Those that are in
 * use and too many go when they are not used any more. Returns 0 or a negative errno. */
int huge_pool_resize(unsigned long kb, unsigned long persistent);

/* Returns how many pages have to be added for 'count' to be unclaimed. */
unsigned long huge_pool_missing(const HugePool *pool, unsigned long count);

/* Reads a number of KiB from /proc/meminfo ("MemTotal"). Returns 0 or a negative errno. */
int memory_read(const char *what, unsigned long *ret);
