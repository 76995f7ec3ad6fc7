/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* What every verb of vfio-gpuctl ends with. */
#define EXIT_REFUSED 1
#define EXIT_USAGE 2

/* Each gets its own name as argv[0] and what follows it. Returns an exit status, having said what failed. */
int verb_plan(int argc, char *argv[]);
