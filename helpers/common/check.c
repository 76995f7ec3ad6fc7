/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "pci.h"
#include "strv.h"

/* What says most about the others comes first: people begin with the first line. */
static int (*const parts[])(CheckContext *c) = {
        check_swaps,
        check_holders,
        check_functions,
        check_groups,
        check_modules,
        check_disks,
        check_networks,
        check_own_units,
        check_units,
        check_services,
        check_inhibitors,
        check_cpus,
        check_governor,
        check_huge_pages,
        check_devices,
        check_libvirt,
};

static int read_functions(char *const *addresses, Function **ret) {
        _cleanup_functions_free_ Function *functions = NULL;
        size_t n = 0;

        functions = calloc(strv_length(addresses) + 1, sizeof(Function));
        if (!functions)
                return -ENOMEM;

        for (; addresses && *addresses; addresses++) {
                int r = pci_exists(*addresses) ? function_read(*addresses, functions + n++) : 0;

                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(functions);
        return 0;
}

int check_run(Manager *m, const Check *check, Findings *findings) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_strv_free_ char **owners = NULL, **others = NULL;
        int r;

        r = read_functions(check->functions, &functions);
        if (r >= 0)
                r = functions_owners(check->functions, NULL, &owners);
        if (r >= 0)
                r = functions_owners(check->functions, check->vm, &others);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(parts); i++)
                r = parts[i](&(CheckContext) {
                        .check = check,
                        .manager = m,
                        .findings = findings,
                        .functions = functions,
                        .owners = owners,
                        .others = others,
                });
        return r < 0 ? r : 0;
}
