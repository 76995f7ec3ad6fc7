/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "cmdline.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

/* Lists the functions that show pictures: after a new card or slot, what was meant is one of them. */
static int list_displays(char **ret) {
        _cleanup_strv_free_ char **all = NULL, **displays = NULL;
        _cleanup_free_ char *path = root_path("/sys/bus/pci/devices");
        int r;

        r = path ? pci_list(path, &all) : -ENOMEM;
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(address, all) {
                int class = pci_class(*address);

                if (r >= 0 && class >= 0 && pci_class_is_display(class))
                        r = strv_extend(&displays, *address);
        }
        if (r < 0)
                return r;

        *ret = displays ? strv_join(displays, ", ") : strdup("none");
        return *ret ? 0 : -ENOMEM;
}

static int add_absent(CheckContext *c, const char *address) {
        _cleanup_free_ char *displays = NULL;
        int r;

        r = list_displays(&displays);
        return r < 0 ? r : findings_add(c->findings, FINDING_DEVICE_ABSENT, address,
                                        "%s is not on the PCI bus; addresses change when cards are added or "
                                        "moved, and the display functions are now: %s; correct Devices= "
                                        "('lspci -D' lists everything)",
                                        address, displays);
}

static int check_presence(CheckContext *c, const char *address) {
        int class = pci_class(address);

        if (class == -ENOENT)
                return add_absent(c, address);
        if (class < 0)
                return class;
        if (!pci_class_is_bridge(class))
                return 0;
        return findings_add(c->findings, FINDING_DEVICE_BRIDGE, address,
                            "%s is a %s, which cannot be handed over: what is behind it would go with it; "
                            "take it out of Devices=", address,
                            class == PCI_CLASS_HOST_BRIDGE ? "host bridge" : "bridge");
}

/* Says how vfio-pci came to have the function, and how it would not. */
static const char *explain_vfio(const Function *f) {
        if (streq(f->override, VFIO_DRIVER))
                return "driver_override says so: 'driverctl unset-override' or 'virsh nodedev-reattach' "
                       "undoes what set it";
        if (cmdline_has("vfio-pci.ids=") || cmdline_has("vfio_pci.ids="))
                return "the kernel was booted with vfio-pci.ids=: take that from its command line";
        return "as with an ids= option for vfio-pci in /etc/modprobe.d: remove that, and renew the initramfs";
}

/* A swap keeps to what it finds: neither is in its way, but both are rarely meant. */
static int check_driver(CheckContext *c, const Function *f) {
        if (streq(f->driver, VFIO_DRIVER))
                return findings_add(c->findings, FINDING_ALREADY_VFIO, f->address,
                                    "%s is on vfio-pci already, so the desktop does not use it, and it "
                                    "stays there after the VM; if the desktop should have it: %s",
                                    f->address, explain_vfio(f));
        if (*f->override && !streq(f->override, f->driver))
                return findings_add(c->findings, FINDING_OVERRIDE_LEFT, f->address,
                                    "driver_override of %s is '%s', though no swap has it: it keeps every "
                                    "other driver away, and is set again after the VM; 'driverctl "
                                    "unset-override %s' clears it, and so does a reboot if nothing sets it "
                                    "at boot", f->address, f->override, f->address);
        return 0;
}

/* Returns 1 if a swap has the function, which explains the state that it is in, 0 if not, or a negative
 * errno. */
static int has_owner(const char *address) {
        _cleanup_strv_free_ char **owners = NULL;
        int r;

        r = functions_owners(STRV_MAKE(address), NULL, &owners);
        return r < 0 ? r : owners != NULL;
}

int check_functions(CheckContext *c) {
        int r = 0;

        for (char *const *address = c->check->functions; r >= 0 && address && *address; address++)
                r = check_presence(c, *address);
        for (const Function *f = c->functions; r >= 0 && f->address; f++) {
                r = has_owner(f->address);
                if (r == 0)
                        r = check_driver(c, f);
        }
        return r;
}
