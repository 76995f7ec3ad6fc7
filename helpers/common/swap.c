/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <signal.h>

#include <systemd/sd-login.h>

#include "clock.h"
#include "function.h"
#include "holders.h"
#include "log.h"
#include "messages.h"
#include "pin.h"
#include "process.h"
#include "programs.h"
#include "record.h"
#include "root.h"
#include "state.h"
#include "swap.h"

/* How long a display manager may take to start before nobody waits for it any longer. */
#define DESKTOP_TIMEOUT (90 * USEC_PER_SEC)

/* When the steps take so long that somebody may ask why, and how often the answer is made anew. */
#define LOOK_AFTER USEC_PER_SEC
#define LOOK_AGAIN (10 * USEC_PER_SEC)

/* The one program of a swap that runs as long as that. */
#define INHIBIT "vfio-gpu-inhibit@"

#define NOT_UNDONE STRV_MAKE("active", "activating", "deactivating", "reloading")

bool swap_has_unit(const char *unit, const char *vm) {
        const char *at = startswith(unit, "vfio-gpu") ? strchr(unit, '@') : NULL;
        const char *suffix = at ? startswith(at + 1, vm) : NULL;

        return suffix && (streq(suffix, ".service") || streq(suffix, ".target")) && !startswith(unit, SWAP_TEST "@") &&
                !startswith(unit, SWAP_RECOVER "@");
}

bool swap_is_tuning(const char *unit) {
        const char *name = startswith(unit, "vfio-gpu-");

        STRV_FOREACH(tuning, SWAP_TUNINGS) {
                const char *rest = name ? startswith(name, *tuning) : NULL;

                if (rest && *rest == '@')
                        return true;
        }
        return false;
}

int swap_units(Manager *m, const char *vm, char *const *states, char ***ret) {
        _cleanup_strv_free_ char **found = NULL, **units = NULL;
        int r;

        r = manager_list_units(m, states, STRV_MAKE("vfio-gpu-*@*.service", "vfio-gpu@*.target"), &found);
        STRV_FOREACH(unit, found)
                if (r >= 0 && swap_has_unit(*unit, vm))
                        r = strv_extend(&units, *unit);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(units);
        return 0;
}

static bool is_zombie(pid_t pid) {
        pid_t parent;
        char state;

        return process_stat(pid, &state, &parent) >= 0 && state == 'Z';
}

int swap_find_process(const char *vm, char **ret_pid, char **ret_unit) {
        _cleanup_strv_free_ char **pids = NULL;
        int r;

        r = list_directory("/proc", &pids);
        STRV_FOREACH(pid, pids) {
                _cleanup_free_ char *unit = NULL;

                if (!isdigit((unsigned char) **pid) || sd_pid_get_unit(atoi(*pid), &unit) < 0 ||
                    !swap_has_unit(unit, vm) || is_zombie(atoi(*pid)))
                        continue;
                if (startswith(unit, INHIBIT)) {
                        (void) kill(atoi(*pid), SIGTERM);
                        continue;
                }
                *ret_pid = strdup(*pid);
                *ret_unit = TAKE_PTR(unit);
                return *ret_pid ? 1 : -ENOMEM;
        }
        return r;
}

/* Says who keeps the steps from being undone: a VM that has the functions, or those of them that are not
 * done. */
static void tell(Manager *m, const char *vm, SwapWaiting waiting) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_strv_free_ char **addresses = NULL, **units = NULL;
        _cleanup_free_ char *who = NULL;
        _cleanup_close_ int state = -1;

        state = state_open(vm, false);
        if (state >= 0 && functions_load(state, &functions) >= 0 && functions_addresses(functions, &addresses) >= 0)
                (void) vfio_holders_describe(addresses, &who);
        (void) swap_units(m, vm, STRV_MAKE("deactivating"), &units);
        waiting(who, units);
}

void swap_end_entry(Manager *m, const char *vm) {
        _cleanup_bus_error_ sd_bus_error ignored = SD_BUS_ERROR_NULL;
        _cleanup_free_ char *unit = NULL, *active = NULL;
        _cleanup_manager_ Manager *own = NULL;

        if (!m && manager_open(NULL, &own) < 0)
                return;
        m = m ?: own;
        if (asprintf(&unit, "vfio-gpu@%s.service", vm) >= 0 &&
            manager_unit_string(m, unit, "Unit", "ActiveState", &active) >= 0 && streq(active, "active"))
                (void) manager_ask(m, "StopUnit", unit, "fail", &ignored);
}

bool swap_ask_for_desktop(Manager *m, char *const *units) {
        for (size_t n = strv_length(units); n > 0; n--) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                (void) manager_reset_failed(m, units[n - 1]);
                if (manager_queue(m, "StartUnit", units[n - 1], "replace", &error) <= 0)
                        return false;
                log_info("starting again, as soon as the GPU is back: %s", units[n - 1]);
        }
        return true;
}

static int queue_stops_of(Manager *m, char *const *units, bool tunings) {
        int r;

        for (char *const *unit = units; unit && *unit; unit++) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                if (swap_is_tuning(*unit) != tunings)
                        continue;
                r = manager_queue(m, "StopUnit", *unit, "replace", &error);
                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .unit = *unit }, "cannot stop %s: %s", *unit,
                                        error.message);
        }
        return 0;
}

/* What is ordered after the steps on the way back waits for them only if they are to be stopped already. */
static int queue_stops(Manager *m, const char *vm) {
        _cleanup_strv_free_ char **units = NULL;
        int r;

        r = swap_units(m, vm, NOT_UNDONE, &units);
        if (r < 0)
                return log_error_errno(r, "cannot list the steps of this swap: %m");
        r = queue_stops_of(m, units, false);
        return r < 0 ? r : queue_stops_of(m, units, true);
}

int swap_stop(Manager *m, const char *vm, SwapWaiting waiting) {
        _cleanup_strv_free_ char **units = NULL;
        int r;

        r = queue_stops(m, vm);
        if (r < 0)
                return r;

        /* The desktop's jobs, which can take longer, have a time limit of their own. */
        r = manager_wait(m, -1, clock_now() + LOOK_AFTER);
        while (r == -ETIMEDOUT && swap_units(m, vm, NOT_UNDONE, &units) >= 0 && units) {
                tell(m, vm, waiting);
                units = strv_free(units);
                r = manager_wait(m, -1, clock_now() + LOOK_AGAIN);
        }
        return r < 0 && r != -ETIMEDOUT ? log_error_errno(r, "cannot wait until the steps are undone: %m") : 0;
}

int swap_stop_started(Manager *m, int state) {
        _cleanup_strv_free_ char **units = NULL;
        int r, ret = 0;

        r = state_read(state, RECORD_STARTED, &units);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read which units were started for the VM: %m");

        for (size_t n = strv_length(units); n > 0; n--) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                (void) manager_reset_failed(m, units[n - 1]);
                r = manager_queue(m, "StopUnit", units[n - 1], "replace", &error);
                if (r > 0)
                        log_info("stopping what ran only for the VM: %s", units[n - 1]);
                if (r < 0)
                        ret = log_full(LOG_ERR, r,
                                       &(LogSubject) { .id = MESSAGE_UNIT_NOT_STARTED, .unit = units[n - 1] },
                                       "cannot stop %s, which ran only for the VM: %s; 'systemctl stop %s' tries it "
                                       "again", units[n - 1], error.message, units[n - 1]);
        }
        if (ret < 0)
                return ret;
        r = state_remove(state, RECORD_STARTED);
        return r < 0 ? log_error_errno(r, "cannot remove the record of units started for the VM: %m") : 0;
}

void swap_wait_for_desktop(Manager *m, char *const *units, bool restart) {
        _cleanup_free_ char *names = strv_join(units, " ");

        for (char *const *unit = units; unit && *unit; unit++) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                /* Without the GPU it may have failed too often. */
                (void) manager_reset_failed(m, *unit);
                (void) manager_queue(m, restart ? "RestartUnit" : "StartUnit", *unit, "replace", &error);
        }
        if (manager_wait_for_start(m, units, -1, clock_now() + DESKTOP_TIMEOUT) != 0)
                log_warning("not every unit of the desktop is back: 'systemctl status %s' shows which and why", names);
}

static const char *find_words(const char *result) {
        static const char *const words[][2] = {
                { "core-dump", "its program crashed" },
                { "exit-code", "its program could not do its work" },
                { "oom-kill", "its program was killed for want of memory" },
                { "signal", "its program was killed by a signal" },
                { "timeout", "it took longer than TimeoutStartSec= or TimeoutStopSec= of it allows" },
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (streq(result, words[i][0]))
                        return words[i][1];
        return NULL;
}

const char *swap_result(const char *result) {
        return find_words(result) ?: result;
}

bool swap_is_reason(const char *status) {
        return !isempty(status) && !startswith(status, SWAP_READY);
}

/* Returns the words for how the unit's program ended, or NULL if it could say that itself, or was only
 * stopped. */
static const char *how_ended(Manager *m, const char *unit) {
        _cleanup_free_ char *result = NULL, *said = NULL;

        if (manager_unit_string(m, unit, "Service", "Result", &result) < 0 || !find_words(result) ||
            manager_unit_was_terminated(m, unit) > 0)
                return NULL;
        if (streq(result, "exit-code") &&
            (manager_unit_string(m, unit, "Service", "StatusText", &said) < 0 || swap_is_reason(said)))
                return NULL;
        return find_words(result);
}

void swap_tell_start(Manager *m, const char *vm, const char *vm_name, bool begun) {
        _cleanup_free_ char *entry = NULL;
        const char *how;

        how = asprintf(&entry, "vfio-gpu@%s.service", vm) < 0 ? NULL : how_ended(m, entry);
        if (how)
                (void) log_full(LOG_ERR, 0, &(LogSubject) { .id = MESSAGE_SWAP_FAILED, .unit = entry },
                                "%s failed: %s; %s: start it again, or see 'journalctl VFIO_GPU_VM=\"%s\"' for how "
                                "far it got", entry, how,
                                begun ? "everything is taken back" : "this swap was not begun", vm_name);
}

static void tell_silent(Manager *m, const char *unit) {
        const char *how = how_ended(m, unit);

        if (how)
                (void) log_full(LOG_ERR, 0, &(LogSubject) { .id = MESSAGE_ENDED_SILENTLY, .unit = unit },
                                "%s failed: %s; 'journalctl -b UNIT=\"%s\"' shows when", unit, how, unit);
}

void swap_tell_silent(Manager *m, const char *vm) {
        _cleanup_free_ char *entry = NULL, *active = NULL;
        _cleanup_strv_free_ char **units = NULL;

        (void) swap_units(m, vm, STRV_MAKE("failed"), &units);
        STRV_FOREACH(unit, units)
                tell_silent(m, *unit);
        if (asprintf(&entry, "vfio-gpu@%s.service", vm) >= 0 &&
            manager_unit_string(m, entry, "Unit", "ActiveState", &active) >= 0 && streq(active, "failed"))
                tell_silent(m, entry);
}

int swap_unfinished(int state, char ***ret) {
        _cleanup_strv_free_ char **records = NULL;
        int r = 0;

        STRV_FOREACH(record, STRV_MAKE("functions", "modules", "consoles", "cpus", "device",
                                         "governor", "hugepages")) {
                _cleanup_strv_free_ char **lines = NULL;

                if (r >= 0 && state_read(state, *record, &lines) != -ENOENT)
                        r = strv_extend(&records, *record);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(records);
        return 0;
}

int swap_finish(Manager *m, const char *vm, int state, bool tell) {
        _cleanup_strv_free_ char **records = NULL;
        _cleanup_free_ char *ctl = NULL;
        int r;

        /* A step removes its record once it has taken everything back. */
        r = swap_unfinished(state, &records);
        if (r < 0)
                return log_oom();
        if (records) {
                ctl = programs_ctl(vm);
                return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_HALF_DONE },
                                "not everything could be taken back, the lines above say what; "
                                STATE_DIRECTORY "/%s keeps what is left: mend the cause, then run "
                                "'%s recover'", vm, ctl ?: "vfio-gpuctl");
        }

        r = unpin_units(m, vm, state);
        if (r < 0)
                return r;
        /* As long as there is a record, whoever is killed here is followed by a second attempt, which tells it. */
        if (tell)
                (void) log_full(LOG_INFO, 0, &(LogSubject) { .id = MESSAGE_GIVEN_BACK }, "the host has its GPU back");
        r = state_discard(vm);
        return r < 0 ? log_error_errno(r, "cannot clear " STATE_DIRECTORY "/%s: %m", vm) : 0;
}
