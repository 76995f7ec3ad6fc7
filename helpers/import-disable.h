/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "import-hooks.h"

/* Moves the old hooks aside, to where libvirt does not run them: those of which something was taken over,
 * and what only ran these. */

typedef struct Move {
        const char *from, *to; /* as they are said in messages */
} Move;

typedef struct Moves {
        Move *list;
        size_t n;
        Strings remarks; /* what stays though something of it was taken over, and why */
} Moves;

/* Returns whether a hook is one that is to be moved. */
bool import_leaves(Import *import, const Hook *hook);

/* Finds out what is to be moved. Returns 0, or a negative errno after it logged why. */
int import_plan_moves(Import *import, Moves *ret);

/* Looks whether it can be done now: no swap is in progress, no VM that is concerned runs, and nothing is in
 * the way. Returns 0, or a negative errno after it logged why not. */
int import_check_moves(const Import *import, const Moves *moves);

/* Does all of it, or nothing. Returns 0, or a negative errno after it logged why. */
int import_make_moves(const Import *import, const Moves *moves);

/* Writes the commands that take it back. */
void import_print_way_back(FILE *f, const Import *import, const Moves *moves);
