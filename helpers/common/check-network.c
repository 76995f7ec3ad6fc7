/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

#define OPERSTATE_MAX 64

/* Some drivers do not know about carriers, and never say "up". */
static bool is_up(const char *interface) {
        _cleanup_free_ char *path = root_path("/sys/class/net/%s/operstate", interface), *state = NULL;

        return path && read_text_file(path, OPERSTATE_MAX, &state) >= 0 &&
                (streq(state, "up") || streq(state, "unknown"));
}

static int check_network(CheckContext *c, const char *address, const char *interface) {
        if (!is_up(interface))
                return 0;
        return findings_add(c->findings, FINDING_NETWORK_UP, address,
                            "network interface %s of %s is up: what is connected over it, an ssh login for "
                            "example, is cut off until the VM ends; leave the function to the host if it "
                            "needs it", interface,
                            address);
}

int check_networks_of(CheckContext *c, const char *address) {
        _cleanup_strv_free_ char **interfaces = NULL;
        int r;

        r = pci_class_devices(address, "net", &interfaces);
        STRV_FOREACH(interface, interfaces)
                if (r >= 0)
                        r = check_network(c, address, *interface);
        return r;
}

int check_networks(CheckContext *c) {
        int r = 0;

        for (const Function *f = c->functions; r >= 0 && f->address; f++)
                r = check_networks_of(c, f->address);
        return r;
}
