/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "root.h"
#include "state.h"
#include "strv.h"

#define RECORD_MAX (1024 * 1024)

static int open_directory(int parent, const char *name, bool create) {
        int fd;

        if (create && mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
                return -errno;

        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int open_parent(bool create) {
        _cleanup_free_ char *path = root_path(STATE_DIRECTORY);

        return path ? open_directory(AT_FDCWD, path, create) : -ENOMEM;
}

int state_open(const char *vm, bool create) {
        _cleanup_close_ int parent = -1;

        parent = open_parent(create);
        return parent < 0 ? parent : open_directory(parent, vm, create);
}

int state_lock(void) {
        int fd = open_parent(false);

        if (fd >= 0 && flock(fd, LOCK_EX) < 0) {
                int r = -errno;

                safe_close(fd);
                return r;
        }
        return fd;
}

/* A path by way of what is open follows no link. */
static int list_open(int directory, char ***ret) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%i", directory);
        return list_directory(path, ret);
}

bool state_exists(const char *vm) {
        _cleanup_strv_free_ char **records = NULL;
        _cleanup_close_ int state = -1;

        state = state_open(vm, false);
        return state >= 0 && list_open(state, &records) >= 0 && records;
}

int state_list(char ***ret) {
        _cleanup_strv_free_ char **names = NULL, **vms = NULL;
        _cleanup_close_ int parent = -1;
        int r;

        parent = open_parent(false);
        r = parent < 0 ? parent : list_open(parent, &names);
        STRV_FOREACH(name, names)
                if (r >= 0 && state_exists(*name))
                        r = strv_extend(&vms, *name);
        if (r < 0)
                return r == -ENOENT ? 0 : r;

        *ret = TAKE_PTR(vms);
        return 0;
}

static int write_lines(int fd, char *const *lines) {
        _cleanup_free_ char *text = NULL;
        size_t n, done = 0;

        text = strv_join(lines, "\n");
        if (!text)
                return -ENOMEM;

        for (n = strlen(text); done < n;) {
                ssize_t k = write(fd, text + done, n - done);

                if (k < 0 && errno != EINTR)
                        return -errno;
                if (k > 0)
                        done += (size_t) k;
        }
        return 0;
}

int state_write(int state, const char *record, char *const *lines) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *temporary = NULL;
        int r;

        if (asprintf(&temporary, ".%s.new", record) < 0) {
                temporary = NULL;
                return -ENOMEM;
        }

        /* Left by a step that was killed. */
        if (unlinkat(state, temporary, 0) < 0 && errno != ENOENT)
                return -errno;

        fd = openat(state, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;

        r = write_lines(fd, lines);
        if (r >= 0 && renameat(state, temporary, state, record) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(state, temporary, 0);
        return r;
}

int state_read(int state, const char *record, char ***ret) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(state, record, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        r = read_text(fd, RECORD_MAX, &text);
        return r < 0 ? r : strv_split(text, "\n", ret);
}

int state_remove(int state, const char *record) {
        return unlinkat(state, record, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int state_discard(const char *vm) {
        _cleanup_close_ int parent = -1;
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int fd;

        parent = open_parent(false);
        fd = parent < 0 ? parent : open_directory(parent, vm, false);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;

        dir = fdopendir(fd);
        if (!dir) {
                safe_close(fd);
                return -errno;
        }

        while ((entry = readdir(dir)))
                if (entry->d_type != DT_DIR && unlinkat(fd, entry->d_name, 0) < 0)
                        return -errno;

        return unlinkat(parent, vm, AT_REMOVEDIR) < 0 ? -errno : 0;
}
