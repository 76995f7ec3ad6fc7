/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Stops the units that match the patterns in the service manager of every user that has one, and waits a few
 * seconds for it. A manager that does not answer is passed over with a warning: it is about to go anyway. A
 * name, patterns aside, that none of them knows is told. */
void stop_user_units(char *const *patterns);
