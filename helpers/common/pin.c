/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "log.h"
#include "pin.h"
#include "root.h"
#include "state.h"
#include "strv.h"

#define GENERATED "/run/systemd/generator"
#define PINNED "/run/systemd/system"
#define RECORD "pinned"
#define UNIT_FILE_MAX (1024 * 1024)

/* Each copy is two lines of the record: from where, to where. */
static int add_copy(char ***copies, const char *from, const char *to) {
        int r = strv_extend(copies, from);

        return r < 0 ? r : strv_extend(copies, to);
}

static bool is_unit_of(const char *name, const char *vm) {
        const char *at = startswith(name, "vfio-gpu") ? strchr(name, '@') : NULL;
        const char *suffix = at ? startswith(at + 1, vm) : NULL;

        return suffix && (streq(suffix, ".service") || streq(suffix, ".target"));
}

static int find_generated(const char *vm, char ***copies) {
        _cleanup_strv_free_ char **names = NULL;
        int r;

        r = list_directory(GENERATED, &names);
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *from = NULL, *to = NULL;

                if (r < 0 || !is_unit_of(*name, vm))
                        continue;
                from = root_path(GENERATED "/%s", *name);
                to = root_path(PINNED "/%s", *name);
                r = from && to ? add_copy(copies, from, to) : -ENOMEM;
        }
        return r;
}

/* The template goes away with the package. The drop-in that completes it is not needed to stop what it started. */
static int find_template(Manager *m, const char *vm, char ***copies) {
        _cleanup_free_ char *unit = NULL, *from = NULL, *to = NULL;
        int r;

        if (asprintf(&unit, "vfio-gpu@%s.service", vm) < 0 || asprintf(&to, PINNED "/vfio-gpu@%s.service", vm) < 0)
                return -ENOMEM;

        r = manager_unit_string(m, unit, "Unit", "FragmentPath", &from);
        return r < 0 || isempty(from) || streq(from, to) ? r : add_copy(copies, from, to);
}

static int copy_file(const char *from, const char *to) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = read_text_file(from, UNIT_FILE_MAX, &text);
        if (r < 0)
                return r;
        if (mkdir(PINNED, 0755) < 0 && errno != EEXIST)
                return -errno;
        if (unlink(to) < 0 && errno != ENOENT)
                return -errno;

        fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                return -errno;
        return dprintf(fd, "%s\n", text) < 0 ? -errno : 0;
}

int pin_units(Manager *m, const char *vm, int state) {
        _cleanup_strv_free_ char **copies = NULL;
        int r;

        r = find_generated(vm, &copies);
        if (r >= 0)
                r = find_template(m, vm, &copies);
        if (r >= 0)
                r = state_write(state, RECORD, copies);
        if (r < 0)
                return log_error_errno(r, "cannot find the units of this swap: %m");

        for (size_t i = 0; copies && copies[i]; i += 2) {
                r = copy_file(copies[i], copies[i + 1]);
                if (r < 0)
                        return log_error_errno(r, "cannot copy %s to %s: %m", copies[i], copies[i + 1]);
        }
        return 0;
}

static bool is_loaded_from_copy(Manager *m, const char *vm) {
        _cleanup_free_ char *unit = NULL, *path = NULL;

        return asprintf(&unit, "vfio-gpu@%s.target", vm) >= 0 &&
                manager_unit_string(m, unit, "Unit", "FragmentPath", &path) >= 0 && startswith(path, PINNED "/");
}

int unpin_units(Manager *m, const char *vm, int state) {
        _cleanup_strv_free_ char **copies = NULL;
        bool reload;
        int r;

        r = state_read(state, RECORD, &copies);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read which units were copied: %m");

        reload = is_loaded_from_copy(m, vm);
        for (size_t i = 0; copies && copies[i] && copies[i + 1]; i += 2)
                if (!startswith(copies[i + 1], PINNED "/") || (unlink(copies[i + 1]) < 0 && errno != ENOENT))
                        log_warning("cannot remove %s", copies[i + 1]);

        if (reload) {
                log_notice("the configuration was read again during the swap; it counts from the next one on");
                r = manager_reload(m);
                if (r < 0)
                        return log_error_errno(r, "cannot reload the service manager: %m; run 'systemctl daemon-reload'");
        }
        return state_remove(state, RECORD);
}
