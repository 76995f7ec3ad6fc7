/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bus.h"
#include "clock.h"
#include "function.h"
#include "holders.h"
#include "journal.h"
#include "messages.h"
#include "pci.h"
#include "programs.h"
#include "record.h"
#include "root.h"
#include "state.h"
#include "strv.h"
#include "swap.h"
#include "unit-name.h"
#include "vfio-gpuctl.h"
#include "vm-end.h"

/* Longer than the entry itself waits for the desktop. */
#define ENTRY_TIMEOUT (120 * USEC_PER_SEC)

/* What is in the way of any attempt. Returns 0 if nothing is, or a negative errno after it logged what. */
static int check_vm_is_gone(const char *vm, char *const *addresses) {
        _cleanup_free_ char *who = NULL;
        int r;

        r = vfio_holders_describe(addresses, &who);
        if (r < 0)
                return log_error_errno(r, "cannot find out whether VM %s still has the GPU: %m", vm);
        if (r > 0)
                return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_HALF_DONE },
                                "the VM still has the GPU: %s; end it with 'virsh shutdown' or 'virsh "
                                "destroy', then run this again if the GPU does not come back by itself",
                                who);
        return 0;
}

/* With its jobs done, a process of a step that is still there waits in the kernel, for the GPU as a rule:
 * whoever touches the GPU as well would wait with it. Without the service manager nobody has ended any. */
static int check_nothing_is_stuck(Manager *m, const char *vm) {
        _cleanup_free_ char *pid = NULL, *unit = NULL;
        int r;

        r = swap_find_process(vm, &pid, &unit);
        if (r < 0)
                return log_error_errno(r, "cannot look for processes of the steps: %m");
        if (r > 0 && m)
                return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_HALF_DONE, .unit = unit },
                                "process %s of %s cannot be ended: it waits in the kernel, whose log may "
                                "say for what ('journalctl -k'); if it does not go away, only a reboot "
                                "brings the GPU back", pid, unit);
        if (r > 0)
                return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_HALF_DONE, .unit = unit },
                                "process %s of %s still runs, and the service manager cannot be asked to end it: "
                                "wait for it, or run 'kill %s', then run this again", pid, unit, pid);
        return 0;
}

static void tell_waiting(const char *who, char *const *units) {
        _cleanup_free_ char *names = strv_join(units, ", ");

        log_info("waiting for %s", who ?: isempty(names) ? "the desktop" : names);
}

/* The way that a swap is meant to end. Returns 1 if there were units to stop, 0 if not, or a negative errno
 * after it logged why. */
static int stop_units(Manager *m, const char *vm) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_strv_free_ char **units = NULL;
        _cleanup_free_ char *entry = NULL, *active = NULL;
        int r;

        if (asprintf(&entry, "vfio-gpu@%s.service", vm) < 0)
                return log_oom();
        r = manager_unit_string(m, entry, "Unit", "ActiveState", &active);
        if (r >= 0)
                r = swap_units(m, vm, STRV_MAKE("active", "activating", "deactivating", "reloading"), &units);
        if (r < 0)
                return log_error_errno(r, "cannot look at the units of VM %s: %m", vm);
        if (!units && (streq(active, "inactive") || streq(active, "failed")))
                return 0;

        log_info("stopping %s and waiting until it is undone", entry);
        r = manager_queue(m, "StopUnit", entry, "replace", &error);
        if (r < 0)
                return log_error_errno(r, "cannot stop %s: %s", entry, error.message);
        r = swap_stop(m, vm, tell_waiting);
        if (r < 0)
                return r;
        (void) manager_wait(m, -1, clock_now() + ENTRY_TIMEOUT);
        return 1;
}

/* The copy is what made the swap; without one, what is installed has to do. A path by way of their open
 * directory follows no link. */
static char *find_program(int copies, const char *name) {
        struct stat st;
        char *path;
        int n;

        if (copies >= 0 && fstatat(copies, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISREG(st.st_mode))
                n = asprintf(&path, "/proc/self/fd/%i/%s", copies, name);
        else
                n = asprintf(&path, LIBEXECDIR "/%s", name);
        return n < 0 ? NULL : path;
}

/* Returns 0, or a negative errno after it or the program logged why. */
static int run_program(const char *program, char *const *command) {
        int status = 0;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                (void) execv(program, command);
                log_error_errno(errno, "cannot run %s: %m; install the package again", command[0]);
                _exit(EXIT_FAILURE);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return log_error_errno(errno, "cannot run %s: %m", command[0]);
        if (WIFSIGNALED(status))
                return log_error_errno(EIO, "'%s stop' was killed by a signal (%s); run this again", command[0],
                                       strsignal(WTERMSIG(status)));
        return status == 0 ? 0 : -EIO;
}

/* Returns as run_program(). */
static int run_stop(const char *vm, const char *step) {
        _cleanup_strv_free_ char **command = NULL;
        _cleanup_free_ char *program = NULL;
        _cleanup_close_ int copies = -1;
        int r;

        r = strv_extendf(&command, "vfio-gpu-%s", step);
        if (r >= 0)
                r = strv_extend(&command, "stop");
        if (r >= 0)
                r = strv_extendf(&command, "--vm=%s", vm);
        if (r < 0)
                return log_oom();

        copies = programs_open(vm);
        program = find_program(copies, command[0]);
        return program ? run_program(program, command) : log_oom();
}

/* What the records say, without the units: each program undoes its own part, and what is undone already it
 * passes over. */
static int undo(const char *vm) {
        int r = 0;

        log_info("undoing what the records in " STATE_DIRECTORY "/%s say", vm);
        STRV_FOREACH(step, STRV_MAKE("bind", "desktop"))
                if (run_stop(vm, *step) < 0)
                        r = -EIO;
        /* With the last record the copies of the programs go. */
        STRV_FOREACH(tuning, SWAP_TUNINGS_RECORDED)
                if (state_exists(vm) && run_stop(vm, *tuning) < 0)
                        r = -EIO;
        return r;
}

static int read_records(const char *vm, char ***ret_addresses, char ***ret_units) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_close_ int state = -1;
        int r;

        state = state_open(vm, false);
        r = state < 0 ? state : state_read(state, RECORD_STOPPED, ret_units);
        if (r >= 0 || r == -ENOENT)
                r = state < 0 ? state : functions_load(state, &functions);
        if (r >= 0)
                r = functions_addresses(functions, ret_addresses);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot read the records in " STATE_DIRECTORY "/%s: %m", vm);
        return 0;
}

/* Returns whether the GPU itself, as far as it is on record, is not yet back on the driver that it had. */
static bool is_dark(const char *vm) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_close_ int state = -1;

        state = state_open(vm, false);
        if (state < 0 || functions_load(state, &functions) < 0)
                return false;
        for (const Function *f = functions; f->address; f++) {
                int class = pci_class(f->address);

                if (class >= 0 && pci_class_is_display(class) && *f->driver &&
                    function_is_driven_by(f->address, f->driver) == 0)
                        return true;
        }
        return false;
}

/* Returns whether one of the units runs that were stopped for the swap, without the GPU. */
static bool runs_in_the_dark(Manager *m, const char *vm, char *const *units) {
        bool runs = false;

        if (!m || !is_dark(vm))
                return false;
        for (; !runs && units && *units; units++)
                runs = manager_unit_runs(m, *units) > 0;
        return runs;
}

/* Of two at a time, that of a person and the one that the service manager starts by itself after a failure,
 * each would find half of what the other does. Returns a descriptor, or a negative errno after it logged why. */
static int lock(const char *vm) {
        int fd = state_open(vm, false);

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
                log_info("waiting for another recovery ('systemctl status \"" SWAP_RECOVER "@%s.service\"')", vm);
                (void) flock(fd, LOCK_EX);
        }
        return fd >= 0 || fd == -ENOENT ? fd : log_error_errno(fd, "cannot open " STATE_DIRECTORY "/%s: %m", vm);
}

/* Without the units, or where they did not do it. */
static int recover_by_records(Manager *m, const char *vm, char *const *addresses, char *const *units,
                              bool restart) {
        _cleanup_close_ int locked = -1, state = -1;
        bool was_dark;
        int r, k;

        locked = lock(vm);
        if (locked < 0 || !state_exists(vm))
                return locked < 0 && locked != -ENOENT ? locked : 0;

        r = check_vm_is_gone(vm, addresses);
        if (r >= 0)
                r = check_nothing_is_stuck(m, vm);
        if (r < 0)
                return r;

        was_dark = restart || is_dark(vm);
        r = undo(vm);
        /* What began while the GPU was not there is no desktop yet; what began after that is somebody's. */
        if (m)
                swap_wait_for_desktop(m, units, was_dark && !is_dark(vm));
        state = state_open(vm, false);
        k = state >= 0 && m ? swap_finish(m, vm, state, false) : 0;
        return r < 0 ? r : k;
}

/* Of records, or empty. */
static bool has_directory(const char *vm) {
        _cleanup_close_ int fd = state_open(vm, false);

        return fd >= 0;
}

/* Whoever removed the records was killed before their directory could go, too. A swap that begins holds it. */
static void remove_empty(const char *vm) {
        _cleanup_close_ int fd = state_open(vm, false);

        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) >= 0 && !state_exists(vm))
                (void) state_discard(vm);
}

/* A name that is not meant is much like one that is. */
static int tell_nothing(const char *vm_name) {
        _cleanup_strv_free_ char **vms = NULL, **names = NULL;
        _cleanup_free_ char *list = NULL;
        int r;

        r = state_list(&vms);
        STRV_FOREACH(vm, vms) {
                char *name = NULL;

                if (r >= 0)
                        r = vm_name_unescape(*vm, &name);
                if (r >= 0)
                        r = strv_consume(&names, name);
        }
        list = r >= 0 ? strv_join(names, ", ") : NULL;
        return printf("Nothing is left of a swap for VM %s%s%s.\n", vm_name, names ? "; there are records of: " : "",
                      names ? list ?: "?" : "") < 0 ? -EIO : 0;
}

static int recover_vm(Manager *m, const char *vm, const char *vm_name) {
        _cleanup_strv_free_ char **addresses = NULL, **units = NULL;
        bool restart;
        int r, stopped;

        r = read_records(vm, &addresses, &units);
        if (r >= 0)
                r = check_vm_is_gone(vm, addresses);
        if (r < 0)
                return r;

        if (m && has_directory(vm))
                swap_tell_silent(m, vm);
        /* Before the steps give the GPU back. */
        restart = runs_in_the_dark(m, vm, units);
        stopped = m ? stop_units(m, vm) : 0;
        if (state_exists(vm))
                r = recover_by_records(m, vm, addresses, units, restart);
        else if (stopped == 0) {
                remove_empty(vm);
                return tell_nothing(vm_name);
        } else
                r = stopped;
        if (r >= 0)
                (void) log_full(LOG_INFO, 0, &(LogSubject) { .id = MESSAGE_GIVEN_BACK }, "the host has its GPU back");
        return r;
}

static int recover(Manager *m, const char *vm) {
        _cleanup_free_ char *vm_name = NULL;
        int r;

        r = vm_name_unescape(vm, &vm_name);
        if (r < 0)
                return log_error_errno(r, STATE_DIRECTORY "/%s is not named like a VM's: %m", vm);
        journal_open_beside(vm_name);
        r = recover_vm(m, vm, vm_name);
        journal_open_beside(NULL);
        return r;
}

/* Waits for what check_vm_is_gone() refuses for: nobody is there who would try again. */
static int wait_for_vm(const char *vm, const char *vm_name) {
        _cleanup_strv_free_ char **addresses = NULL, **units = NULL;
        int r;

        journal_open_beside(vm_name);
        r = read_records(vm, &addresses, &units);
        if (r >= 0) {
                r = vm_wait_end(&(Task) { .vm = vm }, addresses);
                if (r < 0)
                        log_error_errno(r, "cannot wait for the end of VM %s: %m", vm_name);
        }
        journal_open_beside(NULL);
        return r;
}

/* A VM is named as people do, or as in the names of units, where its own unit does it. */
static int plain_name(const char *name, char **ret) {
        _cleanup_free_ char *plain = NULL;
        int r;

        r = vm_name_unescape(name, &plain);
        if (r < 0 || name[0] == '-' || vm_name_problem(plain))
                return r < 0 ? r : -EINVAL;
        *ret = TAKE_PTR(plain);
        return 0;
}

static int parse(int argc, char *argv[], char **ret_name, bool *ret_wait) {
        for (int i = 1; i < argc; i++)
                if (streq(argv[i], "--wait"))
                        *ret_wait = true;
                else if (*ret_name || plain_name(argv[i], ret_name) < 0)
                        return -EINVAL;
        return 0;
}

/* Every VM of which there are records, or the one that is named. */
static int list_vms(const char *name, char ***ret) {
        _cleanup_free_ char *escaped = NULL;

        if (!name)
                return state_list(ret);
        if (vm_name_escape(name, &escaped) < 0)
                return -ENOMEM;
        return strv_extend(ret, escaped);
}

int verb_recover(int argc, char *argv[]) {
        _cleanup_strv_free_ char **vms = NULL;
        _cleanup_manager_ Manager *m = NULL;
        _cleanup_free_ char *name = NULL;
        int r, ret = EXIT_SUCCESS;
        bool wait = false;

        if (parse(argc, argv, &name, &wait) < 0 || (wait && !name)) {
                log_error("expected: recover [[--wait] VM]");
                return EXIT_USAGE;
        }
        if (geteuid() != 0 || root_is_set()) {
                log_error("recover is for root, and for this machine: call it with sudo and without VFIO_GPU_ROOT.");
                return EXIT_REFUSED;
        }

        r = list_vms(name, &vms);
        if (r < 0) {
                log_error_errno(r, "cannot list " STATE_DIRECTORY ": %m.");
                return EXIT_REFUSED;
        }
        if (!vms)
                (void) printf("Nothing is left of a swap.\n");

        /* Before the manager is asked for: the bus can go while a VM runs. */
        if (wait && wait_for_vm(*vms, name) < 0)
                return EXIT_REFUSED;
        if (vms && manager_open(NULL, &m) < 0)
                log_warning("going on without the service manager: no unit is stopped or started");
        STRV_FOREACH(vm, vms)
                if (recover(m, *vm) < 0)
                        ret = EXIT_REFUSED;
        return ret;
}
