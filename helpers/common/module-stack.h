/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "function.h"
#include "holders.h"
#include "step.h"

/* The modules that drive the GPU, where they are unloaded for a swap: all that use one before it, none of
 * them by force, and none to come back before the GPU does. */

/* What is written in the record 'modules' of a swap: each module that was unloaded, in that order. */
#define RECORD_MODULES "modules"

/* Unloads what the task names, or with "auto" the NVIDIA driver of the functions. What is in use is waited
 * for with patience. Returns 0, or a negative errno after it logged why. */
int stack_unload(const Task *task, const Function *functions, int state, Patience *patience);

/* Allows them to be loaded and loads those that the record names, in the reverse order and as modprobe.d
 * tells. One that cannot be loaded does not keep the others away. Returns 0, or a negative errno after it
 * logged why. */
int stack_load(const char *vm, int state);

/* Returns the file of modprobe.d that keeps the modules away still, to be freed, or NULL if there is none. */
char *stack_find_block(const char *vm);
