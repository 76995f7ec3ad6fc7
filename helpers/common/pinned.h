/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* The units of a swap in progress: copies of what the generator made when it began. */
#define PINNED_DIRECTORY "/run/systemd/system"

/* Makes the text of a copy out of a unit's: it runs the VM's copies of the programs. Returns a string to be
 * freed, or NULL without memory. */
char *pinned_text(const char *vm, const char *text);

/* Returns whether the unit file 'copy' is what the file 'unit' would be copied to, programs apart. */
bool pinned_is_same(const char *vm, const char *unit, const char *copy);
