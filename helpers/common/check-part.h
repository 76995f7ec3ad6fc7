/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "check.h"
#include "domain.h"
#include "function.h"

/* The parts of check_run(). Each adds what it finds, and returns 0 or a negative errno. */

typedef struct CheckContext {
        const Check *check;
        Manager *manager; /* NULL for files alone */
        Findings *findings;
        Function *functions; /* as they are, without those that are not on the bus */
        char **owners;       /* the VMs that were handed one of them */
        char **others;       /* those but for the VM of this check */
} CheckContext;

/* Swaps of this VM and others: in progress, given up half-way, and VMs that run. */
int check_swaps(CheckContext *c);
int check_holders(CheckContext *c);

/* The functions themselves: on the bus, no bridges, free to be taken. */
int check_functions(CheckContext *c);

/* Their IOMMU groups, and the IOMMU. */
int check_groups(CheckContext *c);

/* The kernel's modules: those to load, and those to unload. */
int check_modules(CheckContext *c);

/* What the host would lose with them: disks and network interfaces; and with one that is not among them. */
int check_disks(CheckContext *c);
int check_disks_of(CheckContext *c, const char *address);
int check_networks(CheckContext *c);
int check_networks_of(CheckContext *c, const char *address);

/* The units of the swap itself, those to stop and to start, services that have the GPU open and are not among
 * those, and who asks to leave the desktop alone. */
int check_own_units(CheckContext *c);
int check_units(CheckContext *c);
int check_services(CheckContext *c);
int check_inhibitors(CheckContext *c);

/* What the VM wants of the host beside the GPU. */
int check_cpus(CheckContext *c);
int check_governor(CheckContext *c);
int check_huge_pages(CheckContext *c);
int check_devices(CheckContext *c);

/* libvirt's definition of the VM and, if there is one, what is not among the parts itself: the ROM file of
 * one of its host devices, the hook, and the scripts that the hook runs. */
int check_libvirt(CheckContext *c);
int check_rom(CheckContext *c, const Domain *domain, const Hostdev *hostdev);
int check_hook(CheckContext *c);
int check_scripts(CheckContext *c);
