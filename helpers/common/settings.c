/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <search.h>
#include <stdarg.h>

#include "config-file.h"
#include "gpu.h"
#include "key.h"
#include "log.h"
#include "pci.h"
#include "search-path.h"
#include "strv.h"
#include "text.h"
#include "unit-name.h"

/* Logs a complaint and records it in 'list', unless that is NULL: then it is a warning only. */
static int complain(Config *config, char ***list, const Location *where, const char *format, ...)
        _printf_(4, 5);

static int complain(Config *config, char ***list, const Location *where, const char *format, ...) {
        _cleanup_free_ char *raw = NULL, *text = NULL;
        char *located = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&raw, format, ap);
        va_end(ap);
        if (n < 0)
                return -ENOMEM;

        if (where->line > 0)
                n = asprintf(&located, "%s:%u: %s", where->file, where->line, raw);
        else
                n = asprintf(&located, "%s: %s", where->file, raw);
        if (n < 0)
                return -ENOMEM;

        text = text_printable(located);
        free(located);
        if (!text)
                return -ENOMEM;

        if (!list) {
                log_warning("%s, ignoring.", text);
                return 0;
        }

        config->has_errors = true;
        log_error("%s.", text);
        return strv_consume(list, TAKE_PTR(text));
}

static int compare_vms(const void *a, const void *b) {
        return strcmp(((const Vm *) a)->name, ((const Vm *) b)->name);
}

static void settings_done(Settings *settings) {
        for (int key = 0; key < KEY_MAX; key++) {
                if (key_table[key].is_list)
                        strv_free(settings->values[key].list);
                strv_free(settings->problems[key]);
                free(settings->words[key]);
        }
}

static void vm_free(Vm *vm) {
        settings_done(&vm->settings);
        strv_free(vm->problems);
        free(vm->name);
        free(vm);
}

static void leave(_unused_ void *node) {
}

static int compare_devices(const void *a, const void *b) {
        return strcmp(((const Device *) a)->address, ((const Device *) b)->address);
}

static void device_free(Device *device) {
        settings_done(&device->settings);
        strv_free(device->problems);
        free(device->address);
        free(device);
}

Config *config_free(Config *config) {
        if (!config)
                return NULL;

        tdestroy(config->vms_by_name, leave);
        for (size_t i = 0; i < config->n_vms; i++)
                vm_free(config->vms[i]);
        free(config->vms);
        tdestroy(config->devices_by_address, leave);
        for (size_t i = 0; i < config->n_devices; i++)
                device_free(config->devices[i]);
        free(config->devices);
        settings_done(&config->defaults);
        strv_free(config->files);
        strv_free(config->problems);
        free(config);
        return NULL;
}

int config_new(Config **ret) {
        *ret = calloc(1, sizeof(Config));
        return *ret ? 0 : -ENOMEM;
}

Vm *config_find_vm(const Config *config, const char *name) {
        const Vm key = { .name = (char *) name };
        Vm **found = tfind(&key, &config->vms_by_name, compare_vms);

        return found ? *found : NULL;
}

/* Returns an array of pointers with room for one more, NULL without memory. */
static void *grow(void *array, size_t used, size_t *allocated) {
        size_t n = 2 * *allocated + 4;
        void *grown;

        if (used < *allocated)
                return array;
        grown = reallocarray(array, n, sizeof(void *));
        if (grown)
                *allocated = n;
        return grown;
}

static int add_vm(Config *config, const char *name, const Location *where, Vm **ret) {
        Vm *vm, **vms = grow(config->vms, config->n_vms, &config->vms_allocated);

        if (!vms)
                return -ENOMEM;
        config->vms = vms;
        vm = calloc(1, sizeof(Vm));
        if (!vm)
                return -ENOMEM;
        config->vms[config->n_vms++] = vm;

        vm->where = *where;
        vm->name = strdup(name);
        if (!vm->name || !tsearch(vm, &config->vms_by_name, compare_vms))
                return -ENOMEM;

        *ret = vm;
        return 0;
}

Device *config_find_device(const Config *config, const char *address) {
        const Device key = { .address = (char *) address };
        Device **found = tfind(&key, &config->devices_by_address, compare_devices);

        return found ? *found : NULL;
}

static int add_device(Config *config, const char *address, const Location *where, Device **ret) {
        Device *device, **devices = grow(config->devices, config->n_devices, &config->devices_allocated);

        if (!devices)
                return -ENOMEM;
        config->devices = devices;
        device = calloc(1, sizeof(Device));
        if (!device)
                return -ENOMEM;
        config->devices[config->n_devices++] = device;

        device->where = *where;
        device->address = strdup(address);
        if (!device->address || !tsearch(device, &config->devices_by_address, compare_devices))
                return -ENOMEM;

        *ret = device;
        return 0;
}

/* Returns what follows the word in the name of a section, NULL if it begins with another one. */
static const char *section_name(const char *section, const char *word) {
        const char *name = startswith(section, word);

        if (!name || (*name && !strchr(" \t", *name)))
                return NULL;
        return name + strspn(name, " \t");
}

static int enter_vm(Config *config, const char *name, const Location *where) {
        const char *problem = vm_name_problem(name);
        char **unused = NULL;
        int r;

        config->scope.type = SCOPE_IGNORED;
        if (problem) {
                /* There is no unit that could be told of this one. */
                r = complain(config, &unused, where, "the name of the VM \"%s\" %s: expected [VM NAME]",
                             name, problem);
                strv_free(unused);
                return r;
        }

        config->scope.vm = config_find_vm(config, name);
        if (!config->scope.vm) {
                r = add_vm(config, name, where, &config->scope.vm);
                if (r < 0)
                        return r;
        }
        config->scope.vm->is_unread = false;
        config->scope.type = SCOPE_VM;
        return 0;
}

static int enter_device(Config *config, const char *name, const Location *where) {
        _cleanup_free_ char *address = NULL;
        int r;

        config->scope.type = SCOPE_IGNORED;
        r = pci_address_parse(name, &address);
        if (r == -EINVAL)
                return complain(config, &config->problems, where,
                                "\"%s\" is no PCI address: expected [Device ADDRESS] with one like 0000:01:00.0 or "
                                "01:00.0", name);
        if (r < 0)
                return r;

        config->scope.device = config_find_device(config, address);
        if (!config->scope.device) {
                r = add_device(config, address, where, &config->scope.device);
                if (r < 0)
                        return r;
        }
        config->scope.type = SCOPE_DEVICE;
        return 0;
}

static int unknown_section(Config *config, const char *section, const Location *where) {
        static const char *const names[] = { "GPU", "Host", "VM", "Device" };
        size_t n = strcspn(section, " \t");
        _cleanup_free_ char *word = strndup(section, n);
        const char *near, *rest = "";

        if (!word)
                return -ENOMEM;

        config->scope.type = SCOPE_IGNORED;
        near = nearest_name(word, names, ELEMENTSOF(names));
        if (!near)
                return complain(config, NULL, where,
                                "unknown section [%s] (expected [GPU], [Host], [VM NAME] or [Device ADDRESS])",
                                section);
        if (streq(near, "VM") || streq(near, "Device"))
                rest = section[n] ? section + n : streq(near, "VM") ? " NAME" : " ADDRESS";
        return complain(config, NULL, where, "unknown section [%s] (did you mean [%s%s]?)", section, near, rest);
}

static int enter_section(Config *config, const ConfigEvent *event, const Location *where) {
        const char *vm = section_name(event->section, "VM"), *device = section_name(event->section, "Device");

        if (vm)
                return enter_vm(config, vm, where);
        if (device)
                return enter_device(config, device, where);
        if (streq(event->section, "GPU"))
                config->scope.type = SCOPE_GPU;
        else if (streq(event->section, "Host"))
                config->scope.type = SCOPE_HOST;
        else
                return unknown_section(config, event->section, where);
        return 0;
}

/* Where complaints about what stands in the section belong, NULL for nowhere. The section of a VM, or of a
 * device, keeps its trouble to itself; whatever else cannot be read may have been meant for any VM. */
static char ***scope_problems(Config *config) {
        switch (config->scope.type) {
        case SCOPE_IGNORED:
                return NULL;
        case SCOPE_VM:
                return &config->scope.vm->problems;
        case SCOPE_DEVICE:
                return &config->scope.device->problems;
        case SCOPE_NONE:
        case SCOPE_GPU:
        case SCOPE_HOST:
                break;
        }
        return &config->problems;
}

static int bad_section(Config *config, const ConfigEvent *event, const Location *where) {
        const char *vm = section_name(event->section, "VM");
        int r = 0;

        config->scope.type = SCOPE_IGNORED;
        if (vm)
                r = enter_vm(config, vm, where);
        if (r < 0)
                return r;
        return complain(config,
                        config->scope.type == SCOPE_VM ? &config->scope.vm->problems : &config->problems,
                        where, "\"%s\" %s", event->value, event->problem);
}

static int bad_line(Config *config, const ConfigEvent *event, const Location *where) {
        char ***list = scope_problems(config);

        if (event->value)
                return complain(config, list, where, "\"%s\" %s", event->value, event->problem);
        return complain(config, list, where, "this line %s", event->problem);
}

static int unknown_key(Config *config, const ConfigEvent *event, const Location *where) {
        const char *names[KEY_MAX], *near;
        int key = key_from_name(event->key), n = 0;

        if (key >= 0)
                return complain(config, NULL, where, "%s= does not belong into [%s] but into [%s%s", event->key,
                                event->section, key_table[key].section,
                                key_is_for_device(key) ? " ADDRESS]" : "] or [VM NAME]");

        for (int i = 0; i < KEY_MAX; i++)
                if (key_is_for_device(i) == (config->scope.type == SCOPE_DEVICE))
                        names[n++] = key_table[i].name;
        near = nearest_name(event->key, names, (size_t) n);
        if (near)
                return complain(config, NULL, where, "unknown key %s= in [%s] (did you mean %s=?)",
                                event->key, event->section, near);
        return complain(config, NULL, where, "unknown key %s= in [%s] (see vfio-gpu.conf(5))", event->key,
                        event->section);
}

/* Notes where the words are from that were added to those that the list had. */
static int note_words(Settings *settings, int key, size_t had, const Location *where) {
        size_t n = strv_length(settings->values[key].list);
        Location *grown;

        if (n <= had)
                return 0;
        grown = reallocarray(settings->words[key], n, sizeof(Location));
        if (!grown)
                return -ENOMEM;
        settings->words[key] = grown;
        for (; had < n; had++)
                grown[had] = *where;
        return 0;
}

static int set_value(Config *config, Settings *settings, int key, const char *text, const Location *where) {
        _cleanup_free_ char *problem = NULL;
        Value *value = &settings->values[key];
        size_t had = key_table[key].is_list ? strv_length(value->list) : 0;
        int r;

        settings->where[key] = *where;
        if (!*text) {
                /* An empty list is a value as well; an empty word takes back what was set. */
                if (key_table[key].is_list)
                        value->list = strv_free(value->list);
                else {
                        settings->where[key].file = NULL;
                        value->choice = NULL;
                }
                return 0;
        }

        r = key_table[key].parse(&key_table[key], text, value, &problem);
        if (key_table[key].is_list && note_words(settings, key, had, where) < 0)
                return -ENOMEM;
        if (r == -EINVAL)
                return complain(config, &settings->problems[key], where, "%s=: %s", key_table[key].name,
                                problem);
        return r;
}

static bool belongs(const Config *config, int key, const char *section) {
        if (config->scope.type == SCOPE_VM || config->scope.type == SCOPE_DEVICE)
                return key_is_for_device(key) == (config->scope.type == SCOPE_DEVICE);
        return streq(key_table[key].section, section);
}

static Settings *scope_settings(Config *config) {
        if (config->scope.type == SCOPE_DEVICE)
                return &config->scope.device->settings;
        return config->scope.type == SCOPE_VM ? &config->scope.vm->settings : &config->defaults;
}

static int assign(Config *config, const ConfigEvent *event, const Location *where) {
        int key;

        if (config->scope.type == SCOPE_IGNORED)
                return 0;
        if (config->scope.type == SCOPE_NONE)
                return complain(config, &config->problems, where,
                                "%s= stands before any section: expected [GPU], [Host], [VM NAME] or [Device "
                                "ADDRESS] above it",
                                event->key);

        key = key_from_name(event->key);
        if (key < 0 || !belongs(config, key, event->section))
                return unknown_key(config, event, where);
        return set_value(config, scope_settings(config), key, event->value, where);
}

static int handle_event(const ConfigEvent *event, void *userdata) {
        Config *config = userdata;
        Location where = { event->file, event->line };

        switch (event->type) {
        case CONFIG_SECTION:
                return enter_section(config, event, &where);
        case CONFIG_ASSIGNMENT:
                return assign(config, event, &where);
        case CONFIG_BAD_SECTION:
                return bad_section(config, event, &where);
        case CONFIG_BAD_LINE:
                return bad_line(config, event, &where);
        }
        return -EINVAL;
}

int config_read(Config *config, FILE *stream, const char *name) {
        config->scope.type = SCOPE_NONE;
        return config_file_read(stream, name, handle_event, config);
}

/* Who can write into a file that is refused could name any number. */
#define UNREAD_MAX 256

/* Takes the names of VMs alone, so that each of them is refused. */
static int handle_refused(const ConfigEvent *event, void *userdata) {
        bool is_head = event->type == CONFIG_SECTION || event->type == CONFIG_BAD_SECTION;
        const char *name = is_head ? section_name(event->section, "VM") : NULL;
        Config *config = userdata;
        Vm *vm;
        int r;

        if (!name || vm_name_problem(name) || config_find_vm(config, name))
                return 0;
        if (config->n_unread == UNREAD_MAX) {
                config->is_incomplete = true;
                return 0;
        }

        r = add_vm(config, name, &(Location) { event->file, event->line }, &vm);
        if (r < 0)
                return r;
        vm->is_unread = true;
        config->n_unread++;
        return 0;
}

/* Complains of a file, or directory, with VMs that are not known. */
static int miss_file(Config *config, const char *path, const char *problem) {
        config->is_incomplete = true;
        return complain(config, &config->problems, &(Location) { path, 0 }, "%s", problem);
}

static int refuse_file(Config *config, const char *path, FILE *stream, const char *problem) {
        int r;

        r = complain(config, &config->problems, &(Location) { path, 0 }, "%s", problem);
        return r < 0 ? r : config_file_read(stream, path, handle_refused, config);
}

static int read_file(Config *config, const char *path) {
        _cleanup_fclose_ FILE *stream = NULL;
        _cleanup_free_ char *problem = NULL, *printable = text_printable(path);
        int r;

        if (!printable)
                return -ENOMEM;
        /* SourcePath= names the file, and a line break in it would begin another setting. */
        if (!streq(printable, path))
                return miss_file(config, path,
                                 "refused, its name is no plain text: expected UTF-8 without control characters");

        r = config_file_open(path, &stream, &problem);
        if (r == -EINVAL)
                return miss_file(config, path, problem);
        if (r == -EPERM)
                return refuse_file(config, path, stream, problem);
        if (r <= 0)
                return r;

        r = config_read(config, stream, path);
        if (r == 0 || r == -ENOMEM || refusal(&problem, "cannot be read: %s", strerror(-r)) == -ENOMEM)
                return r;
        return miss_file(config, path, problem);
}

const Value *config_value(const Config *config, const Vm *vm, Key key) {
        return vm->settings.where[key].file ? &vm->settings.values[key] : &config->defaults.values[key];
}

/* Returns the complaints about the value that counts for the VM, and about its own ones that do not count
 * any more. */
static char **value_problems(const Config *config, const Vm *vm, Key key) {
        if (vm->settings.problems[key] || vm->settings.where[key].file)
                return vm->settings.problems[key];
        return config->defaults.problems[key];
}

/* Returns where the word is from with which gpu_functions() begins to refuse the list, 'where' for none. */
static const Location *find_bad_device(const Settings *settings, const Location *where) {
        char **list = settings->values[KEY_DEVICES].list;
        const Location *words = settings->words[KEY_DEVICES];

        for (size_t n = 1; words && list && n < strv_length(list); n++) {
                _cleanup_strv_free_ char **functions = NULL;
                _cleanup_free_ char *problem = NULL;
                char *rest = list[n];
                bool refused;

                list[n] = NULL;
                refused = gpu_functions(list, &functions, &problem) < 0;
                list[n] = rest;
                if (refused)
                        return &words[n - 1];
        }
        return where;
}

/* Puts the functions in place of what Devices= says. */
static int resolve_devices(Config *config, Settings *settings, const Location *where) {
        _cleanup_free_ char *problem = NULL;
        char ***list = &settings->values[KEY_DEVICES].list, **functions;
        int r;

        if (settings->problems[KEY_DEVICES])
                return 0;

        r = gpu_functions(*list, &functions, &problem);
        if (r == -EINVAL)
                return complain(config, &settings->problems[KEY_DEVICES], find_bad_device(settings, where),
                                "Devices=: %s", problem);
        if (r < 0)
                return r;

        strv_free(*list);
        *list = functions;
        return 0;
}

/* How often one step waits for so long at most: for who has the firmware's frame buffer open, who uses a module,
 * and who has what is to be unbound open; and for these once more after a signal. It has to come to say for whom. */
static unsigned count_waits(const Config *config, const Vm *vm) {
        const char *holders = config_value(config, vm, KEY_HOLDERS)->choice;

        return 3U + (holders && !streq(holders, "refuse"));
}

/* Returns where the value, or that word of a list, was assigned, NULL for nowhere. */
static const Location *find_assignment(const Settings *settings, Key key, const char *word) {
        char *const *list = word ? settings->values[key].list : NULL;

        for (size_t i = 0; settings->words[key] && list && list[i]; i++)
                if (streq(list[i], word))
                        return &settings->words[key][i];
        return settings->where[key].file ? &settings->where[key] : NULL;
}

/* Of two values that do not go together, what the VM has of its own is more likely at fault than a default. */
static const Location *find_fault(const Config *config, const Vm *vm, Key key, Key other, const char *word) {
        return find_assignment(&vm->settings, key, word) ?:
               find_assignment(&vm->settings, other, word) ?:
               find_assignment(&config->defaults, key, word) ?:
               find_assignment(&config->defaults, other, word) ?: &vm->where;
}

static int check_vm(Config *config, Vm *vm) {
        static const char *const times[] = { "three times", "four times" };
        unsigned wait = config_value(config, vm, KEY_HOLDERS_TIMEOUT)->seconds, waits = count_waits(config, vm);
        unsigned limit = config_value(config, vm, KEY_TIMEOUT)->seconds;
        char **stop = config_value(config, vm, KEY_STOP_UNITS)->list;
        int r;

        if (waits * wait >= limit && !value_problems(config, vm, KEY_HOLDERS_TIMEOUT) &&
            !value_problems(config, vm, KEY_TIMEOUT)) {
                r = complain(config, &vm->problems,
                             find_fault(config, vm, KEY_HOLDERS_TIMEOUT, KEY_TIMEOUT, NULL),
                             "VM \"%s\": HoldersTimeoutSec= is %us, which a step may wait %s, but TimeoutSec= "
                             "ends it after %us: expected a TimeoutSec= of at least %us",
                             vm->name, wait, times[waits - 3], limit, waits * wait + 1);
                if (r < 0)
                        return r;
        }

        STRV_FOREACH(unit, config_value(config, vm, KEY_START_UNITS)->list)
                if (strv_contains(stop, *unit)) {
                        r = complain(config, &vm->problems,
                                     find_fault(config, vm, KEY_START_UNITS, KEY_STOP_UNITS, *unit),
                                     "VM \"%s\": %s is in StopUnits= and in StartUnits=: expected one of "
                                     "them",
                                     vm->name, *unit);
                        if (r < 0)
                                return r;
                }
        return 0;
}

static int set_fallbacks(Config *config) {
        int r;

        for (int key = 0; key < KEY_MAX; key++) {
                _cleanup_free_ char *unused = NULL;

                if (config->defaults.where[key].file || !key_table[key].fallback)
                        continue;
                r = key_table[key].parse(&key_table[key], key_table[key].fallback,
                                         &config->defaults.values[key], &unused);
                if (r < 0)
                        return r;
        }
        return 0;
}

static void use_devices(Config *config, const Vm *vm) {
        STRV_FOREACH(function, config_value(config, vm, KEY_DEVICES)->list) {
                Device *device = config_find_device(config, *function);

                if (device)
                        device->is_used = true;
        }
}

/* A function that nobody hands over is a slip of the pen, if it is known what they hand over. */
static int check_devices(Config *config) {
        bool known = config->n_vms > 0 && config->n_unread == 0 && !config->is_incomplete;
        int r = 0;

        for (size_t i = 0; i < config->n_vms && config->n_devices > 0; i++) {
                known = known && !value_problems(config, config->vms[i], KEY_DEVICES);
                use_devices(config, config->vms[i]);
        }
        for (size_t i = 0; i < config->n_devices && known && r >= 0; i++)
                if (!config->devices[i]->is_used)
                        r = complain(config, NULL, &config->devices[i]->where,
                                     "[Device %s] is handed over to no VM (see Devices=)",
                                     config->devices[i]->address);
        return r;
}

int config_finish(Config *config) {
        bool resolved = false;
        int r;

        r = set_fallbacks(config);
        for (size_t i = 0; i < config->n_vms && r >= 0; i++) {
                Vm *vm = config->vms[i];
                Location *own = &vm->settings.where[KEY_DEVICES];
                const Location *shared = &config->defaults.where[KEY_DEVICES];

                if (vm->is_unread) {
                        /* Nor are the defaults what it would be handed. */
                        *own = vm->where;
                        continue;
                }
                if (own->file)
                        r = resolve_devices(config, &vm->settings, own);
                else if (!resolved) {
                        r = resolve_devices(config, &config->defaults, shared->file ? shared : &vm->where);
                        resolved = true;
                }
                if (r >= 0)
                        r = check_vm(config, vm);
        }
        return r < 0 ? r : check_devices(config);
}

int config_load(Config **ret) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_strv_free_ char **unreadable = NULL;
        int r;

        r = config_new(&config);
        if (r >= 0)
                r = search_path_list(&config->files, &unreadable);
        if (r < 0)
                return r;

        STRV_FOREACH(path, unreadable) {
                r = miss_file(config, *path, "cannot be listed, expected a directory");
                if (r < 0)
                        return r;
        }
        STRV_FOREACH(path, config->files) {
                r = read_file(config, *path);
                if (r < 0)
                        return r;
        }

        r = config_finish(config);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(config);
        return 0;
}

static int add_problems(char *const *list, char ***problems) {
        int r = 0;

        for (; list && *list && r >= 0; list++)
                r = strv_extend(problems, *list);
        return r;
}

static int add_device_problems(const Device *device, char ***problems) {
        int r;

        r = add_problems(device->problems, problems);
        for (int key = 0; key < KEY_MAX && r >= 0; key++)
                r = add_problems(device->settings.problems[key], problems);
        return r;
}

int config_problems(const Config *config, const Vm *vm, char ***ret) {
        char *const *functions = config_value(config, vm, KEY_DEVICES)->list;
        _cleanup_strv_free_ char **problems = NULL;
        int r;

        r = add_problems(config->problems, &problems);
        if (r >= 0)
                r = add_problems(vm->problems, &problems);
        for (int key = 0; key < KEY_MAX && r >= 0; key++)
                r = add_problems(value_problems(config, vm, (Key) key), &problems);
        for (; functions && *functions && r >= 0; functions++) {
                const Device *device = config_find_device(config, *functions);

                if (device)
                        r = add_device_problems(device, &problems);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(problems);
        return 0;
}
