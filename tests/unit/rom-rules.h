/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rom.h"

/* Returns what is wrong with a ROM that was accepted, NULL if nothing is: what is written has to be what the
 * kernel would see of it, and what would be written of that again. */
const char *rom_find_fault(const Rom *rom);
