/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "cmdline.h"
#include "group.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

#define GROUPS "/sys/kernel/iommu_groups"

typedef struct Maker {
        const char *vendor;  /* as the processor calls it */
        const char *name;    /* of its IOMMU, as firmware calls it */
        const char *table;   /* of ACPI, in which firmware offers it */
        const char *on, *off; /* options of the kernel */
} Maker;

static const Maker makers[] = {
        { "GenuineIntel", "VT-d", "DMAR", "intel_iommu=on", "intel_iommu=off" },
        { "AuthenticAMD", "AMD-Vi", "IVRS", NULL, "amd_iommu=off" },
        { "HygonGenuine", "AMD-Vi", "IVRS", NULL, "amd_iommu=off" },
};

static const Maker *find_maker(void) {
        _cleanup_free_ char *path = root_path("/proc/cpuinfo"), *line = NULL;
        _cleanup_fclose_ FILE *f = NULL;
        size_t size = 0;

        f = path ? fopen(path, "re") : NULL;
        while (f && getline(&line, &size, f) > 0)
                for (size_t i = 0; startswith(line, "vendor_id") && i < ELEMENTSOF(makers); i++)
                        if (strstr(line, makers[i].vendor))
                                return &makers[i];
        return NULL;
}

static bool is_offered(const Maker *maker) {
        _cleanup_free_ char *path = root_path("/sys/firmware/acpi/tables/%s", maker->table);

        return path && path_exists(path);
}

/* Returns what to do about it on this machine, to be freed, or NULL without memory. */
static char *explain_off(void) {
        const Maker *maker = find_maker();
        const char *off = cmdline_has("iommu=off") ? "iommu=off" : NULL;
        bool on = !maker || !maker->on || cmdline_has(maker->on);
        char *text;
        int n;

        if (maker && cmdline_has(maker->off))
                off = maker->off;
        if (off)
                n = asprintf(&text, "the kernel was booted with %s; take that from its command line and reboot", off);
        else if (!maker)
                n = asprintf(&text, "turn it on in the firmware's setup");
        else if (!is_offered(maker))
                n = asprintf(&text, "turn %s on in the firmware's setup%s%s", maker->name,
                             on ? "" : ", and boot the kernel with ", on ? "" : maker->on);
        else if (!on)
                n = asprintf(&text, "the firmware offers it (%s); add %s to the kernel's command line and reboot",
                             maker->name, maker->on);
        else
                n = asprintf(&text, "the firmware offers it (%s), and the kernel does not use it; "
                             "'journalctl -k -g %s' may tell why", maker->name,
                             streq(maker->table, "DMAR") ? "DMAR" : "AMD-Vi");
        return n < 0 ? NULL : text;
}

static int check_iommu(CheckContext *c) {
        _cleanup_free_ char *path = root_path(GROUPS), *todo = NULL;
        _cleanup_strv_free_ char **groups = NULL;
        int r;

        r = path ? list_directory(path, &groups) : -ENOMEM;
        if (groups || (r < 0 && r != -ENOENT))
                return r < 0 ? r : 1;

        todo = explain_off();
        return todo ? findings_add(c->findings, FINDING_IOMMU_OFF, "IOMMU",
                                   "the IOMMU is off, and without it a VM with a device of its own could "
                                   "write to all of the host's memory: %s", todo) : -ENOMEM;
}

/* Companions are found once for each group. What another VM was handed is the host's again before this one's
 * turn comes. */
static int check_group(CheckContext *c, const char *address, char ***seen) {
        _cleanup_free_ char *group = NULL, *problem = NULL;
        int r;

        r = pci_read_link(address, "iommu_group", &group);
        if (r < 0)
                return r;
        if (r == 0)
                return findings_add(c->findings, FINDING_GROUP_MISSING, address,
                                    "%s is in no IOMMU group though the IOMMU is on: firmware or an option "
                                    "of the kernel (igfx_off) leaves it out, and it cannot be handed over "
                                    "as it is: take that option from the kernel's command line if it is there, "
                                    "otherwise look for newer firmware, and reboot", address);
        if (strv_contains(*seen, group))
                return 0;

        r = group_problem(address, c->check->functions, c->others, &problem);
        if (r >= 0 && problem)
                r = findings_add(c->findings, FINDING_GROUP_SHARED, address, "%s", problem);
        return r < 0 ? r : strv_extend(seen, group);
}

int check_groups(CheckContext *c) {
        _cleanup_strv_free_ char **seen = NULL;
        int r;

        r = check_iommu(c);
        for (const Function *f = c->functions; r > 0 && f->address; f++) {
                int k = pci_class(f->address);

                if (k >= 0 && !pci_class_is_bridge(k))
                        k = check_group(c, f->address, &seen);
                if (k < 0)
                        return k;
        }
        return r;
}
