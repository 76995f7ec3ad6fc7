/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "settings.h"

/* What the units of all swaps are in, so that the service manager has one to make for them, and shutdown
 * none to stop. */
#define PLAN_SLICE "system-vfio\\x2dgpu.slice"

/* One thing that is done to the machine, and undone. */
typedef struct Step {
        const char *name;     /* as in vfio-gpu-NAME@VM.service and in the program's name */
        char *title;          /* the plan's own */
        char *unit;           /* the plan's own */
        char **conflicts;     /* units that cannot run with it, NULL for none */
        char **after;         /* units that end before it begins and begin after it is undone, NULL for none */
        unsigned rank;        /* steps of one rank run side by side, after all of lower ranks */
        char **start, **stop; /* commands; no stop for what needs no undoing */
        bool aside;           /* the swap goes on without it */
        bool early;           /* started by itself before all others, and the swap refused if it fails */
        bool lives;           /* its program does the work for as long as it runs */
        bool waits;           /* does nothing but wait for a VM's end, however long, before the others are undone */
        /* All that it needs, NULL if it runs commands of modprobe.d(5), which may need any. */
        const char *capabilities, *calls;
} Step;

#define PLAN_STEPS_MAX 11

/* All that happens for one VM. */
typedef struct Plan {
        const char *vm;
        char *escaped;      /* as in units' names */
        const char *source; /* the file that defines the VM */
        char **problems;    /* why there are no steps; the plan's own */
        char **entry;       /* the command of vfio-gpu@VM.service; the plan's own */
        char **functions;   /* what is handed over */
        unsigned timeout;
        size_t n_steps;
        Step steps[PLAN_STEPS_MAX]; /* in order of their ranks, then those beside; their commands are the plan's own */
} Plan;

/* Works out what is done for the VM. Returns 0 with a plan that ends with plan_done() and is valid as long
 * as the configuration, or -ENOMEM. */
int plan_make(const Config *config, const Vm *vm, Plan *ret);

/* Adds the complaints to the command of a refusal; of many, the first ones and how many there are. Returns 0
 * or -ENOMEM. */
int plan_add_problems(char ***command, char *const *problems);

/* Frees what the plan has of its own. */
void plan_done(Plan *plan);
#define _cleanup_plan_ _cleanup_(plan_done)
