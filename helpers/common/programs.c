/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "programs.h"
#include "root.h"
#include "strv.h"
#include "text.h"

#define MOUNT_FLAGS (MS_NOSUID | MS_NODEV)

#define CHUNK (1024 * 1024)

/* A security module may allow a program other things than what lies in a temporary file system. */
#define LABEL "security.selinux"

static int copy_label(int from, int to) {
        char label[256];
        ssize_t n;

        n = fgetxattr(from, LABEL, label, sizeof(label));
        if (n < 0)
                return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
        return fsetxattr(to, LABEL, label, (size_t) n, 0) < 0 ? -errno : 0;
}

static int copy_program(const char *path, int directory) {
        _cleanup_close_ int from = -1, to = -1;
        ssize_t n;

        from = open(path, O_RDONLY | O_CLOEXEC);
        if (from < 0)
                return -errno;
        to = openat(directory, strrchr(path, '/') + 1, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        if (to < 0)
                return -errno;

        do
                n = sendfile(to, from, NULL, CHUNK);
        while (n > 0);
        return n < 0 ? -errno : copy_label(from, to);
}

static int copy_all(int directory) {
        _cleanup_strv_free_ char **names = NULL, **paths = NULL;
        int r;

        r = list_directory(LIBEXECDIR, &names);
        STRV_FOREACH(name, names)
                if (r >= 0)
                        r = strv_extendf(&paths, LIBEXECDIR "/%s", *name);
        if (r >= 0)
                r = strv_extend(&paths, BINDIR "/vfio-gpuctl");

        STRV_FOREACH(path, paths)
                if (r >= 0)
                        r = copy_program(*path, directory);
        return r;
}

/* The service manager runs nothing with a backslash in its path, and no name of a VM has a plus sign in a
 * unit's name. The dot keeps it from being taken for the records of a VM. */
static char *directory_name(const char *vm) {
        _cleanup_free_ char *plain = text_replace(vm, "\\", "+");
        char *name;

        return plain && asprintf(&name, ".programs-%s", plain) >= 0 ? name : NULL;
}

static int open_parent(void) {
        _cleanup_free_ char *path = root_path(STATE_DIRECTORY);
        int fd;

        if (!path)
                return -ENOMEM;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* Returns the directory of the copies, opened anew: what is mounted on it is seen by that only. */
static int open_directory(int parent, const char *name) {
        int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

/* A path that leads to an open directory whatever its name leads to by now. */
static const char *path_of(int fd, char *path, size_t size) {
        (void) snprintf(path, size, "/proc/self/fd/%i", fd);
        return path;
}

static int keep(int parent, const char *name) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        _cleanup_close_ int point = -1, directory = -1;
        int r;

        if (mkdirat(parent, name, 0755) < 0)
                return -errno;
        point = open_directory(parent, name);
        if (point < 0)
                return point;
        if (mount("vfio-gpu", path_of(point, path, sizeof(path)), "tmpfs", MOUNT_FLAGS, "mode=0755") < 0)
                return -errno;

        directory = open_directory(parent, name);
        r = directory < 0 ? directory : copy_all(directory);
        if (r < 0)
                return r;
        return faccessat(directory, "vfio-gpu-swap", X_OK, 0) < 0 ? -errno : 0;
}

int programs_keep(const char *vm) {
        _cleanup_free_ char *name = directory_name(vm);
        _cleanup_close_ int parent = -1;
        int r;

        if (!name)
                return -ENOMEM;
        parent = open_parent();
        r = parent < 0 ? parent : programs_remove(vm);
        if (r >= 0)
                r = keep(parent, name);
        if (r < 0)
                (void) programs_remove(vm);
        return r;
}

int programs_remove(const char *vm) {
        char path[sizeof("/proc/self/fd/") + 3 * sizeof(int)];
        _cleanup_close_ int parent = -1, directory = -1;
        _cleanup_free_ char *name = directory_name(vm);

        if (!name)
                return -ENOMEM;
        parent = open_parent();
        directory = parent < 0 ? parent : open_directory(parent, name);
        if (directory < 0)
                return directory == -ENOENT ? 0 : directory;

        /* Whoever does this may be one of them. */
        if (umount2(path_of(directory, path, sizeof(path)), MNT_DETACH) < 0 && errno != EINVAL)
                return -errno;
        return unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

char *programs_directory(const char *vm) {
        _cleanup_free_ char *name = directory_name(vm);
        char *path;

        return name && asprintf(&path, STATE_DIRECTORY "/%s/", name) >= 0 ? path : NULL;
}

char *programs_ctl(const char *vm) {
        _cleanup_free_ char *installed = root_path(BINDIR "/vfio-gpuctl"), *directory = programs_directory(vm);
        char *ctl = NULL;

        if (!installed || !directory)
                return NULL;
        return asprintf(&ctl, "%svfio-gpuctl", path_exists(installed) ? "" : directory) < 0 ? NULL : ctl;
}

int programs_open(const char *vm) {
        _cleanup_free_ char *name = directory_name(vm);
        _cleanup_close_ int parent = -1;

        if (!name)
                return -ENOMEM;
        parent = open_parent();
        return parent < 0 ? parent : open_directory(parent, name);
}
