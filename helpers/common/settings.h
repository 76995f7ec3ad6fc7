/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* What the configuration files say, with defaults filled in and each complaint recorded where it belongs. */

typedef enum Key {
        KEY_DEVICES,
        KEY_UNLOAD_MODULES,
        KEY_RETURN,
        KEY_STOP_UNITS,
        KEY_START_UNITS,
        KEY_STOP_USER_UNITS,
        KEY_SESSIONS,
        KEY_INHIBITORS,
        KEY_HOLDERS,
        KEY_HOLDERS_TIMEOUT,
        KEY_CONSOLES,
        KEY_ALLOWED_CPUS,
        KEY_INHIBIT,
        KEY_CPU_GOVERNOR,
        KEY_HUGE_PAGES,
        KEY_TIMEOUT,
        KEY_RESET_METHOD,
        KEY_POWER_CONTROL,
        KEY_D3COLD,
        KEY_RESIZE_BAR,
        KEY_MAX,
} Key;

typedef union Value {
        char **list;
        const char *choice; /* one of the words that the key allows, NULL where there is no default */
        unsigned seconds;
} Value;

typedef struct Location {
        const char *file; /* NULL for nowhere */
        unsigned line;
} Location;

/* One set of values: the defaults, or what one VM has of its own. */
typedef struct Settings {
        Value values[KEY_MAX];
        Location where[KEY_MAX];  /* the last assignment; nowhere for a value that is not set */
        Location *words[KEY_MAX]; /* where each word of a list is from that only grows; NULL if no file says it */
        char **problems[KEY_MAX]; /* complaints about the value */
} Settings;

typedef struct Vm {
        char *name;
        Location where; /* its first section */
        bool is_unread; /* only in files that are refused: no more than its name is known */
        Settings settings;
        char **problems; /* complaints about the VM that are about no single value */
} Vm;

typedef struct Device {
        char *address;
        Location where;
        Settings settings; /* only those of [Device] */
        char **problems;
        bool is_used; /* some VM gets it */
} Device;

typedef struct Config {
        Settings defaults;
        Device **devices; /* in the order of the files */
        size_t n_devices, devices_allocated;
        void *devices_by_address; /* of tsearch() */
        Vm **vms; /* in the order of the files */
        size_t n_vms, vms_allocated;
        void *vms_by_name; /* of tsearch() */
        char **files;
        char **problems; /* complaints that leave no VM as it was meant */
        bool has_errors;
        bool is_incomplete; /* there may be VMs that are not known: 'problems' has why */
        size_t n_unread;    /* VMs */
        struct {
                enum { SCOPE_NONE, SCOPE_IGNORED, SCOPE_GPU, SCOPE_HOST, SCOPE_VM, SCOPE_DEVICE } type;
                Vm *vm;
                Device *device;
        } scope; /* the section that is being read */
} Config;

/* Reads all configuration files, resolves the devices and checks everything. Complaints are logged and
 * recorded. Returns 0 with a configuration to be freed, whatever it is worth, or -ENOMEM. */
int config_load(Config **ret);

/* The parts of config_load(): makes an empty configuration, reads one stream into it, called 'name' in
 * messages, and completes it. Return 0 or a negative errno. */
int config_new(Config **ret);
int config_read(Config *config, FILE *stream, const char *name);
int config_finish(Config *config);

/* Frees the configuration; NULL is fine. Returns NULL. */
Config *config_free(Config *config);
DEFINE_CLEANUP(Config *, config_free)
#define _cleanup_config_free_ _cleanup_(config_freep)

/* Returns the VM of that name, or NULL. */
Vm *config_find_vm(const Config *config, const char *name);

/* Returns the section of the function with that address, or NULL. */
Device *config_find_device(const Config *config, const char *address);

/* Returns the value that counts for the VM: its own, or the default. */
const Value *config_value(const Config *config, const Vm *vm, Key key);

/* Lists every complaint that keeps the VM from being swapped for, NULL if there is none. Returns 0 or
 * -ENOMEM. */
int config_problems(const Config *config, const Vm *vm, char ***ret);
