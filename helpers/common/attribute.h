/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Attributes of sysfs that are set for the time of a swap. A record has one line for each of them: its path,
 * and its value before. */

/* Notes the attributes in a record of the VM's (its escaped name) and sets them. Assignments are
 * "PATH=VALUE", with paths that do not have the root's prefix. What is on record already counts as the value
 * before. Returns 0, or a negative errno after it logged why; then some may be set. */
int attributes_set(const char *vm, const char *record, char *const *assignments);

/* Gives each attribute of a record its value of before, and removes the record. One that is not there any
 * more is passed over, one that cannot be set does not keep the others. What another VM has set as well
 * since is left to that. Returns 0, or a negative errno after it logged why. */
int attributes_restore(const char *vm, const char *record);
