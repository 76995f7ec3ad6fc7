/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-settle.h"
#include "module-name.h"

bool module_is_vfio(const char *module) {
        return startswith(module, "vfio") || startswith(module, "kvm") || streq(module, "irqbypass") ||
               streq(module, "iommufd");
}

static bool is_nvidia(const char *module) {
        return startswith(module, "nvidia");
}

/* What a driver brings with it, or shares with others. */
static bool stays(const char *module) {
        return module_is_shared(module) ||
               shell_word_in("i2c_nvidia_gpu ucsi_ccg typec_ucsi gpu_sched amdxcp i2c_algo_bit video wmi mxm_wmi "
                             "ipmi_devintf ipmi_msghandler",
                             module);
}

/* The drivers of GPUs that UnloadModules=auto unbinds. */
static bool is_gpu_driver(const char *module) {
        return shell_word_in("amdgpu radeon nouveau i915 xe", module);
}

static bool loads_again(const Settle *s, const char *module) {
        FACT_FOREACH(f, s->vm)
                if (!f->is_start && f->action == ACTION_LOAD && streq(f->object, module))
                        return true;
        return false;
}

static const char *const module_auto =
        "NVIDIA's modules: UnloadModules=auto unloads those that are loaded, and loads them again";
static const char *const module_shared =
        "modules that stay: they serve other devices too, or do not keep a driver from letting go";
static const char *const module_vendor =
        "a driver that is unloaded only if it is there: UnloadModules=auto finds out, and unbinds drivers that are "
        "not NVIDIA's";

/* Decides what becomes of a module that is unloaded before the VM. */
static int settle_unload(Settle *s, Fact *f, bool *ret_nvidia, Strings *listed) {
        *ret_nvidia |= is_nvidia(f->object);
        if (stays(f->object))
                settle_mark(f, USE_NEEDLESS, module_shared);
        else if (is_nvidia(f->object))
                settle_mark(f, USE_NEEDLESS, module_auto);
        else if (f->condition > 0 && is_gpu_driver(f->object))
                settle_mark(f, USE_NEEDLESS, module_vendor);
        else {
                settle_mark(f, USE_LINE, "UnloadModules");
                return settle_add_once(s, listed, f->object);
        }
        return 0;
}

/* A list takes the place of auto. */
static int list_nvidia(Settle *s, Strings *listed) {
        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_UNLOAD && f->use == USE_NEEDLESS && is_nvidia(f->object) && !stays(f->object))
                        settle_mark(f, USE_LINE, "UnloadModules");
        return settle_add_once(s, listed, "nvidia");
}

static int tell_forgotten_modules(Settle *s) {
        Strings told = { 0 };
        const Fact *first = NULL;
        char *names;
        int r = 0;

        FACT_FOREACH(f, s->vm)
                if (r >= 0 && f->is_start && f->action == ACTION_UNLOAD && !module_is_vfio(f->object) &&
                    !stays(f->object) && !loads_again(s, f->object)) {
                        first = first ?: f;
                        r = settle_add_once(s, &told, f->object);
                }
        if (r < 0 || !first || !s->vm->has_stop || settle_has_action(s->vm, ACTION_LOAD_SOME, false))
                return r;
        names = settle_join(s, &told, ", ");
        if (!names)
                return -ENOMEM;
        return settle_remark(
                s, first,
                "modules are unloaded from here on and loaded again nowhere: %s; vfio-gpu loads again "
                "what it unloads",
                names);
}

static void mark_vfio(Fact *f) {
        if (module_is_vfio(f->object))
                settle_mark(f, USE_NEEDLESS, f->action == ACTION_LOAD ?
                            "VFIO's modules: they are loaded where they are needed" : "VFIO's modules: they may stay");
}

/* Decides what becomes of a module that is loaded. */
static void mark_load(Fact *f, const Strings *listed) {
        if (f->is_start)
                settle_mark(f, USE_LEFT, "loads a module: name it in a file of modules-load.d(5)");
        else if (settle_has(listed, f->object) || (listed->n > 0 && is_nvidia(f->object)))
                settle_mark(f, USE_LINE, "UnloadModules");
        else
                settle_mark(f, USE_NEEDLESS, "drivers loaded: each function gets the one that it had");
}

int settle_modules(Settle *s) {
        Strings listed = { 0 };
        bool nvidia = false;
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                if (f->action == ACTION_UNLOAD || f->action == ACTION_LOAD)
                        mark_vfio(f);
                if (f->action != ACTION_UNLOAD || f->use != USE_OPEN || r < 0)
                        continue;
                if (f->is_start)
                        r = settle_unload(s, f, &nvidia, &listed);
                else
                        settle_mark(f, stays(f->object) ? USE_NEEDLESS : USE_LEFT,
                                    stays(f->object) ? module_shared : "unloads a module after the VM");
        }
        if (r >= 0 && listed.n > 0 && nvidia)
                r = list_nvidia(s, &listed);
        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_LOAD && f->use == USE_OPEN)
                        mark_load(f, &listed);
        if (r >= 0 && listed.n > 0)
                r = settle_add_line(s, "UnloadModules", settle_join(s, &listed, " "), NULL, NULL);
        return r < 0 ? r : tell_forgotten_modules(s);
}
