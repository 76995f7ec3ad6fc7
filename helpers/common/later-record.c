/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "later-record.h"
#include "state.h"
#include "strv.h"

void later_record_done(LaterRecord *later) {
        free(later->vm);
        strv_free(later->lines);
        *later = (LaterRecord) { 0 };
}

static int read_time(int state, const char *record, struct timespec *ret) {
        struct stat st;

        if (fstatat(state, record, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        *ret = st.st_mtim;
        return 0;
}

static bool is_before(const struct timespec *a, const struct timespec *b) {
        return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

static bool find_key(char *const *lines, const char *key, size_t *ret) {
        for (size_t i = 0; lines && lines[i]; i++) {
                const char *rest = startswith(lines[i], key);

                if (rest && *rest == ' ') {
                        *ret = i;
                        return true;
                }
        }
        return false;
}

/* Takes the VM's record if it is about the same, and between the time and the one that was found by now. A
 * link is no record: it would decide about what another VM has changed. */
static int consider(const char *vm, const char *record, const char *key, const struct timespec *after,
                    LaterRecord *found) {
        _cleanup_later_record_ LaterRecord candidate = { 0 };
        _cleanup_close_ int state = -1;
        int r;

        state = state_open(vm, false);
        r = state < 0 ? state : read_time(state, record, &candidate.written);
        if (r >= 0)
                r = state_read(state, record, &candidate.lines);
        if (r < 0)
                return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
        if (!is_before(after, &candidate.written) || !find_key(candidate.lines, key, &candidate.index) ||
            (found->vm && !is_before(&candidate.written, &found->written)))
                return 0;

        candidate.vm = strdup(vm);
        if (!candidate.vm)
                return -ENOMEM;
        later_record_done(found);
        *found = candidate;
        candidate = (LaterRecord) { 0 };
        return 0;
}

int later_record_find(const char *vm, const char *record, const char *key, LaterRecord *ret) {
        _cleanup_later_record_ LaterRecord found = { 0 };
        _cleanup_strv_free_ char **vms = NULL;
        _cleanup_close_ int state = -1;
        struct timespec own = {};
        int r;

        state = state_open(vm, false);
        r = state < 0 ? state : read_time(state, record, &own);
        if (r >= 0)
                r = state_list(&vms);
        STRV_FOREACH(other, vms)
                if (r >= 0 && !streq(*other, vm))
                        r = consider(*other, record, key, &own, &found);
        if (r < 0 || !found.vm)
                return r;

        *ret = found;
        found = (LaterRecord) { 0 };
        return 1;
}

int later_record_replace(LaterRecord *later, const char *record, const char *line) {
        const struct timespec times[] = { later->written, later->written };
        char *copy = strdup(line);
        _cleanup_close_ int state = -1;
        int r;

        if (!copy)
                return -ENOMEM;
        free(later->lines[later->index]);
        later->lines[later->index] = copy;

        state = state_open(later->vm, false);
        r = state < 0 ? state : state_write(state, record, later->lines);
        if (r >= 0 && utimensat(state, record, times, 0) < 0)
                r = -errno;
        return r;
}
