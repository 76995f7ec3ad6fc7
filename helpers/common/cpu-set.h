/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Sets of CPUs, as lists of numbers and ranges ("0-3,8") that people and the kernel write, and as the bytes
 * that the service manager wants: CPU n is bit n % 8 of byte n / 8. */

/* As many as any kernel has. */
#define CPU_SET_MAX 8192

typedef struct CpuSet {
        uint8_t bytes[CPU_SET_MAX / 8];
} CpuSet;

/* Adds what a list with commas says; "" adds nothing. Returns 0, or -EINVAL, with what came before the
 * mistake added, for anything that is no such list, for a range that goes down and for a number from
 * CPU_SET_MAX on. */
int cpu_set_add(CpuSet *set, const char *list);

/* Takes the CPUs of 'other' out of the set. */
void cpu_set_remove(CpuSet *set, const CpuSet *other);

/* Returns whether there is no CPU in the set. */
bool cpu_set_is_empty(const CpuSet *set);

/* Returns how many bytes there are up to the last one that is not zero. */
size_t cpu_set_size(const CpuSet *set);

/* Returns the shortest list, to be freed, or NULL without memory. */
char *cpu_set_list(const CpuSet *set);
