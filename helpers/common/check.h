/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "finding.h"

/* What is about to be handed over, and what is to let go of it. */
typedef struct Check {
        const char *vm;      /* as in the names of the units */
        const char *vm_name; /* as libvirt knows it */
        char *const *functions;
        char *const *stop_units;
        char *const *start_units;
        bool unload_auto;
        char *const *unload_modules;
        bool ignore_inhibitors;
        bool ends_holders; /* after a while, by a signal */
        const char *allowed_cpus; /* as of the command line; NULL for all */
        const char *cpu_governor; /* NULL for none */
        char *const *huge_pages;
        char *const *attributes; /* words of device-setting.h */
        char *const *resize_bars;
        bool starting; /* the unit that makes the swap is the one that asks */
} Check;

/* Looks for everything that is known to make the swap fail or surprise, without changing anything. Without a
 * manager only files are looked at, as of a machine that is not this one. Returns 0 with what was found
 * added to 'findings', or a negative errno. */
int check_run(Manager *m, const Check *check, Findings *findings);
