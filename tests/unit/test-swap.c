/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sys/wait.h>

#include <systemd/sd-login.h>

#include "strv.h"
#include "swap.h"
#include "tap.h"

/* What is found out about the processes of a swap, whose units are made up. */

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

/* A lock does not hide what is behind it. */
static void test_behind_a_lock(void) {
        processes[1].pid = begin_process();
        processes[1].unit = "vfio-gpu-inhibit@a.service";
        finds("vfio-gpu-bind@a.service", "vfio-gpu-bind@a.service", false);
        (void) kill(processes[1].pid, SIGKILL);
        ok(waitpid(processes[1].pid, NULL, 0) > 0);
        processes[1].pid = 0;
}

int main(void) {
        test_processes();
        test_behind_a_lock();
        return tap_done();
}
