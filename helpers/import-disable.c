/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/stat.h>

#include "import-disable.h"
#include "log.h"
#include "output-file.h"
#include "root.h"
#include "signals.h"
#include "state.h"
#include "strv.h"

static const Hook *find_hook(const Import *import, const char *name) {
        for (size_t i = 0; i < import->n_hooks; i++)
                if (streq(import->hooks[i].script->name, name))
                        return &import->hooks[i];
        return NULL;
}

/* A dispatcher goes when there is nothing left for it to run. */
bool import_leaves(Import *import, const Hook *hook) {
        if (hook->stays || !hook->dispatches)
                return !hook->stays && hook->is_taken_over;
        for (size_t i = 0; i < import->programs.n; i++) {
                const char *name = import->programs.list[i];
                const Hook *other = find_hook(import, name);

                if (import_is_in_folder(import, name) && !(other && other->is_taken_over))
                        return false;
        }
        return true;
}

/* Returns the folder of the VM that a hook is in, or NULL without memory. */
static char *vm_folder(Import *import, const Hook *hook) {
        char *end = NULL, *text = arena_printf(&import->arena, "/%s/%s", hook->operation, hook->sub);
        char *copy = arena_strndup(&import->arena, hook->script->name, strlen(hook->script->name));

        for (char *p = copy; copy && text && (p = strstr(p, text)); p++)
                end = p;
        if (end)
                *end = 0;
        return text ? copy : NULL;
}

/* Returns what cannot go along with a folder, or NULL. */
static const char *what_keeps(Import *import, const char *folder) {
        for (size_t i = 0; i < import->programs.n; i++) {
                const char *name = import->programs.list[i], *rest = startswith(name, folder);
                const Hook *hook = find_hook(import, name);

                if (rest && *rest == '/' && !(hook && import_leaves(import, hook)))
                        return name;
        }
        return NULL;
}

/* A folder goes as a whole if all that can be run in it does. Returns what goes: the folder or the file; NULL
 * without memory. */
static const char *what_goes(Import *import, const Hook *hook, Moves *moves) {
        const char *name = hook->script->name, *folder, *keeper;
        char *text;

        if (hook->type != HOOK_FOLDER || !hook->vm)
                return name;
        folder = vm_folder(import, hook);
        /* The folder that was named, or one outside of it, is nothing that could be moved in it. */
        if (!folder || strlen(folder) <= strlen(import->base))
                return folder ? name : NULL;
        keeper = what_keeps(import, folder);
        if (!keeper)
                return folder;
        text = arena_printf(&import->arena,
                            "%s is not moved as a whole: %s in it was not taken over, and stays", folder, keeper);
        return strings_add(&import->arena, &moves->remarks, text) < 0 ? NULL : name;
}

static int stat_parent(Import *import, const char *name, struct stat *ret) {
        char *parent = arena_strndup(&import->arena, name, (size_t) (shell_base_name(name) - name));
        _cleanup_free_ char *path = parent ? import_path(import, parent) : NULL;

        return path ? stat(path, ret) : -1;
}

/* The folder of a VM can be a link to that of another one. */
static bool is_same_entry(Import *import, const char *a, const char *b) {
        struct stat x, y;

        return streq(shell_base_name(a), shell_base_name(b)) && stat_parent(import, a, &x) >= 0 &&
                stat_parent(import, b, &y) >= 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_planned(Import *import, const Moves *moves, const char *from) {
        for (size_t i = 0; i < moves->n; i++)
                if (streq(moves->list[i].from, from) || is_same_entry(import, moves->list[i].from, from))
                        return true;
        return false;
}

static bool is_hook_directory(Import *import) {
        STRV_FOREACH(entry, STRV_MAKE("qemu", "qemu.d")) {
                char *name = arena_printf(&import->arena, "%s/%s", import->base, *entry);
                _cleanup_free_ char *path = name ? import_path(import, name) : NULL;

                if (path && path_exists(path))
                        return true;
        }
        return false;
}

/* Of a file that has something of both, one half goes on to run beside the configuration. */
static int tell_stay(Import *import, const Hook *hook, Moves *moves) {
        char *text;

        if (!hook->stays || !hook->is_taken_over)
                return 0;
        text = arena_strndup(&import->arena, hook->stays, strlen(hook->stays));
        return strings_add(&import->arena, &moves->remarks, text);
}

int import_plan_moves(Import *import, Moves *ret) {
        Moves moves = { .list = arena_alloc(&import->arena, (import->n_hooks + 1) * sizeof(Move)) };

        if (!moves.list)
                return log_oom();
        if (!is_hook_directory(import))
                return log_error_errno(
                        EINVAL,
                        "%s is no directory of libvirt's hooks, with qemu or qemu.d in it: nothing there is "
                        "run by libvirt, and nothing has to be moved.",
                        import->base);
        for (size_t i = 0; i < import->n_hooks; i++) {
                const Hook *hook = &import->hooks[i];
                const char *from = import_leaves(import, hook) ? what_goes(import, hook, &moves) : "";
                const char *rest = from ? startswith(from, import->base) : NULL;
                char *to;

                if (!from || tell_stay(import, hook, &moves) < 0)
                        return log_oom();
                if (!rest || is_planned(import, &moves, from))
                        continue;
                to = arena_printf(&import->arena, "%s/" IMPORT_ASIDE "%s", import->base, rest);
                if (!to)
                        return log_oom();
                moves.list[moves.n++] = (Move) { from, to };
        }
        *ret = moves;
        return 0;
}

/* The old hooks have to bring back what they took. */
static int check_running(const ImportVm *vm) {
        _cleanup_free_ char *path = vm->name ? root_path("/run/libvirt/qemu/%s.xml", vm->name) : NULL;

        if (!vm->swaps)
                return 0;
        if (!vm->name)
                return log_error_errno(
                        EINVAL,
                        "it is not known for which VM these hooks are: when its section is written, move them "
                        "away by hand. Nothing was moved.");
        if (!path)
                return log_oom();
        if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
                return 0;
        return log_error_errno(
                EBUSY,
                "VM %s runs, and what its hooks have taken from the host is for them to give back: shut it "
                "down first. Nothing was moved.",
                vm->name);
}

static int check_swaps(void) {
        _cleanup_strv_free_ char **vms = NULL;
        int r = state_list(&vms);

        if (r < 0)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY ": %m. Nothing was moved.");
        if (!vms)
                return 0;

        return log_error_errno(EBUSY,
                               "a swap is in progress: 'systemctl stop \"vfio-gpu@%s.service\"' first. Nothing was "
                               "moved.", vms[0]);
}

/* Libvirt is to run something in their place. */
static int check_our_hook(const Import *import) {
        _cleanup_free_ char *hook = root_path(IMPORT_HOOKS "/" OUR_HOOK);

        if (!hook)
                return log_oom();
        if (import->base_is_root && access(hook, X_OK) < 0)
                log_warning("without this package's hook " IMPORT_HOOKS "/" OUR_HOOK
                            " a VM that libvirt starts gets no GPU: install it, or start vfio-gpu@.service "
                            "by hand.");
        return 0;
}

int import_check_moves(const Import *import, const Moves *moves) {
        int r = check_swaps();

        for (size_t i = 0; i < import->n_vms && r >= 0; i++)
                r = check_running(&import->vms[i]);
        for (size_t i = 0; i < moves->n && r >= 0; i++) {
                _cleanup_free_ char *to = import_path(import, moves->list[i].to);
                struct stat st;

                if (!to)
                        return log_oom();
                if (lstat(to, &st) >= 0)
                        return log_error_errno(
                                EEXIST,
                                "%s is there already, from an earlier time: remove it, or move it away. Nothing "
                                "was moved.",
                                moves->list[i].to);
                if (errno != ENOENT)
                        return log_error_errno(errno, "cannot look at %s: %m. Nothing was moved.", moves->list[i].to);
        }
        return r < 0 ? r : check_our_hook(import);
}

/* Makes the directories that a path needs below the base, noting those that are new. */
static int make_parents(const Import *import, const char *path, char ***made) {
        _cleanup_free_ char *base = import_path(import, import->base), *copy = strdup(path);
        int r = 0;

        if (!base || !copy)
                return -ENOMEM;
        for (char *slash = strchr(copy + strlen(base) + 1, '/'); slash && r >= 0; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                if (mkdir(copy, 0755) >= 0)
                        r = strv_extend(made, copy);
                else if (errno != EEXIST)
                        r = -errno;
                *slash = '/';
        }
        return r;
}

static int make_move(const Import *import, const Move *move, bool back, char ***made) {
        _cleanup_free_ char *from = import_path(import, back ? move->to : move->from);
        _cleanup_free_ char *to = import_path(import, back ? move->from : move->to);
        int r = from && to ? 0 : -ENOMEM;

        if (r >= 0 && !back)
                r = make_parents(import, to, made);
        return r < 0 ? r : rename_to_new(from, to);
}

static void take_back(const Import *import, const Moves *moves, size_t n, char *const *made) {
        while (n-- > 0) {
                int r = make_move(import, &moves->list[n], true, NULL);

                if (r < 0)
                        (void) log_error_errno(r, "cannot move %s back: %m.", moves->list[n].to);
        }
        for (size_t k = strv_length(made); k-- > 0;)
                (void) rmdir(made[k]);
}

int import_make_moves(const Import *import, const Moves *moves) {
        _cleanup_strv_free_ char **made = NULL;
        _cleanup_signals_ sigset_t before;

        signals_hold(&before);
        for (size_t i = 0; i < moves->n; i++) {
                int r = make_move(import, &moves->list[i], false, &made);

                if (r < 0) {
                        take_back(import, moves, i, made);
                        return log_error_errno(r, "cannot move %s to %s: %m. Nothing was moved.", moves->list[i].from,
                                               moves->list[i].to);
                }
        }
        return 0;
}

static void print_quoted(FILE *f, const char *s) {
        (void) fputc('\'', f);
        for (; *s; s++)
                (void) fputs(*s == '\'' ? "'\\''" : (char[]) { *s, 0 }, f);
        (void) fputc('\'', f);
}

void import_print_way_back(FILE *f, const Import *import, const Moves *moves) {
        for (size_t i = 0; i < moves->n; i++) {
                _cleanup_free_ char *from = import_path(import, moves->list[i].from),
                                    *to = import_path(import, moves->list[i].to);

                (void) fprintf(f, "  mv -nT -- ");
                print_quoted(f, to ?: "?");
                (void) fputc(' ', f);
                print_quoted(f, from ?: "?");
                (void) fputc('\n', f);
        }
}
