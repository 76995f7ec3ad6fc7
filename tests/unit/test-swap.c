/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/wait.h>

#include <systemd/sd-login.h>

#include "log.h"
#include "messages.h"
#include "root.h"
#include "state.h"
#include "status.h"
#include "strv.h"
#include "swap.h"
#include "tap.h"

/* What is found out about the processes of a swap, and said of programs that were killed, with processes and
 * a service manager that are made up. */

#define ENTRY "vfio-gpu@a\\x20b.service"

static struct {
        const char *active, *result, *status; /* of every unit */
        bool terminated;
        char *const *failed;
} world;

static struct {
        char *text, *unit, *id;
        int level;
} said;

int __wrap_manager_list_units(Manager *m, char *const *states, char *const *patterns, char ***ret);
int __wrap_manager_unit_string(Manager *m, const char *unit, const char *interface, const char *property, char **ret);
int __wrap_manager_unit_was_terminated(Manager *m, const char *unit);

int __wrap_manager_list_units(_unused_ Manager *m, char *const *states, _unused_ char *const *patterns, char ***ret) {
        return strv_copy(streq(*states, "failed") ? world.failed : NULL, ret);
}

int __wrap_manager_unit_string(_unused_ Manager *m, _unused_ const char *unit, _unused_ const char *interface,
                               const char *property, char **ret) {
        *ret = strdup(streq(property, "Result") ? world.result :
                      streq(property, "StatusText") ? world.status :
                      streq(property, "ActiveState") ? world.active : "");
        return *ret ? 0 : -ENOMEM;
}

int __wrap_manager_unit_was_terminated(_unused_ Manager *m, _unused_ const char *unit) {
        return world.terminated;
}

static void forget(void) {
        free(said.text);
        free(said.unit);
        free(said.id);
        memset(&said, 0, sizeof(said));
}

static void note(int level, _unused_ int error, const LogSubject *subject, const char *text) {
        forget();
        said.level = level;
        said.text = strdup(text);
        said.unit = subject->unit ? strdup(subject->unit) : NULL;
        said.id = subject->id ? strdup(subject->id) : NULL;
}

static struct {
        pid_t pid;
        const char *unit;
} processes[2];

/* In the place of libsystemd's. */
int sd_pid_get_unit(pid_t pid, char **ret) {
        for (size_t i = 0; i < ELEMENTSOF(processes); i++)
                if (processes[i].pid > 0 && processes[i].pid == pid) {
                        *ret = strdup(processes[i].unit);
                        return *ret ? 0 : -ENOMEM;
                }
        return -ENODATA;
}

static pid_t begin_process(void) {
        pid_t pid = fork();

        if (pid < 0)
                abort();
        if (pid > 0)
                return pid;
        /* Whatever becomes of the test. */
        (void) alarm(10);
        for (;;)
                (void) pause();
}

/* Whether the process is found, and as what, and whether it was asked to end; it is ended then. */
static void finds(const char *unit, const char *expected, bool ends) {
        _cleanup_free_ char *found = NULL, *pid = NULL, *own = NULL;
        int status = 0;

        processes[0].pid = begin_process();
        processes[0].unit = unit;
        if (asprintf(&own, "%i", processes[0].pid) < 0)
                abort();
        ok(swap_find_process("a", &pid, &found) == (expected ? 1 : 0));
        is(found, expected);
        is(pid, expected ? own : NULL);

        if (!ends)
                (void) kill(processes[0].pid, SIGKILL);
        ok(waitpid(processes[0].pid, &status, 0) > 0 && WTERMSIG(status) == (ends ? SIGTERM : SIGKILL));
        processes[0].pid = 0;
}

static void test_processes(void) {
        finds("vfio-gpu-bind@a.service", "vfio-gpu-bind@a.service", false);
        finds("vfio-gpu@a.service", "vfio-gpu@a.service", false);
        finds("vfio-gpu-recover@a.service", NULL, false);
        finds("vfio-gpu-bind@b.service", NULL, false);
        finds("vfio-gpu-inhibit@b.service", NULL, false);
        finds("vfio-gpu-inhibit@a.service", NULL, true);
}

/* The service manager is done with a unit as soon as its last process is dead, and may ask for that later. */
static void test_zombie(void) {
        _cleanup_free_ char *found = NULL, *pid = NULL;
        siginfo_t info;

        processes[0].pid = begin_process();
        processes[0].unit = "vfio-gpu-bind@a.service";
        (void) kill(processes[0].pid, SIGKILL);
        ok(waitid(P_PID, (id_t) processes[0].pid, &info, WEXITED | WNOWAIT) == 0);
        ok(swap_find_process("a", &pid, &found) == 0);
        ok(waitpid(processes[0].pid, NULL, 0) > 0);
        processes[0].pid = 0;
}

/* A lock does not hide what is behind it. */
static void test_behind_a_lock(void) {
        processes[1].pid = begin_process();
        processes[1].unit = "vfio-gpu-inhibit@a.service";
        finds("vfio-gpu-bind@a.service", "vfio-gpu-bind@a.service", false);
        (void) kill(processes[1].pid, SIGKILL);
        ok(waitpid(processes[1].pid, NULL, 0) > 0);
        processes[1].pid = 0;
}

static void says(const char *id, const char *unit, const char *text) {
        ok(!text || said.level == LOG_ERR);
        is(said.id, id);
        is(said.unit, unit);
        is(said.text, text);
        forget();
}

static void test_start(Manager *m) {
        world.status = "cannot";
        STRV_FOREACH(result, STRV_MAKE("success", "exit-code", "")) {
                world.result = *result;
                swap_tell_start(m, "a\\x20b", "a b", true);
                says(NULL, NULL, NULL);
        }
        world.result = "signal";
        swap_tell_start(m, "a\\x20b", "a b", true);
        says(MESSAGE_SWAP_FAILED, ENTRY, ENTRY " failed: its program was killed by a signal; everything is taken "
             "back: start it again, or see 'journalctl VFIO_GPU_VM=\"a b\"' for how far it got");
        world.terminated = true;
        swap_tell_start(m, "a\\x20b", "a b", true);
        says(NULL, NULL, NULL);
        world.terminated = false;
        world.result = "timeout";
        swap_tell_start(m, "a\\x20b", "a b", false);
        says(MESSAGE_SWAP_FAILED, ENTRY, ENTRY " failed: it took longer than TimeoutStartSec= or TimeoutStopSec= of "
             "it allows; this swap was not begun: start it again, or see 'journalctl VFIO_GPU_VM=\"a b\"' for how far it "
             "got");
}

static void test_step(Manager *m) {
        world.active = "inactive";
        world.failed = STRV_MAKE("vfio-gpu-bind@a.service");
        world.result = "signal";
        swap_tell_silent(m, "a");
        says(MESSAGE_ENDED_SILENTLY, "vfio-gpu-bind@a.service", "vfio-gpu-bind@a.service failed: its program was killed "
             "by a signal; 'journalctl -b UNIT=\"vfio-gpu-bind@a.service\"' shows when");
        world.result = "exit-code";
        world.status = "cannot";
        swap_tell_silent(m, "a");
        says(NULL, NULL, NULL);
        STRV_FOREACH(status, STRV_MAKE("", SWAP_READY "a")) {
                world.status = *status;
                swap_tell_silent(m, "a");
                says(MESSAGE_ENDED_SILENTLY, "vfio-gpu-bind@a.service", "vfio-gpu-bind@a.service failed: its program could "
                     "not do its work; 'journalctl -b UNIT=\"vfio-gpu-bind@a.service\"' shows when");
        }
        world.failed = NULL;
        world.active = "failed";
        world.result = "timeout";
        swap_tell_silent(m, "a\\x20b");
        says(MESSAGE_ENDED_SILENTLY, ENTRY, ENTRY " failed: it took longer than TimeoutStartSec= or TimeoutStopSec= of it "
             "allows; 'journalctl -b UNIT=\"" ENTRY "\"' shows when");
}

static void fails_with(Manager *m, const char *status, const char *result, const char *failure) {
        _cleanup_(status_done) Status s = { 0 };

        world.active = "failed";
        world.status = status;
        world.result = result;
        ok(status_read(m, "b", NULL, &s) == 0);
        is(s.failure, failure);
}

static void test_status(Manager *m) {
        fails_with(m, "the words", "signal", "the words");
        fails_with(m, "", "signal", "its program was killed by a signal");
        fails_with(m, "", "exit-code", "its program could not do its work");
        fails_with(m, "", "resources", "resources");
        fails_with(m, SWAP_READY "b", "timeout", "it took longer than TimeoutStartSec= or TimeoutStopSec= of it allows");
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

static void test_manager(void) {
        char directory[] = "/tmp/test-swap-XXXXXX", manager;
        _cleanup_free_ char *run = NULL;
        Manager *m = (Manager *) &manager;

        if (!mkdtemp(directory))
                abort();
        root_set(directory);
        run = root_path("/run");
        if (!run || mkdir(run, 0755) < 0)
                abort();
        log_set_sink(note);
        test_start(m);
        test_step(m);
        test_status(m);
        root_set(NULL);
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void) {
        test_processes();
        test_zombie();
        test_behind_a_lock();
        test_manager();
        return tap_done();
}
