/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rom.h"

/* Reads the ROM of the card at a PCI address through the kernel, which gives the images and nothing else.
 * What that takes of the card (to be awake, to be enabled, to show its ROM) is undone in any case; a signal
 * ends it, after that. 'data' has room for ROM_SIZE_MAX bytes. Returns 0 or a negative errno after it logged
 * why. */
int rom_card_read(const char *address, uint8_t *data, size_t *ret_size);
