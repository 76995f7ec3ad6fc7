/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <regex.h>

#include "check-part.h"
#include "root.h"
#include "strv.h"
#include "text.h"
#include "writers.h"

#define HOOKS "/etc/libvirt/hooks/"
#define DISPATCHER HOOKS "qemu"
#define FOLDER HOOKS "qemu.d/"

#define SCRIPT_MAX (1024 * 1024)

/* The operations of libvirt's at which a file or folder of the VM's is looked for. */
static const char *const operations[] = {
        "prepare/begin", "start/begin", "started/begin", "stopped/end", "release/end",
        "migrate/begin", "restore/begin", "reconnect/begin", "attach/begin",
};

/* What scripts have in them that make a swap, and others do not. */
static const char *const swaps[] = {
        "nodedev-detach", "nodedev-reattach", "driver_override", "drivers_probe", "vtcon", "efi-framebuffer",
        "display-manager",
};

/* A tree that was moved there from a home has the same wrong with all of it. */
static int add_writable(CheckContext *c, const char *path) {
        _cleanup_free_ char *printable = text_printable(path), *problem = NULL;
        struct stat st;
        int r;

        if (!printable)
                return -ENOMEM;
        if (findings_have(c->findings, FINDING_SCRIPT_WRITABLE) || stat(path, &st) < 0)
                return 0;
        r = writers_check(printable, &st, &problem);
        return r != -EINVAL ? r :
                findings_add(c->findings, FINDING_SCRIPT_WRITABLE, printable,
                             "libvirt's hook runs it, or what is in it, as root: %s; so for all that is in "
                             FOLDER "%s", problem, c->check->vm_name);
}

/* The folders that lead to those of an operation. */
static int check_way(CheckContext *c, const char *operation) {
        _cleanup_free_ char *vm = root_path(FOLDER "%s", c->check->vm_name);
        _cleanup_free_ char *above = root_path(FOLDER "%s/%.*s", c->check->vm_name,
                                               (int) strcspn(operation, "/"), operation);
        int r;

        r = vm && above ? add_writable(c, vm) : -ENOMEM;
        return r < 0 ? r : add_writable(c, above);
}

/* Scripts from before, which were right as long as nothing else made the swap. */
static int add_swap(CheckContext *c, const char *path) {
        _cleanup_free_ char *printable = text_printable(path), *text = NULL;

        if (!printable)
                return -ENOMEM;
        if (read_text_file(path, SCRIPT_MAX, &text) < 0)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(swaps); i++)
                if (strstr(text, swaps[i]))
                        return findings_add(c->findings, FINDING_SCRIPT_SWAPS, printable,
                                            "libvirt's hook runs %s, which seems to swap the GPU as well "
                                            "('%s' is in it): what is done twice is not undone as it was; "
                                            "take that out, or see what 'vfio-gpuctl import --disable' "
                                            "makes of it", printable, swaps[i]);
        return 0;
}

static int check_script(CheckContext *c, const char *path) {
        struct stat st;
        int r;

        if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR))
                return 0;
        r = add_writable(c, path);
        return r < 0 ? r : add_swap(c, path);
}

/* Of a folder and the scripts in it, or of a script in its place. Returns whether there is one of them, or
 * -ENOMEM. */
static int check_operation(CheckContext *c, const char *operation) {
        _cleanup_free_ char *path = root_path(FOLDER "%s/%s", c->check->vm_name, operation);
        _cleanup_strv_free_ char **names = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        if (!path_exists(path))
                return 0;
        r = check_way(c, operation);
        if (r < 0)
                return r;
        if (list_directory(path, &names) < 0) {
                r = check_script(c, path);
                return r < 0 ? r : 1;
        }

        r = add_writable(c, path);
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *file = NULL;

                if (r >= 0)
                        r = asprintf(&file, "%s/%s", path, *name) < 0 ? -ENOMEM : check_script(c, file);
        }
        return r < 0 ? r : names != NULL;
}

/* As in the hook. */
static bool is_dispatcher(const char *path) {
        _cleanup_free_ char *text = NULL;
        regex_t dispatches;
        bool found;

        if (access(path, X_OK) < 0 || read_text_file(path, SCRIPT_MAX, &text) < 0 ||
            regcomp(&dispatches, DISPATCHES, REG_EXTENDED | REG_NEWLINE | REG_NOSUB) != 0)
                return false;
        found = regexec(&dispatches, text, 0, NULL, 0) == 0;
        regfree(&dispatches);
        return found;
}

static int check_dispatcher(CheckContext *c) {
        _cleanup_free_ char *path = root_path(DISPATCHER);

        if (!path)
                return -ENOMEM;
        return !is_dispatcher(path) ? 0 :
                findings_add(c->findings, FINDING_HOOK_DISPATCHER, path,
                             "%s runs the scripts of VM '%s' (" FOLDER "%s/), so vfio-gpu's hook does not: one that "
                             "refuses the VM comes too late for the desktop, and what undoes the others runs before "
                             "the GPU is given back; 'chmod -x %s' leaves them to vfio-gpu's hook", path,
                             c->check->vm_name, c->check->vm_name, path);
}

int check_scripts(CheckContext *c) {
        bool any = false;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(operations); i++) {
                r = check_operation(c, operations[i]);
                any = any || r > 0;
        }
        return r < 0 || !any ? r : check_dispatcher(c);
}
