/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "check-part.h"
#include "plan.h"
#include "root.h"
#include "strv.h"
#include "swap.h"
#include "text.h"

/* Without a display manager there is no such alias, and nothing to stop. */
#define ALIAS "display-manager.service"

#define GENERATED "/run/systemd/generator"

/* The directories that come before the generator's. */
static const struct {
        const char *path, *option;
} unit_directories[] = {
        { "/etc/systemd/system", "" },
        { "/run/systemd/system", "--runtime " },
};

/* The service manager takes an empty file for a mask as well. */
static bool is_mask(const struct stat *st) {
        return (S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3)) || (S_ISREG(st->st_mode) && st->st_size == 0);
}

/* Returns 1 if one of the directories has the file, which then decides, 0 if none has, or a negative errno. */
static int check_mask(CheckContext *c, const char *unit, const char *file) {
        for (size_t i = 0; i < ELEMENTSOF(unit_directories); i++) {
                _cleanup_free_ char *path = root_path("%s/%s", unit_directories[i].path, file);
                struct stat st;
                int r;

                if (!path)
                        return -ENOMEM;
                if (stat(path, &st) < 0)
                        continue;
                r = !is_mask(&st) ? 0 :
                        findings_add(c->findings, FINDING_UNIT_MASKED, unit,
                                     "%s is masked by %s/%s, and no swap is made and undone without it: run "
                                     "'systemctl unmask %s\"%s\"'", unit, unit_directories[i].path, file,
                                     unit_directories[i].option, file);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* Those without a file of their own are made of a template, which can be masked as well. */
static int check_static(CheckContext *c, const char *name) {
        _cleanup_free_ char *unit = NULL, *template = NULL;
        int r;

        if (asprintf(&unit, "%s@%s.service", name, c->check->vm) < 0 || asprintf(&template, "%s@.service", name) < 0)
                return -ENOMEM;
        r = check_mask(c, unit, unit);
        return r != 0 ? r : check_mask(c, unit, template);
}

/* Other tunings the swap goes on without. */
static bool is_needed(const char *unit) {
        return !swap_is_tuning(unit) || startswith(unit, "vfio-gpu-hugepages@");
}

/* Looked for in files: the manager, if it were asked, would load the steps before their copies are made. */
int check_own_units(CheckContext *c) {
        _cleanup_free_ char *path = root_path(GENERATED);
        _cleanup_strv_free_ char **names = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = check_static(c, "vfio-gpu");
        if (r >= 0)
                r = check_static(c, SWAP_RECOVER);
        if (r >= 0)
                r = check_mask(c, PLAN_SLICE, PLAN_SLICE);
        if (r < 0)
                return r;

        (void) list_directory(path, &names);
        STRV_FOREACH(name, names)
                if (r >= 0 && swap_has_unit(*name, c->check->vm) && is_needed(*name))
                        r = check_mask(c, *name, *name);
        return r < 0 ? r : 0;
}

/* Adds the names of one type of unit, without what they all end with. */
static int add_stems(char *const *units, const char *type, char ***stems) {
        int r = 0;

        for (; units && *units && r >= 0; units++) {
                const char *end = endswith(*units, type);

                if (end)
                        r = strv_consume(stems, strndup(*units, (size_t) (end - *units)));
        }
        return r;
}

/* Returns 1 with the existing unit that is nearest, 0 with NULL if none is near or they cannot be listed, or
 * -ENOMEM. */
static int find_nearest(Manager *m, const char *unit, char **ret) {
        _cleanup_strv_free_ char **units = NULL, **stems = NULL;
        const char *type = strrchr(unit, '.'), *nearest;
        _cleanup_free_ char *stem = NULL;
        int r;

        stem = strndup(unit, (size_t) (type - unit));
        r = stem ? manager_list_unit_files(m, &units) : -ENOMEM;
        if (r >= 0)
                r = add_stems(units, type, &stems);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        nearest = nearest_name(stem, (const char *const *) stems, strv_length(stems));
        if (!nearest)
                return 0;
        return asprintf(ret, "%s%s", nearest, type) < 0 ? (*ret = NULL, -ENOMEM) : 1;
}

static int add_unknown(CheckContext *c, const char *unit, const char *key) {
        _cleanup_free_ char *nearest = NULL;
        int r;

        r = find_nearest(c->manager, unit, &nearest);
        return r < 0 ? r : findings_add(c->findings, FINDING_UNIT_UNKNOWN, unit,
                                        "%s names %s, and there is no such unit%s%s%s: correct it in vfio-gpu.conf "
                                        "('systemctl list-unit-files' shows the names)", key, unit,
                                        nearest ? " (did you mean " : "", nearest ?: "", nearest ? "?)" : "");
}

/* Returns 1 if the unit exists, 0 if not, which is added, or a negative errno. */
static int check_existence(CheckContext *c, const char *unit, const char *key) {
        _cleanup_free_ char *state = NULL;
        int r;

        r = manager_unit_string(c->manager, unit, "Unit", "LoadState", &state);
        if (r < 0 || !streq(state, "not-found"))
                return r < 0 ? r : 1;
        return streq(unit, ALIAS) ? 0 : add_unknown(c, unit, key);
}

static int check_unit_to_stop(CheckContext *c, const char *unit) {
        int r;

        r = manager_unit_runs(c->manager, unit);
        if (r == 0) {
                r = check_existence(c, unit, "StopUnits=");
                return r < 0 ? r : 0;
        }
        if (r < 0)
                return r;

        r = manager_unit_can_start(c->manager, unit);
        return r != 0 ? r : findings_add(c->findings, FINDING_UNIT_CANNOT_RETURN, unit,
                                         "%s runs and is stopped for the swap (StopUnits=), but cannot be "
                                         "started again afterwards: 'systemctl cat %s' shows why (masked, "
                                         "RefuseManualStart=, a scope)",
                                         unit, unit);
}

static int check_unit_to_start(CheckContext *c, const char *unit) {
        int r;

        r = check_existence(c, unit, "StartUnits=");
        if (r > 0)
                r = manager_unit_runs(c->manager, unit) == 0;
        if (r <= 0)
                return r;

        r = manager_unit_can_start(c->manager, unit);
        return r != 0 ? r : findings_add(c->findings, FINDING_UNIT_CANNOT_START, unit,
                                         "%s is to be started for the swap (StartUnits=) and cannot be: "
                                         "'systemctl status %s' shows why (masked, RefuseManualStart=, a "
                                         "mistake in it)", unit, unit);
}

int check_units(CheckContext *c) {
        int r = 0;

        if (!c->manager)
                return 0;
        for (char *const *unit = c->check->stop_units; r >= 0 && unit && *unit; unit++)
                r = check_unit_to_stop(c, *unit);
        for (char *const *unit = c->check->start_units; r >= 0 && unit && *unit; unit++)
                r = check_unit_to_start(c, *unit);
        return r;
}
