/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "log.h"
#include "messages.h"
#include "pin.h"
#include "pinned.h"
#include "plan.h"
#include "programs.h"
#include "record.h"
#include "root.h"
#include "state.h"
#include "strv.h"
#include "swap.h"

#define GENERATED "/run/systemd/generator"
#define RECORD "pinned"
#define SLICE_COPY PINNED_DIRECTORY "/" PLAN_SLICE
#define UNIT_FILE_MAX (1024 * 1024)

/* Each copy is two lines of the record: from where, to where. */
static int add_copy(char ***copies, const char *from, const char *to) {
        int r = strv_extend(copies, from);

        return r < 0 ? r : strv_extend(copies, to);
}

static int find_generated(const char *vm, char ***copies) {
        _cleanup_strv_free_ char **names = NULL;
        int r;

        r = list_directory(GENERATED, &names);
        STRV_FOREACH(name, names) {
                if (r < 0 || !swap_has_unit(*name, vm))
                        continue;
                r = strv_extendf(copies, GENERATED "/%s", *name);
                if (r >= 0)
                        r = strv_extendf(copies, PINNED_DIRECTORY "/%s", *name);
        }
        return r;
}

/* What goes away with the package. The drop-in that completes the entry is not needed to stop what it
 * started. */
static int find_static(Manager *m, const char *vm, char ***copies) {
        _cleanup_free_ char *entry = NULL, *recover = NULL;
        int r = 0;

        if (asprintf(&entry, "vfio-gpu@%s.service", vm) < 0 || asprintf(&recover, SWAP_RECOVER "@%s.service", vm) < 0)
                return -ENOMEM;
        STRV_FOREACH(unit, STRV_MAKE(entry, recover, PLAN_SLICE)) {
                _cleanup_free_ char *from = NULL, *to = NULL;

                r = asprintf(&to, PINNED_DIRECTORY "/%s", *unit) < 0 ? -ENOMEM : 0;
                if (r >= 0)
                        r = manager_unit_string(m, *unit, "Unit", "FragmentPath", &from);
                if (r >= 0 && !isempty(from))
                        r = add_copy(copies, from, to);
                if (r < 0)
                        break;
        }
        return r;
}

/* It has no name before it is whole: the service manager takes an empty file for a mask. */
static int write_file(const char *path, const char *text) {
        _cleanup_close_ int fd = -1;
        char nameless[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

        if (mkdir(PINNED_DIRECTORY, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = open(PINNED_DIRECTORY, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        if (dprintf(fd, "%s\n", text) < 0)
                return -errno;

        (void) snprintf(nameless, sizeof(nameless), "/proc/self/fd/%i", fd);
        if (unlink(path) < 0 && errno != ENOENT)
                return -errno;
        return linkat(AT_FDCWD, nameless, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int copy_unit(const char *vm, const char *from, const char *to, bool own_programs) {
        _cleanup_free_ char *text = NULL, *pinned = NULL;
        int r;

        /* Of an earlier swap, whose way back was not finished. */
        if (streq(from, to))
                return 0;
        r = read_text_file(from, UNIT_FILE_MAX, &text);
        if (r < 0 || !own_programs)
                return r < 0 ? r : write_file(to, text);
        pinned = pinned_text(vm, text);
        return pinned ? write_file(to, pinned) : -ENOMEM;
}

/* What an earlier swap copied, whose way back was not finished, is to be removed with what this one copies. */
static int note_copies(int state, char *const *copies) {
        _cleanup_strv_free_ char **noted = NULL, **earlier = NULL;
        int r;

        r = state_read(state, RECORD, &earlier);
        if (r >= 0 || r == -ENOENT)
                r = strv_copy(copies, &noted);
        for (size_t i = 0; r >= 0 && earlier && earlier[i] && earlier[i + 1]; i += 2)
                if (!strv_contains(noted, earlier[i + 1]))
                        r = add_copy(&noted, earlier[i], earlier[i + 1]);
        return r < 0 ? r : state_write(state, RECORD, noted);
}

int pin_units(Manager *m, const char *vm, int state) {
        _cleanup_strv_free_ char **copies = NULL;
        bool own_programs;
        int r;

        r = find_generated(vm, &copies);
        if (r >= 0)
                r = find_static(m, vm, &copies);
        if (r >= 0)
                r = note_copies(state, copies);
        if (r < 0)
                return log_error_errno(r, "cannot find the units of this swap: %m; nothing was changed");

        r = programs_keep(vm);
        own_programs = r >= 0;
        if (r < 0)
                (void) log_warning_errno(r,
                                         "cannot copy the programs below " STATE_DIRECTORY ": %m; the package "
                                         "must not be upgraded or removed during this swap");

        for (size_t i = 0; copies && copies[i]; i += 2) {
                r = copy_unit(vm, copies[i], copies[i + 1], own_programs);
                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .id = MESSAGE_REFUSED },
                                        "cannot copy %s to %s: %m; nothing was changed", copies[i], copies[i + 1]);
        }
        return 0;
}

int pin_is_current(const char *vm, int state) {
        _cleanup_strv_free_ char **copies = NULL;
        int r;

        r = state_read(state, RECORD, &copies);
        for (size_t i = 0; r >= 0 && copies && copies[i] && copies[i + 1]; i += 2) {
                _cleanup_free_ char *from = root_path("%s", copies[i]), *to = root_path("%s", copies[i + 1]);

                if (!from || !to)
                        return -ENOMEM;
                if (!pinned_is_same(vm, from, to))
                        return 0;
        }
        return r < 0 ? r : 1;
}

/* What the manager knows from the copies it would go on to know. */
static bool is_loaded_from_copy(Manager *m, const char *vm) {
        _cleanup_strv_free_ char **units = NULL;

        if (swap_units(m, vm, NULL, &units) < 0 || strv_extend(&units, PLAN_SLICE) < 0 ||
            strv_extendf(&units, "vfio-gpu@%s.service", vm) < 0)
                return true;
        STRV_FOREACH(unit, units) {
                _cleanup_free_ char *path = NULL;

                if (manager_unit_string(m, *unit, "Unit", "FragmentPath", &path) >= 0 &&
                    startswith(path, PINNED_DIRECTORY "/"))
                        return true;
        }
        return false;
}

/* Other swaps go on needing what all have in common. */
static bool others_are_pinned(const char *vm) {
        _cleanup_strv_free_ char **vms = NULL;
        bool any = false;

        (void) state_list(&vms);
        STRV_FOREACH(other, vms) {
                _cleanup_close_ int state = streq(*other, vm) ? -1 : state_open(*other, false);
                _cleanup_strv_free_ char **copies = NULL;

                any = any || (state >= 0 && state_read(state, RECORD, &copies) != -ENOENT);
        }
        return any;
}

static void remove_copy(const char *copy) {
        if (startswith(copy, PINNED_DIRECTORY "/") && unlink(copy) < 0 && errno != ENOENT)
                (void) log_warning_errno(errno,
                                         "cannot remove %s: %m; remove it and run 'systemctl daemon-reload', or the "
                                         "next swap is made as this one was", copy);
}

/* Of swaps that end at the same time the last one without its record removes what they have in common. */
static int remove_copies(const char *vm, int state, char *const *copies) {
        int r;

        for (size_t i = 0; copies && copies[i] && copies[i + 1]; i += 2)
                if (!streq(copies[i + 1], SLICE_COPY))
                        remove_copy(copies[i + 1]);
        r = state_remove(state, RECORD);
        if (!others_are_pinned(vm))
                remove_copy(SLICE_COPY);
        return r;
}

int unpin_units(Manager *m, const char *vm, int state) {
        _cleanup_strv_free_ char **copies = NULL, **reload = NULL;
        int r;

        r = state_read(state, RECORD, &copies);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot read which units were copied: %m");

        if (pin_is_current(vm, state) == 0)
                log_notice("the configuration has changed during the swap, or the package; it counts from the next one on");
        r = remove_copies(vm, state, copies);
        if (r < 0)
                return log_error_errno(r, "cannot remove the record of the units that were copied: %m");
        r = programs_remove(vm);
        if (r < 0)
                (void) log_warning_errno(r, "cannot remove the copies of programs below " STATE_DIRECTORY ": %m");

        r = is_loaded_from_copy(m, vm) || state_read(state, RECORD_RELOAD, &reload) >= 0 ? manager_reload(m) : 0;
        return r < 0 ? log_error_errno(r, "cannot reload the service manager: %m; run 'systemctl daemon-reload'") : 0;
}
