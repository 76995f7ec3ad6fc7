/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "import-facts.h"

/* The commands that scripts are made of: those about units (import-commands-unit.c), about functions and
 * modules (import-commands-device.c), and all others with the table of all (import-commands.c). Each gets a
 * call of its command, records facts, and returns 1 or a negative errno. */
typedef int (*Command)(Recorder *recorder, const ShellCall *call, ShellStatus *ret);

int run_systemctl(Recorder *recorder, const ShellCall *call, ShellStatus *ret);
int run_service(Recorder *recorder, const ShellCall *call, ShellStatus *ret);
int run_init(Recorder *recorder, const ShellCall *call, ShellStatus *ret);
int run_virsh(Recorder *recorder, const ShellCall *call, ShellStatus *ret);
int run_pci_bind(Recorder *recorder, const ShellCall *call, ShellStatus *ret);
int run_driverctl(Recorder *recorder, const ShellCall *call, ShellStatus *ret);
int run_modprobe(Recorder *recorder, const ShellCall *call, ShellStatus *ret);

/* What the script in /etc/init.d does, or service(8) with its name. */
int command_service(Recorder *recorder, const ShellCall *call, const char *unit, const char *verb);

/* Record something: that it does this, that something of it is not known, that there is no setting for it,
 * that it needs none, or that it is no part of a swap either. Return 1 or a negative errno. */
int command_adds(Recorder *recorder, const ShellCall *call, Action action, const char *object, const char *value);
int command_unknown(Recorder *recorder, const ShellCall *call, Unknown unknown, const char *reason);
int command_leaves(Recorder *recorder, const ShellCall *call, const char *reason);
int command_needless(Recorder *recorder, const ShellCall *call, const char *reason);
int command_beside(Recorder *recorder, const ShellCall *call, const char *reason);

/* Records that it is not known which function it is about; 'takes' is for one that goes to vfio-pci. Returns
 * 1 or a negative errno. */
int command_unknown_function(Recorder *recorder, const ShellCall *call, bool takes);

/* Returns the next word from *i on that is no option, and passes over the values of those options
 * that have one. NULL if
 * there is none. */
const char *command_operand(const ShellCall *call, size_t *i, const char *with_value);

/* Returns whether an option is given. */
bool command_has_option(const ShellCall *call, const char *option);

/* Returns the value of an option that is given as "-o VALUE", "-oVALUE", "--option VALUE" or
 * "--option=VALUE". */
const char *command_option(const ShellCall *call, const char *letter, const char *name);
