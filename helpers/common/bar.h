/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bar-size.h"

/* The memory regions of PCI functions whose sizes can be changed (resizable BARs). The kernel does that
 * while no driver has the function, and only then. A size that cannot be had costs nothing but itself. */

/* Reads the size of a region as it is, rounded up. Returns 0 with its order, -ENXIO where there is no such
 * region, or another negative errno. */
int bar_read(const char *address, unsigned bar, unsigned *ret_order);

/* Returns 1 if the region can have that size, 0 if not, or a negative errno, -ENOENT where it has only one. */
int bar_can_be(const char *address, const BarSize *size);

/* Splits "0000:01:00.0/resource0_resize=256M": the file that changes it, and the size. Returns 0 with an
 * address to be freed, -EINVAL or -ENOMEM. */
int bar_parse(const char *word, char **ret_address, BarSize *ret_size);

/* Notes the sizes in the record of the swap and changes them. Logs what cannot be done. */
void bars_resize(int state, char *const *wanted);

/* Gives the regions of functions without a driver their former sizes, and forgets these once all have them.
 * Logs what cannot be done. */
void bars_restore(int state);
