/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Looks whether the function's IOMMU group can be handed over whole: each of its other functions has to be a
 * bridge, one of 'handed_over' (NULL: of none), on vfio-pci, or without a driver, and what the VMs 'others'
 * (NULL: none) have is taken for given back. Returns 0 with NULL if so, 0 with a sentence to be freed that names
 * all that is in the way if not, or a negative errno. */
int group_problem(const char *address, char *const *handed_over, char *const *others, char **ret);

/* Returns 1 if a VM, or something else, has the function's group open, 0 if nothing has, -ENOENT if vfio-pci
 * has no function of the group, or a negative errno. */
int group_is_open(const char *address);
