/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "module.h"
#include "strv.h"

/* Deeper than any real chain of modules; ends a walk through a damaged list. */
#define DEPTH_MAX 16

DEFINE_CLEANUP(struct kmod_module *, kmod_module_unref)
DEFINE_CLEANUP(struct kmod_list *, kmod_module_unref_list)

int module_open(struct kmod_ctx **ret) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r;

        kmod = kmod_new(NULL, NULL);
        if (!kmod)
                return log_oom();

        kmod_set_log_priority(kmod, LOG_CRIT);
        r = kmod_load_resources(kmod);
        if (r < 0)
                return log_error_errno(r, "cannot read the modules of the running kernel: %m; after an upgrade of the "
                                       "kernel, reboot");

        *ret = TAKE_PTR(kmod);
        return 0;
}

static int load_one(struct kmod_module *module) {
        int state = kmod_module_get_initstate(module), r;

        if (state == KMOD_MODULE_LIVE || state == KMOD_MODULE_BUILTIN)
                return 0;
        r = kmod_module_probe_insert_module(module, 0, NULL, NULL, NULL, NULL);
        return r == -EEXIST ? 0 : r;
}

int module_load(struct kmod_ctx *kmod, const char *name) {
        _cleanup_(kmod_module_unref_listp) struct kmod_list *found = NULL;
        struct kmod_list *entry;
        int r;

        r = kmod_module_new_from_lookup(kmod, name, &found);
        if (r < 0)
                return r;
        if (!found)
                return -ENOENT;

        kmod_list_foreach(entry, found) {
                _cleanup_(kmod_module_unrefp) struct kmod_module *module = kmod_module_get_module(entry);

                r = load_one(module);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int stack_add(struct kmod_module *module, unsigned depth, char ***stack) {
        _cleanup_(kmod_module_unref_listp) struct kmod_list *holders = kmod_module_get_holders(module);
        struct kmod_list *entry;
        int r;

        if (depth > DEPTH_MAX)
                return -ELOOP;

        kmod_list_foreach(entry, holders) {
                _cleanup_(kmod_module_unrefp) struct kmod_module *holder = kmod_module_get_module(entry);

                r = stack_add(holder, depth + 1, stack);
                if (r < 0)
                        return r;
        }

        return strv_contains(*stack, kmod_module_get_name(module)) ? 0 : strv_extend(stack, kmod_module_get_name(module));
}

int module_stack(struct kmod_ctx *kmod, const char *name, char ***stack) {
        _cleanup_(kmod_module_unrefp) struct kmod_module *module = NULL;
        int r;

        r = kmod_module_new_from_name(kmod, name, &module);
        if (r < 0)
                return r;

        switch (kmod_module_get_initstate(module)) {
        case KMOD_MODULE_BUILTIN:
                return -EPERM;
        case KMOD_MODULE_LIVE:
                return stack_add(module, 0, stack);
        default:
                return 0;
        }
}

int module_unload(struct kmod_ctx *kmod, const char *name) {
        _cleanup_(kmod_module_unrefp) struct kmod_module *module = NULL;
        int r;

        r = kmod_module_new_from_name(kmod, name, &module);
        if (r < 0)
                return r;

        r = kmod_module_remove_module(module, 0);
        return r == -ENOENT ? 0 : r == -EWOULDBLOCK || r == -EBUSY ? -EAGAIN : r;
}
