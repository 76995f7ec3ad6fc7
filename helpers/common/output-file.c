/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "log.h"
#include "output-file.h"
#include "signals.h"

#define MODE 0644
#define TEMPORARY ".vfio-gpu-XXXXXX"

static bool is_stdout(const char *path) {
        return streq(path, "-");
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
        return S_ISREG(a->st_mode) && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int check_stdout(const struct stat *input) {
        struct stat st;

        if (isatty(STDOUT_FILENO))
                return log_error_errno(EINVAL,
                                       "standard output is a terminal, which can do nothing with a ROM: "
                                       "name a file, or redirect it.");
        if (input && fstat(STDOUT_FILENO, &st) >= 0 && is_same_file(&st, input))
                return log_error_errno(EINVAL, "standard output is the file that is read: choose another one.");
        return 0;
}

static int log_exists(const char *path) {
        return log_error_errno(EEXIST,
                               "%s exists already: choose another name, or have it replaced with --force.",
                               path);
}

int output_check(const char *path, bool replace, const struct stat *input) {
        struct stat st, target;

        if (is_stdout(path))
                return check_stdout(input);
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : log_error_errno(errno, "cannot write %s: %m.", path);
        if (input && stat(path, &target) >= 0 && is_same_file(&target, input))
                return log_error_errno(EINVAL, "%s is the file that is read: choose another name.", path);
        if (!S_ISREG(st.st_mode))
                return log_error_errno(EINVAL, "%s is no regular file: choose another name.", path);
        return replace ? 0 : log_exists(path);
}

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

/* Returns a path in the same directory, to be freed, or NULL without memory. */
static char *temporary_path(const char *path) {
        const char *slash = strrchr(path, '/');
        char *temporary;

        if (asprintf(&temporary, "%.*s" TEMPORARY, slash ? (int) (slash - path) + 1 : 0, path) < 0)
                return NULL;
        return temporary;
}

/* Not every file system can do it at once. */
int rename_to_new(const char *from, const char *to) {
        if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) >= 0)
                return 0;
        if (errno != EINVAL && errno != ENOSYS)
                return -errno;
        if (link(from, to) < 0)
                return -errno;
        (void) unlink(from);
        return 0;
}

static int write_and_rename(int fd, const char *temporary, const char *path, bool replace, const void *data,
                            size_t size) {
        int r;

        r = write_all(fd, data, size);
        if (r >= 0 && (fchmod(fd, MODE) < 0 || fsync(fd) < 0))
                r = -errno;
        if (r < 0)
                return r;
        if (replace)
                return rename(temporary, path) < 0 ? -errno : 0;
        return rename_to_new(temporary, path);
}

static int write_file(const char *path, bool replace, const void *data, size_t size) {
        _cleanup_free_ char *temporary = temporary_path(path);
        _cleanup_close_ int fd = -1;
        int r;

        if (!temporary)
                return -ENOMEM;
        fd = mkostemp(temporary, O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = write_and_rename(fd, temporary, path, replace, data, size);
        if (r < 0)
                (void) unlink(temporary);
        return r;
}

/* A signal in between would leave the temporary file behind. */
static int write_held(const char *path, bool replace, const void *data, size_t size) {
        _cleanup_signals_ sigset_t before;

        signals_hold(&before);
        return write_file(path, replace, data, size);
}

int output_write(const char *path, bool replace, const void *data, size_t size) {
        int r;

        if (is_stdout(path)) {
                r = write_all(STDOUT_FILENO, data, size);
                return r < 0 ? log_error_errno(r, "cannot write to standard output: %m.") : 0;
        }

        r = write_held(path, replace, data, size);
        if (r == -EEXIST)
                return log_exists(path);
        return r < 0 ? log_error_errno(r, "cannot write %s: %m; nothing was changed.", path) : 0;
}
