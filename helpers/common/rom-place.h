/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Finds out what may keep the QEMU that libvirt runs from reading a ROM file: its mode and those of the
 * directories above it, the rules of AppArmor, the label that SELinux gave it. 'path' is absolute, and the
 * file is there if 'root' is put before it. Returns 0 with a list of sentences without a full stop, to be
 * freed, or -ENOMEM. */
int rom_place_check(const char *root, const char *path, char ***ret);
