/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* The longest unit name that a service manager loads, systemd's UNIT_NAME_MAX less the final zero byte. */
#define UNIT_NAME_LENGTH_MAX 255

/* Checks that 'vm' can be the name of a VM whose units people type: not empty, neither "." nor "..", valid
 * UTF-8, no '/', no control characters, short enough for every unit name made from it. Returns NULL if it
 * can, else what is wrong with it, as the end of a sentence ("is empty"). */
const char *vm_name_problem(const char *vm);

/* Escapes the name of a VM as systemctl mangles its arguments ("My VM" becomes "My\x20VM", '-' is kept).
 * Returns 0 with a string to be freed, or -ENOMEM. */
int vm_name_escape(const char *vm, char **ret);

/* The reverse of vm_name_escape(). Returns 0, -EINVAL for text that no escaping gives, or -ENOMEM. */
int vm_name_unescape(const char *escaped, char **ret);

/* Checks that 'unit' is the full name of one unit, with its suffix and, of a template, an instance. Returns
 * NULL if it is, else what is wrong with it, as the end of a sentence. */
const char *unit_name_problem(const char *unit);

/* Checks that 'glob' is the full name of one unit, or a pattern as "systemctl stop" takes it. Returns as
 * above. */
const char *unit_glob_problem(const char *glob);
