/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "hostdev.h"
#include "pci.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_hostdevs_free_ Hostdev *hostdevs = NULL;
        _cleanup_free_ char *xml = NULL;

        if (size > INPUT_MAX)
                return 0;

        xml = strndup((const char *) data, size);
        if (!xml)
                abort();
        if (hostdevs_parse(xml, &hostdevs) < 0)
                return 0;

        /* Whatever the text was, an address is one as the kernel writes it. */
        for (const Hostdev *h = hostdevs; h->address; h++) {
                _cleanup_free_ char *address = NULL;

                if (pci_address_parse(h->address, &address) < 0 || !streq(address, h->address))
                        abort();
        }
        return 0;
}
