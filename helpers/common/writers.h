/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "macros.h"

/* What root runs is decided by root alone, or by whoever tries it out as himself. Looks at the owner and the
 * mode of a file or directory, which is called 'what'. Returns 0; -EINVAL with a sentence, to be freed, that
 * says who else could decide; or -ENOMEM. */
int writers_check(const char *what, const struct stat *st, char **ret_problem);
