/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <sys/stat.h>

#include "clock.h"
#include "holders.h"
#include "journal.h"
#include "messages.h"
#include "module-stack.h"
#include "module.h"
#include "root.h"
#include "state.h"
#include "strv.h"

/* The longest time between two tries while no process is known to have the GPU open: nothing tells when the
 * use count of a module falls. */
#define PAUSE_MSEC 100

/* The first line that modprobe.d has for a module counts, and files are read in the order of their names. */
#define MODPROBE_DIRECTORY "/run/modprobe.d"
#define MODPROBE_FILE MODPROBE_DIRECTORY "/00-vfio-gpu-%s.conf"

typedef struct Unloading {
        const Task *task;
        const Function *functions;
        int state;
        struct kmod_ctx *kmod;
        char **modules; /* each with those that use it */
        char **noted;
        bool blocked; /* those that are noted */
        Patience *patience;
        int pause; /* milliseconds */
} Unloading;

/* Rules and pollers of the vendor's load the modules again and again while the VM has the GPU. */
static int block_modules(const char *vm, char *const *modules) {
        _cleanup_free_ char *path = root_path(MODPROBE_FILE, vm), *directory = root_path(MODPROBE_DIRECTORY);
        _cleanup_fclose_ FILE *f = NULL;

        if (!path || !directory)
                return -ENOMEM;
        if (mkdir(directory, 0755) < 0 && errno != EEXIST)
                return -errno;

        f = fopen(path, "we");
        if (!f)
                return -errno;
        (void) fprintf(f, "# The GPU that these modules drive is handed over to a VM: vfio-gpu@.service(8)\n");
        /* The first line of a kind counts, and one with a softdep has no install command: libkmod's
         * __kmod_module_fill_softdep(). */
        for (; *modules; modules++)
                (void) fprintf(f, "softdep %s pre:\ninstall %s /bin/false\n", *modules, *modules);
        return fflush(f) < 0 ? -errno : 0;
}

static int unblock_modules(const char *vm) {
        _cleanup_free_ char *path = root_path(MODPROBE_FILE, vm);

        if (!path)
                return log_oom();
        return unlink(path) < 0 && errno != ENOENT ? log_error_errno(errno, "cannot remove %s: %m", path) : 0;
}

char *stack_find_block(const char *vm) {
        _cleanup_free_ char *path = root_path(MODPROBE_FILE, vm);

        return path && path_exists(path) ? TAKE_PTR(path) : NULL;
}

/* What a stop that failed has not loaded again is to be loaded all the same: it stays in the record. */
static int note_modules(Unloading *u, char *const *modules) {
        const char *vm = u->task->vm;
        size_t n = strv_length(u->noted);
        int r = 0;

        for (; modules && *modules && r >= 0; modules++)
                if (!strv_contains(u->noted, *modules))
                        r = strv_extend(&u->noted, *modules);
        if (r >= 0 && strv_length(u->noted) == n && u->blocked)
                return 0;

        if (r >= 0)
                r = state_write(u->state, RECORD_MODULES, u->noted);
        if (r < 0)
                return log_error_errno(r, "cannot note the modules to unload in " STATE_DIRECTORY "/%s: %m", vm);

        r = block_modules(vm, u->noted);
        if (r < 0)
                return log_error_errno(r, "cannot write " MODPROBE_FILE ": %m", vm);
        u->blocked = true;
        return 0;
}

static int refuse(const Task *task, const char *module, const Holder *holders, size_t n) {
        LogSubject subject = { .id = MESSAGE_MODULE_BUSY,
                               .module = module,
                               .unit = n > 0 ? holders[0].owner.unit : NULL };
        _cleanup_free_ char *who = holders_describe(holders, n), *setting = NULL, *advice = NULL;

        /* systemd's own do not count as holders. */
        if (n == 0)
                return log_full(LOG_ERR, EBUSY, &subject,
                                "cannot unload %s: in use after %u s by the kernel itself, for no process "
                                "but systemd's has its devices open; %s", module, task->holders_timeout,
                                task->keep_consoles ?
                                "a text console may be drawn on it, since Consoles=keep is set: take that out" :
                                "'lsmod' may show by what, a reboot frees it");
        setting = owner_setting(&holders->owner);
        advice = task_advice(task, setting);
        return log_full(LOG_ERR, EBUSY, &subject, "cannot unload %s: in use after %u s by %s; %s", module,
                        task->holders_timeout, who ?: "?", advice ?: "?");
}

/* Lists those that are still to be unloaded, whatever their order. */
static int list_loaded(const Unloading *u, char ***ret) {
        int r = 0;

        STRV_FOREACH(module, u->modules)
                if (r >= 0 || r == -EPERM)
                        r = module_stack(u->kmod, *module, ret);
        return r == -EPERM ? 0 : r;
}

/* Lists the device nodes through which processes can use what is to be unloaded: who plays sound through the
 * driver of another function is not in its way. Who uses nvidia_uvm has a node of a function that nvidia
 * drives, and nvidia may come later. */
static int list_nodes(const Unloading *u, char ***nodes) {
        _cleanup_strv_free_ char **addresses = NULL, **loaded = NULL;
        int r;

        r = list_loaded(u, &loaded);
        for (const Function *f = u->functions; f->address && r >= 0; f++)
                if (strv_contains(loaded, f->module))
                        r = strv_extend(&addresses, f->address);
        return r < 0 ? r : nodes_of_functions(addresses, nodes);
}

/* Waits until the use count of the module may have fallen. Returns 0, or a negative errno after it logged
 * who uses it still. */
static int wait_for_users(Unloading *u, const char *module) {
        _cleanup_strv_free_ char **nodes = NULL;
        Holder *holders = NULL;
        size_t n = 0;
        int r = 0;

        if (list_nodes(u, &nodes) >= 0)
                (void) holders_find(nodes, &holders, &n);

        if (n > 0) {
                _cleanup_free_ char *who = holders_describe(holders, n);

                journal_status("Waiting to unload %s, in use by %s", module, who ?: "?");
                if (!holders_await(u->patience, nodes, holders, n))
                        r = refuse(u->task, module, holders, n);
        } else if (clock_left(u->patience->deadline) == 0)
                r = refuse(u->task, module, holders, n);
        else {
                (void) poll(NULL, 0, u->pause);
                u->pause = u->pause * 2 < PAUSE_MSEC ? u->pause * 2 : PAUSE_MSEC;
        }
        holders_free(holders, n);
        return r;
}

/* They need not go, since the driver does not need them: what is in use stays. */
static void unload_followers(const Unloading *u, char *const *followers) {
        for (; followers && *followers; followers++)
                if (module_unload(u->kmod, *followers) >= 0)
                        log_info("unloaded %s", *followers);
}

static int unload_followers_of(Unloading *u, char *const *stack) {
        _cleanup_strv_free_ char **functions = NULL, **followers = NULL, **others = NULL;
        int r;

        r = functions_addresses(u->functions, &functions);
        for (char *const *m = stack; m && *m && r >= 0; m++)
                r = module_followers(u->kmod, *m, &followers);
        STRV_FOREACH(follower, followers) {
                if (r >= 0 && !strv_contains(stack, *follower)) {
                        r = module_drives_others(*follower, functions);
                        if (r == 0)
                                r = strv_extend(&others, *follower);
                }
        }
        if (r < 0)
                return log_error_errno(r, "cannot find the modules that are loaded after others: %m");

        r = others ? note_modules(u, others) : 0;
        if (r >= 0)
                unload_followers(u, others);
        return r;
}

/* Returns 0 with the module and all that use it, NULL if there is nothing to unload, or a negative errno. */
static int list_stack(const Unloading *u, const char *module, char ***ret) {
        int r = module_stack(u->kmod, module, ret);

        if (r == -EPERM) {
                log_notice("%s is built into the kernel and stays; its functions are unbound instead", module);
                return 0;
        }
        return r < 0 ? log_full(LOG_ERR, r, &(LogSubject) { .module = module }, "cannot find what uses module %s: %m",
                                module) : 0;
}

/* Unloads the first of a stack. Returns 0 also where it is still in use and may be tried again, or a
 * negative errno after it logged why. */
static int unload_first(Unloading *u, const char *module) {
        int r = module_unload(u->kmod, module);

        if (r == -EAGAIN)
                return wait_for_users(u, module);
        if (r < 0)
                return log_full(LOG_ERR, r, &(LogSubject) { .module = module }, "cannot unload %s: %m", module);

        u->pause = 1;
        log_info("unloaded %s", module);
        return 0;
}

/* Looks anew after each module, since another user may have been loaded meanwhile. */
static int unload_with_users(Unloading *u, const char *module) {
        for (bool first = true;; first = false) {
                _cleanup_strv_free_ char **stack = NULL;
                int r;

                r = list_stack(u, module, &stack);
                if (r < 0 || !stack)
                        return r;
                if (first)
                        r = unload_followers_of(u, stack);
                if (r >= 0)
                        r = note_modules(u, stack);
                if (r >= 0)
                        r = unload_first(u, *stack);
                if (r < 0)
                        return r;
        }
}

int stack_unload(const Task *task, const Function *functions, int state, Patience *patience) {
        _cleanup_strv_free_ char **modules = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        Unloading u = {
                .task = task,
                .functions = functions,
                .state = state,
                .patience = patience,
                .pause = 1,
        };
        int r;

        r = functions_modules(functions, task->unload_auto, task->unload_modules, &modules);
        if (r < 0)
                return log_error_errno(r, "cannot find out which modules drive %s: %m", functions->address);
        if (!modules)
                return 0;

        r = module_open(&kmod);
        if (r < 0)
                return r;
        u.kmod = kmod;
        u.modules = modules;

        r = state_read(state, RECORD_MODULES, &u.noted);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot read which modules were unloaded before: %m");

        r = 0;
        STRV_FOREACH(module, modules)
                if (r >= 0)
                        r = unload_with_users(&u, *module);
        if (r >= 0)
                journal_status("%s", "");
        strv_free(u.noted);
        return r;
}

/* Says it once for all: as a rule they need each other, and the first one failed. */
static int complain(char *const *missing, int error) {
        _cleanup_free_ char *names = strv_join(missing, ", ");

        return log_full(LOG_ERR, error, &(LogSubject) { .id = MESSAGE_MODULE_MISSING, .module = missing[0] },
                        "cannot load %s again: %s; make 'modprobe %s' work, or reboot", names ?: missing[0],
                        module_load_error(error), missing[0]);
}

int stack_load(const char *vm, int state) {
        _cleanup_strv_free_ char **modules = NULL, **missing = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r, error = 0;

        r = unblock_modules(vm);
        if (r < 0)
                return r;

        r = state_read(state, RECORD_MODULES, &modules);
        if (r < 0)
                return r == -ENOENT ? 0 : log_error_errno(r, "cannot read which modules were unloaded: %m");

        r = module_open(&kmod);
        if (r < 0)
                return r;

        for (size_t n = strv_length(modules); n > 0; n--) {
                r = module_load(kmod, modules[n - 1]);
                if (r >= 0)
                        continue;
                error = error ?: r;
                if (strv_extend(&missing, modules[n - 1]) < 0)
                        return log_oom();
        }
        return missing ? complain(missing, error) : 0;
}
