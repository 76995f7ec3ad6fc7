/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
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

/* Notes which of the names the manager has a unit of, if only in a file. A pattern need not match anything. */
static void note_known(Manager *m, char *const *patterns, bool *known) {
        for (size_t i = 0; patterns[i]; i++) {
                _cleanup_free_ char *state = NULL;

                known[i] = known[i] || patterns[i][strcspn(patterns[i], "*?[")] ||
                        manager_unit_string(m, patterns[i], "Unit", "LoadState", &state) < 0 ||
                        !streq(state, "not-found");
        }
}

/* Asks the manager of one user, as that user: the bus lets in nobody else. The group does not matter there.
 * Returns the exit status of the process. */
static int stop_as_user(uid_t uid, const char *name, const char *address, char *const *patterns, bool *known) {
        _cleanup_strv_free_ char **units = NULL;
        _cleanup_manager_ Manager *m = NULL;

        if (setresuid(uid, uid, uid) < 0 || manager_open(address, &m) < 0 ||
            manager_list_units(m, STRV_MAKE("active", "activating", "reloading"), patterns, &units) < 0)
                return EXIT_FAILURE;

        note_known(m, patterns, known);
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

/* Returns 1 if the manager has answered, 0 if there is none, or -EIO. */
static int stop_units_of(uid_t uid, char *const *patterns, bool *known) {
        char address[sizeof("unix:path=/run/user//bus") + 3 * sizeof(uid_t)];
        _cleanup_free_ char *name = user_name(uid);
        pid_t pid = -1;

        (void) snprintf(address, sizeof(address), "unix:path=/run/user/%u/bus", uid);
        /* The manager is gone, and its units with it. */
        if (!path_exists(address + strlen("unix:path=")))
                return 0;

        pid = fork();
        if (pid == 0)
                _exit(stop_as_user(uid, name ?: "?", address, patterns, known));
        if (pid >= 0 && wait_for_child(pid, clock_now() + (ANSWER_SEC + 1) * USEC_PER_SEC))
                return 1;
        log_warning("the service manager of %s has not stopped its units", name ?: "?");
        return -EIO;
}

static void tell_unknown(char *const *patterns, const bool *known) {
        for (size_t i = 0; patterns[i]; i++)
                if (!known[i])
                        log_notice("StopUserUnits= names %s, and no user's service manager has such a unit now: if "
                                   "one should, correct the name as 'systemctl --user list-units --all' has it there",
                                   patterns[i]);
}

void stop_user_units(char *const *patterns) {
        size_t size = strv_length(patterns) * sizeof(bool);
        bool *known = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        _cleanup_free_ uid_t *uids = NULL;
        int n = sd_get_uids(&uids), answered = 0;
        bool all = true;

        if (known == MAP_FAILED) {
                (void) log_oom();
                return;
        }
        for (int i = 0; i < n; i++) {
                int r = stop_units_of(uids[i], patterns, known);

                answered += r > 0;
                all = all && r >= 0;
        }
        /* One that has not answered may have it. */
        if (all && answered > 0)
                tell_unknown(patterns, known);
        (void) munmap(known, size);
}
