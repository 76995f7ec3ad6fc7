/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* A PCI function of the host that a libvirt domain is to get. */
typedef struct Hostdev {
        char *address;                          /* in the kernel's form */
        bool managed;                           /* libvirt takes it from its driver, and gives it back */
        char *rom_bar, *rom_file, *rom_enabled; /* as in <rom>, NULL for what is not there */
        char *boot_order;                       /* as in <boot>, NULL where the guest does not boot from it */
} Hostdev;

/* What the VM begins with. */
typedef enum Firmware {
        FIRMWARE_BIOS,
        FIRMWARE_UEFI,
        FIRMWARE_OTHER, /* a file that can be either */
} Firmware;

/* What of a libvirt domain has to do with a GPU. */
typedef struct Domain {
        Hostdev *hostdevs; /* ends with an entry without an address */
        size_t n_hostdevs;
        Firmware firmware;
        char *video;                /* the model of an emulated graphics card, NULL for none */
        bool pcie;                  /* the machine has PCI Express, with a bus of its own behind each port */
        unsigned long n_controllers; /* of PCI buses; the numbers of these are below that */
} Domain;

/* Reads a domain's XML as libvirt writes it to its files, that of a running one included. Returns 0 with a
 * domain that ends with domain_done(), -EBADMSG for what is no such XML, or -ENOMEM. */
int domain_parse(const char *xml, Domain *ret);

/* The same of a file. Returns also -EFBIG for more than 1 MiB, or what open() and read() give. */
int domain_read(const char *file, Domain *ret);

/* Returns the path of the file with libvirt's definition of a VM, to be freed, or NULL without memory. */
char *domain_file(const char *vm);

/* Frees what is in there. */
void domain_done(Domain *domain);
#define _cleanup_domain_ _cleanup_(domain_done)

/* Returns the domain's host device with that address, or NULL. */
const Hostdev *domain_find_hostdev(const Domain *domain, const char *address);

/* Returns whether one of the host devices has one of the addresses. */
bool domain_has_any(const Domain *domain, char *const *addresses);
