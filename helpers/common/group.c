/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "function.h"
#include "group.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

/* Returns 1 with the driver if the companion keeps the group from being handed over. */
static int is_in_the_way(const char *companion, char *const *handed_over, char **ret_driver) {
        int r;

        if (strv_contains(handed_over, companion))
                return 0;
        r = pci_class(companion);
        if (r < 0 || pci_class_is_bridge(r))
                return r < 0 ? r : 0;

        r = pci_read_link(companion, "driver", ret_driver);
        if (r <= 0)
                return r;
        return !streq(*ret_driver, VFIO_DRIVER) && !streq(*ret_driver, "pci-stub");
}

int group_problem(const char *address, char *const *handed_over, char **ret) {
        _cleanup_free_ char *group = NULL, *path = NULL;
        _cleanup_strv_free_ char **companions = NULL;
        int r;

        *ret = NULL;
        r = pci_read_link(address, "iommu_group", &group);
        if (r < 0)
                return r;
        if (r == 0)
                return asprintf(ret, "%s is in no IOMMU group: turn the IOMMU on in the firmware's setup (VT-d, AMD-Vi), "
                                "and on Intel boot with intel_iommu=on", address) < 0 ? -ENOMEM : 0;

        path = root_path("/sys/kernel/iommu_groups/%s/devices", group);
        r = path ? list_directory(path, &companions) : -ENOMEM;
        if (r < 0)
                return r;

        STRV_FOREACH(companion, companions) {
                _cleanup_free_ char *driver = NULL;

                if (streq(*companion, address))
                        continue;
                r = is_in_the_way(*companion, handed_over, &driver);
                if (r < 0)
                        return r;
                if (r > 0)
                        return asprintf(ret, "%s shares IOMMU group %s with %s, which driver %s uses: add it to Devices=, "
                                        "or take it from its driver", address, group, *companion, driver) < 0 ?
                                -ENOMEM : 0;
        }
        return 0;
}
