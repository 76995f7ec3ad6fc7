/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "signals.h"

static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

void signals_hold(sigset_t *ret_before) {
        sigset_t set;

        (void) sigemptyset(&set);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                (void) sigaddset(&set, ending[i]);
        (void) sigprocmask(SIG_BLOCK, &set, ret_before);
}

void signals_release(const sigset_t *before) {
        (void) sigprocmask(SIG_SETMASK, before, NULL);
}

bool signals_are_waiting(void) {
        sigset_t set;

        (void) sigpending(&set);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                if (sigismember(&set, ending[i]) == 1)
                        return true;
        return false;
}
