/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What vfio-gpu@.service runs: checks while the desktop is still up, notes what runs, and has the service
 * manager do the swap; afterwards waits until the host has its GPU and its desktop back. */

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/signalfd.h>

#include "bus.h"
#include "check.h"
#include "function.h"
#include "journal.h"
#include "messages.h"
#include "pin.h"
#include "record.h"
#include "state.h"
#include "step.h"
#include "strv.h"
#include "swap.h"
#include "unit-name.h"
#include "user-units.h"

/* Kept where the swap was stopped in the middle: then a step that was stopped, too, is no failure. */
#define RECORD_CANCELLED "cancelled"

/* How long the signal that ends us may take after the end of the job that ends with us. */
#define SIGNAL_MSEC 2000

static void report_finding(const Finding *finding, const char *unchanged) {
        bool refuses = finding->info->severity == SEVERITY_ERROR;
        ObjectType type = finding->info->object;
        LogSubject subject = {
                .id = refuses ? MESSAGE_REFUSED : MESSAGE_CHECK_WARNING,
                .finding = finding->info->id,
                .function = type == OBJECT_FUNCTION ? finding->object : NULL,
                .module = type == OBJECT_MODULE ? finding->object : NULL,
                .unit = type == OBJECT_UNIT ? finding->object : NULL,
        };

        (void) log_full(refuses ? LOG_ERR : LOG_WARNING, 0, &subject, "%s%s%s", finding->sentence,
                        refuses ? "; " : "", refuses ? unchanged : "");
}

/* Those before 'told' were reported before. The status of the unit, which libvirt's error shows, is the first
 * error: it says most about the others. */
static int report_findings(const Findings *findings, size_t told, const char *unchanged) {
        size_t n = findings_count(findings, SEVERITY_ERROR), first = 0;

        for (size_t i = told; i < findings->n; i++)
                if (findings->list[i].info->severity != SEVERITY_HINT)
                        report_finding(&findings->list[i], unchanged);
        if (n == 0)
                return 0;

        while (findings->list[first].info->severity != SEVERITY_ERROR)
                first++;
        if (n > 1)
                journal_status("%s (and %zu more, see the journal); %s", findings->list[first].sentence, n - 1,
                               unchanged);
        return -ECANCELED;
}

static int check(Manager *m, const Task *task, Findings *findings, const char *unchanged) {
        size_t told = findings->n;
        Check check = {
                .vm = task->vm,
                .vm_name = task->vm_name,
                .functions = task->functions,
                .stop_units = task->stop_units,
                .start_units = task->start_units,
                .unload_auto = task->unload_auto,
                .unload_modules = task->unload_modules,
                .ignore_inhibitors = task->ignore_inhibitors,
                .allowed_cpus = task->allowed_cpus,
                .cpu_governor = task->cpu_governor,
                .huge_pages = task->huge_pages,
                .attributes = task->attributes,
                .resize_bars = task->resize_bars,
                .starting = true,
        };
        int r;

        r = check_run(m, &check, findings);
        if (r < 0)
                return log_error_errno(r, "cannot check whether the swap can be made: %m; %s", unchanged);
        return report_findings(findings, told, unchanged);
}

/* Lists which other VMs were handed one of the functions. */
static int find_others(const Task *task, char ***ret) {
        int r = functions_owners(task->functions, task->vm, ret);

        return r < 0 ? log_error_errno(r, "cannot look for other swaps: %m; this swap was not begun") : 0;
}

static int stop_other(Manager *m, const char *other, int signals) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *unit = NULL, *name = NULL;
        int r;

        if (asprintf(&unit, "vfio-gpu@%s.service", other) < 0 || vm_name_unescape(other, &name) < 0)
                return log_oom();

        log_info("VM %s was handed the GPU and does not use it: taking it back first", name);
        r = manager_queue(m, "StopUnit", unit, "replace", &error);
        if (r <= 0)
                return log_error_errno(r ?: -ECANCELED, "cannot stop %s: %s; this swap was not begun", unit,
                                       error.message);
        r = manager_wait(m, signals, UINT64_MAX);
        if (r >= 0 || r == -EINTR)
                return r < 0 ? r : 0;
        return log_error_errno(r, "cannot wait for %s: %m; this swap was not begun", unit);
}

/* In the words that VFIO_GPU_VM= and people have for it. */
static int refuse_left(const char *other) {
        _cleanup_free_ char *name = NULL;

        if (vm_name_unescape(other, &name) < 0)
                return log_oom();
        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_REFUSED },
                        "VM %s could not give the GPU back, 'journalctl VFIO_GPU_VM=\"%s\"' says why: mend "
                        "that, and run 'vfio-gpuctl recover \"%s\"'; this swap was not begun", name, name, name);
}

/* Gives back what other VMs were handed and do not use any more. What is left of that would be taken for the
 * host's own state. Returns 1 if there was something, 0 if not, -EINTR if ours was stopped meanwhile, or another
 * negative errno after it logged why. */
static int take_over(Manager *m, const Task *task, int signals) {
        _cleanup_strv_free_ char **others = NULL, **left = NULL;
        int r;

        r = find_others(task, &others);
        STRV_FOREACH(other, others) {
                if (r >= 0)
                        r = stop_other(m, *other, signals);
                /* The functions may be back, and something else not: that is tried again, at this swap's cost. */
                if (r >= 0 && state_exists(*other))
                        r = refuse_left(*other);
        }
        if (r >= 0)
                r = find_others(task, &left);
        return r < 0 ? r : left ? refuse_left(*left) : others != NULL;
}

static int list_running(Manager *m, const Task *task, char *const *earlier, char ***ret) {
        _cleanup_strv_free_ char **running = NULL;
        int r;

        r = strv_copy(earlier, &running);
        STRV_FOREACH(unit, task->stop_units) {
                if (r < 0 || strv_contains(earlier, *unit))
                        continue;
                r = manager_unit_runs(m, *unit);
                if (r > 0)
                        r = strv_extend(&running, *unit);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(running);
        return 0;
}

/* What ran before an earlier swap, whose way back was not finished, is to run after this one as well. */
static int note_running(Manager *m, const Task *task, int state, char ***ret_earlier) {
        _cleanup_strv_free_ char **running = NULL;
        int r;

        r = state_read(state, RECORD_STOPPED, ret_earlier);
        if (r >= 0 || r == -ENOENT)
                r = list_running(m, task, *ret_earlier, &running);
        if (r >= 0)
                r = state_write(state, RECORD_STOPPED, running);
        if (r >= 0)
                r = state_remove(state, RECORD_RETURNING);
        if (r >= 0)
                r = state_remove(state, RECORD_CANCELLED);
        return r < 0 ? log_error_errno(r, "cannot note what runs in " STATE_DIRECTORY "/%s: %m; nothing was changed",
                                       task->vm) : 0;
}

/* The way back then knows that nothing was begun. */
static void forget_running(int state, char *const *earlier) {
        if (earlier)
                (void) state_write(state, RECORD_STOPPED, earlier);
        else
                (void) state_remove(state, RECORD_STOPPED);
}

/* What an earlier attempt left in "systemctl --failed" would be taken for this one's; and a step that was
 * only stopped, because another one failed or by a wish, did not fail. */
static void forget_failures(Manager *m, const char *vm, bool only_stopped) {
        _cleanup_strv_free_ char **failed = NULL;

        (void) swap_units(m, vm, STRV_MAKE("failed"), &failed);
        if (!only_stopped)
                (void) strv_extendf(&failed, SWAP_RECOVER "@%s.service", vm);
        STRV_FOREACH(unit, failed)
                if (!only_stopped || manager_unit_was_terminated(m, *unit) > 0)
                        (void) manager_reset_failed(m, *unit);
}

/* Returns whether the step has failed by itself, and is not only stopped. Without a tuning the swap goes on. */
static bool has_failed(Manager *m, const char *unit) {
        _cleanup_free_ char *result = NULL;

        return !swap_is_tuning(unit) && manager_unit_string(m, unit, "Service", "Result", &result) >= 0 &&
                !streq(result, "success") && manager_unit_was_terminated(m, unit) <= 0;
}

/* The reason is what the failed step said last. */
static int report_failure(Manager *m, const Task *task) {
        _cleanup_strv_free_ char **failed = NULL;
        LogSubject subject = { .id = MESSAGE_SWAP_FAILED };
        bool any = false;

        (void) swap_units(m, task->vm, STRV_MAKE("failed", "deactivating"), &failed);
        STRV_FOREACH(unit, failed) {
                _cleanup_free_ char *status = NULL, *result = NULL;

                if (!has_failed(m, *unit))
                        continue;
                (void) manager_unit_string(m, *unit, "Service", "StatusText", &status);
                (void) manager_unit_string(m, *unit, "Service", "Result", &result);
                any = true;
                subject.unit = *unit;
                (void) log_full(LOG_ERR, 0, &subject,
                                "%s failed: %s; everything is taken back, 'journalctl VFIO_GPU_VM=\"%s\"' has the "
                                "whole story", *unit, !isempty(status) ? status : result ? swap_result(result) : "?",
                                task->vm_name);
        }
        if (!any)
                (void) log_full(LOG_ERR, 0, &subject,
                                "the service manager ended the swap (%s), without a failed step; everything "
                                "is taken back", manager_result(m));
        return -ECANCELED;
}

/* A first step that fails starts the display manager again, which stops us as a wish would. */
static bool has_failed_step(Manager *m, const char *vm) {
        _cleanup_strv_free_ char **units = NULL;

        (void) swap_units(m, vm, STRV_MAKE("failed", "deactivating"), &units);
        STRV_FOREACH(unit, units)
                if (has_failed(m, *unit))
                        return true;
        return false;
}

static bool was_stopped(int signals, int msec) {
        struct pollfd event = { .fd = signals, .events = POLLIN };

        return poll(&event, 1, msec) > 0;
}

/* The target stops the same units. Asked for at once, their end does not wait until the units of the target
 * are loaded. Whether it is the end of all of them the first step finds out. */
static void stop_desktop(Manager *m, const Task *task) {
        STRV_FOREACH(unit, task->stop_units) {
                _cleanup_bus_error_ sd_bus_error ignored = SD_BUS_ERROR_NULL;

                (void) manager_ask(m, "StopUnit", *unit, "replace", &ignored);
        }
}

static int mask_sigterm(int how, sigset_t *ret) {
        (void) sigemptyset(ret);
        (void) sigaddset(ret, SIGTERM);
        return sigprocmask(how, ret, NULL);
}

/* A stop in the middle of the start is a wish, not a failure: what undoes the swap runs in any case. Returns
 * a descriptor that tells of it, or a negative errno after it logged why. */
static int block_signals(void) {
        sigset_t mask;
        int fd;

        fd = mask_sigterm(SIG_BLOCK, &mask) < 0 ? -1 : signalfd(-1, &mask, SFD_CLOEXEC);
        return fd < 0 ? log_error_errno(errno, "cannot wait for signals: %m") : fd;
}

/* Somebody wants what conflicts with the swap: a desktop that is started by hand. A person's stop of our unit
 * stops the target in the same transaction, so the end of its job can be seen before the signal; where it was
 * the start of another unit, only systemd before 254 has stopped ours with it. */
static bool is_unwanted(Manager *m, const char *vm, int signals) {
        _cleanup_bus_error_ sd_bus_error ignored = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *entry = NULL;

        if (!streq(manager_result(m), "canceled") || has_failed_step(m, vm))
                return false;
        if (!was_stopped(signals, 0) && asprintf(&entry, "vfio-gpu@%s.service", vm) >= 0)
                (void) manager_ask(m, "StopUnit", entry, "replace", &ignored);
        return was_stopped(signals, SIGNAL_MSEC);
}

/* Returns 0 once the unit is active, 1 if it is not to be, -EINTR if ours was stopped, or another negative
 * errno after it logged why. */
static int start_unit(Manager *m, const char *vm, const char *unit, int signals) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = manager_queue(m, "StartUnit", unit, "replace", &error);
        if (r <= 0)
                return log_error_errno(r ?: -ECANCELED, "cannot start %s: %s", unit, error.message);

        r = manager_wait_for_start(m, STRV_MAKE(unit), signals, UINT64_MAX);
        if (r == -EINTR || (r > 0 && is_unwanted(m, vm, signals)))
                return -EINTR;
        return r < 0 ? log_full(LOG_ERR, r, &(LogSubject) { .id = MESSAGE_SWAP_FAILED, .unit = unit },
                                "cannot wait for %s: %m; everything is taken back, start it again when dbus.service "
                                "runs", unit) : r;
}

/* Whoever stops our unit wants that. SIGTERM from elsewhere is no wish: a start that ended well after it
 * would count as a swap that was made, and libvirt would take the GPU from a desktop that runs. Returns 0
 * for a stop, or a negative errno after it logged that there is none. */
static int check_wish(Manager *m, const Task *task, const char *outcome) {
        _cleanup_free_ char *entry = NULL, *active = NULL;
        LogSubject subject = { .id = MESSAGE_SWAP_FAILED };
        int r;

        if (asprintf(&entry, "vfio-gpu@%s.service", task->vm) < 0)
                return log_oom();
        r = manager_unit_string(m, entry, "Unit", "ActiveState", &active);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject,
                                "ended by SIGTERM, and cannot find out whether %s is being stopped: %m; %s", entry,
                                outcome);
        if (streq(active, "deactivating"))
                return 0;
        return log_full(LOG_ERR, ECANCELED, &subject,
                        "ended by SIGTERM, though %s is not being stopped; %s; to stop it, run 'systemctl stop "
                        "\"%s\"'", entry, outcome, entry);
}

static int note_cancelled(Manager *m, const Task *task, int state) {
        int r = check_wish(m, task, "everything is taken back");

        if (r < 0)
                return r;
        log_notice("stopped before it was done; everything is taken back");
        r = state_write(state, RECORD_CANCELLED, NULL);
        return r < 0 ? log_error_errno(r, "cannot note in " STATE_DIRECTORY " that it was stopped: %m") : 0;
}

static void refuse_huge_pages(Manager *m, const char *unit) {
        _cleanup_free_ char *status = NULL;

        (void) manager_unit_string(m, unit, "Service", "StatusText", &status);
        (void) log_full(LOG_ERR, 0, &(LogSubject) { .id = MESSAGE_REFUSED, .unit = unit },
                        "%s failed: %s; nothing was changed", unit, !isempty(status) ? status : manager_result(m));
}

/* Whether memory can be had in large pieces only the attempt shows. It is made while the desktop is still
 * up. Returns as start_unit(). */
static int have_huge_pages(Manager *m, const Task *task, int signals) {
        _cleanup_free_ char *unit = NULL;
        int r;

        if (!task->huge_pages)
                return 0;
        if (asprintf(&unit, "vfio-gpu-hugepages@%s.service", task->vm) < 0)
                return log_oom();
        r = start_unit(m, task->vm, unit, signals);
        if (r > 0)
                refuse_huge_pages(m, unit);
        return r;
}

static int run_target(Manager *m, const Task *task, int state, int signals) {
        _cleanup_free_ char *target = NULL;
        int r;

        if (asprintf(&target, "vfio-gpu@%s.target", task->vm) < 0)
                return log_oom();

        /* Then the sessions need not end. */
        if (was_stopped(signals, 0))
                return note_cancelled(m, task, state);
        stop_desktop(m, task);
        r = start_unit(m, task->vm, target, signals);
        if (r == -EINTR)
                return has_failed_step(m, task->vm) ? report_failure(m, task) : note_cancelled(m, task, state);
        if (r != 0)
                return r < 0 ? r : report_failure(m, task);

        (void) log_full(LOG_INFO, 0, &(LogSubject) { .id = MESSAGE_SWAP_DONE },
                        "the GPU is ready for VM %s", task->vm_name);
        journal_status(SWAP_READY "%s", task->vm_name);
        return 0;
}

static bool has_record(int state, const char *record) {
        _cleanup_strv_free_ char **lines = NULL;

        return state >= 0 && state_read(state, record, &lines) >= 0;
}

/* What runs in any case after a start that failed then leaves alone what an earlier swap has left. Where
 * none has left anything there is no directory, and none is made. */
static void note_refused(const char *vm) {
        _cleanup_close_ int state = state_open(vm, false);

        if (state >= 0)
                (void) state_write(state, RECORD_REFUSED, NULL);
}

static int note_begun(const Task *task, int state) {
        int r = state_remove(state, RECORD_REFUSED);

        return r < 0 ? log_error_errno(r, "cannot note in " STATE_DIRECTORY "/%s that this swap begins: %m; "
                                       "nothing was changed", task->vm) : 0;
}

static void tell_desktop(int state) {
        _cleanup_strv_free_ char **running = NULL;
        _cleanup_free_ char *names = NULL;

        if (state_read(state, RECORD_STOPPED, &running) < 0 || !running)
                return;
        names = strv_join(running, ", ");
        log_info("to run again afterwards: %s", names ?: "?");
}

/* The copies of units that a refusal leaves go with what an earlier swap has left, as that one's do. */
static int begin(Manager *m, const Task *task, int state, int signals, char *const *earlier) {
        bool left = has_record(state, RECORD_REFUSED);
        int r;

        r = pin_units(m, task->vm, state);
        if (r >= 0)
                r = note_begun(task, state);
        if (r >= 0)
                r = have_huge_pages(m, task, signals);
        if (r != 0)
                forget_running(state, earlier);
        if (r == -EINTR)
                return note_cancelled(m, task, state);
        /* The step of the pages has undone itself. */
        if (r > 0 && left)
                note_refused(task->vm);
        if (r != 0)
                return r < 0 ? r : -ENOMEM;

        log_info("the checks passed; handing the GPU over to VM %s", task->vm_name);
        tell_desktop(state);
        if (task->stop_user_units)
                stop_user_units(task->stop_user_units);
        return run_target(m, task, state, signals);
}

/* Returns a descriptor of the state directory, which no recovery has to itself, or a negative errno after it
 * logged why. */
static int open_state(const Task *task) {
        int state = state_open(task->vm, true);

        if (state < 0)
                return log_error_errno(state, "cannot make " STATE_DIRECTORY "/%s: %m; nothing was changed", task->vm);
        if (flock(state, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
                safe_close(state);
                return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_REFUSED },
                                "the GPU is just being recovered for the host ('vfio-gpuctl status \"%s\"' shows how "
                                "far); start the VM again after that; nothing was changed", task->vm_name);
        }
        return state;
}

/* What another VM had could not be looked at before: a disk may be mounted now. */
static int check_again(Manager *m, const Task *task, Findings *findings) {
        sigset_t mask;
        int r;

        (void) mask_sigterm(SIG_UNBLOCK, &mask);
        r = check(m, task, findings, "this swap was not begun");
        (void) mask_sigterm(SIG_BLOCK, &mask);
        return r;
}

/* Does all that changes nothing for the host. A file that is looked at can be on a server that does not
 * answer, which nothing ends but a signal that kills: SIGTERM is held back only outside of checks. Returns 0
 * with a descriptor that tells of it, -EINTR if it came, or another negative errno after it logged why. */
static int prepare(Manager *m, const Task *task, int *ret_signals) {
        _cleanup_findings_ Findings findings = { 0 };
        int r;

        r = check(m, task, &findings, "nothing was changed");
        if (r >= 0)
                r = *ret_signals = block_signals();
        if (r >= 0)
                r = take_over(m, task, *ret_signals);
        if (r > 0)
                r = check_again(m, task, &findings);
        return r >= 0 && was_stopped(*ret_signals, 0) ? -EINTR : r;
}

static int end_early(Manager *m, const Task *task) {
        int r = check_wish(m, task, "this swap was not begun");

        if (r >= 0)
                log_notice("stopped before it was begun");
        return r;
}

static int start(const Task *task) {
        _cleanup_close_ int signals = -1, state = -1;
        _cleanup_strv_free_ char **earlier = NULL;
        _cleanup_manager_ Manager *m = NULL;
        int r;

        /* Until something is begun, whatever ends us. */
        note_refused(task->vm);
        if (!task->functions)
                return log_full(LOG_ERR, ENOENT, &(LogSubject) { .id = MESSAGE_REFUSED, .finding = "configuration" },
                                "there is no VM '%s' in vfio-gpu.conf as it was last read; add a section [VM %s] if "
                                "there is none, and run 'systemctl daemon-reload' ('journalctl -b -t "
                                "vfio-gpu-generator' has what went wrong at the last)", task->vm_name, task->vm_name);

        r = manager_open(NULL, &m);
        if (r >= 0)
                r = prepare(m, task, &signals);
        if (r >= 0)
                r = state = open_state(task);
        if (r < 0)
                return r == -EINTR && m ? end_early(m, task) : r;
        r = note_running(m, task, state, &earlier);
        if (r < 0)
                return r;

        /* Also because a failed unit stays loaded, and would not be read from its copy. */
        forget_failures(m, task->vm, false);
        return begin(m, task, state, signals, earlier);
}

/* Steps that take their time are not told: the status may say why they are undone. */
static void tell_waiting(const char *who, _unused_ char *const *units) {
        static bool is_told;

        if (who)
                journal_status("Waiting for the VM that still has the GPU: %s", who);
        else if (is_told)
                journal_status("%s", "");
        is_told = who;
}

/* What has lost its job is not undone, and no failure of it is in the journal. Returns 0 if there is none, or a
 * negative errno after it logged which. */
static int refuse_cancelled(Manager *m, const char *vm) {
        _cleanup_strv_free_ char **units = NULL;
        _cleanup_free_ char *names = NULL;

        if (swap_units(m, vm, STRV_MAKE("active", "deactivating"), &units) < 0 || !units)
                return 0;
        names = strv_join(units, ", ");
        if (!names)
                return log_oom();
        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_HALF_DONE },
                        "not undone yet, since the jobs to stop them were cancelled or replaced: %s; a second attempt "
                        "follows by itself ('systemctl status \"" SWAP_RECOVER "@%s.service\"')", names, vm);
}

static int give_back(Manager *m, const Task *task, int state) {
        _cleanup_strv_free_ char **units = NULL, **cancelled = NULL, **left = NULL;
        bool begun;
        int r;

        r = state_read(state, RECORD_STOPPED, &units);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot read what ran in " STATE_DIRECTORY "/%s: %m", task->vm);
        begun = r >= 0;
        if (begun)
                log_info("taking the GPU back for the host");
        if (begun && swap_ask_for_desktop(m, units))
                (void) state_write(state, RECORD_RETURNING, NULL);
        r = swap_stop(m, task->vm, tell_waiting);
        tell_waiting(NULL, NULL);
        if (r < 0)
                return r;
        /* Where the way back of the first step was ended before it did. */
        (void) swap_stop_started(m, state);
        swap_wait_for_desktop(m, units, false);
        if (swap_unfinished(state, &left) >= 0 && left)
                swap_tell_silent(m, task->vm);
        forget_failures(m, task->vm, state_read(state, RECORD_CANCELLED, &cancelled) < 0);

        r = left ? refuse_cancelled(m, task->vm) : 0;
        return r < 0 ? r : swap_finish(m, task->vm, state, begun);
}

/* A stop ends the checks by its signal, and is no failure. Where SIGTERM came from elsewhere the job still is
 * the start. */
static void forgive_stop(Manager *m, const char *vm) {
        _cleanup_free_ char *entry = NULL;

        if (asprintf(&entry, "vfio-gpu@%s.service", vm) >= 0 && manager_unit_was_terminated(m, entry) > 0 &&
            manager_unit_runs(m, entry) == 0)
                (void) manager_reset_failed(m, entry);
}

static int stop(const Task *task) {
        _cleanup_manager_ Manager *m = NULL;
        _cleanup_close_ int state = -1;
        bool refused;
        int r;

        state = state_open(task->vm, false);
        if (state < 0 && state != -ENOENT)
                return log_error_errno(state, "cannot open " STATE_DIRECTORY "/%s: %m", task->vm);
        refused = state == -ENOENT || has_record(state, RECORD_REFUSED);

        r = manager_open(NULL, &m);
        if (r < 0)
                return refused ? 0 : r;
        forgive_stop(m, task->vm);
        swap_tell_start(m, task->vm, task->vm_name, !refused && has_record(state, RECORD_STOPPED));
        if (refused)
                return 0;
        /* The next boot is a normal desktop without our doing. */
        return manager_is_stopping(m) ? 0 : give_back(m, task, state);
}

/* "refuse VM TEXT…" stands in the place of "start" for a VM whose configuration is no good: it says why. The
 * VM is named as people do, or, in the unit of all VMs, escaped. */
static int refuse_configuration(const char *vm, char *const *texts) {
        LogSubject subject = { .id = MESSAGE_REFUSED, .finding = "configuration" };
        _cleanup_free_ char *plain = NULL, *escaped = NULL;

        if (vm_name_unescape(vm, &plain) >= 0)
                vm = plain;
        journal_open(vm);
        if (vm_name_escape(vm, &escaped) >= 0)
                note_refused(escaped);
        for (char *const *text = texts; *text; text++)
                (void) log_full(LOG_ERR, 0, &subject, "%s", *text);
        if (texts[1])
                journal_status("%s (and more, see the journal)", texts[0]);
        return EXIT_FAILURE;
}

int main(int argc, char **argv) {
        if (argc > 3 && streq(argv[1], "refuse"))
                return refuse_configuration(argv[2], argv + 3);
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop, .stop_once = true });
}
