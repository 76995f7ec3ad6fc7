/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Returns what the function is called in udev's hardware database, which is made of pci.ids ("NVIDIA
 * Corporation GA102 [GeForce RTX 3080]"), or "10de:2206" where that does not know it, to be freed. NULL
 * without memory, and "" for a function that is not on the bus. */
char *device_name(const char *address);
