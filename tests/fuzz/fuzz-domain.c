/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"
#include "pci.h"

#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_domain_ Domain domain = { 0 };
        _cleanup_free_ char *xml = NULL;

        if (size > INPUT_MAX)
                return 0;

        xml = strndup((const char *) data, size);
        if (!xml)
                abort();
        if (domain_parse(xml, &domain) < 0)
                return 0;

        /* Whatever the text was, an address is one as the kernel writes it, and it is found again. */
        for (const Hostdev *h = domain.hostdevs; h->address; h++) {
                _cleanup_free_ char *address = NULL;

                if (pci_address_parse(h->address, &address) < 0 || !streq(address, h->address) ||
                    !domain_find_hostdev(&domain, address))
                        abort();
        }
        /* What is written with references is at least as long. */
        if (domain.video && strlen(domain.video) > strlen(xml))
                abort();
        return 0;
}
