/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "check-part.h"
#include "pci.h"
#include "root.h"
#include "strv.h"
#include "text.h"

#define MOUNTS_MAX (4 * 1024 * 1024)
#define SWAPS_MAX 65536

/* How many uses of one disk are told; a file system can be mounted in a hundred places. */
#define USES_MAX 4

/* What is looked at further down the list of names is not counted any more: no machine stacks so many. */
#define NAMES_MAX 1024

/* Returns whether a device is the disk, or one of its partitions. */
static bool is_of_disk(const char *device, const char *disk) {
        const char *rest = startswith(device, disk);

        return rest && (*rest == 0 || *rest == 'p');
}

/* Behind several paths to one NVMe disk is the disk that is used, which does not hang on the function:
 * nvme0c1n2 is a path to nvme0n2. */
static int add_behind_path(const char *path, char *const *all, char ***disks) {
        unsigned subsystem, controller, namespace;
        _cleanup_free_ char *disk = NULL;
        int end = 0, r = 0;

        if (sscanf(path, "nvme%uc%un%u%n", &subsystem, &controller, &namespace, &end) != 3 || path[end])
                return 0;
        if (asprintf(&disk, "nvme%un%u", subsystem, namespace) < 0) {
                disk = NULL;
                return -ENOMEM;
        }
        for (; r >= 0 && all && *all; all++)
                if (is_of_disk(*all, disk) && !strv_contains(*disks, *all))
                        r = strv_extend(disks, *all);
        return r;
}

static int add_behind_paths(char ***disks) {
        _cleanup_free_ char *directory = root_path("/sys/class/block");
        _cleanup_strv_free_ char **all = NULL;
        size_t n = strv_length(*disks);
        int r;

        r = directory ? list_directory(directory, &all) : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = add_behind_path((*disks)[i], all, disks);
        return r;
}

/* Adds what is built on the block devices: volumes, arrays, encryption, in any order. */
static int add_stacked(char ***names) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < NAMES_MAX && *names && (*names)[i]; i++) {
                _cleanup_free_ char *path = root_path("/sys/class/block/%s/holders", (*names)[i]);
                _cleanup_strv_free_ char **holders = NULL;

                r = path ? list_directory(path, &holders) : -ENOMEM;
                if (r == -ENOENT)
                        r = 0;
                STRV_FOREACH(holder, holders)
                        if (r >= 0 && !strv_contains(*names, *holder))
                                r = strv_extend(names, *holder);
        }
        return r;
}

/* Returns the kernel's name of a block device that is given by one of its nodes, to be freed, or NULL. */
static char *device_name(const char *node) {
        const char *below = startswith(node, "/dev/");
        _cleanup_free_ char *path = below ? root_path("%s", node) : NULL;
        char *name = NULL;

        if (!path)
                return NULL;
        return read_link_name(path, &name) >= 0 ? name : strdup(below);
}

/* Returns whether a node, or a "major:minor", is of one of the devices. */
static bool is_one_of(char *const *names, const char *node, const char *number) {
        _cleanup_free_ char *name = device_name(node);

        for (; names && *names; names++) {
                _cleanup_free_ char *path = root_path("/sys/class/block/%s/dev", *names), *text = NULL;

                if (name && streq(name, *names))
                        return true;
                if (number && path && read_text_file(path, 32, &text) >= 0 && streq(text, number))
                        return true;
        }
        return false;
}

/* A line of mountinfo: id, parent, major:minor, root, where, options, any number of tags, "-", type, source,
 * options. */
static int add_mount(const char *line, char *const *names, char ***uses) {
        _cleanup_strv_free_ char **words = NULL;
        size_t n, i = 5;
        int r;

        r = strv_split(line, " ", &words);
        if (r < 0)
                return r;
        n = strv_length(words);
        while (i < n && !streq(words[i], "-"))
                i++;
        if (i + 2 >= n || !is_one_of(names, words[i + 2], words[2]))
                return 0;
        return strv_extendf(uses, "mounted at %s", words[4]);
}

static int add_swap(const char *line, char *const *names, char ***uses) {
        _cleanup_free_ char *node = strndup(line, strcspn(line, " \t"));

        if (!node)
                return -ENOMEM;
        return is_one_of(names, node, NULL) ? strv_extendf(uses, "swap on %s", node) : 0;
}

static int add_uses(const char *file, size_t max, int (*add)(const char *line, char *const *names, char ***uses),
                    char *const *names, char ***uses) {
        _cleanup_free_ char *path = root_path("%s", file), *text = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        int r;

        r = path ? read_text_file(path, max, &text) : -ENOMEM;
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = strv_split(text, "\n", &lines);
        STRV_FOREACH(line, lines)
                if (r >= 0)
                        r = add(*line, names, uses);
        return r;
}

/* The kernel lends a block device for sole use to one at a time: file systems of several disks and volume
 * managers that do not show elsewhere have it as well. */
static bool is_taken(const char *name) {
        _cleanup_free_ char *path = root_path("/dev/%s", name);
        _cleanup_close_ int fd = -1;

        fd = path ? open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) : -1;
        return fd < 0 && errno == EBUSY;
}

static int find_uses(char *const *disks, char *const *names, char ***ret) {
        _cleanup_strv_free_ char **uses = NULL;
        int r;

        r = add_uses("/proc/self/mountinfo", MOUNTS_MAX, add_mount, names, &uses);
        if (r >= 0)
                r = add_uses("/proc/swaps", SWAPS_MAX, add_swap, names, &uses);
        if (r >= 0 && !uses)
                for (names += strv_length(disks); r >= 0 && *names; names++)
                        r = strv_extendf(&uses, "part of %s", *names);
        for (; r >= 0 && !uses && *disks; disks++)
                if (is_taken(*disks))
                        r = strv_extendf(&uses, "%s is taken by a file system or a volume manager", *disks);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(uses);
        return 0;
}

/* Cuts many uses down to the first few. */
static int shorten_uses(char ***uses) {
        size_t n = strv_length(*uses);

        for (size_t i = USES_MAX; i < n; i++) {
                free((*uses)[i]);
                (*uses)[i] = NULL;
        }
        return n > USES_MAX ? strv_extendf(uses, "%zu more", n - USES_MAX) : 0;
}

static int add_in_use(CheckContext *c, const char *address, char *const *disks, char *const *uses) {
        _cleanup_free_ char *which = strv_join(disks, ", "), *how = strv_join(uses, ", "), *printable = NULL;

        printable = how ? text_printable(how) : NULL;
        return !which || !printable ? -ENOMEM :
                findings_add(c->findings, FINDING_DISK_IN_USE, address,
                             "%s has a disk that the host uses (%s: %s) and would lose from one moment to "
                             "the next: unmount it and stop what else uses it, or leave the function to the "
                             "host", address, which, printable);
}

int check_disks_of(CheckContext *c, const char *address) {
        _cleanup_strv_free_ char **disks = NULL, **names = NULL, **uses = NULL;
        int r;

        r = pci_class_devices(address, "block", &disks);
        if (r < 0 || !disks)
                return r;

        r = add_behind_paths(&disks);
        if (r >= 0)
                r = strv_copy(disks, &names);
        if (r >= 0)
                r = add_stacked(&names);
        if (r >= 0)
                r = find_uses(disks, names, &uses);
        if (r >= 0)
                r = shorten_uses(&uses);
        return r < 0 || !uses ? r : add_in_use(c, address, disks, uses);
}

int check_disks(CheckContext *c) {
        int r = 0;

        for (const Function *f = c->functions; r >= 0 && f->address; f++)
                r = check_disks_of(c, f->address);
        return r;
}
