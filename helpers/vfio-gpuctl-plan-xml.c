/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"
#include "log.h"
#include "pci.h"
#include "strv.h"
#include "vfio-gpuctl-plan.h"
#include "xml.h"

#define BUSES_MAX 256

/* Where a function is in the guest. */
typedef struct Place {
        bool known; /* libvirt finds one otherwise */
        unsigned long bus;
        unsigned function;
} Place;

/* Returns how many of the first 'n' functions are in the slot of 'address', and if asked for, below it. */
static unsigned count_in_slot(char *const *functions, size_t n, const char *address, bool below) {
        unsigned count = 0;

        for (size_t i = 0; i < n; i++)
                count += pci_same_slot(functions[i], address) && (!below || strcmp(functions[i], address) < 0);
        return count;
}

/* The functions of a slot stay together, as drivers expect of a graphics card; each slot is on a bus of its
 * own. */
static Place find_place(char *const *functions, const char *address, const Domain *domain) {
        size_t n = strv_length(functions);
        Place place = {
                .bus = domain->n_controllers,
                .function = count_in_slot(functions, n, address, true),
        };

        for (size_t i = 0; !pci_same_slot(functions[i], address); i++)
                place.bus += count_in_slot(functions, i, functions[i], false) == 0 &&
                        count_in_slot(functions, n, functions[i], false) > 1;
        place.known = domain->pcie && count_in_slot(functions, n, address, false) > 1 && place.bus < BUSES_MAX;
        return place;
}

static void print_attribute(const char *name, const char *value) {
        if (!value)
                return;
        (void) printf(" %s='", name);
        xml_print(value);
        (void) putchar('\'');
}

/* What the domain says of the ROM already is to stay. */
static void print_rom(const Hostdev *hostdev) {
        if (!hostdev || (!hostdev->rom_bar && !hostdev->rom_file && !hostdev->rom_enabled))
                return;
        (void) printf("  <rom");
        print_attribute("enabled", hostdev->rom_enabled);
        print_attribute("bar", hostdev->rom_bar);
        print_attribute("file", hostdev->rom_file);
        (void) printf("/>\n");
}

/* The guest may boot from it, from a disk or over a network. */
static void print_boot(const Hostdev *hostdev) {
        if (!hostdev || !hostdev->boot_order)
                return;
        (void) printf("  <boot");
        print_attribute("order", hostdev->boot_order);
        (void) printf("/>\n");
}

/* Not managed by libvirt: where the swap was not made, it then refuses to start the VM, and does not take
 * the GPU from a driver that is in use. */
static void print_hostdev(const char *address, const Hostdev *hostdev, const Place *place) {
        unsigned domain, bus, slot, function;

        if (sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function) != 4)
                return;
        (void) printf("<hostdev mode='subsystem' type='pci' managed='no'>\n"
                      "  <source>\n"
                      "    <address domain='0x%04x' bus='0x%02x' slot='0x%02x' function='0x%x'/>\n"
                      "  </source>\n", domain, bus, slot, function);
        print_boot(hostdev);
        print_rom(hostdev);
        if (place->known)
                (void) printf("  <address type='pci' domain='0x0000' bus='0x%02lx' slot='0x00' "
                              "function='0x%x'%s/>\n", place->bus, place->function,
                              place->function == 0 ? " multifunction='on'" : "");
        (void) printf("</hostdev>\n");
}

int plan_print_xml(const Plan *plan) {
        _cleanup_free_ char *file = domain_file(plan->vm);
        _cleanup_domain_ Domain domain = { 0 };
        int r;

        r = file ? domain_read(file, &domain) : -ENOMEM;
        if (r == -ENOMEM)
                return log_oom();
        if (r < 0 && r != -ENOENT)
                (void) log_warning_errno(r, "warning: cannot read libvirt's domain '%s' from %s (%m), so what it "
                                         "says of the ROM, of the order to boot in and of the guest's slots is "
                                         "not considered.", plan->vm, file);

        STRV_FOREACH(address, plan->functions) {
                const Hostdev *hostdev = r < 0 ? NULL : domain_find_hostdev(&domain, *address);
                Place place = find_place(plan->functions, *address, &domain);

                print_hostdev(*address, hostdev, &place);
        }
        return fflush(stdout) != 0 ? log_error_errno(errno, "cannot write to standard output: %m.") : 0;
}
