/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* Copies the units of a VM to where neither a reload, nor a changed configuration, nor a removed generator
 * reaches them: /run/systemd/system, and has the copies run copies of the programs. The manager reads them
 * once it has to load a unit, so before this it should have none of the target and the steps. Notes the
 * copies in the state directory first. Returns 0, or a negative errno after it logged why. */
int pin_units(Manager *m, const char *vm, int state);

/* Compares the copies with what they were made of. Returns 1 if that is as it was, 0 if it has changed or is
 * gone, -ENOENT if there are no copies, or another negative errno. */
int pin_is_current(const char *vm, int state);

/* Removes the copies again. If the manager still has a unit from one of them, or a record asks for it, it is
 * reloaded, so that the next swap uses the configuration of that time. Returns 0, or a negative errno after
 * it logged why. */
int unpin_units(Manager *m, const char *vm, int state);
