/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

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
                             "('vfio-gpuctl plan \"%s\" --xml' prints it for 'virsh edit'), or take it out of "
                             "Devices=", joined, c->check->vm_name, file, c->check->vm_name);
}

/* It does so after the swap, without a look at who uses the function. */
static int check_taken(CheckContext *c, const char *address, const char *driver) {
        int r;

        r = findings_add(c->findings, FINDING_LIBVIRT_TAKES, address,
                         "libvirt's domain '%s' has %s with managed='yes', and it is not handed over: libvirt itself "
                         "takes it from driver %s when the VM starts, whoever uses it, and gives it back; in "
                         "Devices= it is part of the swap", c->check->vm_name, address, driver);
        if (r >= 0)
                r = check_disks_of(c, address);
        return r < 0 ? r : check_networks_of(c, address);
}

/* What libvirt takes from its driver by itself is its own business, graphics apart: a desktop may use it. */
static int check_other(CheckContext *c, const Hostdev *hostdev) {
        _cleanup_free_ char *driver = NULL;
        int class = pci_class(hostdev->address), r;

        if (class == -ENOENT)
                return findings_add(c->findings, FINDING_LIBVIRT_OTHER, hostdev->address,
                                    "libvirt's domain '%s' has %s, which is not on the PCI bus, so the VM cannot "
                                    "start: correct it with 'virsh edit'", c->check->vm_name, hostdev->address);
        r = class < 0 ? class : pci_read_link(hostdev->address, "driver", &driver);
        if (r < 0 || (r > 0 && driver_is_vfio(driver)))
                return r;
        if (hostdev->managed && (!driver || streq(driver, STUB_DRIVER)))
                return 0;
        if (hostdev->managed && !pci_class_is_display(class))
                return check_taken(c, hostdev->address, driver);
        return findings_add(c->findings, FINDING_LIBVIRT_OTHER, hostdev->address,
                            "libvirt's domain '%s' has %s, which is not handed over and is on driver %s, so the VM "
                            "would not start or would take it from a program that uses it: add it to Devices=, or "
                            "take it out with 'virsh edit'", c->check->vm_name, hostdev->address, driver ?: "(none)");
}

static bool has_graphics_card(const Domain *domain) {
        for (const Hostdev *h = domain->hostdevs; h->address; h++) {
                int class = pci_class(h->address);

                if (class >= 0 && pci_class_is_display(class))
                        return true;
        }
        return false;
}

/* What the screen shows before the guest has its driver. A guest can well do without that. */
static int check_first_picture(CheckContext *c, const char *file, const Domain *domain) {
        int r = 0;

        if (!has_graphics_card(domain))
                return 0;
        if (domain->video)
                r = findings_add(c->findings, FINDING_DISPLAY_EMULATED, file,
                                 "libvirt's domain '%s' also has an emulated graphics card (<video>, model %s), "
                                 "which the guest's firmware may take for its first screen, so the real one can stay "
                                 "dark until the guest uses it: \"<video><model type='none'/></video>\" leaves the "
                                 "guest the real one alone", c->check->vm_name, domain->video);
        if (r < 0 || domain->firmware != FIRMWARE_BIOS)
                return r;
        return findings_add(c->findings, FINDING_FIRMWARE_BIOS, file,
                            "libvirt's domain '%s' has a BIOS and not UEFI (<os firmware='efi'>): it draws its first "
                            "pictures with VGA registers, which libvirt does not give a VM with the card, so the "
                            "screen can stay dark until the guest's own driver starts; UEFI, for which the guest has "
                            "to be installed, does without them", c->check->vm_name);
}

static int check_hostdevs(CheckContext *c, const Domain *domain) {
        int r = 0;

        for (const Hostdev *h = domain->hostdevs; r >= 0 && h->address; h++) {
                if (!strv_contains(c->check->functions, h->address))
                        r = check_other(c, h);
                if (r >= 0)
                        r = check_rom(c, domain, h);
        }
        return r;
}

static int check_domain(CheckContext *c, const char *file) {
        _cleanup_domain_ Domain domain = { 0 };
        int r;

        r = domain_read(file, &domain);
        if (r == -ENOMEM || r == -EACCES) /* only root's to read */
                return r == -ENOMEM ? r : 0;
        if (r < 0)
                return findings_add(c->findings, FINDING_LIBVIRT_UNREADABLE, file,
                                    "cannot make out the devices of libvirt's domain '%s' from %s (%s), so "
                                    "they may be others than those that are handed over: see whether 'virsh "
                                    "edit' still accepts it",
                                    c->check->vm_name, file, strerror(-r));

        r = check_unused(c, file, &domain);
        if (r >= 0)
                r = check_hostdevs(c, &domain);
        return r < 0 ? r : check_first_picture(c, file, &domain);
}

int check_libvirt(CheckContext *c) {
        _cleanup_free_ char *file = domain_file(c->check->vm_name);
        int r;

        if (!file)
                return -ENOMEM;
        /* What libvirt does not know is started by hand, or by another program. */
        if (!path_exists(file))
                return 0;

        r = check_domain(c, file);
        if (r >= 0)
                r = check_hook(c);
        return r < 0 ? r : check_scripts(c);
}
