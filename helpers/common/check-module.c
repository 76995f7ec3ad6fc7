/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "module.h"
#include "module-name.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

/* Deeper than any real chain of modules; ends a walk through a damaged tree. */
#define DEPTH_MAX 16

/* Loaded for each swap where the kernel has it. */
#define VFIO_TYPE1 "vfio_iommu_type1"

/* Returns the module's name as the kernel writes it, to be freed, or NULL without memory. */
static char *kernel_name(const char *module) {
        char *name = strdup(module);

        for (char *p = name; p && (p = strchr(p, '-'));)
                *p = '_';
        return name;
}

/* Returns 1 if the module is loaded or built in, 0 if not, or -ENOMEM. */
static int is_loaded(const char *module) {
        _cleanup_free_ char *name = kernel_name(module), *path = name ? root_path("/sys/module/%s", name) : NULL;

        return path ? path_exists(path) : -ENOMEM;
}

/* Returns 1 if the module is loaded and not built in, 0 if not, or -ENOMEM. */
static int can_be_unloaded(const char *module) {
        _cleanup_free_ char *path = root_path("/sys/module/%s/initstate", module);

        return path ? path_exists(path) : -ENOMEM;
}

/* Returns 1 if vfio-pci is there, 0 if it has yet to be loaded, or -ENOMEM. */
static int has_vfio(void) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/drivers/" VFIO_DRIVER);

        return path ? path_exists(path) : -ENOMEM;
}

static int add_replaced(CheckContext *c, const char *module) {
        _cleanup_free_ char *directory = NULL;
        int r;

        r = module_directory(&directory);
        return r < 0 ? r : findings_add(c->findings, FINDING_KERNEL_REPLACED, directory,
                                        "the modules of the running kernel are gone (%s), as after an "
                                        "upgrade of the kernel: %s could not be loaded when it is needed; "
                                        "reboot", directory, module);
}

static int check_vfio(CheckContext *c, struct kmod_ctx *kmod) {
        int r = module_exists(kmod, VFIO_DRIVER);

        return r != 0 ? r : findings_add(c->findings, FINDING_VFIO_MISSING, VFIO_DRIVER,
                                         "the running kernel has no vfio-pci, which is to hold the GPU for the VM "
                                         "('modinfo vfio-pci'): install the package with the rest of its modules, or "
                                         "another kernel");
}

/* Returns 1 if the kernel loads and unloads no modules any more, 0 if it does, or -ENOMEM. */
static int is_locked(void) {
        _cleanup_free_ char *path = root_path("/proc/sys/kernel/modules_disabled"), *text = NULL;
        int r = path ? read_text_file(path, 16, &text) : -ENOMEM;

        return r < 0 ? (r == -ENOMEM ? r : 0) : streq(text, "1");
}

static int add_locked(CheckContext *c, const char *module, bool load) {
        return findings_add(c->findings, FINDING_MODULES_LOCKED, module,
                            "%s would have to be %s, and the kernel does that for no module until the next boot "
                            "(kernel.modules_disabled=1): %s, and reboot", module, load ? "loaded" : "unloaded",
                            load ? "name it in /etc/modules-load.d, so that it is loaded before" :
                                   "take that setting out of /etc/sysctl.d");
}

/* Returns the module that is to be loaded for the swap, or NULL if there is none. */
static const char *find_missing(bool vfio) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;

        if (!vfio)
                return VFIO_DRIVER;
        return is_loaded(VFIO_TYPE1) == 0 && module_try_open(&kmod) >= 0 && module_exists(kmod, VFIO_TYPE1) > 0 ?
                VFIO_TYPE1 : NULL;
}

static int check_locked(CheckContext *c, char *const *stack, bool vfio) {
        const char *missing;
        int r = is_locked();

        if (r <= 0)
                return r;
        missing = find_missing(vfio);
        r = missing ? add_locked(c, missing, true) : 0;
        for (; r >= 0 && stack && *stack; stack++) {
                r = can_be_unloaded(*stack);
                if (r > 0)
                        r = add_locked(c, *stack, false);
        }
        return r;
}

static int check_known(CheckContext *c, struct kmod_ctx *kmod, const char *module) {
        _cleanup_free_ char *nearest = NULL;
        int r;

        r = is_loaded(module);
        if (r == 0)
                r = module_exists(kmod, module);
        if (r == 0)
                r = module_nearest(kmod, module, &nearest);
        if (r < 0 || (r > 0 && !nearest))
                return r;
        return findings_add(c->findings, FINDING_MODULE_UNKNOWN, module,
                            "UnloadModules= names %s, and the running kernel has no such module%s%s%s: "
                            "correct it in vfio-gpu.conf", module,
                            nearest ? " (did you mean " : "", nearest ?: "", nearest ? "?)" : "");
}

/* Adds the module and those that use it. */
static int add_stack(const char *module, unsigned depth, char ***stack) {
        _cleanup_free_ char *name = kernel_name(module);
        _cleanup_free_ char *path = name ? root_path("/sys/module/%s/holders", name) : NULL;
        _cleanup_strv_free_ char **holders = NULL;
        int r;

        r = path ? list_directory(path, &holders) : -ENOMEM;
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(holder, depth < DEPTH_MAX ? holders : NULL)
                if (r >= 0)
                        r = add_stack(*holder, depth + 1, stack);
        return r < 0 || strv_contains(*stack, name) ? r : strv_consume(stack, TAKE_PTR(name));
}

/* What drives a function and waits for its users has to be unloaded all the same. */
static bool may_be_kept(CheckContext *c) {
        for (const Function *f = c->functions; f->address; f++)
                if (driver_waits(f->driver))
                        return false;
        return !c->check->unload_auto;
}

static int check_shared(CheckContext *c, const char *module) {
        _cleanup_free_ char *path = root_path("/sys/module/%s/drivers", module), *joined = NULL;
        _cleanup_strv_free_ char **drivers = NULL, **others = NULL;
        int r;

        if (module_is_shared(module))
                return findings_add(c->findings, FINDING_MODULE_SHARED, module,
                                    "module %s, which other devices need, uses one that is to be unloaded, and would "
                                    "have to go first: take that one out of UnloadModules=", module);
        r = path ? list_directory(path, &drivers) : -ENOMEM;
        if (r == -ENOENT)
                return 0;
        STRV_FOREACH(entry, drivers) {
                const char *driver = startswith(*entry, "pci:");

                if (r >= 0 && driver)
                        r = driver_others(driver, c->check->functions, &others);
        }
        if (r < 0 || !others)
                return r;

        joined = strv_join(others, ", ");
        return !joined ? -ENOMEM :
                findings_add(c->findings, FINDING_MODULE_SHARED, module,
                             "module %s has to be unloaded, and also drives %s, which would stay with the "
                             "host without a driver: hand it over as well (Devices=)%s give it to another "
                             "driver%s", module, joined, may_be_kept(c) ? "," : " or",
                             may_be_kept(c) ? ", or take the module out of UnloadModules=" : "");
}

static int check_kept(CheckContext *c, char *const *stack) {
        int r = 0;

        for (const Function *f = c->functions; r >= 0 && f->address; f++)
                if (driver_waits(f->driver) && !strv_contains(stack, f->module))
                        r = findings_add(c->findings, FINDING_MODULE_KEPT, f->address,
                                         "%s is driven by %s, whose module has to be unloaded, for "
                                         "unbinding it can block in the kernel for ever: set "
                                         "UnloadModules=auto or add %s to the list", f->address,
                                         f->driver, f->module);
        return r;
}

/* What is unloaded for the VM has to be loaded after it. */
static int check_can_be_loaded(CheckContext *c, struct kmod_ctx *kmod, const char *module) {
        int r = can_be_unloaded(module);

        if (r > 0) {
                r = module_exists(kmod, module);
                if (r == 0)
                        return findings_add(c->findings, FINDING_MODULE_GONE, module,
                                            "module %s has to be unloaded, and could not be loaded again: the running "
                                            "kernel has no such module any more ('modinfo %s'); build or install its "
                                            "driver for this kernel, or reboot after an upgrade of it", module, module);
        }
        return r < 0 ? r : 0;
}

/* What needs the files of the modules, and them alone. */
static int check_files(CheckContext *c, char *const *modules, char *const *stack, bool vfio) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r;

        r = module_try_open(&kmod);
        if (r < 0)
                return r == -ENOMEM ? r : add_replaced(c, vfio ? *modules : VFIO_DRIVER);

        if (!vfio)
                r = check_vfio(c, kmod);
        for (char *const *module = c->check->unload_modules; r >= 0 && module && *module; module++)
                r = check_known(c, kmod, *module);
        for (; r >= 0 && stack && *stack; stack++)
                r = check_can_be_loaded(c, kmod, *stack);
        return r;
}

int check_modules(CheckContext *c) {
        _cleanup_strv_free_ char **modules = NULL, **stack = NULL;
        int r, vfio = has_vfio();

        r = vfio;
        if (r >= 0)
                r = functions_modules(c->functions, c->check->unload_auto, c->check->unload_modules, &modules);
        STRV_FOREACH(module, modules)
                if (r >= 0)
                        r = add_stack(*module, 0, &stack);
        if (r >= 0 && (modules || !vfio))
                r = check_files(c, modules, stack, vfio);
        if (r >= 0)
                r = check_locked(c, stack, vfio);
        STRV_FOREACH(module, stack)
                if (r >= 0)
                        r = check_shared(c, *module);
        return r < 0 ? r : check_kept(c, stack);
}
