/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "macros.h"

/* Two VMs can have the same thing set at a time. What was before the first one is on record with that, and
 * what the first one set is on record with the second as what was before. If the first one ends first, its
 * record is to be the second one's, and nothing is to be set. */
typedef struct LaterRecord {
        char *vm;       /* as in the names of units */
        char **lines;
        size_t index;   /* of the line that is about the same */
        struct timespec written;
} LaterRecord;

void later_record_done(LaterRecord *later);
#define _cleanup_later_record_ _cleanup_(later_record_done)

/* Finds the record of that name of the VM that was the next to set what 'key' names, the first word of a
 * line. Returns 1, 0 if there is none, or a negative errno. */
int later_record_find(const char *vm, const char *record, const char *key, LaterRecord *ret);

/* Puts a line in the place of the one that was found. Returns 0 or a negative errno. */
int later_record_replace(LaterRecord *later, const char *record, const char *line);
