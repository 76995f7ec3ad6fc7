/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <systemd/sd-daemon.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "journal.h"
#include "strv.h"

static const char *journal_vm;

/* Journald adds the unit's LogExtraFields= by the sender's cgroup, which it may look up too late for a
 * program that fails and exits at once: so the VM's name is sent along. */
static int make_fields(int level, int error, const LogSubject *subject, const char *text, char ***ret) {
        const char *values[][2] = {
                { "VFIO_GPU_VM", journal_vm },
                { "VFIO_GPU_FUNCTION", subject->function },
                { "VFIO_GPU_MODULE", subject->module },
                { "VFIO_GPU_UNIT", subject->unit },
                { "VFIO_GPU_FINDING", subject->finding },
        };
        _cleanup_strv_free_ char **fields = NULL;
        int r;

        r = strv_extendf(&fields, "MESSAGE=%s", text);
        if (r >= 0)
                r = strv_extendf(&fields, "PRIORITY=%i", level);
        if (r >= 0)
                r = strv_extendf(&fields, "SYSLOG_IDENTIFIER=%s", program_invocation_short_name);
        if (r >= 0 && error)
                r = strv_extendf(&fields, "ERRNO=%i", error);
        if (r >= 0 && subject->id)
                r = strv_extend(&fields, subject->id);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(values); i++)
                if (values[i][1])
                        r = strv_extendf(&fields, "%s=%s", values[i][0], values[i][1]);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(fields);
        return 0;
}

static bool send_line(int level, int error, const LogSubject *subject, const char *text) {
        _cleanup_strv_free_ char **fields = NULL;
        struct iovec iov[16];
        int n = 0;

        if (make_fields(level, error, subject, text, &fields) < 0)
                return false;
        STRV_FOREACH(f, fields)
                iov[n++] = (struct iovec) { .iov_base = *f, .iov_len = strlen(*f) };
        return sd_journal_sendv(iov, n) >= 0;
}

static void log_sink_journal(int level, int error, const LogSubject *subject, const char *text) {
        if (level <= LOG_ERR)
                journal_status("%s", text);
        if (!send_line(level, error, subject, text))
                log_sink_stderr(level, error, subject, text);
}

static void log_sink_both(int level, int error, const LogSubject *subject, const char *text) {
        (void) send_line(level, error, subject, text);
        log_sink_stderr(level, error, subject, text);
}

static bool stderr_is_journal(void) {
        struct stat st;

        return fstat(STDERR_FILENO, &st) >= 0 && S_ISSOCK(st.st_mode);
}

void journal_open(const char *vm) {
        journal_vm = vm;
        if (stderr_is_journal())
                log_set_sink(log_sink_journal);
}

void journal_open_beside(const char *vm) {
        journal_vm = vm;
        log_set_sink(stderr_is_journal() ? log_sink_journal : log_sink_both);
}

void journal_status(const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n >= 0)
                (void) sd_notifyf(0, "STATUS=%s", text);
}

void journal_extend_time(uint64_t usec) {
        (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}
