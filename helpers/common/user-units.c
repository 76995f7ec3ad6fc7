/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/wait.h>

#include <systemd/sd-login.h>

#include "bus.h"
#include "clock.h"
#include "log.h"
#include "user-units.h"
#include "strv.h"

#define ANSWER_SEC 5

/* Returns the exit status of the child. */
static int stop_as_user(uid_t uid, char *const *patterns) {
        _cleanup_strv_free_ char **units = NULL;
        _cleanup_manager_ Manager *m = NULL;
        _cleanup_free_ char *address = NULL;

        /* Ends this process, whatever it waits for. */
        (void) alarm(ANSWER_SEC + 1);

        /* A user's bus lets in nobody else; the group does not matter there. */
        if (setresuid(uid, uid, uid) < 0 || asprintf(&address, "unix:path=/run/user/%u/bus", uid) < 0)
                return EXIT_FAILURE;
        if (manager_open(address, &m) < 0 ||
            manager_list_units(m, STRV_MAKE("active", "activating", "reloading"), patterns, &units) < 0)
                return EXIT_FAILURE;

        STRV_FOREACH(unit, units) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                if (manager_queue(m, "StopUnit", *unit, "replace", &error) < 0)
                        log_warning("cannot stop %s of user %u: %s", *unit, uid, error.message);
        }
        return manager_wait(m, -1, clock_now() + ANSWER_SEC * USEC_PER_SEC) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

void stop_user_units(char *const *patterns) {
        _cleanup_free_ uid_t *uids = NULL;
        int n = sd_get_uids(&uids);

        for (int i = 0; i < n; i++) {
                int status = -1;
                pid_t pid = fork();

                if (pid == 0)
                        _exit(stop_as_user(uids[i], patterns));
                if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
                        log_warning("the service manager of user %u did not stop its units", uids[i]);
        }
}
