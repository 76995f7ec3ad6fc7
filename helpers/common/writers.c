/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "text.h"
#include "writers.h"

int writers_check(const char *what, const struct stat *st, char **ret_problem) {
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return refusal(ret_problem,
                               "%s belongs to user %u, who could decide what root runs: expected owner root",
                               what, (unsigned) st->st_uid);
        if (st->st_mode & (S_IWGRP | S_IWOTH))
                return refusal(ret_problem,
                               "%s has mode %04o, so that others could decide what root runs: "
                               "expected that only the owner can write (chmod go-w)",
                               what, (unsigned) st->st_mode & 07777);
        return 0;
}
