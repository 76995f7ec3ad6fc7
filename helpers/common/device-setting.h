/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "settings.h"

/* What the [Device] sections want of the functions that are handed over, as programs are told it. Each adds
 * to a list, and returns 0 or -ENOMEM. */

/* Attributes that are set before vfio-pci has the function: "0000:01:00.0/reset_method=flr bus". */
int device_attributes(const Config *config, char *const *functions, char ***ret);

/* Of those the one that vfio-pci changes when it gets the function: "0000:01:00.0/power/control=on". */
int device_power(const Config *config, char *const *functions, char ***ret);

/* Sizes of memory regions: "0000:01:00.0/0:256M". */
int device_bars(const Config *config, char *const *functions, char ***ret);
