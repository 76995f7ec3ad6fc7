/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"
#include "libvirt.h"
#include "root.h"
#include "strv.h"

/* A file for each running domain, written and removed by the daemon: qemuProcessStop(). */
#define STATUS_DIRECTORY "/run/libvirt/qemu"

/* What cannot be read, or has just been removed, names none of the functions. */
static int has_function(const char *file, char *const *functions) {
        _cleanup_domain_ Domain domain = { 0 };
        int r;

        r = domain_read(file, &domain);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        return domain_has_any(&domain, functions);
}

int libvirt_find_domain(char *const *functions, char **ret_file) {
        _cleanup_free_ char *directory = root_path(STATUS_DIRECTORY);
        _cleanup_strv_free_ char **names = NULL;
        int r;

        if (!directory)
                return -ENOMEM;
        r = list_directory(directory, &names);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        STRV_FOREACH(name, names) {
                _cleanup_free_ char *file = NULL;

                if (!endswith(*name, ".xml"))
                        continue;
                if (asprintf(&file, "%s/%s", directory, *name) < 0) {
                        file = NULL;
                        return -ENOMEM;
                }
                r = has_function(file, functions);
                if (r > 0)
                        *ret_file = TAKE_PTR(file);
                if (r != 0)
                        return r;
        }
        return 0;
}
