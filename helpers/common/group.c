/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "function.h"
#include "group.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

#define CLASS_PCI_BRIDGE 0x0604
#define CLASS_SEMI_TRANSPARENT_BRIDGE 0x0609

/* Returns 1 with the driver if the companion keeps the group from being handed over. */
static int is_in_the_way(const char *companion, char *const *handed_over, char *const *others, char **ret_driver) {
        int r;

        if (strv_contains(handed_over, companion))
                return 0;
        /* Of bridges the kernel passes over those to another bus alone. */
        r = pci_class(companion);
        if (r < 0 || r == CLASS_PCI_BRIDGE || r == CLASS_SEMI_TRANSPARENT_BRIDGE)
                return r < 0 ? r : 0;

        r = functions_recorded_driver(others, companion, ret_driver);
        if (r == 0)
                r = pci_read_link(companion, "driver", ret_driver);
        if (r <= 0)
                return r;
        return **ret_driver && !driver_is_vfio(*ret_driver) && !streq(*ret_driver, STUB_DRIVER);
}

/* Lists what keeps the group from being handed over, as "0000:01:00.1 (snd_hda_intel)". */
static int list_in_the_way(const char *address, const char *group, char *const *handed_over, char *const *others,
                           char ***ret) {
        _cleanup_free_ char *path = root_path("/sys/kernel/iommu_groups/%s/devices", group);
        _cleanup_strv_free_ char **companions = NULL, **found = NULL;
        int r;

        r = path ? list_directory(path, &companions) : -ENOMEM;
        STRV_FOREACH(companion, companions) {
                _cleanup_free_ char *driver = NULL;

                if (r >= 0 && !streq(*companion, address))
                        r = is_in_the_way(*companion, handed_over, others, &driver);
                if (r > 0)
                        r = strv_extendf(&found, "%s (%s)", *companion, driver);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(found);
        return 0;
}

int group_problem(const char *address, char *const *handed_over, char *const *others, char **ret) {
        _cleanup_free_ char *group = NULL, *joined = NULL;
        _cleanup_strv_free_ char **found = NULL;
        int r;

        *ret = NULL;
        r = pci_read_link(address, "iommu_group", &group);
        if (r < 0)
                return r;
        if (r == 0)
                return asprintf(ret, "%s is in no IOMMU group", address) < 0 ? -ENOMEM : 0;

        r = list_in_the_way(address, group, handed_over, others, &found);
        if (r < 0 || !found)
                return r;

        joined = strv_join(found, ", ");
        return !joined || asprintf(ret,
                                   "%s shares IOMMU group %s with %s, which the host uses, and a VM gets "
                                   "all of a group or nothing: add what is missing to Devices= (beside auto, "
                                   "if that is not set), take it from its driver, or put the card into another "
                                   "slot",
                                   address, group, joined) < 0 ? -ENOMEM : 0;
}

/* Whoever has the group, or a device of it, keeps it from being opened a second time:
 * vfio_group_fops_open(). Unlike the list of a process's open files, that holds until its last file is
 * released. */
int group_is_open(const char *address) {
        _cleanup_free_ char *group = NULL, *node = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        r = pci_read_link(address, "iommu_group", &group);
        if (r <= 0)
                return r < 0 && r != -ENODEV ? r : -ENOENT;
        node = root_path("/dev/vfio/%s", group);
        if (!node)
                return -ENOMEM;

        fd = open(node, O_RDWR | O_CLOEXEC);
        return fd >= 0 ? 0 : errno == EBUSY ? 1 : -errno;
}
