/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"

/* What is about to be handed over, and what is to let go of it. */
typedef struct Check {
        const char *vm; /* as in the names of the units */
        char *const *functions;
        char *const *units;
} Check;

/* Looks for everything that is known to make the swap fail, without changing anything. Returns 0 with a sentence for each
 * finding (NULL: none), or a negative errno. */
int check_run(Manager *m, const Check *check, char ***ret);
