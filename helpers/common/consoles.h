/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* The kernel's text consoles and the firmware's frame buffer, as far as they are on the GPU. */

/* The record of what was unbound: "console NAME", since numbers change, and "firmware DRIVER DEVICE". */
#define RECORD_CONSOLES "consoles"

/* Adds the devices ("/sys/bus/platform/devices/efi-framebuffer.0") of the firmware's frame buffer if that lies
 * in the memory of one of the functions. Returns 0 or a negative errno. */
int firmware_devices(char *const *functions, char ***devices);

/* Notes those that are on one of the functions, and unbinds them; 'state' is the directory of the VM's
 * records. Returns 0 or a negative errno after it logged why. */
int consoles_unbind(char *const *functions, const char *vm, int state);

/* Binds again what is on record, and removes that. Returns 0 or a negative errno after it logged why. */
int consoles_bind(const char *vm, int state);
