/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that takes the functions from the host's drivers, and gives them back to the same ones. */

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <libudev.h>

#include "clock.h"
#include "function.h"
#include "holders.h"
#include "log.h"
#include "messages.h"
#include "module.h"
#include "pci.h"
#include "root.h"
#include "state.h"
#include "step.h"
#include "strv.h"

/* Modules that were unloaded, in that order. */
#define RECORD_MODULES "modules"

/* There, and empty, if the functions are to come back by a scan of the bus. */
#define RECORD_RESCAN "rescan"

/* A driver registers its DRM device while it binds; what takes time is udev's rules for it. */
#define DRM_TIMEOUT (10 * USEC_PER_SEC)

/* The longest time between two tries to unload a module: nothing tells when its use count falls. */
#define UNLOAD_PAUSE_MSEC 100

DEFINE_CLEANUP(struct udev *, udev_unref)
DEFINE_CLEANUP(struct udev_monitor *, udev_monitor_unref)
DEFINE_CLEANUP(struct udev_device *, udev_device_unref)
DEFINE_CLEANUP(struct udev_enumerate *, udev_enumerate_unref)

static int order_modules(struct kmod_ctx *kmod, char *const *modules, char ***ret) {
        _cleanup_strv_free_ char **stack = NULL;

        for (; *modules; modules++) {
                int r = module_stack(kmod, *modules, &stack);

                if (r == -EPERM)
                        log_notice("%s is built into the kernel and stays; its functions are unbound instead", *modules);
                else if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .module = *modules },
                                        "cannot find what uses module %s: %m", *modules);
        }

        *ret = TAKE_PTR(stack);
        return 0;
}

static int refuse_busy_module(const char *module, char *const *functions) {
        _cleanup_strv_free_ char **nodes = NULL;
        _cleanup_free_ char *users = NULL;
        Holder *holders = NULL;
        size_t n = 0;

        if (nodes_of_functions(functions, &nodes) >= 0 && holders_find(nodes, &holders, &n) >= 0 && n > 0)
                users = holders_describe(holders, n);
        holders_free(holders, n);

        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_MODULE_BUSY, .module = module },
                        "cannot unload %s: in use by %s; stop it, name its unit in StopUnits= or set "
                        "Holders=terminate", module, users ?: "the kernel itself (no process has its devices open)");
}

static int unload_module(struct kmod_ctx *kmod, const char *module, const Task *task, uint64_t deadline) {
        int pause = 1, r;

        for (;;) {
                r = module_unload(kmod, module);
                if (r != -EAGAIN)
                        break;
                if (clock_left(deadline) == 0)
                        return refuse_busy_module(module, task->functions);
                (void) poll(NULL, 0, pause);
                pause = pause * 2 < UNLOAD_PAUSE_MSEC ? pause * 2 : UNLOAD_PAUSE_MSEC;
        }
        if (r < 0)
                return log_full(LOG_ERR, r, &(LogSubject) { .module = module }, "cannot unload %s: %m", module);

        log_info("unloaded %s", module);
        return 0;
}

static char *modprobe_path(const char *vm) {
        return root_path("/run/modprobe.d/vfio-gpu-%s.conf", vm);
}

/* Rules and pollers of the vendor's load the modules again and again while the VM has the GPU. */
static int block_modules(const char *vm, char *const *modules) {
        _cleanup_free_ char *path = modprobe_path(vm), *directory = root_path("/run/modprobe.d");
        _cleanup_fclose_ FILE *f = NULL;

        if (!path || !directory)
                return -ENOMEM;
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return -errno;

        f = fopen(path, "we");
        if (!f)
                return -errno;
        (void) fprintf(f, "# The GPU that these modules drive is handed over to a VM: vfio-gpu@.service(8)\n");
        for (; *modules; modules++)
                (void) fprintf(f, "install %s /bin/false\n", *modules);
        return fflush(f) < 0 ? -errno : 0;
}

static int unblock_modules(const char *vm) {
        _cleanup_free_ char *path = modprobe_path(vm);

        return !path ? -ENOMEM : unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Adds to what is noted already: what a stop that failed has not loaded again is to be loaded all the same. */
static int note_modules(int state, char *const *stack, char ***ret) {
        _cleanup_strv_free_ char **noted = NULL;
        int r;

        r = state_read(state, RECORD_MODULES, &noted);
        if (r == -ENOENT)
                r = 0;
        for (; stack && *stack && r >= 0; stack++)
                if (!strv_contains(noted, *stack))
                        r = strv_extend(&noted, *stack);
        if (r >= 0 && noted)
                r = state_write(state, RECORD_MODULES, noted);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(noted);
        return 0;
}

static int unload_modules(const Task *task, const Function *functions, int state) {
        _cleanup_strv_free_ char **modules = NULL, **stack = NULL, **noted = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        uint64_t deadline = clock_now() + task->holders_timeout * USEC_PER_SEC;
        int r;

        r = functions_modules(functions, task->unload_auto, task->unload_modules, &modules);
        if (r < 0)
                return log_oom();
        if (!modules)
                return 0;

        r = module_open(&kmod);
        if (r >= 0)
                r = order_modules(kmod, modules, &stack);
        if (r < 0)
                return r;

        r = note_modules(state, stack, &noted);
        if (r < 0)
                return log_error_errno(r, "cannot note the modules to unload in " STATE_DIRECTORY "/%s: %m", task->vm);
        r = noted ? block_modules(task->vm, noted) : 0;
        if (r < 0)
                return log_error_errno(r, "cannot write /run/modprobe.d/vfio-gpu-%s.conf: %m", task->vm);

        STRV_FOREACH(module, stack) {
                r = unload_module(kmod, *module, task, deadline);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int override_all(const Function *functions) {
        for (const Function *f = functions; f->address; f++) {
                int r = function_set_override(f->address, VFIO_DRIVER);

                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .function = f->address },
                                        "cannot keep %s for vfio-pci (driver_override): %m", f->address);
        }
        return 0;
}

static int unbind_all(const Function *functions) {
        for (const Function *f = functions; f->address; f++) {
                LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
                int r;

                r = function_is_driven_by(f->address, f->driver);
                if (r > 0 && streq(f->driver, VFIO_DRIVER))
                        continue;
                if (r > 0 && function_must_be_unloaded(f))
                        return log_full(LOG_ERR, EBUSY, &subject,
                                        "%s is still driven by %s, which cannot be unbound safely: set "
                                        "UnloadModules=auto", f->address, f->driver);
                if (r > 0)
                        r = function_unbind(f->address);
                if (r >= 0 && *f->driver)
                        log_info("took %s from %s", f->address, f->driver);
                if (r < 0)
                        return log_full(LOG_ERR, r, &subject, "cannot take %s from driver %s: %m", f->address, f->driver);
        }
        return 0;
}

static int start(const Task *task) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_close_ int state = -1;
        int r;

        state = state_open(task->vm, true);
        /* A record that is there already is of an earlier swap, whose way back was not finished: it counts. */
        r = state < 0 ? state : functions_load(state, &functions);
        if (r == -ENOENT) {
                r = functions_read(task->functions, &functions);
                if (r < 0)
                        return r;
                r = task->rescan ? state_write(state, RECORD_RESCAN, NULL) : state_remove(state, RECORD_RESCAN);
                if (r >= 0)
                        r = functions_save(state, functions);
        }
        if (r < 0)
                return log_error_errno(r, "cannot note the drivers of the GPU in " STATE_DIRECTORY "/%s: %m", task->vm);

        /* Overrides come first: from then on nobody else's probe, by udev say, can give a function to another driver. */
        r = override_all(functions);
        if (r >= 0)
                r = unload_modules(task, functions, state);
        return r < 0 ? r : unbind_all(functions);
}

static int reload_modules(int state, const char *vm) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        _cleanup_strv_free_ char **modules = NULL;
        int r;

        r = unblock_modules(vm);
        if (r < 0)
                return log_error_errno(r, "cannot remove /run/modprobe.d/vfio-gpu-%s.conf: %m", vm);

        r = state_read(state, RECORD_MODULES, &modules);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read which modules were unloaded: %m");

        r = module_open(&kmod);
        for (size_t n = strv_length(modules); r >= 0 && n > 0; n--) {
                r = module_load(kmod, modules[n - 1]);
                if (r < 0)
                        (void) log_full(LOG_ERR, r, &(LogSubject) { .module = modules[n - 1] },
                                        "cannot load %s again: %m", modules[n - 1]);
        }
        return r;
}

/* Takes the functions off the bus and has the kernel find them again, for cards that do not come back otherwise. */
static int rescan(const Function *functions) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/rescan");
        int r;

        for (const Function *f = functions; f->address; f++) {
                /* Never taken, or given back already. Its driver may be in use, and would be waited for. */
                r = function_is_driven_by(f->address, f->driver);
                if (r > 0)
                        continue;
                if (r == 0)
                        r = pci_write(f->address, "remove", "1");
                if (r < 0 && r != -ENOENT && r != -ENODEV)
                        return log_full(LOG_ERR, r, &(LogSubject) { .function = f->address },
                                        "cannot remove %s from the bus: %m", f->address);
        }

        r = path ? write_attribute(path, "1") : -ENOMEM;
        return r < 0 ? log_error_errno(r, "cannot rescan the bus: %m; try 'echo 1 >/sys/bus/pci/rescan'") : 0;
}

static int restore_driver(struct kmod_ctx *kmod, const Function *f) {
        _cleanup_free_ char *driver = NULL;
        int r;

        if (!*f->driver)
                return 0;

        driver = root_path("/sys/bus/pci/drivers/%s", f->driver);
        if (!driver)
                return -ENOMEM;
        if (!path_exists(driver) && *f->module) {
                r = module_load(kmod, f->module);
                if (r < 0)
                        return r;
        }
        return function_bind(f->address, f->driver);
}

static int restore_function(struct kmod_ctx *kmod, const Function *f) {
        LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
        int r, k;

        if (!streq(f->driver, VFIO_DRIVER) && function_is_driven_by(f->address, VFIO_DRIVER) > 0)
                return log_full(LOG_ERR, EBUSY, &subject,
                                "%s is still on vfio-pci and stays there: end the VM that has it, then run 'vfio-gpuctl "
                                "recover'", f->address);

        r = restore_driver(kmod, f);
        k = function_set_override(f->address, f->override);
        if (r == -ENXIO)
                return log_full(LOG_ERR, r, &subject, "driver %s did not take %s back; the kernel's log says why "
                                "(journalctl -k)", f->driver, f->address);
        if (r < 0 || k < 0)
                return log_full(LOG_ERR, r < 0 ? r : k, &subject, "cannot give %s back to driver %s: %m", f->address,
                                *f->driver ? f->driver : "(none)");
        if (*f->driver)
                log_info("gave %s back to %s", f->address, f->driver);
        return 0;
}

/* Returns the DRM card below the function as udev knows it, or NULL. */
static struct udev_device *find_card(struct udev *udev, const char *address) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *found = udev_enumerate_new(udev);
        _cleanup_(udev_device_unrefp) struct udev_device *pci = NULL;
        struct udev_list_entry *entry;

        pci = udev_device_new_from_subsystem_sysname(udev, "pci", address);
        if (!found || !pci)
                return NULL;

        (void) udev_enumerate_add_match_subsystem(found, "drm");
        (void) udev_enumerate_add_match_sysname(found, "card[0-9]*");
        (void) udev_enumerate_add_match_parent(found, pci);
        (void) udev_enumerate_scan_devices(found);
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(found)) {
                struct udev_device *card = udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));

                if (card && udev_device_get_devnode(card)) /* not a connector */
                        return card;
                (void) udev_device_unref(card);
        }
        return NULL;
}

static bool card_is_ready(struct udev *udev, const char *address) {
        _cleanup_(udev_device_unrefp) struct udev_device *card = find_card(udev, address);

        return card && udev_device_get_is_initialized(card);
}

/* A display manager that starts before udev has given the card to its seat comes up without a screen. */
static void wait_for_card(struct udev *udev, struct udev_monitor *monitor, const char *address, uint64_t deadline) {
        struct pollfd event = { .fd = udev_monitor_get_fd(monitor), .events = POLLIN };

        while (!card_is_ready(udev, address)) {
                if (clock_left(deadline) == 0) {
                        log_warning("the DRM device of %s has not appeared; going on without it", address);
                        return;
                }
                (void) poll(&event, 1, clock_left(deadline));
                (void) udev_device_unref(udev_monitor_receive_device(monitor));
        }
}

static int restore_all(const Function *functions) {
        _cleanup_(udev_unrefp) struct udev *udev = udev_new();
        _cleanup_(udev_monitor_unrefp) struct udev_monitor *monitor = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        uint64_t deadline = clock_now() + DRM_TIMEOUT;
        int r, ret;

        ret = module_open(&kmod);
        if (ret < 0)
                return ret;

        monitor = udev ? udev_monitor_new_from_netlink(udev, "udev") : NULL;
        if (!monitor || udev_monitor_filter_add_match_subsystem_devtype(monitor, "drm", NULL) < 0 ||
            udev_monitor_enable_receiving(monitor) < 0)
                log_warning("cannot listen to udev; the desktop may come back before the screen");

        for (const Function *f = functions; f->address; f++) {
                r = restore_function(kmod, f);
                if (r < 0)
                        ret = r;
        }
        for (const Function *f = functions; f->address; f++)
                if (f->drm && ret >= 0 && monitor)
                        wait_for_card(udev, monitor, f->address, deadline);
        return ret;
}

static bool is_held(const Function *functions) {
        for (const Function *f = functions; f->address; f++)
                if (!streq(f->driver, VFIO_DRIVER) && function_is_driven_by(f->address, VFIO_DRIVER) > 0)
                        return true;
        return false;
}

static int stop(const Task *task) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_strv_free_ char **nothing = NULL;
        _cleanup_close_ int state = -1;
        int r, k;

        state = state_open(task->vm, false);
        r = state < 0 ? state : functions_load(state, &functions);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_error_errno(r, "cannot read the drivers of the GPU from " STATE_DIRECTORY "/%s: %m",
                                       task->vm);

        k = state_read(state, RECORD_RESCAN, &nothing) >= 0 && !is_held(functions) ? rescan(functions) : 0;
        r = reload_modules(state, task->vm);
        if (r >= 0)
                r = k;
        k = restore_all(functions);
        if (r < 0 || k < 0)
                return r < 0 ? r : k;

        r = state_remove(state, RECORD_MODULES);
        if (r >= 0)
                r = state_remove(state, RECORD_RESCAN);
        if (r >= 0)
                r = functions_forget(state);
        return r < 0 ? log_error_errno(r, "cannot remove the records in " STATE_DIRECTORY "/%s: %m", task->vm) : 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
