/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <systemd/sd-hwdb.h>

#include "device-name.h"
#include "pci.h"

static char *find_name(const char *modalias) {
        _cleanup_(sd_hwdb_unrefp) sd_hwdb *hwdb = NULL;
        const char *vendor = NULL, *model = NULL;
        char *name;

        if (sd_hwdb_new(&hwdb) < 0 || sd_hwdb_get(hwdb, modalias, "ID_MODEL_FROM_DATABASE", &model) < 0)
                return NULL;
        if (sd_hwdb_get(hwdb, modalias, "ID_VENDOR_FROM_DATABASE", &vendor) < 0)
                return strdup(model);
        return asprintf(&name, "%s %s", vendor, model) < 0 ? NULL : name;
}

char *device_name(const char *address) {
        _cleanup_free_ char *modalias = NULL;
        unsigned long vendor, device;
        char *name = NULL;

        if (pci_read(address, "modalias", &modalias) >= 0)
                name = find_name(modalias);
        if (name)
                return name;

        if (pci_read_number(address, "vendor", &vendor) < 0 || pci_read_number(address, "device", &device) < 0)
                return strdup("");
        return asprintf(&name, "%04lx:%04lx", vendor, device) < 0 ? NULL : name;
}
