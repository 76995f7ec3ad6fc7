/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* What the security modules of the kernel say of themselves. */

/* Reads one of the numbers that SELinux shows ("booleans/virt_hooks_unconfined"), -1 where there is none. */
int selinux_read(const char *attribute);

/* Return whether it is there, and decides. */
bool selinux_is_enforcing(void);
bool apparmor_is_on(void);
