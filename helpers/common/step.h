/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

typedef enum HoldersPolicy {
        HOLDERS_POLICY_REFUSE,
        HOLDERS_POLICY_TERMINATE,
        HOLDERS_POLICY_KILL,
} HoldersPolicy;

/* What a step program is told by its command line; the words are those of vfio-gpu.conf(5). */
typedef struct Task {
        const char *vm;           /* as in the names of the units */
        char *vm_name;            /* as libvirt knows it */
        char **stop_units;        /* --stop-unit= */
        char **start_units;       /* --start-unit= */
        char **stop_user_units;   /* --stop-user-unit= */
        bool end_sessions;        /* --sessions=end */
        bool keep_consoles;       /* --consoles=keep */
        bool ignore_inhibitors;   /* --inhibitors=ignore */
        HoldersPolicy holders;    /* --holders= */
        unsigned holders_timeout; /* --holders-timeout=, seconds */
        bool unload_auto;         /* --unload-modules=auto */
        char **unload_modules;    /* --unload-modules=LIST, NULL for "no" */
        bool rescan;              /* --return=rescan */
        unsigned timeout;         /* --timeout=, seconds */
        const char *allowed_cpus; /* --allowed-cpus=, a list of cpu-set.h, NULL for all */
        const char *inhibit;      /* --inhibit=, as logind wants it, NULL for nothing */
        const char *cpu_governor; /* --cpu-governor=, NULL for none */
        char **huge_pages;        /* --huge-pages=, words of huge-pages.h with commas */
        char **attributes;        /* --attribute=, of functions: "0000:01:00.0/d3cold_allowed=0" */
        char **resize_bars;       /* --resize-bar=, words of bar.h */
        char **functions;         /* the PCI functions that are handed over */
} Task;

/* Returns the signal that Holders= has processes ended with, 0 for none. */
int task_signal(const Task *task);

/* Returns what to do about a process that is in the way, "stop it, or set Holders=terminate", with a setting that
 * helps as well (NULL: none does) in between; to be freed, or NULL without memory. */
char *task_advice(const Task *task, const char *setting);

/* Does the work of one verb. Returns 0, or a negative errno after it logged why. */
typedef int (*StepVerb)(const Task *task);

typedef struct StepVerbs {
        StepVerb start, stop; /* 'stop' may be NULL: nothing to undo */
        bool stop_once;       /* a 'stop' that fails is not tried again */
} StepVerbs;

/* The whole main() of a step program: parses "start|stop --vm=VM [OPTION…] [FUNCTION…]", opens the journal,
 * runs the verb. Returns the exit status: 0, 1 if the verb failed, 2 for a wrong command line. */
int step_main(int argc, char **argv, const StepVerbs *verbs);
