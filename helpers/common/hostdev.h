/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* A PCI function of the host that a libvirt domain is to get. */
typedef struct Hostdev {
        char *address; /* in the kernel's form */
        bool managed;  /* libvirt takes it from its driver, and gives it back */
} Hostdev;

/* Frees an array that ends with an entry without an address. */
void hostdevs_free(Hostdev *hostdevs);
DEFINE_CLEANUP(Hostdev *, hostdevs_free)
#define _cleanup_hostdevs_free_ _cleanup_(hostdevs_freep)

/* Finds the PCI functions in a domain's XML as libvirt writes it to its files. Knows as much of XML as that takes; what is
 * more than that (a document type, say) is refused. Returns 0 with an array, -EBADMSG for text that is no such XML, or
 * -ENOMEM. */
int hostdevs_parse(const char *xml, Hostdev **ret);
