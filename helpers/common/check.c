/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check.h"
#include "function.h"
#include "group.h"
#include "holders.h"
#include "module.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

DEFINE_CLEANUP(struct kmod_list *, kmod_module_unref_list)

static int check_function(const char *address, char *const *handed_over, char ***findings) {
        char *problem = NULL;
        int class, r;

        class = pci_class(address);
        if (class == -ENOENT)
                return strv_extendf(findings, "%s is not on the PCI bus: 'lspci -D' lists what is; correct Devices= in "
                                    "vfio-gpu.conf", address);
        if (class < 0)
                return class;
        if (pci_class_is_bridge(class))
                return strv_extendf(findings, "%s is a bridge, which cannot be handed over: take it out of Devices=", address);

        r = group_problem(address, handed_over, &problem);
        return r < 0 || !problem ? r : strv_consume(findings, problem);
}

static int check_vfio(char ***findings) {
        _cleanup_free_ char *driver = root_path("/sys/bus/pci/drivers/" VFIO_DRIVER);
        _cleanup_(kmod_module_unref_listp) struct kmod_list *found = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r;

        if (driver && path_exists(driver))
                return 0;
        r = module_open(&kmod);
        if (r >= 0)
                r = kmod_module_new_from_lookup(kmod, VFIO_DRIVER, &found);
        return r >= 0 && found ? 0 :
                strv_extendf(findings, "the running kernel has no vfio-pci ('modinfo vfio-pci'): after an upgrade of the "
                             "kernel reboot, otherwise install a kernel that has it");
}

static int check_unit(Manager *m, const char *unit, char ***findings) {
        _cleanup_free_ char *state = NULL;
        int r;

        r = manager_unit_string(m, unit, "Unit", "LoadState", &state);
        if (r < 0)
                return r;
        /* Without a display manager there is no such alias, and nothing to stop. */
        if (!streq(state, "not-found") || streq(unit, "display-manager.service"))
                return 0;
        return strv_extendf(findings, "there is no unit %s: correct StopUnits= or StartUnits= in vfio-gpu.conf "
                            "('systemctl list-unit-files' shows the names)", unit);
}

/* What another VM was handed and does not use is taken back first; what it uses cannot be. */
static int check_owners(const Check *check, char ***findings) {
        _cleanup_strv_free_ char **owners = NULL, **nodes = NULL;
        _cleanup_free_ char *who = NULL;
        Holder *holders = NULL;
        size_t n = 0;
        int r;

        r = functions_owners(check->functions, &owners);
        if (r >= 0)
                r = nodes_of_vfio(check->functions, &nodes);
        if (r >= 0)
                r = holders_find(nodes, &holders, &n);
        if (r < 0)
                return r;

        who = holders_describe(holders, n);
        holders_free(holders, n);
        if (!who)
                return -ENOMEM;

        STRV_FOREACH(owner, n > 0 ? owners : NULL)
                if (r >= 0 && !streq(*owner, check->vm))
                        r = strv_extendf(findings, "the GPU is handed over to VM %s, which still runs: %s; end it first "
                                         "('virsh shutdown' or 'virsh destroy')", *owner, who);
        return r;
}

int check_run(Manager *m, const Check *check, char ***ret) {
        _cleanup_strv_free_ char **findings = NULL;
        int r;

        r = check_vfio(&findings);
        for (char *const *f = check->functions; r >= 0 && f && *f; f++)
                r = check_function(*f, check->functions, &findings);
        if (r >= 0)
                r = check_owners(check, &findings);
        for (char *const *u = check->units; r >= 0 && u && *u; u++)
                r = check_unit(m, *u, &findings);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(findings);
        return 0;
}
