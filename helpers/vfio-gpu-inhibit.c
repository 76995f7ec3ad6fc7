/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Holds an inhibitor lock while the VM has the GPU, for as long as it runs. */

#include <fcntl.h>

#include <systemd/sd-daemon.h>

#include "bus.h"
#include "inhibitor.h"
#include "log.h"
#include "step.h"

/* Returns the descriptor that is the lock, or a negative errno. */
static int take_lock(sd_bus *bus, const char *what, const char *why, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int fd, r;

        r = sd_bus_call_method(bus, LOGIND, LOGIND_PATH, LOGIND_MANAGER, "Inhibit", error, &reply, "ssss", what,
                               INHIBITOR_WHO, why, "block");
        if (r >= 0)
                r = sd_bus_message_read(reply, "h", &fd);
        if (r < 0)
                return r;
        fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
}

static int lock(const char *what, const char *why) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = sd_bus_open_system(&bus);
        if (r >= 0)
                r = take_lock(bus, what, why, &error);
        if (r < 0)
                return log_error_errno(r, "cannot have logind inhibit %s: %s; is systemd-logind.service running?",
                                       what, error.message ?: strerror(-r));
        return r;
}

static int start(const Task *task) {
        _cleanup_free_ char *why = NULL;
        _cleanup_close_ int fd = -1;

        if (!task->inhibit)
                return log_error_errno(EINVAL, "no --inhibit= is given");
        if (asprintf(&why, "VM %s has the GPU", task->vm_name) < 0)
                return log_oom();

        fd = lock(task->inhibit, why);
        if (fd < 0)
                return fd;
        log_info("inhibits %s", task->inhibit);
        (void) sd_notify(false, "READY=1");
        for (;;)
                (void) pause();
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start });
}
