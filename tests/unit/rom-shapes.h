/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rom.h"

/* ROMs and dumps as cards have them, and as they go wrong, laid out from the structures alone: no byte is a
 * vendor's. */
typedef struct Shape {
        const char *name;
        void (*build)(void);
        const char *verdict; /* as rom_describe() has it */
} Shape;

extern const Shape rom_shapes[];
extern const size_t n_rom_shapes;

/* Builds a shape. Returns its bytes, which the next call overwrites. */
const uint8_t *rom_build(const Shape *shape, size_t *ret_size);

/* Returns the reason of a refusal; or where the ROM is ("400-e00"), the types of its images, a '*' behind
 * the last one ("0,3*"), and the warnings, with blanks between them; to be freed. */
char *rom_describe(const Rom *rom);
