/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <systemd/sd-login.h>

#include "bus.h"
#include "clock.h"
#include "log.h"
#include "owner.h"
#include "root.h"
#include "strv.h"
#include "user-units.h"

#define ANSWER_SEC 5

/* Asks the manager of one user, as that user: the bus lets in nobody else. The group does not matter there.
 * Returns the exit status of the process. */
static int stop_as_user(uid_t uid, const char *name, const char *address, char *const *patterns) {
        _cleanup_strv_free_ char **units = NULL;
        _cleanup_manager_ Manager *m = NULL;

        if (setresuid(uid, uid, uid) < 0 || manager_open(address, &m) < 0 ||
            manager_list_units(m, STRV_MAKE("active", "activating", "reloading"), patterns, &units) < 0)
                return EXIT_FAILURE;

        STRV_FOREACH(unit, units) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                if (manager_queue(m, "StopUnit", *unit, "replace", &error) < 0)
                        log_warning("cannot stop %s of %s: %s", *unit, name, error.message);
                else
                        log_notice("stopping user unit %s of %s, which is not started again after the swap",
                                   *unit, name);
        }
        return manager_wait(m, -1, clock_now() + ANSWER_SEC * USEC_PER_SEC) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Returns whether the process ended well. One that waits for a manager that does not answer, or that its
 * user has stopped, is killed in the end. */
static bool wait_for_child(pid_t pid, uint64_t deadline) {
        struct pollfd event = { .fd = (int) syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
        int status = -1;

        if (poll(&event, 1, clock_left(deadline)) <= 0)
                (void) kill(pid, SIGKILL);
        safe_close(event.fd);
        return waitpid(pid, &status, 0) >= 0 && status == 0;
}

static void stop_units_of(uid_t uid, char *const *patterns) {
        char address[sizeof("unix:path=/run/user//bus") + 3 * sizeof(uid_t)];
        _cleanup_free_ char *name = user_name(uid);
        pid_t pid = -1;

        (void) snprintf(address, sizeof(address), "unix:path=/run/user/%u/bus", uid);
        /* The manager is gone, and its units with it. */
        if (!path_exists(address + strlen("unix:path=")))
                return;

        pid = fork();
        if (pid == 0)
                _exit(stop_as_user(uid, name ?: "?", address, patterns));
        if (pid < 0 || !wait_for_child(pid, clock_now() + (ANSWER_SEC + 1) * USEC_PER_SEC))
                log_warning("the service manager of %s has not stopped its units", name ?: "?");
}

void stop_user_units(char *const *patterns) {
        _cleanup_free_ uid_t *uids = NULL;
        int n = sd_get_uids(&uids);

        for (int i = 0; i < n; i++)
                stop_units_of(uids[i], patterns);
}
