/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* Copies the units of a VM to where neither a reload, nor a changed configuration, nor a removed generator reaches them:
 * /run/systemd/system. Notes the copies in the state directory first. Returns 0, or a negative errno after it logged why. */
int pin_units(Manager *m, const char *vm, int state);

/* Removes the copies again. If the manager has read them in the meantime it is reloaded, so that the next swap uses the
 * configuration of that time. Returns 0, or a negative errno after it logged why. */
int unpin_units(Manager *m, const char *vm, int state);
