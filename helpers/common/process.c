/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "process.h"
#include "root.h"

#define STAT_MAX 4096

int process_stat(pid_t pid, char *ret_state, pid_t *ret_parent) {
        char path[sizeof("/proc//stat") + 3 * sizeof(pid_t)];
        _cleanup_free_ char *text = NULL;
        const char *name_end;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%i/stat", pid);
        r = read_text_file(path, STAT_MAX, &text);
        if (r < 0)
                return r;
        /* The name may have any character. */
        name_end = strrchr(text, ')');
        return name_end && sscanf(name_end, ") %c %i", ret_state, ret_parent) == 2 ? 0 : -EINVAL;
}
