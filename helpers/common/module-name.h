/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Names of kernel modules as people write them: "nvidia-drm" and "nvidia_drm" are the same one. */

/* Returns whether a module can be called that. */
bool module_name_is_valid(const char *s);

/* Returns whether the module is one that serves several devices: unloading it would take the sound or the
 * screens of others away. */
bool module_is_shared(const char *name);
