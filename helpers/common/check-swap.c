/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "holders.h"
#include "root.h"
#include "state.h"
#include "strv.h"

static int get_state(CheckContext *c, const char *vm, char **ret_unit, char **ret_state) {
        if (asprintf(ret_unit, "vfio-gpu@%s.service", vm) < 0) {
                *ret_unit = NULL;
                return -ENOMEM;
        }
        return manager_unit_string(c->manager, *ret_unit, "Unit", "ActiveState", ret_state);
}

static bool is_over(const char *state) {
        return streq(state, "inactive") || streq(state, "failed");
}

/* What this VM's own swap has left counts for the next one as well, and is restored after it. */
static int check_own_state(CheckContext *c) {
        _cleanup_free_ char *path = root_path(STATE_DIRECTORY "/%s", c->check->vm), *unit = NULL, *state = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        if (!path_exists(path))
                return 0;

        r = get_state(c, c->check->vm, &unit, &state);
        if (r < 0 || (!c->check->starting && !is_over(state)))
                return r;
        return findings_add(c->findings, FINDING_STATE_LEFT, path,
                            "%s is left of an earlier swap of this VM, whose way back was not finished: what it notes of the "
                            "host counts, and is restored after this swap; 'vfio-gpuctl recover \"%s\"' restores it now", path,
                            c->check->vm);
}

/* A swap on top of one that was given up would take its leftovers for the state of the host. */
static int check_owner(CheckContext *c, const char *vm) {
        _cleanup_free_ char *unit = NULL, *state = NULL;
        int r;

        r = get_state(c, vm, &unit, &state);
        if (r < 0 || !is_over(state))
                return r;
        return findings_add(c->findings, FINDING_SWAP_UNFINISHED, unit,
                            "the GPU was handed over to VM %s and never given back (%s is %s, but " STATE_DIRECTORY
                            "/%s is there): run 'vfio-gpuctl recover \"%s\"' first", vm, unit, state, vm, vm);
}

/* Of two swaps at a time the second would take for the host's own state what the first has made of it. One that gives back
 * what this one needs is waited for. */
static int check_other(CheckContext *c, const char *unit, const char *state) {
        _cleanup_free_ char *own = NULL, *vm = NULL;
        const char *name = startswith(unit, "vfio-gpu@");

        if (asprintf(&own, "vfio-gpu@%s.service", c->check->vm) < 0)
                return -ENOMEM;
        vm = strndup(name, strlen(name) - strlen(".service"));
        if (!vm)
                return -ENOMEM;
        if (streq(unit, own) || (streq(state, "deactivating") && strv_contains(c->owners, vm)))
                return 0;
        return findings_add(c->findings, FINDING_SWAP_IN_PROGRESS, unit,
                            "another swap is in progress, %s is %s, and each would undo the other's work: try again when it "
                            "is done ('systemctl status %s')", unit, state, unit);
}

static int check_others(CheckContext *c, const char *state) {
        _cleanup_strv_free_ char **units = NULL;
        int r;

        r = manager_list_units(c->manager, STRV_MAKE(state), STRV_MAKE("vfio-gpu@*.service"), &units);
        STRV_FOREACH(unit, units)
                if (r >= 0)
                        r = check_other(c, *unit, state);
        return r;
}

int check_swaps(CheckContext *c) {
        int r;

        if (!c->manager)
                return 0;

        r = check_others(c, "activating");
        if (r >= 0)
                r = check_others(c, "deactivating");
        if (r >= 0)
                r = check_own_state(c);
        STRV_FOREACH(owner, c->owners)
                if (r >= 0 && !streq(*owner, c->check->vm))
                        r = check_owner(c, *owner);
        return r;
}

/* Drops the nodes that are not there: most of the time none is, and no process needs to be looked at. */
static int list_nodes(char *const *functions, char ***ret) {
        _cleanup_strv_free_ char **all = NULL, **nodes = NULL;
        int r;

        r = nodes_of_vfio(functions, &all);
        STRV_FOREACH(node, all)
                if (r >= 0 && path_exists(*node))
                        r = strv_extend(&nodes, *node);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(nodes);
        return 0;
}

/* What another VM was handed and does not use is taken back first; what it uses cannot be. */
static int add_running(CheckContext *c, const char *who) {
        int r = 0;

        if (!c->owners)
                return findings_add(c->findings, FINDING_VM_RUNNING, who,
                                    "the GPU is in use through vfio-pci: %s; end that VM first", who);

        STRV_FOREACH(owner, c->owners)
                if (r >= 0 && !streq(*owner, c->check->vm))
                        r = findings_add(c->findings, FINDING_VM_RUNNING, *owner,
                                         "the GPU is handed over to VM %s, which still runs: %s; end it first ('virsh "
                                         "shutdown' or 'virsh destroy')", *owner, who);
        return r;
}

int check_holders(CheckContext *c) {
        _cleanup_strv_free_ char **nodes = NULL;
        _cleanup_free_ char *who = NULL;
        Holder *holders = NULL;
        size_t n = 0;
        int r;

        r = c->manager ? list_nodes(c->check->functions, &nodes) : 0;
        if (r < 0 || !nodes)
                return r;
        r = holders_find(nodes, &holders, &n);
        if (r < 0 || n == 0)
                return r;

        who = holders_describe(holders, n);
        holders_free(holders, n);
        return who ? add_running(c, who) : -ENOMEM;
}
