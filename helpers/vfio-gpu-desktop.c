/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that has the desktop let go of the GPU, and brings back what ran. The units to stop are stopped by the
 * Conflicts= of its own unit before it begins; which of them ran is in the record that vfio-gpu-swap leaves. */

#include <poll.h>

#include <systemd/sd-login.h>

#include "bus.h"
#include "clock.h"
#include "holders.h"
#include "journal.h"
#include "messages.h"
#include "record.h"
#include "state.h"
#include "step.h"
#include "strv.h"
#include "swap.h"

/* Looked at again after this long whatever came, since an event can fall between looking and waiting. */
#define LOOK_AGAIN_MSEC 500

/* How long ago a unit stopped that was stopped for this swap, where nobody noted what ran. */
#define RECENTLY (120 * USEC_PER_SEC)

/* How long the other steps, which are undone in moments, are waited for. */
#define OTHERS_TIMEOUT (10 * USEC_PER_SEC)

#define SEAT "seat0"

static bool is_graphical_session(const char *session) {
        _cleanup_free_ char *seat = NULL, *type = NULL;

        return sd_session_get_seat(session, &seat) >= 0 && streq(seat, SEAT) &&
                sd_session_get_type(session, &type) >= 0 &&
                (streq(type, "x11") || streq(type, "wayland") || streq(type, "mir"));
}

static int list_sessions(char ***ret) {
        _cleanup_strv_free_ char **all = NULL, **graphical = NULL;
        int r;

        r = sd_get_sessions(&all);
        STRV_FOREACH(session, all)
                if (r >= 0 && is_graphical_session(*session))
                        r = strv_extend(&graphical, *session);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(graphical);
        return 0;
}

/* Most swaps have nothing to ask the service manager here: the display manager took its sessions with it. */
static int open_once(Manager **m) {
        return *m ? 0 : manager_open(NULL, m);
}

static int terminate_sessions(Manager **m, char **sessions) {
        int r = sessions ? open_once(m) : 0;

        STRV_FOREACH(session, r >= 0 ? sessions : NULL) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                if (sd_bus_call_method(manager_bus(*m), "org.freedesktop.login1", "/org/freedesktop/login1",
                                       "org.freedesktop.login1.Manager", "TerminateSession", &error, NULL, "s",
                                       *session) >= 0)
                        log_info("ending graphical session %s", *session);
                else if (!sd_bus_error_has_name(&error, "org.freedesktop.login1.NoSuchSession"))
                        log_warning("cannot end session %s: %s", *session, error.message);
        }
        return r;
}

static int end_sessions(Manager **m, uint64_t deadline) {
        _cleanup_(sd_login_monitor_unrefp) sd_login_monitor *monitor = NULL;
        _cleanup_strv_free_ char **sessions = NULL;
        int r;

        r = sd_login_monitor_new("session", &monitor);
        if (r >= 0)
                r = list_sessions(&sessions);
        if (r >= 0)
                r = terminate_sessions(m, sessions);

        while (r >= 0 && sessions && clock_left(deadline) > 0) {
                struct pollfd event = { .fd = sd_login_monitor_get_fd(monitor), .events = POLLIN };

                (void) poll(&event, 1, clock_left(deadline));
                (void) sd_login_monitor_flush(monitor);
                sessions = strv_free(sessions);
                r = list_sessions(&sessions);
        }
        if (r < 0)
                return log_error_errno(r, "cannot end the graphical sessions: %m");

        /* A session without a process that has the GPU open does no harm. */
        STRV_FOREACH(session, sessions)
                log_warning("graphical session %s has not ended in time", *session);
        return 0;
}

static int refuse(const Holder *holders, size_t n, const Task *task) {
        _cleanup_free_ char *who = holders_describe(holders, n);

        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_GPU_HELD, .unit = holders[0].owner.unit },
                        "the GPU is still in use after %u s: %s; stop it, name its unit in StopUnits= or set "
                        "Holders=terminate", task->holders_timeout, who ?: "?");
}

/* Returns 1 once nobody has one of the nodes open, 0 if somebody has and an event came, or a negative errno. */
static int look(char *const *nodes, const Task *task, uint64_t *deadline, int *sig) {
        Holder *holders = NULL;
        size_t n = 0;
        int left = clock_left(*deadline), r;

        r = holders_find(nodes, &holders, &n);
        if (r < 0)
                return log_error_errno(r, "cannot find out who has the GPU open: %m");
        if (n == 0)
                return 1;

        if (left > 0)
                r = holders_wait(nodes, holders, n, left < LOOK_AGAIN_MSEC ? left : LOOK_AGAIN_MSEC);
        else if (*sig == 0)
                r = refuse(holders, n, task);
        else {
                /* Once, and then the same time again to end in. */
                holders_signal(holders, n, *sig);
                *sig = 0;
                *deadline = clock_now() + task->holders_timeout * USEC_PER_SEC;
        }
        holders_free(holders, n);
        return r;
}

static int wait_for_holders(const Task *task) {
        uint64_t deadline = clock_now() + task->holders_timeout * USEC_PER_SEC;
        _cleanup_strv_free_ char **nodes = NULL;
        int sig = task_signal(task), r;

        r = nodes_of_functions(task->functions, &nodes);
        if (r < 0)
                return log_error_errno(r, "cannot list the device nodes of the GPU: %m");

        do
                r = look(nodes, task, &deadline, &sig);
        while (r == 0);
        if (r < 0)
                return r;
        log_info("the desktop has let go of the GPU");
        return 0;
}

static int start_units(Manager **m, const Task *task, int state) {
        _cleanup_strv_free_ char **started = NULL;
        int r;

        r = task->start_units ? open_once(m) : 0;
        if (r < 0)
                return r;

        STRV_FOREACH(unit, task->start_units)
                if (r >= 0 && manager_unit_runs(*m, *unit) == 0)
                        r = strv_extend(&started, *unit);
        if (r >= 0 && started)
                r = state_write(state, RECORD_STARTED, started);
        if (r < 0)
                return log_error_errno(r, "cannot note the units to start: %m");

        STRV_FOREACH(unit, started) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                r = manager_queue(*m, "StartUnit", *unit, "replace", &error);
                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .unit = *unit }, "cannot start %s: %s", *unit,
                                        error.message);
        }
        return 0;
}

/* The target was started without vfio-gpu@.service. By now the units are down: those that went down just now ran. */
static int guess_stopped(Manager **m, const Task *task, int state) {
        _cleanup_strv_free_ char **stopped = NULL, **recorded = NULL;
        int r;

        r = state_read(state, RECORD_STOPPED, &recorded);
        if (r != -ENOENT)
                return r;
        r = open_once(m);
        if (r < 0)
                return r;

        STRV_FOREACH(unit, task->stop_units) {
                uint64_t t = 0;

                r = manager_unit_left(*m, *unit, &t);
                if (r >= 0 && t > 0 && t + RECENTLY > clock_now())
                        r = strv_extend(&stopped, *unit);
                if (r == -ENOMEM)
                        return r;
        }
        return state_write(state, RECORD_STOPPED, stopped);
}

static int start(const Task *task) {
        _cleanup_manager_ Manager *m = NULL;
        _cleanup_close_ int state = -1;
        int r;

        state = state_open(task->vm, true);
        r = state < 0 ? state : guess_stopped(&m, task, state);
        if (r < 0)
                return log_error_errno(r, "cannot note the units that ran in " STATE_DIRECTORY "/%s: %m", task->vm);

        r = start_units(&m, task, state);
        /* Who stops nothing keeps a desktop, and its sessions, on another GPU. */
        if (r >= 0 && task->end_sessions && task->stop_units)
                r = end_sessions(&m, clock_now() + task->holders_timeout * USEC_PER_SEC);
        return r < 0 ? r : wait_for_holders(task);
}

static int queue_recorded(Manager *m, int state, const char *record, const char *method, const char *mode) {
        _cleanup_strv_free_ char **units = NULL;
        int r, ret = 0;

        r = state_read(state, record, &units);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read the record '%s' of this swap: %m", record);

        for (size_t n = strv_length(units); n > 0; n--) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                (void) manager_reset_failed(m, units[n - 1]);
                r = manager_queue(m, method, units[n - 1], mode, &error);
                if (r > 0)
                        log_info("%s again: %s", streq(method, "StartUnit") ? "starting" : "stopping", units[n - 1]);
                if (r < 0)
                        ret = log_full(LOG_ERR, r, &(LogSubject) { .id = MESSAGE_UNIT_NOT_STARTED, .unit = units[n - 1] },
                                       "%s of %s failed: %s", method, units[n - 1], error.message);
        }
        return ret;
}

/* While vfio-gpu@.service runs, it is the one that waits for the desktop and clears the records in the end. */
static int is_alone(Manager *m, const char *vm) {
        _cleanup_free_ char *unit = NULL, *active = NULL;
        int r;

        if (asprintf(&unit, "vfio-gpu@%s.service", vm) < 0)
                return -ENOMEM;

        r = manager_unit_string(m, unit, "Unit", "ActiveState", &active);
        return r < 0 ? r : streq(active, "inactive") || streq(active, "failed");
}

/* The records can go once the console, which is bound again beside this step, has none. */
static void wait_for_others(Manager *m, const char *vm) {
        _cleanup_strv_free_ char **units = NULL;

        (void) swap_units(m, vm, STRV_MAKE("active", "deactivating"), &units);
        STRV_FOREACH(unit, units)
                if (!startswith(*unit, "vfio-gpu-desktop@"))
                        (void) manager_follow(m, *unit);
        (void) manager_wait(m, -1, clock_now() + OTHERS_TIMEOUT);
}

static int end_alone(Manager *m, const char *vm, int state) {
        _cleanup_strv_free_ char **left = NULL;
        int r;

        r = state_remove(state, RECORD_STARTED);
        if (r >= 0)
                r = state_remove(state, RECORD_STOPPED);
        if (r >= 0)
                r = swap_unfinished(state, &left);
        if (r < 0)
                return log_error_errno(r, "cannot clear the records in " STATE_DIRECTORY "/%s: %m", vm);
        return left ? 0 : swap_finish(m, vm, state);
}

/* There is nothing left to ask the service manager for. */
static bool is_done(int state) {
        _cleanup_strv_free_ char **returning = NULL, **started = NULL;

        return state_read(state, RECORD_RETURNING, &returning) >= 0 && state_read(state, RECORD_STARTED, &started) == -ENOENT;
}

static int stop(const Task *task) {
        _cleanup_manager_ Manager *m = NULL;
        _cleanup_close_ int state = -1;
        int r, k, alone;

        state = state_open(task->vm, false);
        if (state == -ENOENT)
                return 0;
        if (state < 0)
                return log_error_errno(state, "cannot open " STATE_DIRECTORY "/%s: %m", task->vm);
        if (is_done(state))
                return 0;

        r = manager_open(NULL, &m);
        if (r < 0)
                return r;

        alone = is_alone(m, task->vm);
        if (alone < 0)
                return log_error_errno(alone, "cannot find out whether vfio-gpu@%s.service runs: %m", task->vm);

        if (alone)
                wait_for_others(m, task->vm);
        /* Jobs are only asked for, never waited for: some are ordered after this very unit. If this step has just failed, its
         * start is not over for the service manager, and a job that contradicts it would turn the failure into a stop of the
         * whole swap: vfio-gpu@.service asks again after that. */
        r = queue_recorded(m, state, RECORD_STARTED, "StopUnit", "replace");
        k = queue_recorded(m, state, RECORD_STOPPED, "StartUnit", alone ? "replace" : "fail");
        if (r < 0 || k < 0)
                return r < 0 ? r : k;
        return alone ? end_alone(m, task->vm, state) : 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
