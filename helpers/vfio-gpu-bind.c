/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that takes the functions from the host's consoles and drivers for vfio-pci, and gives them back
 * to the same ones once no VM has them. */

#include "bar.h"
#include "clock.h"
#include "consoles.h"
#include "drm-card.h"
#include "function.h"
#include "group.h"
#include "holders.h"
#include "journal.h"
#include "log.h"
#include "messages.h"
#include "module-stack.h"
#include "module.h"
#include "pci.h"
#include "root.h"
#include "state.h"
#include "step.h"
#include "strv.h"
#include "vm-end.h"

/* There, and empty, if the functions are to come back by a scan of the bus. */
#define RECORD_RESCAN "rescan"

#define DRM_TIMEOUT (10 * USEC_PER_SEC)

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

/* Lists the functions that are still to be taken from a driver of the host's. */
static int list_driven(const Function *functions, char ***ret) {
        int r = 0;

        for (const Function *f = functions; f->address && r >= 0; f++)
                if (!streq(f->driver, VFIO_DRIVER) && function_is_driven_by(f->address, f->driver) > 0)
                        r = strv_extend(ret, f->address);
        return r;
}

static int refuse_held(const Task *task, const char *why, const Holder *holders, size_t n) {
        _cleanup_free_ char *who = holders_describe(holders, n), *setting = owner_setting(&holders->owner);
        _cleanup_free_ char *advice = task_advice(task, setting);

        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .id = MESSAGE_GPU_HELD, .unit = holders->owner.unit },
                        "the GPU is in use again, and still after %u s, by %s; %s: %s", task->holders_timeout,
                        who ?: "?", why, advice ?: "?");
}

/* Returns 1 once nobody has one of the nodes open, 0 if somebody has and an event came, or a negative errno. */
static int look(const Task *task, char *const *nodes, const char *why, Patience *patience) {
        _cleanup_free_ char *who = NULL;
        Holder *holders = NULL;
        size_t n = 0;
        int r;

        r = holders_find(nodes, &holders, &n);
        if (r < 0)
                return log_error_errno(r, "cannot find out who has the GPU open: %m");
        if (n == 0)
                return 1;

        who = holders_describe(holders, n);
        journal_status("Waiting for what has the GPU open again: %s", who ?: "?");
        if (!holders_await(patience, nodes, holders, n))
                r = refuse_held(task, why, holders, n);
        holders_free(holders, n);
        return r;
}

/* Waits until nobody has one of the nodes open any more, for what is said in 'why' if somebody has still. */
static int wait_for_nodes(const Task *task, char *const *nodes, const char *why, Patience *patience) {
        int r;

        for (r = !nodes; r == 0;)
                r = look(task, nodes, why, patience);
        if (r >= 0)
                journal_status("%s", "");
        return r;
}

/* Each wait has its own time and signal, however long the one before took. Where that has sent its signal
 * already, what is left of its time has to do: TimeoutSec= has room for so much. */
static void renew(const Task *task, Patience *patience) {
        if (patience->signal == task_signal(task))
                patience->deadline = clock_now() + patience->again;
        patience->signal = task_signal(task);
}

/* What has come back since the desktop let go: efifb keeps the GPU's memory, unbound as well, for who has its
 * node open, and vfio-pci could not have that. */
static int wait_for_firmware(const Task *task, Patience *patience) {
        _cleanup_strv_free_ char **nodes = NULL;
        int r;

        r = nodes_of_firmware(task->functions, &nodes);
        if (r < 0)
                return log_error_errno(r, "cannot list the device nodes of the firmware's frame buffer: %m");
        return wait_for_nodes(task, nodes, "the firmware's frame buffer may keep the GPU's memory for that",
                              patience);
}

/* The same for what the drivers have made: the end of an I2C bus or of a sound card waits for who has it open,
 * within the unbinding and past every signal. */
static int wait_for_holders(const Task *task, const Function *functions, Patience *patience) {
        _cleanup_strv_free_ char **driven = NULL, **nodes = NULL;
        int r;

        r = list_driven(functions, &driven);
        if (r >= 0)
                r = nodes_of_functions(driven, &nodes);
        if (r < 0)
                return log_error_errno(r, "cannot list the device nodes of %s: %m", functions->address);
        return wait_for_nodes(task, nodes, "its driver would wait for that in the kernel when it is unbound",
                              patience);
}

static int unbind_all(const Task *task, const Function *functions, Patience *patience) {
        int r;

        renew(task, patience);
        r = wait_for_holders(task, functions, patience);
        for (const Function *f = functions; f->address && r >= 0; f++)
                r = unbind_one(f);
        return r;
}

static int bind_one(const Function *f) {
        LogSubject subject = { .id = MESSAGE_DRIVER_WRONG, .function = f->address };
        int r;

        r = function_bind(f->address, VFIO_DRIVER);
        if (r == -ENXIO)
                return log_full(LOG_ERR, r, &subject, "vfio-pci did not take %s; the kernel's log says why "
                                "(journalctl -k)", f->address);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject, "cannot give %s to vfio-pci: %m", f->address);
        log_info("gave %s to vfio-pci", f->address);
        return 0;
}

static int bind_all(const Function *functions) {
        int r = 0;

        for (const Function *f = functions; f->address && r >= 0; f++)
                r = bind_one(f);
        return r;
}

static int check_groups(const Function *functions) {
        for (const Function *f = functions; f->address; f++) {
                _cleanup_free_ char *problem = NULL;
                int r = group_problem(f->address, NULL, NULL, &problem);

                if (r < 0)
                        return log_error_errno(r, "cannot look at the IOMMU group of %s: %m", f->address);
                if (problem)
                        return log_full(LOG_ERR, EBUSY,
                                        &(LogSubject) { .id = MESSAGE_GROUP_NOT_VIABLE, .function = f->address },
                                        "%s", problem);
        }
        return 0;
}

/* A record that is there already is of an earlier swap, whose way back was not finished: of its functions it
 * counts. */
static int note_functions(const Task *task, int state, Function **ret) {
        int r;

        r = functions_load(state, ret);
        if (r >= 0 || r == -ENOENT) {
                r = functions_add(ret, task->functions);
                if (r < 0)
                        return r;
                r = task->rescan ? state_write(state, RECORD_RESCAN, NULL) : state_remove(state, RECORD_RESCAN);
                if (r >= 0)
                        r = functions_save(state, *ret);
        }
        if (r < 0)
                return log_error_errno(r, "cannot note the drivers of the GPU in " STATE_DIRECTORY "/%s: %m",
                                       task->vm);
        return 0;
}

/* Its vfio-pci would be noted as the driver to give them back to. The checks of vfio-gpu@.service see to that;
 * a target is started without them as well. */
static int refuse_other_vm(const Task *task) {
        _cleanup_strv_free_ char **others = NULL;
        int r;

        r = functions_owners(task->functions, task->vm, &others);
        if (r < 0)
                return log_error_errno(r, "cannot look for other swaps: %m");
        if (!others)
                return 0;
        return log_full(LOG_ERR, EBUSY, &(LogSubject) { .function = *task->functions },
                        "%s, or a function beside it, is still on record as handed over by "
                        "vfio-gpu@%s.service: run 'vfio-gpuctl recover \"%s\"' first",
                        *task->functions, *others, *others);
}

static int unbind_consoles(const Task *task, int state, Patience *patience) {
        int r = wait_for_firmware(task, patience);

        if (r < 0)
                return r;
        renew(task, patience);
        return consoles_unbind(task->functions, task->vm, state);
}

static int start(const Task *task) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_close_ int state = -1;
        Patience patience = {
                .deadline = clock_now() + task->holders_timeout * USEC_PER_SEC,
                .again = task->holders_timeout * USEC_PER_SEC,
                .signal = task_signal(task),
        };
        int r;

        state = state_open(task->vm, true);
        if (state < 0)
                return log_error_errno(state, "cannot make " STATE_DIRECTORY "/%s: %m", task->vm);
        r = refuse_other_vm(task);
        if (r >= 0 && !task->keep_consoles)
                r = unbind_consoles(task, state, &patience);
        if (r >= 0)
                r = note_functions(task, state, &functions);
        if (r < 0)
                return r;

        /* Overrides come first: from then on nobody else's probe, by udev say, can give a function to
         * another driver. */
        r = override_all(functions);
        if (r >= 0)
                r = stack_unload(task, functions, state, &patience);
        if (r >= 0)
                r = unbind_all(task, functions, &patience);
        if (r >= 0)
                bars_resize(state, task->resize_bars);
        if (r >= 0)
                r = bind_all(functions);
        return r < 0 ? r : check_groups(functions);
}

static int take_one(const Function *f) {
        int r;

        if (streq(f->driver, VFIO_DRIVER) || pci_is_gone(f->address))
                return 0;

        r = function_is_driven_by(f->address, VFIO_DRIVER);
        if (r == 0)
                return 0;
        if (r > 0)
                r = function_unbind(f->address);
        if (r < 0)
                return log_full(LOG_ERR, r, &(LogSubject) { .function = f->address },
                                "cannot take %s from vfio-pci: %m",
                                f->address);
        log_info("took %s from vfio-pci", f->address);
        return 0;
}

/* One that cannot be taken does not keep the others. */
static int take_all(const Function *functions) {
        int ret = 0;

        for (const Function *f = functions; f->address; f++) {
                int r = take_one(f);

                if (r < 0)
                        ret = r;
        }
        return ret;
}

/* Takes the functions off the bus and has the kernel find them again, for cards that do not come back
 * otherwise. */
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

/* Until here no driver could have them. Now it is the one of each again and no other: loaded after this,
 * NVIDIA's modules find their GPU, which nvidia_drm looks for just once, when it is loaded. */
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

/* Returns 0 once the driver is in the kernel, -ECANCELED where it is not to be loaded, or another negative
 * errno. */
static int have_driver(const Function *f, bool load) {
        _cleanup_free_ char *driver = root_path("/sys/bus/pci/drivers/%s", f->driver);
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r;

        if (!driver)
                return -ENOMEM;
        if (path_exists(driver))
                return 0;
        if (!load)
                return -ECANCELED;
        if (!*f->module)
                return -ENOENT;

        r = module_open(&kmod);
        return r < 0 ? r : module_load(kmod, f->module);
}

/* No error by itself: the status of the unit is to stay what failed. */
static int tell_left(const Function *f, const char *vm) {
        _cleanup_free_ char *block = stack_find_block(vm);

        return log_full(LOG_WARNING, ECANCELED, &(LogSubject) { .function = f->address, .id = MESSAGE_DRIVER_WRONG },
                        "%s stays without driver %s until what failed above is mended and 'vfio-gpuctl recover' was "
                        "run%s%s%s", f->address, f->driver, block ? "; " : "", block ?: "",
                        block ? " keeps its modules away until then" : "");
}

static int restore_driver(const Function *f, const char *vm, bool load) {
        LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
        int r;

        r = have_driver(f, load);
        if (r == -ECANCELED)
                return tell_left(f, vm);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject,
                                "cannot give %s back: driver %s is not in the kernel (%s)", f->address,
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

static int restore_function(const Function *f, const char *vm, bool load) {
        LogSubject subject = { .function = f->address, .id = MESSAGE_DRIVER_WRONG };
        int r, k;

        if (!streq(f->driver, VFIO_DRIVER) && function_is_driven_by(f->address, VFIO_DRIVER) > 0)
                return log_full(LOG_ERR, EBUSY, &subject,
                                "%s is still on vfio-pci and stays there: end the VM that has it, then run "
                                "'vfio-gpuctl recover'", f->address);

        r = *f->driver ? restore_driver(f, vm, load) : 0;
        k = function_set_override(f->address, f->override);
        if (k < 0)
                return log_full(LOG_ERR, k, &subject,
                                "cannot set driver_override of %s to what it was: %m", f->address);
        if (r < 0)
                return r;

        r = function_restore_power(f);
        return r < 0 ? log_full(LOG_ERR, r, &subject, "cannot set power/control of %s to 'auto' again: %m",
                                f->address) : 0;
}

/* 'load' allows to load drivers that are missing. */
static int restore_all(const Function *functions, const char *vm, bool load) {
        uint64_t deadline;
        int ret = 0;

        for (const Function *f = functions; f->address; f++) {
                int r = restore_function(f, vm, load);

                if (r < 0)
                        ret = r;
        }

        /* A driver registers its DRM device while it binds; what takes time is udev's rules for it. */
        deadline = clock_now() + DRM_TIMEOUT;
        for (const Function *f = functions; f->address && ret >= 0; f++)
                if (f->drm)
                        drm_card_wait(f->address, deadline);
        return ret;
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

static int wait_for_vm(const Task *task, const Function *functions) {
        _cleanup_strv_free_ char **addresses = NULL;
        int r;

        r = functions_addresses(functions, &addresses);
        if (r >= 0)
                r = vm_wait_end(task, addresses);
        return r < 0 ? log_error_errno(r, "cannot find out whether a VM still has %s: %m", functions->address) : 0;
}

/* Gives each function back to its driver, whatever is left of what the start did. */
static int give_back(const Task *task, Function *functions, int state) {
        _cleanup_strv_free_ char **nothing = NULL;
        int r, k;

        r = take_all(functions);
        bars_restore(state);
        if (r >= 0 && state_read(state, RECORD_RESCAN, &nothing) >= 0) {
                r = rescan(functions);
                /* New to the kernel, they have no override to keep them from an ids= of vfio-pci's. */
                if (r >= 0)
                        r = take_all(functions);
        }
        functions_drop_gone(functions);

        /* Modules that do not find their GPU would have to be unloaded again; what needs none comes back in
         * any case. */
        k = offer_all(functions);
        if (r >= 0 && k >= 0)
                r = stack_load(task->vm, state);
        r = r < 0 ? r : k;
        k = restore_all(functions, task->vm, r >= 0);
        return r < 0 ? r : k;
}

static int give_functions_back(const Task *task, int state) {
        _cleanup_functions_free_ Function *functions = NULL;
        int r;

        r = functions_load(state, &functions);
        if (r == -ENOENT)
                return forget(state, task->vm);
        if (r < 0)
                return log_error_errno(r, "cannot read the drivers of the GPU from " STATE_DIRECTORY "/%s: %m",
                                       task->vm);

        r = wait_for_vm(task, functions);
        if (r >= 0)
                r = give_back(task, functions, state);
        return r < 0 ? r : forget(state, task->vm);
}

static int stop(const Task *task) {
        _cleanup_close_ int state = -1;
        int r, k;

        state = state_open(task->vm, false);
        if (state == -ENOENT)
                return 0;
        if (state < 0)
                return log_error_errno(state, "cannot open " STATE_DIRECTORY "/%s: %m", task->vm);

        r = give_functions_back(task, state);
        k = consoles_bind(task->vm, state);
        return r < 0 ? r : k;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
