/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "attribute.h"
#include "cpu-policy.h"
#include "later-record.h"
#include "log.h"
#include "root.h"
#include "state.h"
#include "strv.h"

#define VALUE_MAX 4096

static int set(const char *path, const char *value) {
        _cleanup_free_ char *full = root_path("%s", path), *now = NULL;
        int r;

        r = full ? read_text_file(full, VALUE_MAX, &now) : -ENOMEM;
        if (r < 0 || streq(now, value))
                return r;
        /* What is written with no length does not reach the kernel. */
        return write_attribute(full, *value ? value : "\n");
}

static bool is_noted(char *const *lines, const char *path) {
        for (; lines && *lines; lines++) {
                const char *rest = startswith(*lines, path);

                if (rest && *rest == ' ')
                        return true;
        }
        return false;
}

static int note(const char *path, char ***lines) {
        _cleanup_free_ char *full = root_path("%s", path), *value = NULL;
        int r;

        if (is_noted(*lines, path))
                return 0;
        r = full ? read_text_file(full, VALUE_MAX, &value) : -ENOMEM;
        return r < 0 ? r : strv_extendf(lines, "%s %s", path, value);
}

/* Returns the path, to be freed, and what is behind it. */
static char *split(const char *line, char separator, const char **ret_value) {
        size_t n = (size_t) (strchrnul(line, separator) - line);

        *ret_value = line + n + !!line[n];
        return strndup(line, n);
}

static int note_all(const char *vm, const char *record, int state, char *const *assignments) {
        _cleanup_strv_free_ char **lines = NULL;
        int r;

        r = state_read(state, record, &lines);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY "/%s/%s: %m", vm, record);

        for (; assignments && *assignments; assignments++) {
                const char *value;
                _cleanup_free_ char *path = split(*assignments, '=', &value);

                r = path ? note(path, &lines) : -ENOMEM;
                if (r < 0)
                        return log_error_errno(r, "cannot read %s: %m", path ?: "an attribute");
        }
        r = state_write(state, record, lines);
        return r < 0 ? log_error_errno(r, "cannot write " STATE_DIRECTORY "/%s/%s: %m", vm, record) : 0;
}

int attributes_set(const char *vm, const char *record, char *const *assignments) {
        _cleanup_close_ int lock = -1, state = -1;
        int r;

        state = state_open(vm, true);
        lock = state < 0 ? state : state_lock();
        if (lock < 0)
                return log_error_errno(lock, "cannot lock " STATE_DIRECTORY ": %m");
        r = note_all(vm, record, state, assignments);
        for (; r >= 0 && assignments && *assignments; assignments++) {
                const char *value;
                _cleanup_free_ char *path = split(*assignments, '=', &value);

                r = path ? set(path, value) : -ENOMEM;
                if (r < 0)
                        return log_error_errno(r, "cannot set %s to '%s': %m", path ?: "an attribute", value);
        }
        return r;
}

/* Returns 1 if what the line says is another VM's to restore from now on, 0 if not, or a negative errno. */
static int pass_on(const char *vm, const char *record, const char *path, const char *line) {
        _cleanup_later_record_ LaterRecord later = { 0 };
        int r;

        r = later_record_find(vm, record, path, &later);
        if (r > 0)
                r = later_record_replace(&later, record, line);
        return r < 0 ? r : later.vm != NULL;
}

/* The kernel shows methods that it found when the function came to the bus, and takes only those that it
 * finds now: of a card with several functions it does not reset the whole bus for the first any more. */
static int set_again(const char *path, const char *value) {
        int r = set(path, value);

        if (r != -EINVAL || !endswith(path, "/reset_method") || set(path, "default") < 0)
                return r;
        log_notice("the kernel does not take '%s' for %s again, which has what the kernel offers now", value, path);
        return 0;
}

static bool is_offline(const char *path) {
        _cleanup_free_ char *policy = strndup(path, (size_t) (strrchr(path, '/') - path));

        return policy && endswith(path, "/scaling_governor") && cpu_policy_is_offline(policy);
}

static int restore(const char *vm, const char *record, const char *line) {
        const char *value;
        _cleanup_free_ char *path = split(line, ' ', &value), *full = path ? root_path("%s", path) : NULL;
        bool offline;
        int r;

        if (!full)
                return log_oom();
        r = pass_on(vm, record, path, line);
        if (r != 0)
                return r < 0 ? log_error_errno(r, "cannot read whether other VMs have %s set: %m", path) : 0;
        if (!startswith(path, "/sys/") || strstr(path, "/../"))
                return log_error_errno(EBADMSG, "'%s' is no attribute of /sys/: %m", path);
        r = set_again(path, value);
        offline = r < 0 && is_offline(path);
        if (r < 0 && (offline || !path_exists(full))) {
                log_notice("%s is %s, and stays without its former value '%s'", path,
                           offline ? "of CPUs that are offline" : "not there any more", value);
                return 0;
        }
        return r < 0 ? log_error_errno(r, "cannot set %s to '%s' again: %m", path, value) : 0;
}

int attributes_restore(const char *vm, const char *record) {
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_close_ int lock = -1, state = -1;
        int r;

        lock = state_lock();
        state = lock < 0 ? lock : state_open(vm, false);
        r = state < 0 ? state : state_read(state, record, &lines);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY "/%s/%s: %m", vm, record);

        STRV_FOREACH(line, lines) {
                int k = restore(vm, record, *line);

                r = k < 0 ? k : r;
        }
        if (r < 0)
                return r;
        r = state_remove(state, record);
        return r < 0 ? log_error_errno(r, "cannot remove " STATE_DIRECTORY "/%s/%s: %m", vm, record) : 0;
}
