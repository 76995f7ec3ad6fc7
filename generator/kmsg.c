/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "kmsg.h"
#include "log.h"
#include "root.h"

/* The kernel refuses lines of more than 1,024 bytes as a whole. */
#define KMSG_TEXT_MAX 900

static int kmsg_fd = -1;
static bool run_by_manager;

static void write_kmsg(int level, const char *text) {
        _cleanup_free_ char *line = NULL;
        int n;

        n = asprintf(&line, "<%d>%s[%d]: %.*s\n", LOG_DAEMON | level, program_invocation_short_name,
                     getpid(), KMSG_TEXT_MAX, text);
        if (n > 0)
                (void) !write(kmsg_fd, line, (size_t) n);
}

static void log_sink_kmsg(int level, int error, const LogSubject *subject, const char *text) {
        if (kmsg_fd >= 0)
                write_kmsg(level, text);
        if (kmsg_fd < 0 || !run_by_manager)
                log_sink_stderr(level, error, subject, text);
}

/* Returns the level that a word or a digit stands for, or -1. */
static int log_level_from_string(const char *s) {
        static const char *const names[] = {
                "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
        };

        for (int i = 0; i < (int) ELEMENTSOF(names); i++)
                if (streq(s, names[i]) || (s[0] == '0' + i && !s[1]))
                        return i;
        return -1;
}

void kmsg_setup(void) {
        _cleanup_free_ char *path = root_path("/dev/kmsg");
        const char *level = getenv("SYSTEMD_LOG_LEVEL"), *pid = getenv("SYSTEMD_EXEC_PID");

        run_by_manager = pid && atoi(pid) == getpid();
        if (path)
                kmsg_fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_APPEND);
        log_set_sink(log_sink_kmsg);
        if (level && log_level_from_string(level) >= 0)
                log_set_max_level(log_level_from_string(level));
}
