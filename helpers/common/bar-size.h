/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* What the capability for it can tell of: 2^43 MiB. */
#define BAR_ORDER_MAX 43

/* A size for one of a function's memory regions, as people write it: "0:256M". */
typedef struct BarSize {
        unsigned bar;   /* 0 to 5 */
        unsigned order; /* 2^order MiB, as the kernel has it */
} BarSize;

/* Reads that. Returns 0, or -EINVAL for anything else, and for a size that no region can have. */
int bar_size_parse(const char *s, BarSize *ret);

/* Returns the size as text ("256M", "8G"), to be freed, or NULL without memory. */
char *bar_size_text(unsigned order);
