/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shell-run.h"

/* What commands of the old scripts mean for a swap. */

typedef enum Action {
        ACTION_TAKE,       /* a function goes to vfio-pci */
        ACTION_GIVE,       /* a function goes to another driver */
        ACTION_RELEASE,    /* a function leaves the driver that it has */
        ACTION_TAKE_GROUP, /* all functions of its IOMMU group go to vfio-pci */
        ACTION_TAKE_ID,    /* all functions of "vendor device" */
        ACTION_REMOVE,     /* a function is removed from the bus */
        ACTION_RESCAN,
        ACTION_STOP, /* a unit */
        ACTION_START,
        ACTION_START_SOME, /* units after the VM whose names are not known */
        ACTION_RESTART,
        ACTION_STOP_USER, /* a unit of the users' managers, or a pattern */
        ACTION_START_USER,
        ACTION_UNLOAD, /* a module */
        ACTION_LOAD,
        ACTION_LOAD_SOME, /* likewise */
        ACTION_CONSOLE_OFF,
        ACTION_CONSOLE_ON,
        ACTION_FRAMEBUFFER_OFF,
        ACTION_FRAMEBUFFER_ON,
        ACTION_END_SESSION,
        ACTION_END_SOUND,
        ACTION_KILL_HOLDERS,
        ACTION_CPUS,       /* of a slice: the CPUs that it may use */
        ACTION_HUGE_PAGES, /* of a size ("2M", "" for the default one): how many */
        ACTION_GOVERNOR,
        ACTION_INHIBIT,
        ACTION_UNINHIBIT,
        ACTION_RESET_METHOD, /* of a function */
        ACTION_POWER_CONTROL,
        ACTION_D3COLD,
        ACTION_RESIZE_BAR,
        ACTION_NEEDLESS, /* the value says why */
        ACTION_BESIDE,   /* likewise, and it is no part of a swap: a pause, say */
        ACTION_UNKNOWN,  /* it is not understood */
} Action;

/* What it is that is not known, as far as something else depends on it. */
typedef enum Unknown {
        UNKNOWN_OTHER,
        UNKNOWN_SCRIPT,   /* what is in a file that is run or read */
        UNKNOWN_UNIT,     /* the name of a unit */
        UNKNOWN_FUNCTION, /* which function it is about */
        UNKNOWN_TAKEN,    /* which function goes to vfio-pci */
        UNKNOWN_CPUS,     /* which CPUs a slice may use */
        UNKNOWN_GOVERNOR,
        UNKNOWN_INHIBIT,
        UNKNOWN_HUGE_PAGES,
} Unknown;

/* What became of it. */
typedef enum FactUse {
        USE_OPEN,
        USE_LINE,     /* a line of the configuration says it; 'reason' is its key */
        USE_NEEDLESS, /* it happens without a line; 'reason' says how */
        USE_LEFT,     /* it is not taken over; 'reason' says why not */
} FactUse;

typedef struct Fact {
        Action action;
        Unknown unknown;            /* of ACTION_UNKNOWN, whose value is a sentence for people about it */
        const char *object, *value; /* "" where there is none */
        const Script *script, *hook; /* where it is said, and what of libvirt's hooks that belongs to */
        unsigned line, condition;
        bool is_start; /* before the VM, not after it */
        bool may_run_hooks;
        FactUse use;
        const char *reason;
} Fact;

typedef struct Facts {
        Arena *arena;
        Fact *list;
        size_t n, allocated;
} Facts;

/* Adds one that is not there yet. Returns 0, -E2BIG where there are too many, or -ENOMEM. */
int facts_add(Facts *facts, const Fact *fact);

/* Where facts go while a script is followed. */
typedef struct Recorder {
        Facts *facts;
        const Script *hook;
        bool is_start;
        const char *folder; /* "/OPERATION/SUB-OPERATION" of the moment, NULL for none */
        bool dispatches; /* set where a script runs what is in libvirt's folder of the VM */
        int (*script)(const char *name, bool source, const Script **ret, void *userdata); /* as in ShellCaller */
        int (*vm)(const char *name, bool is_pattern, void *userdata);
        void *userdata;
        unsigned *budget; /* as in ShellCaller */
} Recorder;

/* Follows a script and records what it does. Returns 0 or a negative errno. */
int record(Recorder *recorder, char *const *arguments, bool vm_is_other);

/* Records what is written to a file. Returns 1, or 0 if it is no file that means anything here, or a
 * negative errno. */
int record_write(Recorder *recorder, const ShellCall *call, const char *path, const char *text);

/* Notes if one of the words of a call is ".../qemu.d/VM/..." or ".../hooks/VM/...", whichever VM it is. */
void record_dispatch(Recorder *recorder, const ShellCall *call);

/* Records a command, as ShellCaller wants it. */
int record_command(const ShellCall *call, ShellStatus *ret, void *userdata);

/* Adds what a command of a script does. Returns 0 or a negative errno. */
int record_fact(Recorder *recorder, const ShellCall *call, Action action, const char *object, const char *value);

/* Adds that something of a command is not known, or that there is no setting for it; 'reason' is the end of
 * a sentence about it. Returns 0 or a negative errno. */
int record_unknown(Recorder *recorder, const ShellCall *call, Unknown unknown, const char *reason);

/* Brings a PCI address, also one of libvirt's ("pci_0000_01_00_0"), into the kernel's form. Returns NULL for
 * anything else. */
char *record_address(Recorder *recorder, const char *text);

/* Returns the size of a huge page as people write it ("2M"), or NULL without memory. */
char *record_page_size(Arena *arena, unsigned long kib);
