/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeps the host's own processes to some of the CPUs while the VM has the GPU; VMs are in machine.slice. */

#include "bus.h"
#include "cpu-set.h"
#include "later-record.h"
#include "log.h"
#include "record.h"
#include "root.h"
#include "state.h"
#include "step.h"
#include "strv.h"

/* Units, the CPUs that were set for each ("-" for none), and whether there was a file of the manager's that
 * says so.
 * */
#define RECORD "cpus"

#define UNITS STRV_MAKE("user.slice", "system.slice", "init.scope")
#define PROPERTY "AllowedCPUs"

#define CPU_LIST_MAX 65536

/* Where the manager keeps what is set until the next boot. */
#define CONTROL "/run/systemd/system.control"

static char *drop_in(const char *unit) {
        return root_path(CONTROL "/%s.d/50-" PROPERTY ".conf", unit);
}

static int read_cpus(Manager *m, const char *unit, CpuSet *ret) {
        const char *interface =
                endswith(unit, ".slice") ? "org.freedesktop.systemd1.Slice" : "org.freedesktop.systemd1.Scope";
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        const void *bytes = NULL;
        size_t n = 0;
        int r;

        r = sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, &path);
        if (r >= 0)
                r = sd_bus_get_property(manager_bus(m), "org.freedesktop.systemd1", path, interface, PROPERTY, NULL,
                                        &reply, "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(reply, 'y', &bytes, &n);
        if (r < 0)
                return r;
        if (n > sizeof(ret->bytes))
                return -ERANGE;
        memcpy(ret->bytes, bytes, n);
        return 0;
}

static int append_cpus(sd_bus_message *call, const char *unit, const CpuSet *set) {
        int r;

        r = sd_bus_message_append(call, "sb", unit, true);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", PROPERTY);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(call, 'y', set->bytes, cpu_set_size(set));
        for (int depth = 0; depth < 3 && r >= 0; depth++)
                r = sd_bus_message_close_container(call);
        return r;
}

static int set_cpus(Manager *m, const char *unit, const char *list) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *call = NULL;
        CpuSet set = { 0 };
        int r;

        r = cpu_set_add(&set, list);
        if (r >= 0)
                r = manager_new_call(m, "SetUnitProperties", &call);
        if (r >= 0)
                r = append_cpus(call, unit, &set);
        if (r >= 0)
                r = sd_bus_call(manager_bus(m), call, 0, &error, NULL);
        return r < 0 ? log_full(LOG_ERR, r, &(LogSubject) { .unit = unit }, "cannot keep %s to CPUs %s: %s", unit,
                                *list ? list : "as before (all)", error.message ?: strerror(-r)) : 0;
}

static int note_unit(Manager *m, const char *unit, char ***record) {
        _cleanup_free_ char *path = drop_in(unit), *list = NULL;
        CpuSet set = { 0 };
        int r;

        r = path ? read_cpus(m, unit, &set) : -ENOMEM;
        if (r < 0)
                return r;
        list = cpu_set_list(&set);
        return list ? strv_extendf(record, "%s %s %s", unit, *list ? list : "-", path_exists(path) ? "kept" : "made") :
                      -ENOMEM;
}

/* A record that is there already is of an earlier swap, whose way back was not finished: it counts. */
static int note(Manager *m, int state) {
        _cleanup_strv_free_ char **record = NULL;
        int r;

        r = state_read(state, RECORD, &record);
        if (r != -ENOENT)
                return r;
        r = 0;
        STRV_FOREACH(unit, UNITS)
                if (r >= 0)
                        r = note_unit(m, *unit, &record);
        return r < 0 ? r : state_write(state, RECORD, record);
}

static int start(const Task *task) {
        _cleanup_close_ int lock = -1, state = -1;
        _cleanup_manager_ Manager *m = NULL;
        int r;

        if (!task->allowed_cpus)
                return log_error_errno(EINVAL, "no --allowed-cpus= is given");
        r = manager_open(NULL, &m);
        if (r < 0)
                return r;
        state = state_open(task->vm, true);
        lock = state < 0 ? state : state_lock();
        r = lock < 0 ? lock : note(m, state);
        if (r < 0)
                return log_error_errno(r, "cannot note the CPUs of the host in " STATE_DIRECTORY "/%s: %m", task->vm);

        STRV_FOREACH(unit, UNITS) {
                r = set_cpus(m, *unit, task->allowed_cpus);
                if (r < 0)
                        return r;
        }
        log_info("the host keeps to CPUs %s", task->allowed_cpus);
        return 0;
}

/* The manager has no call to take just one property back: a file that says what would be without it stays,
 * and would hide what is configured later. */
static int remove_drop_in(const char *unit) {
        _cleanup_free_ char *path = drop_in(unit);

        if (!path)
                return -ENOMEM;
        if (unlink(path) < 0 && errno != ENOENT)
                return log_error_errno(errno, "cannot remove %s: %m", path);
        *strrchr(path, '/') = 0;
        (void) rmdir(path);
        return 0;
}

/* Where other units have CPUs set, the manager does not take back in the kernel what it is not to set any
 * more. */
static int allow_all(Manager *m, const char *unit) {
        _cleanup_free_ char *path = root_path("/sys/devices/system/cpu/possible"), *all = NULL;
        int r;

        r = path ? read_text_file(path, CPU_LIST_MAX, &all) : -ENOMEM;
        if (r < 0)
                return log_error_errno(r, "cannot read which CPUs there are: %m");
        r = set_cpus(m, unit, all);
        return r < 0 ? r : set_cpus(m, unit, "");
}

static int restore(Manager *m, const char *vm, int state, const char *line) {
        _cleanup_later_record_ LaterRecord later = { 0 };
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = strv_split(line, " ", &words);
        if (r < 0)
                return log_oom();
        if (strv_length(words) != 3 || strchr(words[0], '/'))
                return log_error_errno(EBADMSG, "the record of CPUs has '%s': %m", line);

        r = later_record_find(vm, RECORD, words[0], &later);
        if (r > 0)
                r = later_record_replace(&later, RECORD, line);
        if (r < 0)
                return log_error_errno(r, "cannot read whether other VMs have the CPUs of %s set: %m", words[0]);
        if (later.vm)
                return 0;

        r = streq(words[1], "-") ? allow_all(m, words[0]) : set_cpus(m, words[0], words[1]);
        if (r < 0 || !streq(words[2], "made"))
                return r;
        r = state_write(state, RECORD_RELOAD, NULL);
        return r < 0 ? log_error_errno(r, "cannot note that the manager is to be reloaded: %m") :
                       remove_drop_in(words[0]);
}

static int stop(const Task *task) {
        _cleanup_strv_free_ char **record = NULL;
        _cleanup_close_ int lock = -1, state = -1;
        _cleanup_manager_ Manager *m = NULL;
        int r, k;

        lock = state_lock();
        state = lock < 0 ? lock : state_open(task->vm, false);
        r = state < 0 ? state : state_read(state, RECORD, &record);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY "/%s/" RECORD ": %m", task->vm);

        r = manager_open(NULL, &m);
        if (r < 0)
                return r;
        STRV_FOREACH(line, record) {
                k = restore(m, task->vm, state, *line);
                r = k < 0 ? k : r;
        }
        if (r < 0)
                return r;
        log_info("the host has its CPUs back");
        r = state_remove(state, RECORD);
        return r < 0 ? log_error_errno(r, "cannot remove " STATE_DIRECTORY "/%s/" RECORD ": %m", task->vm) : 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
