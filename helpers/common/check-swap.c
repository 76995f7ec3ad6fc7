/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "holders.h"
#include "root.h"
#include "state.h"
#include "strv.h"
#include "swap.h"
#include "text.h"
#include "unit-name.h"

/* Returns 1 if the unit of the VM is neither active nor on its way to or from that, 0 if it is, or a
 * negative errno. */
static int is_over(CheckContext *c, const char *vm, const char *type) {
        _cleanup_free_ char *unit = NULL, *state = NULL;
        int r;

        if (asprintf(&unit, "vfio-gpu@%s.%s", vm, type) < 0) {
                unit = NULL;
                return -ENOMEM;
        }
        r = manager_unit_string(c->manager, unit, "Unit", "ActiveState", &state);
        return r < 0 ? r : streq(state, "inactive") || streq(state, "failed");
}

/* What this VM's own swap has left counts for the next one as well, and is restored after it. */
static int check_own_state(CheckContext *c) {
        _cleanup_free_ char *path = root_path(STATE_DIRECTORY "/%s", c->check->vm);
        int r;

        if (!path)
                return -ENOMEM;
        if (!path_exists(path))
                return 0;

        r = is_over(c, c->check->vm, "target");
        if (r > 0 && !c->check->starting)
                r = is_over(c, c->check->vm, "service");
        return r <= 0 ? r : findings_add(c->findings, FINDING_STATE_LEFT, path,
                                         "%s is left of an earlier swap of this VM, whose way back was not "
                                         "finished: what it notes of the host counts, and is restored after "
                                         "this swap; 'vfio-gpuctl recover \"%s\"' restores it now",
                                         path, c->check->vm_name);
}

/* A swap on top of one that was given up would take its leftovers for the state of the host. Sentences have
 * the name as people and libvirt know it, commands for systemctl the unit's: of "Win[10]" or "A.service" it
 * makes something else. */
static int check_owner(CheckContext *c, const char *vm) {
        _cleanup_free_ char *unit = NULL, *name = NULL;
        int r;

        r = is_over(c, vm, "service");
        if (r <= 0)
                return r;
        if (asprintf(&unit, "vfio-gpu@%s.target", vm) < 0) {
                unit = NULL;
                return -ENOMEM;
        }

        r = vm_name_unescape(vm, &name);
        /* A target can be started without the service, and then is not stopped with it. */
        if (r >= 0)
                r = is_over(c, vm, "target");
        if (r == 0)
                return findings_add(c->findings, FINDING_SWAP_UNFINISHED, unit,
                                    "the GPU is handed over to VM %s by its target alone: 'systemctl stop "
                                    "\"%s\"' first", name, unit);
        return r < 0 ? r : findings_add(c->findings, FINDING_SWAP_UNFINISHED, unit,
                                        "the GPU was handed over to VM %s and never given back, as "
                                        STATE_DIRECTORY "/%s shows: run 'vfio-gpuctl recover \"%s\"' first",
                                        name, vm, name);
}

/* Of two swaps at a time the second would take for the host's own state what the first has made of it. One
 * that gives back what this one needs is waited for. */
static int check_other(CheckContext *c, const char *unit) {
        const char *entry = startswith(unit, "vfio-gpu@");
        _cleanup_free_ char *vm = NULL, *state = NULL, *typed = NULL;
        int r;

        vm = entry ? strndup(entry, strlen(entry) - strlen(".service")) : strdup("");
        if (!vm)
                return -ENOMEM;
        if (streq(vm, c->check->vm))
                return 0;

        r = manager_unit_string(c->manager, unit, "Unit", "ActiveState", &state);
        if (r < 0)
                return r;
        if (!streq(state, "activating") && (!streq(state, "deactivating") || strv_contains(c->others, vm)))
                return 0;
        r = vm_name_unescape(unit, &typed);
        return r < 0 ? r : findings_add(c->findings, FINDING_SWAP_IN_PROGRESS, unit,
                                        "another swap is in progress, %s is %s, and each would undo the other's "
                                        "work: try again when it is done ('systemctl status \"%s\"')",
                                        typed, state, unit);
}

static int check_others(CheckContext *c) {
        _cleanup_strv_free_ char **units = NULL;
        int r;

        r = manager_list_units(c->manager, STRV_MAKE("activating", "deactivating"),
                               STRV_MAKE("vfio-gpu@*.service", SWAP_RECOVER "@*.service"), &units);
        STRV_FOREACH(unit, units)
                if (r >= 0)
                        r = check_other(c, *unit);
        return r;
}

int check_swaps(CheckContext *c) {
        int r;

        if (!c->manager)
                return 0;

        r = check_others(c);
        if (r >= 0)
                r = check_own_state(c);
        STRV_FOREACH(other, c->others)
                if (r >= 0)
                        r = check_owner(c, *other);
        return r;
}

static int add_running_vm(CheckContext *c, const char *vm, const char *who) {
        _cleanup_free_ char *name = NULL;
        int r;

        r = vm_name_unescape(vm, &name);
        return r < 0 ? r : findings_add(c->findings, FINDING_VM_RUNNING, name,
                                        "the GPU is handed over to VM %s, which still runs: %s; end it first ('virsh "
                                        "shutdown' or 'virsh destroy')", name, who);
}

/* What another VM was handed and does not use is taken back first; what it uses cannot be. */
static int add_running(CheckContext *c, const char *who) {
        int r = 0;

        if (!c->owners)
                return findings_add(c->findings, FINDING_VM_RUNNING, NULL,
                                    "the GPU is in use through vfio-pci: %s; end that VM first", who);

        STRV_FOREACH(other, c->others)
                if (r >= 0)
                        r = add_running_vm(c, *other, who);
        return r;
}

int check_holders(CheckContext *c) {
        _cleanup_free_ char *who = NULL, *printable = NULL;
        int r;

        r = c->manager ? vfio_holders_describe(c->check->functions, &who) : 0;
        if (r <= 0)
                return r;
        printable = text_printable(who);
        return printable ? add_running(c, printable) : -ENOMEM;
}
