/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "domain.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

#define DOMAIN_MAX (1024 * 1024)

/* Harmless as such, but then there was no need to take it from the host. */
static int check_unused(CheckContext *c, const char *file, const Domain *domain) {
        _cleanup_strv_free_ char **unused = NULL;
        _cleanup_free_ char *joined = NULL;
        int r = 0;

        for (char *const *f = c->check->functions; r >= 0 && f && *f; f++)
                if (!domain_find_hostdev(domain, *f))
                        r = strv_extend(&unused, *f);
        if (r < 0 || !unused)
                return r;

        joined = strv_join(unused, ", ");
        return !joined ? -ENOMEM :
                findings_add(c->findings, FINDING_LIBVIRT_UNUSED, file,
                             "%s is handed over, but libvirt's domain '%s' has no host device for it (%s): add one "
                             "('virsh edit', or \"Add Hardware\" of virt-manager), or take it out of Devices=", joined,
                             c->check->vm_name, file);
}

/* What libvirt takes from its driver by itself is its own business, graphics apart: a desktop may use it. */
static int check_other(CheckContext *c, const Hostdev *hostdev) {
        _cleanup_free_ char *driver = NULL;
        int class = pci_class(hostdev->address), r;

        if (class == -ENOENT)
                return findings_add(c->findings, FINDING_LIBVIRT_OTHER, hostdev->address,
                                    "libvirt's domain '%s' has %s, which is not on the PCI bus, so the VM cannot start: "
                                    "correct it with 'virsh edit'", c->check->vm_name, hostdev->address);
        r = class < 0 ? class : pci_read_link(hostdev->address, "driver", &driver);
        if (r < 0 || (r > 0 && streq(driver, VFIO_DRIVER)) || (hostdev->managed && !pci_class_is_display(class)))
                return r;
        return findings_add(c->findings, FINDING_LIBVIRT_OTHER, hostdev->address,
                            "libvirt's domain '%s' has %s, which is not handed over and is on driver %s, so the VM would not "
                            "start or would take it from a program that uses it: add it to Devices=, or take it out with "
                            "'virsh edit'", c->check->vm_name, hostdev->address, driver ?: "(none)");
}

static int check_domain(CheckContext *c, const char *file) {
        _cleanup_domain_ Domain domain = { 0 };
        _cleanup_free_ char *xml = NULL;
        int r;

        r = read_text_file(file, DOMAIN_MAX, &xml);
        if (r >= 0)
                r = domain_parse(xml, &domain);
        if (r == -ENOMEM || r == -EACCES) /* only root's to read */
                return r == -ENOMEM ? r : 0;
        if (r < 0)
                return findings_add(c->findings, FINDING_LIBVIRT_UNREADABLE, file,
                                    "cannot make out the devices of libvirt's domain '%s' from %s (%s), so they may be others "
                                    "than those that are handed over: see whether 'virsh edit' still accepts it",
                                    c->check->vm_name, file, strerror(-r));

        r = check_unused(c, file, &domain);
        for (const Hostdev *h = domain.hostdevs; r >= 0 && h->address; h++)
                if (!strv_contains(c->check->functions, h->address))
                        r = check_other(c, h);
        return r;
}

int check_libvirt(CheckContext *c) {
        _cleanup_free_ char *file = root_path("/etc/libvirt/qemu/%s.xml", c->check->vm_name);
        int r;

        if (!file)
                return -ENOMEM;
        /* What libvirt does not know is started by hand, or by another program. */
        if (!path_exists(file))
                return 0;

        r = check_domain(c, file);
        return r < 0 ? r : check_hook(c);
}
