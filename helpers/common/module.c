/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "module-name.h"
#include "module.h"
#include "pci.h"
#include "root.h"
#include "strv.h"
#include "text.h"

/* Deeper than any real chain of modules; ends a walk through a damaged list. */
#define DEPTH_MAX 16

/* See modprobe.d(5). */
#define MODPROBE_D STRV_MAKE("/etc/modprobe.d", "/run/modprobe.d", "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d", \
                             "/lib/modprobe.d")
#define RELEASE_MAX 256
#define DEPENDENCIES_MAX (16 * 1024 * 1024)

DEFINE_CLEANUP(struct kmod_module *, kmod_module_unref)
DEFINE_CLEANUP(struct kmod_list *, kmod_module_unref_list)

int module_directory(char **ret) {
        _cleanup_free_ char *path = root_path("/proc/sys/kernel/osrelease"), *release = NULL;
        int r;

        r = path ? read_text_file(path, RELEASE_MAX, &release) : -ENOMEM;
        if (r < 0)
                return r;

        *ret = root_path("/lib/modules/%s", release);
        return *ret ? 0 : -ENOMEM;
}

int module_try_open(struct kmod_ctx **ret) {
        _cleanup_strv_free_ char **configuration = NULL;
        _cleanup_free_ char *directory = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        int r;

        /* Of this machine, libkmod knows where the distribution keeps both. */
        r = root_is_set() ? module_directory(&directory) : 0;
        STRV_FOREACH(place, directory ? MODPROBE_D : NULL)
                if (r >= 0)
                        r = strv_consume(&configuration, root_path("%s", *place));
        if (r < 0)
                return r;
        kmod = kmod_new(directory, (const char *const *) configuration);
        if (!kmod)
                return -ENOMEM;

        kmod_set_log_priority(kmod, LOG_CRIT);
        r = kmod_load_resources(kmod);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(kmod);
        return 0;
}

int module_open(struct kmod_ctx **ret) {
        int r;

        r = module_try_open(ret);
        return r < 0 ? log_error_errno(r, "cannot read the modules of the running kernel: %m; after an upgrade of the "
                                       "kernel, reboot") : 0;
}

static bool has_code(struct kmod_module *module) {
        return kmod_module_get_path(module) || kmod_module_get_initstate(module) == KMOD_MODULE_BUILTIN;
}

/* Returns 1 if a module of that name can be loaded, 0 if not or if no module can have it, or -ENOMEM. One that has a
 * command itself is believed to be there, but for the one that asks. */
static int word_exists(struct kmod_ctx *kmod, const char *word, const char *asks) {
        _cleanup_(kmod_module_unref_listp) struct kmod_list *found = NULL;
        struct kmod_list *item;
        bool any = false;
        int r;

        r = kmod_module_new_from_lookup(kmod, word, &found);
        kmod_list_foreach(item, found) {
                _cleanup_(kmod_module_unrefp) struct kmod_module *module = kmod_module_get_module(item);

                any = any || has_code(module) || (kmod_module_get_install_commands(module) &&
                                                  !streq(kmod_module_get_name(module), asks));
        }
        return r == -ENOMEM ? r : any;
}

/* A command of modprobe.d is found whether there is what it loads or not: "modprobe -i nvidia-current $CMDLINE_OPTS".
 * Before and after that can be others. What a script loads is not known. */
static int command_exists(struct kmod_ctx *kmod, struct kmod_module *module) {
        const char *command = kmod_module_get_install_commands(module);
        _cleanup_strv_free_ char **words = NULL;
        bool is_known = false;
        char **first;
        int r;

        if (!command)
                return 0;
        r = strv_split(command, " \t;&|\"'", &words);
        if (r < 0)
                return r;
        first = words;
        STRV_FOREACH(word, words) {
                is_known = is_known || streq(*word, "modprobe") || endswith(*word, "/modprobe");
                if (streq(*word, "-i") || streq(*word, "--ignore-install"))
                        first = word + 1;
        }
        if (!is_known)
                return 1;
        STRV_FOREACH(word, first)
                if (r == 0 && **word != '-')
                        r = word_exists(kmod, *word, kmod_module_get_name(module));
        return r;
}

int module_exists(struct kmod_ctx *kmod, const char *name) {
        _cleanup_(kmod_module_unref_listp) struct kmod_list *found = NULL;
        struct kmod_list *item;
        int r;

        r = kmod_module_new_from_lookup(kmod, name, &found);
        if (r < 0)
                return r;
        r = 0;
        kmod_list_foreach(item, found) {
                _cleanup_(kmod_module_unrefp) struct kmod_module *module = kmod_module_get_module(item);

                if (r == 0)
                        r = has_code(module) ? 1 : command_exists(kmod, module);
        }
        return r;
}

/* Cuts "kernel/drivers/gpu/drm/nvidia-drm.ko.xz: …", a line of modules.dep, down to the module's name. */
static const char *cut_name(char *line) {
        char *end = strchr(line, ':'), *slash;

        if (end)
                *end = 0;
        slash = strrchr(line, '/');
        line = slash ? slash + 1 : line;
        end = strstr(line, ".ko");
        if (end)
                *end = 0;
        for (char *p = line; (p = strchr(p, '-'));)
                *p = '_';
        return line;
}

int module_nearest(struct kmod_ctx *kmod, const char *name, char **ret) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_free_ const char **names = NULL;
        const char *nearest;
        size_t n = 0;
        int r;

        if (asprintf(&path, "%s/modules.dep", kmod_get_dirname(kmod)) < 0)
                return -ENOMEM;
        r = read_text_file(path, DEPENDENCIES_MAX, &text);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        for (const char *p = text; (p = strchr(p, '\n')); p++)
                n++;
        names = reallocarray(NULL, n + 1, sizeof(char *));
        if (!names)
                return -ENOMEM;
        n = 0;
        for (char *next = text, *line; (line = strsep(&next, "\n"));)
                names[n++] = cut_name(line);

        nearest = nearest_name(name, names, n);
        *ret = nearest ? strdup(nearest) : NULL;
        return nearest && !*ret ? -ENOMEM : nearest != NULL;
}

/* As libkmod would, except that it gives the exit status for an errno value. */
static int run_install(struct kmod_module *module, const char *command, _unused_ void *data) {
        int status;

        if (setenv("MODPROBE_MODULE", kmod_module_get_name(module), 1) < 0)
                return -errno;
        status = system(command);
        return status < 0 ? -errno : status > 0 ? -ECHILD : 0;
}

static int load_one(struct kmod_module *module) {
        int state = kmod_module_get_initstate(module), r;

        if (state == KMOD_MODULE_LIVE || state == KMOD_MODULE_BUILTIN)
                return 0;
        r = kmod_module_probe_insert_module(module, 0, NULL, run_install, NULL, NULL);
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

const char *module_load_error(int error) {
        return error == -ENOENT ? "the running kernel has no such module" :
                error == -ECHILD ? "its install command in modprobe.d failed" : strerror(-error);
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

        if (strv_contains(*stack, kmod_module_get_name(module)))
                return 0;
        return strv_extend(stack, kmod_module_get_name(module));
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
        case KMOD_MODULE_COMING:
        case KMOD_MODULE_GOING:
                return stack_add(module, 0, stack);
        default:
                return 0;
        }
}

int module_followers(struct kmod_ctx *kmod, const char *name, char ***followers) {
        _cleanup_(kmod_module_unref_listp) struct kmod_list *before = NULL, *after = NULL;
        _cleanup_(kmod_module_unrefp) struct kmod_module *module = NULL;
        struct kmod_list *entry;
        int r;

        r = kmod_module_new_from_name(kmod, name, &module);
        if (r >= 0)
                r = kmod_module_get_softdeps(module, &before, &after);

        kmod_list_foreach(entry, after) {
                _cleanup_(kmod_module_unrefp) struct kmod_module *follower = kmod_module_get_module(entry);
                const char *other = kmod_module_get_name(follower);

                if (r >= 0 && kmod_module_get_initstate(follower) == KMOD_MODULE_LIVE &&
                    kmod_module_get_refcnt(follower) == 0 && !module_is_shared(other) &&
                    !strv_contains(*followers, other))
                        r = strv_extend(followers, other);
        }
        return r < 0 ? r : 0;
}

/* Returns 1 if an entry of a driver's directory is a device that hangs on none of the functions, 0 if not, or
 * -ENOMEM. */
static int is_other_device(const char *path, const char *name, char *const *functions) {
        _cleanup_free_ char *link = NULL, *target = NULL;
        int r;

        if (streq(name, "module") || strv_contains(functions, name))
                return 0;
        if (asprintf(&link, "%s/%s", path, name) < 0) {
                link = NULL;
                return -ENOMEM;
        }
        r = read_link(link, &target);
        if (r < 0)
                return r == -ENOMEM ? r : 0;

        for (; r == 0 && functions && *functions; functions++)
                r = pci_carries(*functions, link);
        return r < 0 ? r : !r;
}

int module_drives_others(const char *name, char *const *functions) {
        _cleanup_free_ char *path = root_path("/sys/module/%s/drivers", name);
        _cleanup_strv_free_ char **drivers = NULL;
        int r;

        r = path ? list_directory(path, &drivers) : -ENOMEM;
        if (r == -ENOENT)
                return 0;
        STRV_FOREACH(driver, drivers) {
                _cleanup_free_ char *directory = root_path("/sys/module/%s/drivers/%s", name, *driver);
                _cleanup_strv_free_ char **entries = NULL;

                if (r == 0)
                        r = directory ? list_directory(directory, &entries) : -ENOMEM;
                STRV_FOREACH(entry, entries)
                        if (r == 0)
                                r = is_other_device(directory, *entry, functions);
        }
        return r;
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
