/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>

#include "root.h"
#include "strv.h"

/* An attribute of sysfs is not longer, and is read at once. */
#define CHUNK 4096

static const char *root_prefix = "";

void root_set(const char *prefix) {
        root_prefix = prefix ?: "";
}

bool root_is_set(void) {
        return *root_prefix;
}

char *root_path(const char *format, ...) {
        char *path = NULL;
        size_t n = strlen(root_prefix);
        va_list ap;
        int k;

        va_start(ap, format);
        k = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (k < 0)
                return NULL;

        path = malloc(n + (size_t) k + 1);
        if (!path)
                return NULL;

        va_start(ap, format);
        (void) vsnprintf(mempcpy(path, root_prefix, n), (size_t) k + 1, format, ap);
        va_end(ap);
        return path;
}

int read_text(int fd, size_t max, char **ret) {
        _cleanup_free_ char *text = NULL;
        size_t n = 0, size = 0;

        for (;;) {
                ssize_t k;

                if (n == size) {
                        char *grown;

                        size = size > 0 ? 2 * size : CHUNK;
                        grown = realloc(text, size + 1);
                        if (!grown)
                                return -ENOMEM;
                        text = grown;
                }
                k = read(fd, text + n, size - n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
                if (n > max)
                        return -EFBIG;
        }

        if (memchr(text, 0, n))
                return -EINVAL;
        if (n > 0 && text[n - 1] == '\n')
                n--;
        text[n] = 0;

        *ret = TAKE_PTR(text);
        return 0;
}

int read_text_file(const char *path, size_t max, char **ret) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : read_text(fd, max, ret);
}

int write_attribute(const char *path, const char *value) {
        _cleanup_close_ int fd = -1;
        ssize_t n;

        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;

        do
                n = write(fd, value, strlen(value));
        while (n < 0 && errno == EINTR);

        return n < 0 ? -errno : (size_t) n < strlen(value) ? -EIO : 0;
}

int read_link(const char *path, char **ret) {
        char target[PATH_MAX];
        ssize_t n;

        n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
                return -errno;
        target[n] = 0;

        *ret = strdup(target);
        return *ret ? 0 : -ENOMEM;
}

int read_link_name(const char *path, char **ret) {
        _cleanup_free_ char *target = NULL;
        const char *slash;
        int r;

        r = read_link(path, &target);
        if (r < 0)
                return r;

        slash = strrchr(target, '/');
        *ret = strdup(slash ? slash + 1 : target);
        return *ret ? 0 : -ENOMEM;
}

bool path_exists(const char *path) {
        return access(path, F_OK) == 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int list_directory(const char *path, char ***ret) {
        _cleanup_strv_free_ char **names = NULL;
        _cleanup_closedir_ DIR *dir = NULL;
        size_t n = 0, allocated = 0;
        struct dirent *entry;

        dir = opendir(path);
        if (!dir)
                return -errno;

        while ((errno = 0, entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                if (n + 1 >= allocated) {
                        char **grown = reallocarray(names, allocated = 2 * allocated + 16, sizeof(char *));

                        if (!grown)
                                return -ENOMEM;
                        names = grown;
                }
                names[n + 1] = NULL;
                names[n] = strdup(entry->d_name);
                if (!names[n++])
                        return -ENOMEM;
        }
        if (errno)
                return -errno;

        if (names)
                qsort(names, n, sizeof(char *), compare_names);
        *ret = TAKE_PTR(names);
        return 0;
}
