/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that takes the functions from the host's drivers, and gives them back to the same ones. */

#include <poll.h>

#include <libudev.h>

#include "clock.h"
#include "function.h"
#include "log.h"
#include "messages.h"
#include "module-stack.h"
#include "module.h"
#include "pci.h"
#include "root.h"
#include "state.h"
#include "step.h"
#include "strv.h"

/* There, and empty, if the functions are to come back by a scan of the bus. */
#define RECORD_RESCAN "rescan"

/* A driver registers its DRM device while it binds; what takes time is udev's rules for it. */
#define DRM_TIMEOUT (10 * USEC_PER_SEC)

DEFINE_CLEANUP(struct udev *, udev_unref)
DEFINE_CLEANUP(struct udev_monitor *, udev_monitor_unref)
DEFINE_CLEANUP(struct udev_device *, udev_device_unref)
DEFINE_CLEANUP(struct udev_enumerate *, udev_enumerate_unref)

static int override_all(const Function *functions) {
        for (const Function *f = functions; f->address; f++) {
                int r = function_set_override(f->address, VFIO_DRIVER);

                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .function = f->address },
                                        "cannot keep %s for vfio-pci (driver_override): %m", f->address);
        }
        return 0;
}

static int unbind_one(const Function *f) {
        LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
        int r;

        r = function_is_driven_by(f->address, f->driver);
        if (r > 0 && streq(f->driver, VFIO_DRIVER))
                return 0;
        if (r > 0 && driver_waits(f->driver))
                return log_full(LOG_ERR, EBUSY, &subject,
                                "%s is still driven by %s, which cannot be unbound safely: set UnloadModules=auto, or "
                                "add %s there", f->address, f->driver, f->module);
        if (r == 0) /* Its module is unloaded, or it had no driver. */
                return 0;
        if (r > 0)
                r = function_unbind(f->address);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject, "cannot take %s from driver %s: %m", f->address, f->driver);
        log_info("took %s from %s", f->address, f->driver);
        return 0;
}

static int unbind_all(const Function *functions) {
        int r = 0;

        for (const Function *f = functions; f->address && r >= 0; f++)
                r = unbind_one(f);
        return r;
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
                r = stack_unload(task, functions, state);
        return r < 0 ? r : unbind_all(functions);
}

/* Takes the functions off the bus and has the kernel find them again, for cards that do not come back otherwise. */
static int rescan(const Function *functions) {
        _cleanup_free_ char *path = root_path("/sys/bus/pci/rescan");
        int r;

        for (const Function *f = functions; f->address; f++) {
                _cleanup_free_ char *driver = NULL;

                /* Never taken, or given back already. Its driver may be in use, and would be waited for. */
                r = pci_read_link(f->address, "driver", &driver);
                if (r > 0 && (streq(driver, f->driver) || driver_waits(driver)))
                        continue;
                if (r >= 0)
                        r = pci_write(f->address, "remove", "1");
                if (r < 0 && r != -ENOENT && r != -ENODEV)
                        return log_full(LOG_ERR, r, &(LogSubject) { .function = f->address },
                                        "cannot remove %s from the bus: %m", f->address);
        }

        r = path ? write_attribute(path, "1") : -ENOMEM;
        return r < 0 ? log_error_errno(r, "cannot rescan the bus: %m; try 'echo 1 >/sys/bus/pci/rescan'") : 0;
}

/* Until here no driver could have them. Now it is the one of each again and no other: loaded after this, NVIDIA's modules
 * find their GPU, which nvidia_drm looks for just once, when it is loaded. */
static int offer_all(const Function *functions) {
        for (const Function *f = functions; f->address; f++) {
                int r;

                if (!*f->driver || function_is_driven_by(f->address, VFIO_DRIVER) > 0)
                        continue;
                r = function_set_override(f->address, f->driver);
                if (r < 0)
                        return log_full(LOG_ERR, r, &(LogSubject) { .function = f->address },
                                        "cannot keep %s for driver %s (driver_override): %m", f->address, f->driver);
        }
        return 0;
}

/* Returns 0 once the driver is in the kernel, or a negative errno. */
static int have_driver(const Function *f, bool load) {
        _cleanup_free_ char *driver = root_path("/sys/bus/pci/drivers/%s", f->driver);
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r;

        if (!driver)
                return -ENOMEM;
        if (path_exists(driver))
                return 0;
        if (!load || !*f->module)
                return -ENOENT;

        r = module_open(&kmod);
        return r < 0 ? r : module_load(kmod, f->module);
}

static int restore_driver(const Function *f, bool load) {
        LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
        int r;

        r = have_driver(f, load);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject, "cannot give %s back: driver %s is not in the kernel (%s)", f->address,
                                f->driver, module_load_error(r));

        r = function_bind(f->address, f->driver);
        if (r == -ENXIO)
                return log_full(LOG_ERR, r, &subject, "driver %s did not take %s back; the kernel's log says why "
                                "(journalctl -k)", f->driver, f->address);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject, "cannot give %s back to driver %s: %m", f->address, f->driver);

        log_info("gave %s back to %s", f->address, f->driver);
        return 0;
}

static int restore_function(const Function *f, bool load) {
        LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
        int r, k;

        if (!streq(f->driver, VFIO_DRIVER) && function_is_driven_by(f->address, VFIO_DRIVER) > 0)
                return log_full(LOG_ERR, EBUSY, &subject,
                                "%s is still on vfio-pci and stays there: end the VM that has it, then run 'vfio-gpuctl "
                                "recover'", f->address);

        r = *f->driver ? restore_driver(f, load) : 0;
        k = function_set_override(f->address, f->override);
        if (k < 0)
                return log_full(LOG_ERR, k, &subject, "cannot set driver_override of %s to what it was: %m", f->address);
        return r;
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

/* 'load' allows to load drivers that are missing. */
static int restore_all(const Function *functions, bool load) {
        _cleanup_(udev_unrefp) struct udev *udev = udev_new();
        _cleanup_(udev_monitor_unrefp) struct udev_monitor *monitor = NULL;
        uint64_t deadline = clock_now() + DRM_TIMEOUT;
        int r, ret = 0;

        monitor = udev ? udev_monitor_new_from_netlink(udev, "udev") : NULL;
        if (!monitor || udev_monitor_filter_add_match_subsystem_devtype(monitor, "drm", NULL) < 0 ||
            udev_monitor_enable_receiving(monitor) < 0)
                log_warning("cannot listen to udev; the desktop may come back before the screen");

        for (const Function *f = functions; f->address; f++) {
                r = restore_function(f, load);
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

/* The functions come last: as long as they are on record there is something to undo. */
static int forget(int state, const char *vm) {
        int r;

        r = state_remove(state, RECORD_MODULES);
        if (r >= 0)
                r = state_remove(state, RECORD_RESCAN);
        if (r >= 0)
                r = functions_forget(state);
        return r < 0 ? log_error_errno(r, "cannot remove the records in " STATE_DIRECTORY "/%s: %m", vm) : 0;
}

static int stop(const Task *task) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_strv_free_ char **nothing = NULL;
        _cleanup_close_ int state = -1;
        int r, k, ret = 0;

        state = state_open(task->vm, false);
        r = state < 0 ? state : functions_load(state, &functions);
        if (r == -ENOENT)
                return state < 0 ? 0 : forget(state, task->vm);
        if (r < 0)
                return log_error_errno(r, "cannot read the drivers of the GPU from " STATE_DIRECTORY "/%s: %m",
                                       task->vm);

        if (state_read(state, RECORD_RESCAN, &nothing) < 0)
                functions_drop_gone(functions);
        else if (!is_held(functions))
                ret = rescan(functions);
        r = offer_all(functions);
        if (r >= 0)
                r = stack_load(task->vm, state);
        k = restore_all(functions, r >= 0);
        if (ret < 0 || r < 0 || k < 0)
                return ret < 0 ? ret : r < 0 ? r : k;
        return forget(state, task->vm);
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
