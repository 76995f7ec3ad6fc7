/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "state.h"

/* Copies of this package's programs beside the state directory of a swap: what undoes it is what made it,
 * also after an upgrade or without the package. They lie in a file system of their own, since /run may
 * forbid to execute anything. */

/* Makes the copies, replacing older ones. Returns 0 or a negative errno. */
int programs_keep(const char *vm);

/* Removes them; that there are none is fine. Returns 0 or a negative errno. */
int programs_remove(const char *vm);

/* Returns the directory of the VM's copies, with a slash behind it and without the root's prefix, to be
 * freed, or NULL without memory. */
char *programs_directory(const char *vm);

/* Returns how vfio-gpuctl is called while the VM has its swap, where the package is gone by the path of its copy; to
 * be freed, or NULL without memory. */
char *programs_ctl(const char *vm);

/* Opens that directory. Returns a descriptor, or a negative errno. Links are not followed. */
int programs_open(const char *vm);
