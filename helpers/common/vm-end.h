/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "step.h"

/* Waits, however long it takes, until no VM has the functions and libvirt has cleaned up after the one that
 * had them. Says in the journal and the unit's status who that is, and has the service manager give it the
 * time, and all of the step's after that. Returns 0 or a negative errno. */
int vm_wait_end(const Task *task, char *const *functions);
