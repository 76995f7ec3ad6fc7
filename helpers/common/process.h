/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "macros.h"

/* Reads the state of a process, a letter as of ps ('Z': it is dead, and its parent has not asked for it yet),
 * and its parent. Returns 0 or a negative errno. */
int process_stat(pid_t pid, char *ret_state, pid_t *ret_parent);
