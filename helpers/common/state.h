/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* What a swap has changed and has to undo: one directory a VM below /run/vfio-gpu, one file of lines a step.
 * A record is always written before the change that it describes, so that whatever is interrupted can be
 * undone. */
#define STATE_DIRECTORY "/run/vfio-gpu"

/* Lists the VMs (their escaped names) of which there is a record. Links are passed over. Returns 0 or a
 * negative errno. */
int state_list(char ***ret);

/* Returns whether there is a record of the VM. Links are not followed. */
bool state_exists(const char *vm);

/* Opens the directory of a VM (its escaped name); 'create' makes it. Returns a descriptor, -ENOENT where
 * there is none, or another negative errno. Links are not followed. */
int state_open(const char *vm, bool create);

/* Waits until no other program has the records of all VMs to itself, and has them then, until the descriptor
 * is closed. Returns that, -ENOENT where there are no records, or another negative errno. */
int state_lock(void);

/* Writes a record at once and in whole, replacing an older one. Returns 0 or a negative errno. */
int state_write(int state, const char *record, char *const *lines);

/* Reads a record. Returns 0 with the lines, -ENOENT where there is none, -ELOOP where there is a link in its
 * place, or another negative errno. */
int state_read(int state, const char *record, char ***ret);

/* Removes a record; that there is none is fine. Returns 0 or a negative errno. */
int state_remove(int state, const char *record);

/* Removes the directory of a VM and every record in it; that there is none is fine. Returns 0 or a negative
 * errno. */
int state_discard(const char *vm);
