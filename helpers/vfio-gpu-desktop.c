/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that has the desktop let go of the GPU, and brings back what ran. The units to stop are stopped
 * by the Conflicts= of its own unit; which of them ran is in the record that vfio-gpu-swap leaves. It begins
 * beside their end and waits for that by itself: ordered after them, its own undoing would be in the way of
 * their start. */

#include <signal.h>

#include <systemd/sd-login.h>

#include "bus.h"
#include "clock.h"
#include "holders.h"
#include "journal.h"
#include "messages.h"
#include "record.h"
#include "sessions.h"
#include "state.h"
#include "step.h"
#include "strv.h"
#include "swap.h"

/* How often the service manager is told that the units to stop take their time, which does not count for
 * this step. */
#define STILL_WAITING (USEC_PER_SEC / 2)

/* How long ago a unit stopped that was stopped for this swap, where nobody noted what ran. */
#define RECENTLY (120 * USEC_PER_SEC)

/* How long the settings, which are undone in moments, are waited for. */
#define SETTINGS_TIMEOUT (10 * USEC_PER_SEC)

/* Who stops nothing keeps a desktop, and its sessions, on another GPU. */
static bool ends_sessions(const Task *task) {
        return task->end_sessions && task->stop_units;
}

/* As owner_setting(), for who may have a session that was not to be ended. */
static char *find_setting(const Owner *owner, const Task *task) {
        if (*owner->seat && !ends_sessions(task))
                return strdup(task->stop_units ? "set Sessions=end" : "name its display manager in StopUnits=");
        return owner_setting(owner);
}

static int refuse(const Holder *holders, size_t n, const Task *task) {
        _cleanup_free_ char *who = holders_describe(holders, n), *setting = find_setting(&holders->owner, task);
        _cleanup_free_ char *advice = task_advice(task, setting);

        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_GPU_HELD, .unit = holders->owner.unit },
                        "the GPU is still in use after %u s: %s; %s", task->holders_timeout, who ?: "?", advice ?: "?");
}

static void tell_waiting(const Holder *holders, size_t n) {
        _cleanup_free_ char *who = holders_describe(holders, n);

        journal_status("Waiting for what still has the GPU open: %s", who ?: "?");
}

/* Returns 1 once nobody has one of the nodes open, 0 if somebody has and an event came, or a negative errno. */
static int look(Manager **m, char *const *nodes, const Task *task, Patience *patience) {
        Holder *holders = NULL;
        size_t n = 0;
        int r;

        r = holders_find(nodes, &holders, &n);
        if (r < 0)
                return log_error_errno(r, "cannot find out who has the GPU open: %m");
        if (n == 0)
                return 1;

        if (ends_sessions(task))
                r = sessions_stop_managers(m, holders, n);
        tell_waiting(holders, n);
        if (r >= 0 && !holders_await(patience, nodes, holders, n))
                r = refuse(holders, n, task);
        holders_free(holders, n);
        return r;
}

static int let_go(Manager **m, const Task *task) {
        Patience patience = { .again = task->holders_timeout * USEC_PER_SEC, .signal = task_signal(task) };
        _cleanup_strv_free_ char **nodes = NULL;
        int r;

        r = nodes_of_functions(task->functions, &nodes);
        if (r >= 0)
                r = nodes_of_vfio(task->functions, &nodes);
        if (r < 0)
                return log_error_errno(r, "cannot list the device nodes of the GPU: %m");

        if (ends_sessions(task))
                r = sessions_end(m, nodes, clock_now() + patience.again);
        for (patience.deadline = clock_now() + patience.again; r == 0;)
                r = look(m, nodes, task, &patience);
        if (r < 0)
                return r;
        journal_status("%s", "");
        log_info("the desktop has let go of the GPU");
        return 0;
}

/* What an earlier swap, whose way back was not finished, has started is to be stopped after this one. */
static int note_started(Manager *m, const Task *task, int state, char ***ret) {
        _cleanup_strv_free_ char **started = NULL;
        int r;

        r = state_read(state, RECORD_STARTED, &started);
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(unit, task->start_units)
                if (r >= 0 && manager_unit_runs(m, *unit) == 0 && !strv_contains(started, *unit))
                        r = strv_extend(&started, *unit);
        if (r >= 0 && started)
                r = state_write(state, RECORD_STARTED, started);
        if (r < 0)
                return log_error_errno(r, "cannot note the units to start: %m");

        *ret = TAKE_PTR(started);
        return 0;
}

static int start_units(Manager **m, const Task *task, int state) {
        _cleanup_strv_free_ char **started = NULL;
        int r;

        if (!task->start_units)
                return 0;
        r = manager_open_once(m);
        if (r >= 0)
                r = note_started(*m, task, state, &started);
        if (r < 0)
                return r;

        STRV_FOREACH(unit, started) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                r = manager_queue(*m, "StartUnit", *unit, "replace", &error);
                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .unit = *unit }, "cannot start %s: %s", *unit,
                                        error.message);
        }
        return 0;
}

static int wait_for_units(Manager **m, const Task *task) {
        int r;

        r = task->stop_units ? manager_open_once(m) : 0;
        if (r < 0 || !task->stop_units)
                return r;
        STRV_FOREACH(unit, task->stop_units)
                if (r >= 0)
                        r = manager_follow(*m, *unit);
        if (r < 0)
                return log_error_errno(r, "cannot ask which units are being stopped: %m");

        while ((r = manager_wait(*m, -1, clock_now() + STILL_WAITING)) == -ETIMEDOUT)
                journal_extend_time(2 * STILL_WAITING + task->timeout * USEC_PER_SEC);
        return r < 0 ? log_error_errno(r, "cannot wait until the units to stop are down: %m") : 0;
}

/* By now the units are down: those that went down just now ran. */
static int list_stopped(Manager *m, const Task *task, uint64_t begun, char ***ret) {
        _cleanup_strv_free_ char **stopped = NULL;
        int r;

        STRV_FOREACH(unit, task->stop_units) {
                uint64_t t = 0;

                r = manager_unit_left(m, *unit, &t);
                if (r >= 0 && t > 0 && t + RECENTLY > begun)
                        r = strv_extend(&stopped, *unit);
                if (r == -ENOMEM)
                        return r;
        }
        *ret = TAKE_PTR(stopped);
        return 0;
}

/* Where the target was started without vfio-gpu@.service nobody has noted what ran. */
static int guess_stopped(Manager **m, const Task *task, uint64_t begun, int state) {
        _cleanup_strv_free_ char **recorded = NULL, **stopped = NULL;
        int r;

        r = state_read(state, RECORD_STOPPED, &recorded);
        if (r == -ENOENT) {
                r = manager_open_once(m);
                if (r < 0)
                        return r;
                r = list_stopped(*m, task, begun, &stopped);
                if (r >= 0)
                        r = state_write(state, RECORD_STOPPED, stopped);
        }
        return r < 0 ? log_error_errno(r, "cannot note the units that ran in " STATE_DIRECTORY "/%s: %m",
                                       task->vm) : 0;
}

static int start(const Task *task) {
        _cleanup_manager_ Manager *m = NULL;
        _cleanup_close_ int state = -1;
        uint64_t begun = clock_now();
        int r;

        r = wait_for_units(&m, task);
        if (r < 0)
                return r;

        state = state_open(task->vm, true);
        if (state < 0)
                return log_error_errno(state, "cannot make " STATE_DIRECTORY "/%s: %m", task->vm);
        /* Of a way back that was not finished: what this swap stops has not been asked for. */
        r = state_remove(state, RECORD_RETURNING);
        if (r < 0)
                return log_error_errno(r, "cannot clear " STATE_DIRECTORY "/%s: %m", task->vm);
        r = guess_stopped(&m, task, begun, state);
        if (r >= 0)
                r = start_units(&m, task, state);
        return r < 0 ? r : let_go(&m, task);
}

static void tell_gone(const char *unit) {
        (void) log_full(LOG_ERR, 0, &(LogSubject) { .id = MESSAGE_UNIT_NOT_STARTED, .unit = unit },
                        "cannot start %s again, which is not there any more: start what has replaced it ('systemctl "
                        "start display-manager.service' if that was the desktop), and correct StopUnits=", unit);
}

static int start_stopped(Manager *m, int state, const char *mode) {
        _cleanup_strv_free_ char **units = NULL;
        int r, ret = 0;

        r = state_read(state, RECORD_STOPPED, &units);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read which units are to be started again: %m");

        for (size_t n = strv_length(units); n > 0; n--) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                (void) manager_reset_failed(m, units[n - 1]);
                r = manager_queue(m, "StartUnit", units[n - 1], mode, &error);
                if (r > 0)
                        log_info("starting again: %s", units[n - 1]);
                if (r == 0 && sd_bus_error_has_name(&error, BUS_ERROR_NO_SUCH_UNIT))
                        tell_gone(units[n - 1]);
                if (r < 0)
                        ret = log_full(LOG_ERR, r,
                                       &(LogSubject) { .id = MESSAGE_UNIT_NOT_STARTED, .unit = units[n - 1] },
                                       "cannot start %s again: %s", units[n - 1], error.message);
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

/* A setting that does not end with the steps has nobody else to end it. */
static void end_settings(Manager *m, const char *vm) {
        _cleanup_strv_free_ char **units = NULL;

        (void) swap_units(m, vm, STRV_MAKE("active", "deactivating"), &units);
        STRV_FOREACH(unit, units) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                if (swap_is_tuning(*unit))
                        (void) manager_queue(m, "StopUnit", *unit, "replace", &error);
        }
        (void) manager_wait(m, -1, clock_now() + SETTINGS_TIMEOUT);
}

/* As long as anything is left to undo, what ran counts for the next attempt. Otherwise there is none, which
 * would tell how vfio-gpu@.service ended where that could not. */
static int end_alone(Manager *m, const char *vm, int state) {
        _cleanup_strv_free_ char **left = NULL;
        int r;

        r = swap_unfinished(state, &left);
        if (r < 0)
                return log_oom();
        if (left)
                return 0;
        swap_tell_silent(m, vm);
        return swap_finish(m, vm, state, false);
}

/* There is nothing left to ask the service manager for. */
static bool is_done(int state) {
        _cleanup_strv_free_ char **returning = NULL, **started = NULL;

        return state_read(state, RECORD_RETURNING, &returning) >= 0 &&
                state_read(state, RECORD_STARTED, &started) == -ENOENT;
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

        swap_end_entry(m, task->vm);
        alone = is_alone(m, task->vm);
        if (alone < 0)
                return log_error_errno(alone, "cannot find out whether vfio-gpu@%s.service runs: %m", task->vm);

        if (alone)
                end_settings(m, task->vm);
        /* Jobs are only asked for, never waited for: some are ordered after this very unit. If this step has
         * just failed, its start is not over for the service manager, and a job that contradicts it would
         * turn the failure into a stop of the whole swap: vfio-gpu@.service asks again after that. */
        r = swap_stop_started(m, state);
        k = start_stopped(m, state, alone ? "replace" : "fail");
        if (r < 0 || k < 0)
                return r < 0 ? r : k;
        return alone ? end_alone(m, task->vm, state) : 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
