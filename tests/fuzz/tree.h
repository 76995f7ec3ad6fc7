/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* A tree of files that is made of one text and stands for the whole machine: the process sees nothing else
 * while it is in there, so that neither a path without a prefix nor an absolute link leads to this machine. */

/* Leaves the rights that the process has over this machine, for the same over what it makes. To be called
 * while there is one thread. Ends the process with 77, which is no failure to meson, where that is not
 * allowed. */
void tree_prepare(void);

/* Makes the tree and goes into it. Every entry of the text is a line "@KIND NAME", and what it has are the
 * lines up to the next one. Names are in the directory of the last 'd'. Kinds are 'd' for a directory, 'f'
 * for a file, 'x' for one that can be run, 'b' for one with its text over and over, 'l' for a link. What
 * cannot be made is passed over. */
void tree_enter(const uint8_t *text, size_t size);

/* Leaves the tree and removes all that is in it. */
void tree_leave(void);
