/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "rom.h"

/* What the verbs of "vfio-gpuctl rom" say of a ROM, which is called 'name'. */

/* Logs why there is no ROM for a VM in the bytes. */
void rom_log_refusal(const Rom *rom, const char *name);

/* Logs what may be in the way of one. */
void rom_log_warnings(const Rom *rom, const char *name);

/* Write all that there is to say about the bytes to standard output. */
void rom_print_text(const Rom *rom, const char *name);
void rom_print_json(const Rom *rom);
