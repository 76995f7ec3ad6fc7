/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "log.h"
#include "text.h"

static LogSink log_sink = log_sink_stderr;
static int log_max_level = LOG_INFO;

void log_set_sink(LogSink sink) {
        log_sink = sink;
}

void log_set_max_level(int level) {
        log_max_level = level;
}

void log_sink_stderr(_unused_ int level, _unused_ int error, _unused_ const LogSubject *subject, const char *text) {
        _cleanup_free_ char *printable = text_printable(text);

        (void) fprintf(stderr, "%s: %s\n", program_invocation_short_name, printable ?: "out of memory");
}

int log_full(int level, int error, const LogSubject *subject, const char *format, ...) {
        static const LogSubject nothing;
        _cleanup_free_ char *text = NULL;
        int saved = errno, n;
        va_list ap;

        error = abs(error);
        if (level <= log_max_level) {
                errno = error;
                va_start(ap, format);
                n = vasprintf(&text, format, ap);
                va_end(ap);
                log_sink(level, error, subject ? subject : &nothing, n < 0 ? "out of memory" : text);
        }

        errno = saved;
        return -error;
}
