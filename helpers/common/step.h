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
        char **functions;         /* the PCI functions that are handed over */
} Task;

/* Returns the signal that Holders= has processes ended with, 0 for none. */
int task_signal(const Task *task);

/* Does the work of one verb. Returns 0, or a negative errno after it logged why. */
typedef int (*StepVerb)(const Task *task);

typedef struct StepVerbs {
        StepVerb start, stop; /* 'stop' may be NULL: nothing to undo */
        bool stop_once;       /* a 'stop' that fails is not tried again */
} StepVerbs;

/* The whole main() of a step program: parses "start|stop --vm=VM [OPTION…] [FUNCTION…]", opens the journal, runs the
 * verb. Returns the exit status: 0, 1 if the verb failed, 2 for a wrong command line. */
int step_main(int argc, char **argv, const StepVerbs *verbs);
