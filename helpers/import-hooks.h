/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "import-vm.h"

/* The hooks of libvirt, or scripts like them, as files. */

typedef enum HookType {
        HOOK_FOLDER, /* below a folder of its VM, for one moment of its life */
        HOOK_FILE,   /* called for every VM and moment, with both as arguments */
        HOOK_LOOSE,  /* nobody knows what calls it */
} HookType;

typedef struct Hook {
        HookType type;
        const Script *script;
        const char *vm, *operation, *sub; /* of a folder */
        bool dispatches;                  /* of a file: it runs those in the folders */
        bool is_start;                    /* of a loose one */
        bool is_named;                    /* on the command line */
        bool is_taken_over;               /* something of it is in the configuration now, or part of every swap */
        const char *stays; /* of a file: why it cannot be moved, though it was taken over; NULL if it can be */
} Hook;

typedef struct Import {
        Arena arena;
        const char *base;  /* the directory that was read, as it is said in messages */
        bool base_is_root; /* it is below the root */
        const char *sources; /* all that was named, for people */
        Script **scripts;  /* all that was looked for; those without a tree cannot be read */
        size_t n_scripts, scripts_allocated;
        Hook *hooks; /* sorted */
        size_t n_hooks, hooks_allocated;
        Strings programs; /* what can be run below the base, read or not */
        ImportMachine machine;
        const char *pattern; /* that the name of the VM is compared with, NULL for none */
        unsigned budget; /* how many commands may still be followed */
        ImportVm *vms;
        size_t n_vms, vms_allocated;
        Strings remarks; /* that are about no VM */
} Import;

#define IMPORT_HOOKS "/etc/libvirt/hooks"

/* Our own hook there, which stays. */
#define OUR_HOOK "qemu.d/vfio-gpu"

/* Where below that hooks are moved that are not to run any more: libvirt runs nothing there. */
#define IMPORT_ASIDE "vfio-gpu-imported"

/* Reads the hooks of libvirt, or the directories and files that are named, follows their scripts, and
 * settles what that comes to. Returns 0, or a negative errno after it logged why. */
int import_read(Import *import, char *const *paths);

void import_done(Import *import);
#define _cleanup_import_ _cleanup_(import_done)

/* Returns the path to open for the name of a file that was read, to be freed, or NULL without memory. */
char *import_path(const Import *import, const char *name);

/* Returns whether a file is a hook in the folder of a VM, by its name. */
bool import_is_in_folder(Import *import, const char *name);

/* Returns whether a script is one that a shell runs. */
bool import_is_for_shell(const char *text);

/* Gets a script, as in ShellCaller. The second one is for a file that is a hook itself. */
int import_find_script(const char *name, bool source, const Script **ret, void *userdata);
int import_load_script(Import *import, const char *name, const Script **ret, const char **ret_problem);

/* Puts the functions in place of groups and IDs, and reads what the machine says beside the scripts. Return
 * 0 or -ENOMEM. */
int import_read_machine(Import *import);
int import_resolve(Import *import, ImportVm *vm);

/* Returns whether libvirt defines a VM of this name, or whether it cannot be told. */
bool import_is_defined(const char *vm);
