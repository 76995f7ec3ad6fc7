/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Turns what Devices= lists into the functions to hand over: "auto" becomes the GPU that the firmware used,
 * or the only one, with the audio function of the same slot and vendor. Functions that are not on the bus
 * (yet) are taken as they are. Returns 0 with a list, -EINVAL with a sentence, to be freed, that says why
 * not, or -ENOMEM. */
int gpu_functions(char *const *words, char ***ret, char **ret_problem);

/* Returns whether the kernel says that the firmware used this GPU. */
bool gpu_showed_boot(const char *address);
