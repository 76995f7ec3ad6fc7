/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <sys/stat.h>

#include "strv.h"
#include "tree.h"

#define ENTRIES_MAX 512
/* More than the largest attribute that is read has. */
#define BIG 70000
#define SKIPPED 77

/* The indexes of modules are libkmod's own to read: they are as depmod makes them of no module. */
static const char *const indexes[] = {
        "/lib/modules/fuzz/modules.dep.bin",
        "/lib/modules/fuzz/modules.alias.bin",
        "/lib/modules/fuzz/modules.symbols.bin",
        "/lib/modules/fuzz/modules.builtin.bin",
        "/lib/modules/fuzz/modules.builtin.alias.bin",
};
static const uint8_t no_module[] = { 0xb0, 0x07, 0xf4, 0x57, 0, 2, 0, 1, 0, 0, 0, 12 };

static char directory[] = "/dev/shm/fuzz-sysfs-XXXXXX";
static int tree = -1, outside = -1, work = -1;
static char **made; /* in that order */

static void note(const char *path) {
        if (strv_extend(&made, path) < 0)
                abort();
}

static bool write_file(const char *path, mode_t mode, const void *data, size_t size) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

        return fd >= 0 && write(fd, data, size) == (ssize_t) size;
}

static void put(const char *path, mode_t mode, const void *data, size_t size) {
        if (write_file(path, mode, data, size))
                note(path);
}

static void put_big(const char *path, const char *data, size_t size) {
        _cleanup_free_ char *big = malloc(BIG + size);

        if (!big)
                abort();
        for (size_t n = 0; size > 0 && n < BIG; n += size)
                memcpy(big + n, data, size);
        put(path, 0644, big, size > 0 ? BIG : 0);
}

static void make_directory(char *path) {
        char *slash = strrchr(path, '/');

        if (mkdir(path, 0755) < 0) {
                if (errno != ENOENT || slash == path)
                        return;
                *slash = 0;
                make_directory(path);
                *slash = '/';
                if (mkdir(path, 0755) < 0)
                        return;
        }
        note(path);
}

static void make_link(const char *path, const char *data, size_t size) {
        _cleanup_free_ char *target = strndup(data, size);

        if (!target)
                abort();
        target[strcspn(target, "\n")] = 0;
        if (symlink(target, path) >= 0)
                note(path);
}

static void make_entry(char kind, char *path, const char *data, size_t size) {
        if (endswith(path, ".bin"))
                return;
        if (kind == 'd')
                make_directory(path);
        else if (kind == 'l')
                make_link(path, data, size);
        else if (kind == 'b')
                put_big(path, data, size);
        else
                put(path, kind == 'x' ? 0755 : 0644, data, size);
}

/* Returns where the next entry begins, or the end. */
static const char *find_entry(const char *p, const char *end) {
        while (p < end && *p != '@') {
                p = memchr(p, '\n', (size_t) (end - p));
                p = p ? p + 1 : end;
        }
        return p;
}

static void make_entries(const char *p, const char *end) {
        _cleanup_free_ char *above = strdup("");

        p = find_entry(p, end);
        for (size_t n = 0; end - p > 3 && n < ENTRIES_MAX; n++) {
                _cleanup_free_ char *line = strndup(p + 3, (size_t) (end - p - 3)), *path = NULL;
                const char *data = memchr(p, '\n', (size_t) (end - p)), *next;
                char kind = p[1];

                data = data ? data + 1 : end;
                next = find_entry(data, end);
                if (!line || !above)
                        abort();
                line[strcspn(line, "\n")] = 0;
                if (asprintf(&path, "%s/%s", kind == 'd' ? "" : above, line) < 0)
                        abort();
                make_entry(kind, path, data, (size_t) (next - data));
                if (kind == 'd') {
                        free(above);
                        above = TAKE_PTR(path);
                }
                p = next;
        }
}

/* Most of it without a look at what there is, which takes longer. */
static void remove_made(void) {
        for (size_t n = strv_length(made); n > 0; n--)
                if (unlink(made[n - 1]) < 0 && errno == EISDIR)
                        (void) rmdir(made[n - 1]);
        made = strv_free(made);
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, struct FTW *ftw) {
        return ftw->level > 0 ? remove(path) : 0;
}

/* The working directory stays where it is: an input that fails is kept there. */
static bool change_root(int root) {
        return fchdir(root) >= 0 && chroot(".") >= 0 && fchdir(work) >= 0;
}

static void remove_directory(void) {
        (void) rmdir(directory);
}

static bool map_id(const char *map, unsigned id) {
        char text[64];

        (void) snprintf(text, sizeof(text), "0 %u 1\n", id);
        return write_file(map, 0, text, strlen(text));
}

/* To be root of nothing is allowed in most places, though not to do much with it in all of them. */
static bool become_root(void) {
        uid_t uid = geteuid();
        gid_t gid = getegid();

        return unshare(CLONE_NEWUSER) >= 0 && map_id("/proc/self/uid_map", uid) &&
                write_file("/proc/self/setgroups", 0, "deny", strlen("deny")) && map_id("/proc/self/gid_map", gid) &&
                change_root(outside);
}

void tree_prepare(void) {
        outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        work = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (outside < 0 || work < 0)
                abort();
        if (!become_root()) {
                (void) fprintf(stderr, "cannot leave the rights over this machine: %s\n", strerror(errno));
                exit(SKIPPED);
        }

        tree = mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (tree < 0 || atexit(remove_directory) != 0)
                abort();
}

void tree_enter(const uint8_t *text, size_t size) {
        if (!change_root(tree))
                abort();
        (void) mkdir("/run", 0755);
        (void) mkdir("/tmp", 0755);
        make_entries((const char *) text, (const char *) text + size);

        for (size_t i = 0; i < ELEMENTSOF(indexes); i++)
                put(indexes[i], 0644, no_module, sizeof(no_module));
}

void tree_leave(void) {
        remove_made();
        if (nftw("/", remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 || !change_root(outside))
                abort();
}
