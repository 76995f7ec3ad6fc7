/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "function.h"
#include "log.h"
#include "pci.h"
#include "root.h"
#include "state.h"
#include "strv.h"

#define RECORD "functions"
/* Stands for an empty word in the record. */
#define NOTHING "-"
/* Between words, since the names of some drivers have blanks in them ("budget_ci dvb"). */
#define SEPARATOR "\t"

static void function_done(Function *f) {
        free(f->address);
        free(f->driver);
        free(f->module);
        free(f->override);
}

void functions_free(Function *functions) {
        for (Function *f = functions; f && f->address; f++)
                function_done(f);
        free(functions);
}

void functions_drop_gone(Function *functions) {
        Function *kept = functions;

        for (Function *f = functions; f->address; f++) {
                if (!pci_is_gone(f->address)) {
                        *kept++ = *f;
                        continue;
                }
                (void) log_full(LOG_WARNING, 0, &(LogSubject) { .function = f->address },
                                "%s is gone from the bus, there is nothing to give back; 'echo 1 "
                                ">/sys/bus/pci/rescan' looks for it again", f->address);
                function_done(f);
        }
        *kept = (Function) {};
}

static int read_module(const char *driver, char **ret) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/drivers/%s/module", driver);
        int r;

        if (!path)
                return -ENOMEM;

        r = read_link_name(path, ret);
        if (r != -ENOENT)
                return r;
        *ret = strdup("");
        return *ret ? 0 : -ENOMEM;
}

/* A kernel without power management has no such attribute. */
static int read_power(const char *address, bool *ret_sleeps) {
        _cleanup_free_ char *control = NULL;
        int r;

        r = pci_read(address, "power/control", &control);
        if (r < 0 && r != -ENOENT)
                return r;
        *ret_sleeps = control && streq(control, "auto");
        return 0;
}

int function_restore_power(const Function *f) {
        bool sleeps = true;
        int r;

        if (!f->sleeps)
                return 0;
        r = read_power(f->address, &sleeps);
        return r < 0 || sleeps ? r : pci_write(f->address, "power/control", "auto");
}

int function_read(const char *address, Function *f) {
        _cleanup_strv_free_ char **drm = NULL;
        int r;

        f->address = strdup(address);
        if (!f->address)
                return -ENOMEM;

        r = pci_read_link(address, "driver", &f->driver);
        if (r > 0)
                r = read_module(f->driver, &f->module);
        else if (r == 0) {
                f->driver = strdup("");
                f->module = strdup("");
                if (!f->driver || !f->module)
                        return -ENOMEM;
        }
        if (r >= 0)
                r = pci_read_override(address, &f->override);
        if (r >= 0)
                r = read_power(address, &f->sleeps);
        if (r >= 0)
                r = pci_class_devices(address, "drm", &drm);
        if (r < 0)
                return r;

        f->drm = drm != NULL;
        return 0;
}

static const Function *find_function(const Function *functions, const char *address) {
        while (functions->address && !streq(functions->address, address))
                functions++;
        return functions->address ? functions : NULL;
}

int functions_add(Function **functions, char *const *addresses) {
        Function *grown;
        size_t n = 0;
        int r;

        while (*functions && (*functions)[n].address)
                n++;
        grown = reallocarray(*functions, n + strv_length(addresses) + 1, sizeof(Function));
        if (!grown)
                return log_oom();
        *functions = grown;
        memset(grown + n, 0, (strv_length(addresses) + 1) * sizeof(Function));

        for (; addresses && *addresses; addresses++) {
                if (find_function(grown, *addresses))
                        continue;
                r = function_read(*addresses, grown + n++);
                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .function = *addresses },
                                        "cannot read the state of %s: %m; is it still on the bus (lspci -s %s)?",
                                        *addresses, *addresses);
        }
        return 0;
}

int functions_addresses(const Function *functions, char ***ret) {
        _cleanup_strv_free_ char **addresses = NULL;

        for (; functions->address; functions++)
                if (strv_extend(&addresses, functions->address) < 0)
                        return -ENOMEM;

        *ret = TAKE_PTR(addresses);
        return 0;
}

int driver_others(const char *driver, char *const *functions, char ***others) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/drivers/%s", driver);
        _cleanup_strv_free_ char **driven = NULL;
        int r;

        r = path ? pci_list(path, &driven) : -ENOMEM;
        if (r == -ENOENT)
                return 0;
        STRV_FOREACH(function, driven)
                if (r >= 0 && !strv_contains(functions, *function))
                        r = strv_extend(others, *function);
        return r;
}

/* NVIDIA's own, and that of the card's USB-C function: unbound, it would wait for whoever has its I2C bus
 * open. Where another card of the host's needs that as well, it has to be unbound all the same. */
static int add_automatic(const Function *f, char *const *functions, char ***modules) {
        _cleanup_strv_free_ char **others = NULL;
        int r;

        if (!*f->module || (!startswith(f->module, "nvidia") && !startswith(f->driver, "nvidia")) ||
            strv_contains(*modules, f->module))
                return 0;
        r = driver_waits(f->driver) ? 0 : driver_others(f->driver, functions, &others);
        return r < 0 || others ? r : strv_extend(modules, f->module);
}

int functions_modules(const Function *functions, bool automatic, char *const *listed, char ***ret) {
        _cleanup_strv_free_ char **modules = NULL, **addresses = NULL;
        int r;

        r = strv_copy(listed, &modules);
        if (r >= 0)
                r = functions_addresses(functions, &addresses);
        for (const Function *f = functions; automatic && r >= 0 && f->address; f++)
                r = add_automatic(f, addresses, &modules);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(modules);
        return 0;
}

static const char *word_for_record(const char *word) {
        return *word ? word : NOTHING;
}

int functions_save(int state, const Function *functions) {
        _cleanup_strv_free_ char **lines = NULL;

        for (const Function *f = functions; f->address; f++) {
                char **words = STRV_MAKE(f->address, word_for_record(f->driver), word_for_record(f->module),
                                         word_for_record(f->override), f->drm ? "drm" : NOTHING,
                                         f->sleeps ? "sleeps" : NOTHING);
                char *line = strv_join(words, SEPARATOR);

                if (!line || strv_consume(&lines, line) < 0)
                        return -ENOMEM;
        }
        return state_write(state, RECORD, lines);
}

int functions_forget(int state) {
        return state_remove(state, RECORD);
}

static char *recorded(const char *word) {
        return strdup(streq(word, NOTHING) ? "" : word);
}

/* An older version, which may have begun the swap, has blanks between the words, and one less of them. */
static int split_line(const char *line, char ***ret_words) {
        bool older = !strchr(line, *SEPARATOR);
        int r;

        r = strv_split(line, older ? " " : SEPARATOR, ret_words);
        return r < 0 ? r : strv_length(*ret_words) == (older ? 5 : 6) ? 0 : -EBADMSG;
}

static int function_parse(const char *line, Function *f) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = split_line(line, &words);
        if (r < 0)
                return r;

        r = pci_address_parse(words[0], &f->address);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;

        f->driver = recorded(words[1]);
        f->module = recorded(words[2]);
        f->override = recorded(words[3]);
        f->drm = streq(words[4], "drm");
        f->sleeps = words[5] && streq(words[5], "sleeps");
        if (!f->driver || !f->module || !f->override)
                return -ENOMEM;
        return strchr(f->driver, '/') || strchr(f->module, '/') || strchr(f->override, '/') ? -EBADMSG : 0;
}

int functions_load(int state, Function **ret) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        int r;

        r = state_read(state, RECORD, &lines);
        if (r < 0)
                return r;

        functions = calloc(strv_length(lines) + 1, sizeof(Function));
        if (!functions)
                return -ENOMEM;

        for (size_t i = 0; lines && lines[i]; i++) {
                r = function_parse(lines[i], functions + i);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(functions);
        return 0;
}

/* Returns 1 with what the VM was handed, 0 if nothing readable says, or -ENOMEM. */
static int load_of_vm(const char *vm, Function **ret) {
        _cleanup_close_ int state = state_open(vm, false);
        int r = state < 0 ? state : functions_load(state, ret);

        return r >= 0 ? 1 : r == -ENOMEM ? r : 0;
}

/* Returns 1 if the VM was handed one of the functions, 0 if not, or -ENOMEM. */
static int is_owner(const char *vm, char *const *addresses) {
        _cleanup_functions_free_ Function *functions = NULL;
        int r;

        r = load_of_vm(vm, &functions);
        if (r <= 0)
                return r;

        for (const Function *f = functions; f->address; f++)
                if (strv_contains(addresses, f->address))
                        return 1;
        return 0;
}

int functions_owners(char *const *addresses, const char *except, char ***ret) {
        _cleanup_strv_free_ char **vms = NULL, **owners = NULL;
        int r;

        r = state_list(&vms);
        if (r < 0)
                return r;

        STRV_FOREACH(vm, vms) {
                if (except && streq(*vm, except))
                        continue;
                r = is_owner(*vm, addresses);
                if (r > 0)
                        r = strv_extend(&owners, *vm);
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(owners);
        return 0;
}

int functions_recorded_driver(char *const *vms, const char *address, char **ret) {
        int r = 0;

        for (; vms && *vms && r >= 0; vms++) {
                _cleanup_functions_free_ Function *functions = NULL;
                const Function *f;

                r = load_of_vm(*vms, &functions);
                f = r > 0 ? find_function(functions, address) : NULL;
                if (f) {
                        *ret = strdup(f->driver);
                        return *ret ? 1 : -ENOMEM;
                }
        }
        return r < 0 ? r : 0;
}

bool driver_is_vfio(const char *driver) {
        return streq(driver, VFIO_DRIVER) || endswith(driver, "-vfio-pci") || endswith(driver, "_vfio_pci");
}

bool driver_waits(const char *driver) {
        /* In nv_pci_remove() of NVIDIA's kernel-open/nvidia/nv-pci.c. */
        return streq(driver, "nvidia");
}

int function_unbind(const char *address) {
        _cleanup_free_ char *driver = NULL;
        int r = pci_write(address, "driver/unbind", address);

        /* No driver, or it let go in the same moment. */
        return (r == -ENOENT || r == -ENODEV) && pci_read_link(address, "driver", &driver) == 0 ? 0 : r;
}

int function_set_override(const char *address, const char *driver) {
        /* An empty string would be no write at all: the kernel clears it at a newline. */
        return pci_write(address, "driver_override", *driver ? driver : "\n");
}

int function_is_driven_by(const char *address, const char *driver) {
        _cleanup_free_ char *current = NULL;
        int r;

        r = pci_read_link(address, "driver", &current);
        return r <= 0 ? r : streq(current, driver);
}

int function_bind(const char *address, const char *driver) {
        _cleanup_free_ char *probe = NULL;
        int r;

        r = function_is_driven_by(address, driver);
        if (r != 0)
                return r < 0 ? r : 0;

        r = function_set_override(address, driver);
        if (r < 0)
                return r;

        probe = root_path("/sys/bus/pci/drivers_probe");
        if (!probe)
                return -ENOMEM;

        /* The write succeeds when no driver matched, too: only the link tells. */
        r = write_attribute(probe, address);
        if (r < 0)
                return r;
        r = function_is_driven_by(address, driver);
        return r < 0 ? r : r == 0 ? -ENXIO : 0;
}
