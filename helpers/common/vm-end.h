/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Waits, however long it takes, until no VM has the functions and libvirt has cleaned up after the one that
 * had them. Says in the journal and the unit's status who that is, and has the service manager give it the
 * time. Returns 0 or a negative errno. */
int vm_wait_end(char *const *functions);
