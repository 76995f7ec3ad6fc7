/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <signal.h>

#include "macros.h"

/* For what must not be left half done: a signal that asks the program to end has its effect afterwards. */

/* Holds such signals back, until signals_release() is given the same. */
void signals_hold(sigset_t *ret_before);
void signals_release(const sigset_t *before);

/* Returns whether one is held back, so that what takes long can come to its end. */
bool signals_are_waiting(void);

#define _cleanup_signals_ _cleanup_(signals_release)
