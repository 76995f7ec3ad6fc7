/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* A number of huge pages of one size, as people write it: "8192x2M". */
typedef struct HugePages {
        unsigned long count;
        unsigned long kb; /* the size of each, in KiB */
} HugePages;

/* Reads that. Returns 0, or -EINVAL for anything else, none at all, or more than a machine can have. */
int huge_pages_parse(const char *s, HugePages *ret);
