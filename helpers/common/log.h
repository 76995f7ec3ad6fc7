/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <syslog.h>

#include "macros.h"

/* What a line is about: kept beside the text, so that journalctl can select by it. Every member may be NULL. */
typedef struct LogSubject {
        const char *id;       /* a message id of messages.h, for the catalog */
        const char *function; /* PCI address, VFIO_GPU_FUNCTION= */
        const char *module;   /* kernel module, VFIO_GPU_MODULE= */
        const char *unit;     /* systemd unit, VFIO_GPU_UNIT= */
        const char *finding;  /* what a check found, by its name, VFIO_GPU_FINDING= */
} LogSubject;

/* Delivers one line. 'error' is 0 or a positive errno value. */
typedef void (*LogSink)(int level, int error, const LogSubject *subject, const char *text);

/* Decides where lines go from now on; without a call they go to standard error. */
void log_set_sink(LogSink sink);

/* Decides the least important level that is still delivered, LOG_INFO unless told. */
void log_set_max_level(int level);

/* Writes "program: text" to standard error; for sinks that want a person to see the line as well. */
void log_sink_stderr(int level, int error, const LogSubject *subject, const char *text);

/* Logs one line; "%m" in the format is the text of 'error' (an errno value of either sign, or 0).
 * Returns -|error|, so that callers can write: return log_error_errno(r, "…: %m"). Leaves errno alone. */
int log_full(int level, int error, const LogSubject *subject, const char *format, ...) _printf_(4, 5);

#define log_error_errno(error, ...) log_full(LOG_ERR, error, NULL, __VA_ARGS__)
#define log_error(...) ((void) log_full(LOG_ERR, 0, NULL, __VA_ARGS__))
#define log_warning_errno(error, ...) log_full(LOG_WARNING, error, NULL, __VA_ARGS__)
#define log_warning(...) ((void) log_full(LOG_WARNING, 0, NULL, __VA_ARGS__))
#define log_notice(...) ((void) log_full(LOG_NOTICE, 0, NULL, __VA_ARGS__))
#define log_info(...) ((void) log_full(LOG_INFO, 0, NULL, __VA_ARGS__))
#define log_debug(...) ((void) log_full(LOG_DEBUG, 0, NULL, __VA_ARGS__))

/* Logs that memory ran out. Returns -ENOMEM. */
#define log_oom() log_error_errno(ENOMEM, "out of memory")
