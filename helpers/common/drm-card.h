/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Waits until udev has processed the DRM device of the function, at most until the deadline (as of
 * clock_now()): a display manager that starts before udev has given the card to its seat comes up without a
 * screen. Says so where that does not happen. */
void drm_card_wait(const char *address, uint64_t deadline);
