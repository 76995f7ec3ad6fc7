/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fts.h>
#include <sys/stat.h>

#include "import-disable.h"
#include "log.h"
#include "root.h"
#include "strv.h"
#include "unit-name.h"

#define IMPORT_MAX (256 * 1024 * 1024)
#define DEPTH_MAX 6
#define FILES_MAX 512
#define VMS_MAX 64
#define COMMANDS_MAX 500000

/* The moments of a VM's life that are before and after it. */
static const struct {
        const char *operation, *sub;
        bool is_start;
} moments[] = {
        { "prepare", "begin", true }, { "start", "begin", true },   { "started", "begin", true },
        { "stopped", "end", false },  { "release", "end", false },
};

static bool is_operation(const char *name) {
        return shell_word_in("prepare start started stopped release migrate restore reconnect attach", name);
}

void import_done(Import *import) {
        arena_done(&import->arena);
}

static int remark(Import *import, const char *format, const char *a, const char *b) {
        return strings_add(&import->arena, &import->remarks, arena_printf(&import->arena, format, a, b));
}

static int add_hook(Import *import, const Hook *hook) {
        if (import->n_hooks == FILES_MAX)
                return -E2BIG;
        if (import->n_hooks == import->hooks_allocated) {
                size_t allocated = 2 * import->hooks_allocated + 16;
                Hook *grown = arena_alloc(&import->arena, allocated * sizeof(Hook));

                if (!grown)
                        return -ENOMEM;
                if (import->n_hooks > 0)
                        memcpy(grown, import->hooks, import->n_hooks * sizeof(Hook));
                import->hooks = grown;
                import->hooks_allocated = allocated;
        }
        import->hooks[import->n_hooks++] = *hook;
        return 0;
}

/* Finds out from its path what a file is to libvirt: …/VM/prepare/begin/FILE (or …/VM/prepare/begin), qemu,
 * qemu.d/FILE. In qemu.d/prepare/begin/FILE no VM is named. */
static int classify(Import *import, const char *name, Hook *ret) {
        char *copy = arena_strndup(&import->arena, name, strlen(name)), *parts[3 + DEPTH_MAX] = { 0 };
        size_t n = 0;

        if (!copy)
                return -ENOMEM;
        /* The last components, the last one first. */
        for (char *slash; n < ELEMENTSOF(parts) && copy; n++) {
                slash = strrchr(copy, '/');
                parts[n] = slash ? slash + 1 : copy;
                if (slash)
                        *slash = 0;
                else
                        copy = NULL;
        }
        for (size_t i = 1; i <= 2 && i + 1 < n; i++)
                if (is_operation(parts[i]) && (streq(parts[i - 1], "begin") || streq(parts[i - 1], "end"))) {
                        ret->type = HOOK_FOLDER;
                        ret->operation = parts[i];
                        ret->sub = parts[i - 1];
                        ret->vm = vm_name_problem(parts[i + 1]) || streq(parts[i + 1], "qemu.d") ? NULL : parts[i + 1];
                        return 0;
                }
        ret->type = streq(parts[0], "qemu") || (n > 1 && streq(parts[1], "qemu.d")) ? HOOK_FILE : HOOK_LOOSE;
        return 0;
}

bool import_is_in_folder(Import *import, const char *name) {
        Hook hook = { .type = HOOK_FOLDER };

        /* Without memory it counts as one: what is one stays. */
        (void) classify(import, name, &hook);
        return hook.type == HOOK_FOLDER;
}

static int add_file(Import *import, const char *name, bool is_executable, bool is_named) {
        Hook hook = { .is_named = is_named };
        const char *problem;
        int r;

        r = classify(import, name, &hook);
        if (r < 0 || (!is_named && hook.type == HOOK_LOOSE && !endswith(name, ".sh")))
                return r;
        if (endswith(name, OUR_HOOK))
                return is_named ? log_error_errno(EINVAL, "%s is this package's own hook.", name) : 0;
        if (!is_named && hook.type != HOOK_LOOSE && !is_executable)
                return remark(import, "%s:1: not executable, so nothing ran it: not read%s", name, "");

        r = import_load_script(import, name, &hook.script, &problem);
        if (r >= 0 && !problem && !import_is_for_shell(hook.script->text))
                problem = "is no script of a shell";
        if (r < 0 || problem) {
                if (r >= 0 && is_named)
                        return log_error_errno(EINVAL, "%s %s.", name, problem);
                return r < 0 ? r : remark(import, "%s:1: not read, it %s", name, problem);
        }
        return add_hook(import, &hook);
}

static int add_directory(Import *import, const char *name, unsigned depth);

static int add_path(Import *import, const char *name, bool is_named, unsigned depth) {
        _cleanup_free_ char *path = import_path(import, name);
        struct stat st;

        if (!path)
                return -ENOMEM;
        if (stat(path, &st) < 0)
                return is_named ? log_error_errno(errno, "cannot read %s: %m.", name) :
                        remark(import, "%s:1: not read: %s", name, strerror(errno));
        if (S_ISDIR(st.st_mode))
                return depth < DEPTH_MAX ? add_directory(import, name, depth + 1) :
                                           remark(import, "%s: %s", name, "nested too deeply");
        return add_file(import, name, st.st_mode & 0111, is_named);
}

static int add_directory(Import *import, const char *name, unsigned depth) {
        _cleanup_free_ char *path = import_path(import, name);
        _cleanup_strv_free_ char **names = NULL;
        int r;

        r = path ? list_directory(path, &names) : -ENOMEM;
        if (r < 0)
                return r == -ENOMEM ? r : log_error_errno(r, "cannot read %s: %m.", name);
        STRV_FOREACH(entry, names) {
                char *child = arena_printf(&import->arena, "%s/%s", name, *entry);

                if (streq(*entry, IMPORT_ASIDE))
                        continue;
                r = child ? add_path(import, child, false, depth) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compare_entries(const FTSENT **a, const FTSENT **b) {
        return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* What cannot be looked at may be a program, too. This package's hook is one, whatever its mode. */
static bool may_be_run(const FTSENT *entry) {
        switch (entry->fts_info) {
        case FTS_F:
                return (entry->fts_statp->st_mode & 0111) || endswith(entry->fts_path, "/" OUR_HOOK);
        case FTS_D:
                return entry->fts_level >= DEPTH_MAX;
        case FTS_NS:
        case FTS_DNR:
        case FTS_SLNONE:
                return true;
        default:
                return false;
        }
}

/* Lists what a folder has in it that was not read as a hook: files of other languages, hidden ones. */
static int add_programs(Import *import) {
        _cleanup_free_ char *path = import_path(import, import->base);
        FTS *fts = path ? fts_open((char *[]) { path, NULL }, FTS_LOGICAL | FTS_NOCHDIR, compare_entries) : NULL;
        int r = fts ? 0 : -ENOMEM;

        for (FTSENT *e; r >= 0 && (e = fts_read(fts));) {
                if (e->fts_level >= DEPTH_MAX || (e->fts_level == 1 && streq(e->fts_name, IMPORT_ASIDE)))
                        (void) fts_set(fts, e, FTS_SKIP);
                if (may_be_run(e))
                        r = strings_add(&import->arena, &import->programs,
                                        arena_printf(&import->arena, "%s%s", import->base,
                                                     e->fts_path + strlen(path)));
        }
        if (r >= 0 && errno != 0)
                r = -ENOMEM;
        if (fts)
                (void) fts_close(fts);
        return r;
}

/* "qemu" is first, as with libvirt; then the names decide. */
static int compare_hooks(const void *a, const void *b) {
        const Hook *x = a, *y = b;

        if (x->type != y->type)
                return x->type == HOOK_FILE ? -1 : y->type == HOOK_FILE ? 1 : x->type == HOOK_FOLDER ? -1 : 1;
        return strcmp(x->script->name, y->script->name);
}

/* Beside hooks, scripts that nobody named are only theirs. */
static void drop_loose_hooks(Import *import) {
        size_t n = 0, n_others = 0;

        for (size_t i = 0; i < import->n_hooks; i++)
                n_others += import->hooks[i].type != HOOK_LOOSE;
        for (size_t i = 0; i < import->n_hooks && n_others > 0; i++)
                if (import->hooks[i].type != HOOK_LOOSE || import->hooks[i].is_named)
                        import->hooks[n++] = import->hooks[i];
        if (n_others > 0)
                import->n_hooks = n;
}

static ImportVm *find_vm(const Import *import, const char *name) {
        for (size_t i = 0; i < import->n_vms; i++)
                if (name && import->vms[i].name ? streq(name, import->vms[i].name) : name == import->vms[i].name)
                        return &import->vms[i];
        return NULL;
}

static int add_vm(Import *import, const char *name) {
        if (find_vm(import, name))
                return 0;
        if (import->n_vms == VMS_MAX)
                return -E2BIG;
        if (!import->vms) {
                import->vms = arena_alloc(&import->arena, VMS_MAX * sizeof(ImportVm));
                if (!import->vms)
                        return -ENOMEM;
        }
        name = name ? arena_strndup(&import->arena, name, strlen(name)) : NULL;
        import->vms[import->n_vms++] = (ImportVm) { .name = name, .facts.arena = &import->arena };
        return 0;
}

/* The name of a VM, or a pattern for some, that a script compares with what libvirt calls it with. */
static int found_vm(const char *name, bool is_pattern, void *userdata) {
        Import *import = userdata;

        if (!is_pattern)
                return vm_name_problem(name) ? 0 : add_vm(import, name);
        if (!import->pattern)
                import->pattern = arena_strndup(&import->arena, name, strlen(name));
        return import->pattern ? 0 : -ENOMEM;
}

static int follow(Import *import, Facts *facts, const Hook *hook, bool is_start, char *const *arguments, bool is_other,
                  bool *ret_dispatches) {
        Recorder recorder = {
                .facts = facts, .hook = hook->script, .is_start = is_start, .script = import_find_script,
                .vm = is_other ? NULL : found_vm, .userdata = import, .budget = &import->budget,
        };
        int r = record(&recorder, arguments, is_other);

        *ret_dispatches |= recorder.dispatches;
        return r;
}

static const char any_vm[] = { SHELL_VM, 0 }, any_text[] = { SHELL_UNKNOWN, 0 };

/* Finds out which VMs a file knows, and whether it only runs what is in the folders. */
static int explore(Import *import, Hook *hook) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(moments) && r >= 0; i++) {
                _cleanup_arena_ Arena arena = { .limit = import->arena.limit };
                Facts facts = { .arena = &arena };

                r = follow(import, &facts, hook, moments[i].is_start,
                           STRV_MAKE(any_vm, moments[i].operation, moments[i].sub, "-"), false, &hook->dispatches);
        }
        return r;
}

static int balance(const Fact *f) {
        switch (f->action) {
        case ACTION_STOP:
        case ACTION_TAKE:
        case ACTION_UNLOAD:
        case ACTION_CONSOLE_OFF:
        case ACTION_FRAMEBUFFER_OFF:
                return startswith(f->object, "vfio") ? -1 : 1;
        case ACTION_START:
        case ACTION_GIVE:
        case ACTION_LOAD:
        case ACTION_CONSOLE_ON:
        case ACTION_FRAMEBUFFER_ON:
        case ACTION_REMOVE:
        case ACTION_RESCAN:
                return startswith(f->object, "vfio") ? 1 : -1;
        default:
                return 0;
        }
}

/* Tells by what it does whether a loose script is for before or after the VM. */
static int explore_loose(Import *import, Hook *hook, bool *ret_useful) {
        _cleanup_arena_ Arena arena = { .limit = import->arena.limit };
        Facts facts = { .arena = &arena };
        size_t n_vms = import->n_vms;
        int r, sum = 0;

        r = explore(import, hook);
        if (r < 0)
                return r;
        *ret_useful = true;
        if (import->n_vms > n_vms) {
                hook->type = HOOK_FILE;
                return 0;
        }
        r = follow(import, &facts, hook, true, STRV_MAKE(any_text, any_text, any_text), false, &hook->dispatches);
        for (size_t i = 0; i < facts.n; i++)
                sum += balance(&facts.list[i]);
        hook->is_start = sum > 0;
        *ret_useful = sum != 0;
        if (r < 0 || sum != 0)
                return r;
        return remark(import, "%s:1: not taken over: it cannot be told whether it is for before or for after a VM%s",
                      hook->script->name, "");
}

static int explore_all(Import *import) {
        int r = 0;

        for (size_t i = 0; i < import->n_hooks && r >= 0; i++) {
                Hook *hook = &import->hooks[i];
                bool useful = true;

                if (hook->type == HOOK_FILE)
                        r = explore(import, hook);
                else if (hook->type == HOOK_FOLDER)
                        r = add_vm(import, hook->vm);
                else
                        r = explore_loose(import, hook, &useful);
                if (r >= 0 && hook->type == HOOK_LOOSE && useful)
                        r = add_vm(import, NULL);
        }
        return r >= 0 && import->n_vms == 0 && import->n_hooks > 0 ? add_vm(import, NULL) : r;
}

/* What runs the scripts in the folders is not lost. */
static void forgive_dispatcher(Facts *facts, const Hook *hook) {
        for (size_t i = 0; i < facts->n; i++) {
                Fact *f = &facts->list[i];

                if (f->hook == hook->script && f->action == ACTION_UNKNOWN && f->may_run_hooks) {
                        f->action = ACTION_NEEDLESS;
                        f->value = "runs the scripts in the folders, which were read one by one";
                }
        }
}

/* A file can only go as a whole. */
static int keep_file(Import *import, Hook *hook, const Fact *f, const char *whom) {
        char *place = import_place(&import->arena, "", f->script, f->line);

        hook->stays = place ? arena_printf(&import->arena,
                                           "%s: %s is not moved, since this is for %s: take out by hand what it "
                                           "does for the VMs that have one",
                                           place, hook->script->name, whom) :
                              NULL;
        return hook->stays ? 0 : -ENOMEM;
}

/* A file may do something for whichever VM it is called for, beside those that it knows. */
static int explore_others(Import *import, Hook *hook) {
        _cleanup_arena_ Arena arena = { .limit = import->arena.limit };
        Facts facts = { .arena = &arena };
        const Fact *first = NULL, *acts = NULL;
        bool unused = false;
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(moments) && r >= 0; i++)
                r = follow(import, &facts, hook, moments[i].is_start,
                           STRV_MAKE(any_vm, moments[i].operation, moments[i].sub, "-"), true, &unused);
        if (hook->dispatches)
                forgive_dispatcher(&facts, hook);
        for (const Fact *f = facts.list; f && f < facts.list + facts.n; f++) {
                first = !first && import_is_about_gpu(f) ? f : first;
                acts = !acts && !import_is_needless(f) ? f : acts;
        }
        if (r >= 0 && acts)
                r = keep_file(import, hook, acts, "every VM, also those that have no section");
        if (r < 0 || !first || hook->dispatches)
                return r;
        return remark(import, "%s: acts for every VM, also for those that have no section here%s",
                      import_place(&import->arena, "", first->script, first->line) ?: hook->script->name, "");
}

static int explore_all_others(Import *import) {
        bool is_named = false;
        int r = 0;

        for (size_t i = 0; i < import->n_vms; i++)
                is_named |= import->vms[i].name != NULL;
        for (size_t i = 0; i < import->n_hooks && r >= 0 && is_named; i++)
                if (import->hooks[i].type == HOOK_FILE)
                        r = explore_others(import, &import->hooks[i]);
        return r;
}

/* Follows a hook as libvirt would have it run for the VM at this moment. */
static int follow_hook(Import *import, ImportVm *vm, Hook *hook, size_t moment) {
        const char *operation = moments[moment].operation, *sub = moments[moment].sub;
        bool is_start = moments[moment].is_start, unused = false;
        const char *name = vm->name ?: any_vm;
        int r;

        switch (hook->type) {
        case HOOK_FOLDER:
                if (!streq(hook->operation, operation) || !streq(hook->sub, sub) || find_vm(import, hook->vm) != vm)
                        return 0;
                break;
        case HOOK_LOOSE:
                if (vm->name || !streq(operation, hook->is_start ? "prepare" : "release"))
                        return 0;
                is_start = hook->is_start;
                break;
        case HOOK_FILE:
                break;
        }
        vm->has_start |= is_start && hook->type != HOOK_FILE;
        vm->has_stop |= !is_start && hook->type != HOOK_FILE;
        r = follow(import, &vm->facts, hook, is_start,
                   hook->type == HOOK_LOOSE ? STRV_MAKE(any_text, any_text, any_text) :
                                              STRV_MAKE(name, operation, sub, "-"),
                   !vm->name && hook->type == HOOK_FILE && !import->pattern, &unused);
        if (r >= 0 && hook->dispatches)
                forgive_dispatcher(&vm->facts, hook);
        return r;
}

static int follow_vm(Import *import, ImportVm *vm) {
        int r = 0;

        for (size_t m = 0; m < ELEMENTSOF(moments); m++)
                for (size_t i = 0; i < import->n_hooks && r >= 0; i++)
                        r = follow_hook(import, vm, &import->hooks[i], m);
        for (size_t i = 0; i < vm->facts.n; i++) {
                vm->has_start |= vm->facts.list[i].is_start && !import_is_needless(&vm->facts.list[i]);
                vm->has_stop |= !vm->facts.list[i].is_start && !import_is_needless(&vm->facts.list[i]);
        }
        if (r >= 0)
                r = import_resolve(import, vm);
        return r < 0 ? r : import_settle(vm, &import->machine, import->base);
}

/* Notes what was taken over of a hook, and what of it is for a VM that gets no section. */
static int settle_hook(Import *import, Hook *hook, const ImportVm *vm) {
        bool is_for_others = hook->type == HOOK_FILE && vm->name && !vm->swaps;
        char *whom = arena_printf(&import->arena, "VM %s, which has no section", vm->name ?: "");
        int r = whom ? 0 : -ENOMEM;

        for (const Fact *f = vm->facts.list; f && f < vm->facts.list + vm->facts.n && r >= 0; f++) {
                if (f->hook != hook->script)
                        continue;
                hook->is_taken_over |= vm->swaps && import_is_taken_over(vm, f);
                if (is_for_others && !hook->stays && !import_is_needless(f))
                        r = keep_file(import, hook, f, whom);
        }
        return r;
}

static int settle_hooks(Import *import) {
        int r = 0;

        for (size_t i = 0; i < import->n_hooks; i++)
                for (size_t k = 0; k < import->n_vms && r >= 0; k++)
                        r = settle_hook(import, &import->hooks[i], &import->vms[k]);
        return r;
}

static bool a_file_leaves(Import *import) {
        for (size_t i = 0; i < import->n_hooks; i++)
                if (import->hooks[i].type == HOOK_FILE && import_leaves(import, &import->hooks[i]))
                        return true;
        return false;
}

static int tell_vm(Import *import, const ImportVm *vm, bool all_stay) {
        const char *name = vm->name ?: "NAME";
        int r = 0;

        if (!vm->swaps)
                return vm->name ? remark(import, "VM %s: its hooks do nothing about a GPU%s", name,
                                         all_stay ? ", and stay as they are" : "") :
                                  0;
        if (!vm->name && import->pattern)
                return remark(import,
                              "the scripts are for VMs whose names are like \"%s\": write a section for each "
                              "in place of [VM %s]", import->pattern, name);
        if (!vm->name)
                return remark(
                        import,
                        "the scripts do not say for which VM they are: put its name in place of %s in [VM %s]",
                        name, name);
        if (!import_is_defined(name))
                r = remark(import, "VM %s: libvirt has no VM of this name; if it is gone, so can its section%s",
                           name, "");
        if (r >= 0 && (!vm->has_stop || !vm->has_start))
                r = remark(import, "VM %s: no script is for the time %s it", name, vm->has_start ? "after" : "before");
        return r;
}

static int tell_vms(Import *import) {
        bool all_stay = !a_file_leaves(import);
        int r = 0;

        for (size_t i = 0; i < import->n_vms && r >= 0; i++)
                r = tell_vm(import, &import->vms[i], all_stay);
        return r;
}

static int add_source(Import *import, const char *path) {
        import->sources = import->sources ? arena_printf(&import->arena, "%s, %s", import->sources, path) : path;
        return import->sources ? 0 : -ENOMEM;
}

/* The directory that messages and --disable are about. */
static int set_base(Import *import, char *const *paths) {
        size_t n;

        import->base = IMPORT_HOOKS;
        import->base_is_root = !paths;
        if (!paths)
                return add_source(import, import->base);
        n = strlen(paths[0]);
        while (n > 1 && paths[0][n - 1] == '/')
                n--;
        import->base = arena_strndup(&import->arena, paths[0], n);
        return import->base ? add_source(import, import->base) : -ENOMEM;
}

static int add_paths(Import *import, char *const *paths) {
        int r;

        do {
                r = set_base(import, paths);
                if (r >= 0)
                        r = add_path(import, import->base, true, 0);
        } while (r >= 0 && paths && *++paths);
        return r;
}

static int read_all(Import *import, char *const *paths) {
        int r;

        r = add_paths(import, paths);
        if (r >= 0)
                r = add_programs(import);
        if (r < 0)
                return r;
        if (import->n_hooks > 0)
                qsort(import->hooks, import->n_hooks, sizeof(Hook), compare_hooks);
        drop_loose_hooks(import);

        r = import_read_machine(import);
        if (r >= 0)
                r = explore_all(import);
        for (size_t i = 0; i < import->n_vms && r >= 0; i++)
                r = follow_vm(import, &import->vms[i]);
        if (r >= 0)
                r = explore_all_others(import);
        if (r >= 0)
                r = settle_hooks(import);
        if (r >= 0)
                r = tell_vms(import);
        return r < 0 || import->budget > 0 ? r : -E2BIG;
}

int import_read(Import *import, char *const *paths) {
        int r;

        *import = (Import) { .arena.limit = IMPORT_MAX, .budget = COMMANDS_MAX };
        r = read_all(import, paths && *paths ? paths : NULL);
        if (r == -ENOMEM)
                return log_oom();
        if (r == -E2BIG)
                return log_error_errno(r, "there is more in %s than hooks can have: name those that are meant.",
                                       import->sources);
        return r;
}
