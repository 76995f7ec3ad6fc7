/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "holders.h"
#include "strv.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_UNITS "/org/freedesktop/systemd1/unit"

/* What a unit is called as well, and which units the service manager stops with it. */
static const char *const properties[] = { "Names", "ConsistsOf", "BoundBy", "RequiredBy", "RequisiteOf",
                                          "PropagatesStopTo" };

/* Adds the units that a property of a unit names: none if that cannot be read, since no swap is refused for
 * the want of a warning's details. */
static int add_property(CheckContext *c, const char *unit, const char *property, char ***units) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = sd_bus_path_encode(SYSTEMD_UNITS, unit, &path);
        if (r < 0)
                return r;
        (void) sd_bus_get_property_strv(manager_bus(c->manager), SYSTEMD, path, SYSTEMD ".Unit", property, NULL,
                                        &names);
        STRV_FOREACH(name, names)
                if (r >= 0 && !strv_contains(*units, *name))
                        r = strv_extend(units, *name);
        return r;
}

/* Lists what is stopped for the swap: the units of StopUnits=, and those that go with one of the list. */
static int list_stopped(CheckContext *c, char ***ret) {
        int r;

        r = strv_copy(c->check->stop_units, ret);
        for (size_t i = 0; r >= 0 && *ret && (*ret)[i]; i++)
                for (size_t k = 0; r >= 0 && k < ELEMENTSOF(properties); k++)
                        r = add_property(c, (*ret)[i], properties[k], ret);
        return r;
}

static bool is_service(const Owner *owner) {
        return !*owner->session && !*owner->user_unit && endswith(owner->unit, ".service");
}

static int add_holder(CheckContext *c, const Holder *holder) {
        return findings_add(c->findings, FINDING_GPU_HELD, holder->owner.unit,
                            "%s has %s of the GPU open (%s, pid %i) and is not stopped for the swap, which waits "
                            "HoldersTimeoutSec= for it and is given up unless it lets go with the desktop: name it "
                            "in StopUnits=",
                            holder->owner.unit, holder->node, holder->name, holder->pid);
}

/* Each service is told once, whatever number of processes it has. */
static int add_services(CheckContext *c, const Holder *holders, size_t n) {
        _cleanup_strv_free_ char **passed = NULL;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!is_service(&holders[i].owner))
                        continue;
                if (!passed)
                        r = list_stopped(c, &passed);
                if (r < 0 || strv_contains(passed, holders[i].owner.unit))
                        continue;
                r = add_holder(c, holders + i);
                if (r >= 0)
                        r = strv_extend(&passed, holders[i].owner.unit);
        }
        return r;
}

int check_services(CheckContext *c) {
        _cleanup_strv_free_ char **nodes = NULL;
        Holder *holders = NULL;
        size_t n = 0;
        int r;

        /* A swap that begins would be delayed by it, and names the service anyway if that does not let go. */
        if (!c->manager || c->check->starting || c->check->ends_holders)
                return 0;

        r = nodes_of_functions(c->check->functions, &nodes);
        if (r < 0 || !nodes)
                return r;
        r = holders_find(nodes, &holders, &n);
        if (r < 0)
                return r;
        r = add_services(c, holders, n);
        holders_free(holders, n);
        return r;
}
