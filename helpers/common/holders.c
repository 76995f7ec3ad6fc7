/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include <systemd/sd-login.h>

#include "holders.h"
#include "log.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

/* Below a function hang a few dozen device nodes at most; a USB controller with hubs is the deepest of it. */
#define DEPTH_MAX 24
#define WATCHED_MAX 64

void holders_free(Holder *holders, size_t n) {
        for (size_t i = 0; i < n; i++) {
                free(holders[i].name);
                free(holders[i].unit);
                free(holders[i].node);
        }
        free(holders);
}

/* "DEVNAME=dri/card0" in a uevent file is the node's name below /dev. */
static int add_node(const char *directory, char ***nodes) {
        _cleanup_free_ char *path = NULL, *text = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        int r;

        if (asprintf(&path, "%s/uevent", directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }

        r = read_text_file(path, 64 * 1024, &text);
        if (r < 0)
                return 0; /* Gone in this moment, or none of ours to read: no node then. */

        r = strv_split(text, "\n", &lines);
        STRV_FOREACH(line, lines) {
                const char *name = startswith(*line, "DEVNAME=");

                if (name && r >= 0)
                        r = strv_extendf(nodes, "/dev/%s", name);
        }
        return r;
}

static int walk(const char *directory, unsigned depth, char ***nodes) {
        _cleanup_closedir_ DIR *dir = NULL;
        struct dirent *entry;
        int r = 0;

        dir = depth > DEPTH_MAX ? NULL : opendir(directory);
        if (!dir)
                return 0;

        while (r >= 0 && (entry = readdir(dir))) {
                _cleanup_free_ char *path = NULL;

                if (streq(entry->d_name, "dev"))
                        r = add_node(directory, nodes);
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                if (asprintf(&path, "%s/%s", directory, entry->d_name) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = walk(path, depth + 1, nodes);
        }
        return r;
}

static int add_matches(const char *pattern, char ***nodes) {
        glob_t found = {};
        int r = 0;

        if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
                for (size_t i = 0; r >= 0 && i < found.gl_pathc; i++)
                        r = strv_extend(nodes, found.gl_pathv[i]);
        globfree(&found);
        return r;
}

int nodes_of_functions(char *const *functions, char ***ret) {
        _cleanup_strv_free_ char **nodes = NULL;
        int r;

        for (; functions && *functions; functions++) {
                _cleanup_free_ char *path = pci_path(*functions, ""), *driver = NULL;

                if (!path)
                        return -ENOMEM;
                r = walk(path, 0, &nodes);
                if (r < 0)
                        return r;

                /* These nodes are no children of the function. */
                r = pci_read_link(*functions, "driver", &driver);
                if (r > 0 && streq(driver, "nvidia")) {
                        r = add_matches("/dev/nvidia*", &nodes);
                        if (r >= 0)
                                r = add_matches("/dev/nvidia-caps/*", &nodes);
                }
                else if (r > 0 && streq(driver, "amdgpu"))
                        r = add_matches("/dev/kfd", &nodes);
                if (r == -ENOMEM)
                        return r;
        }

        *ret = TAKE_PTR(nodes);
        return 0;
}

int nodes_of_vfio(char *const *functions, char ***ret) {
        _cleanup_strv_free_ char **nodes = NULL;
        int r;

        for (; functions && *functions; functions++) {
                _cleanup_free_ char *group = NULL, *node = NULL, *path = NULL;

                r = pci_read_link(*functions, "iommu_group", &group);
                if (r < 0 && r != -ENODEV)
                        return r;
                if (r > 0) {
                        if (asprintf(&node, "/dev/vfio/%s", group) < 0) {
                                node = NULL;
                                return -ENOMEM;
                        }
                        if (!strv_contains(nodes, node) && strv_consume(&nodes, TAKE_PTR(node)) < 0)
                                return -ENOMEM;
                }

                path = pci_path(*functions, "vfio-dev");
                r = path ? walk(path, 0, &nodes) : -ENOMEM;
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(nodes);
        return 0;
}

static const char *match_node(char *const *nodes, const char *path) {
        for (; nodes && *nodes; nodes++)
                if (streq(*nodes, path))
                        return *nodes;
        return NULL;
}

/* Returns the node that /proc/PID/fd/FD is, or NULL. */
static const char *match_descriptor(char *const *nodes, int fds, const char *fd) {
        char target[PATH_MAX];
        ssize_t n;

        n = readlinkat(fds, fd, target, sizeof(target) - 1);
        if (n <= 0)
                return NULL;
        target[n] = 0;
        return match_node(nodes, target);
}

static const char *find_open_node(char *const *nodes, pid_t pid) {
        char path[sizeof("/proc//fd") + 3 * sizeof(pid_t)];
        _cleanup_closedir_ DIR *dir = NULL;
        const char *node = NULL;
        struct dirent *entry;

        (void) snprintf(path, sizeof(path), "/proc/%i/fd", pid);
        dir = opendir(path);
        while (!node && dir && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        node = match_descriptor(nodes, dirfd(dir), entry->d_name);
        return node;
}

/* A mapping keeps the node open when the descriptor that it was made with is closed. */
static const char *find_mapped_node(char *const *nodes, pid_t pid) {
        char path[sizeof("/proc//maps") + 3 * sizeof(pid_t)];
        /* The kernel finds its place anew for each read(). */
        static char buffer[16 * 1024];
        _cleanup_fclose_ FILE *maps = NULL;
        _cleanup_free_ char *line = NULL;
        const char *node = NULL;
        size_t size = 0;

        (void) snprintf(path, sizeof(path), "/proc/%i/maps", pid);
        maps = fopen(path, "re");
        if (maps)
                (void) setvbuf(maps, buffer, _IOFBF, sizeof(buffer));
        while (!node && maps && getline(&line, &size, maps) > 0) {
                char *name = strstr(line, " /dev/");

                if (!name)
                        continue;
                line[strcspn(line, "\n")] = 0;
                node = match_node(nodes, name + 1);
        }
        return node;
}

static int describe_process(pid_t pid, const char *node, Holder *ret) {
        char path[sizeof("/proc//comm") + 3 * sizeof(pid_t)];
        _cleanup_free_ char *name = NULL, *unit = NULL, *copy = strdup(node);
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%i/comm", pid);
        r = read_text_file(path, 256, &name);
        if (r < 0 && r != -ENOMEM)
                name = strdup("?");

        if (sd_pid_get_unit(pid, &unit) < 0)
                unit = strdup("");
        if (!name || !unit || !copy)
                return -ENOMEM;

        *ret = (Holder) { .pid = pid, .name = TAKE_PTR(name), .unit = TAKE_PTR(unit), .node = TAKE_PTR(copy) };
        return 0;
}

static bool is_harmless(const Holder *holder) {
        return startswith(holder->node, "/dev/dri/") &&
                (holder->pid == 1 || streq(holder->unit, "systemd-logind.service"));
}

int holders_find(char *const *nodes, Holder **ret, size_t *ret_n) {
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        Holder *holders = NULL, *grown;
        struct dirent *entry;
        size_t n = 0;
        int r = proc ? 0 : -errno;

        while (r >= 0 && (entry = readdir(proc))) {
                pid_t pid = isdigit((unsigned char) entry->d_name[0]) ? atoi(entry->d_name) : 0;
                const char *node = NULL;

                if (pid > 0 && pid != getpid())
                        node = find_open_node(nodes, pid) ?: find_mapped_node(nodes, pid);
                if (!node)
                        continue;
                grown = reallocarray(holders, n + 1, sizeof(Holder));
                r = grown ? describe_process(pid, node, grown + n) : -ENOMEM;
                holders = grown ?: holders;
                if (r >= 0 && is_harmless(holders + n)) {
                        free(holders[n].name);
                        free(holders[n].unit);
                        free(holders[n].node);
                } else if (r >= 0)
                        n++;
        }

        if (r < 0) {
                holders_free(holders, n);
                return r;
        }
        *ret = holders;
        *ret_n = n;
        return 0;
}

char *holders_describe(const Holder *holders, size_t n) {
        _cleanup_strv_free_ char **words = NULL;

        for (size_t i = 0; i < n; i++)
                if (strv_extendf(&words, "%s (pid %i%s%s) on %s", holders[i].name, holders[i].pid,
                                 *holders[i].unit ? ", " : "", holders[i].unit, holders[i].node) < 0)
                        return NULL;
        return strv_join(words, ", ");
}

int vfio_holders_describe(char *const *functions, char **ret) {
        _cleanup_strv_free_ char **nodes = NULL;
        Holder *holders = NULL;
        bool any = false;
        size_t n = 0;
        int r;

        r = nodes_of_vfio(functions, &nodes);
        STRV_FOREACH(node, nodes)
                any = any || path_exists(*node);
        /* While the host has the functions there are none, and the processes need not be looked at. */
        if (r >= 0 && any)
                r = holders_find(nodes, &holders, &n);
        if (r < 0 || n == 0)
                return r;

        *ret = holders_describe(holders, n);
        holders_free(holders, n);
        return *ret ? 1 : -ENOMEM;
}

void holders_signal(const Holder *holders, size_t n, int sig) {
        for (size_t i = 0; i < n; i++) {
                int fd = (int) syscall(SYS_pidfd_open, holders[i].pid, 0);

                if (fd >= 0 && syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) >= 0)
                        log_notice("sent %s to %s (pid %i), which has %s open", sig == SIGKILL ? "SIGKILL" : "SIGTERM",
                                   holders[i].name, holders[i].pid, holders[i].node);
                safe_close(fd);
        }
}

int holders_wait(char *const *nodes, const Holder *holders, size_t n, int timeout_msec) {
        struct pollfd events[WATCHED_MAX];
        size_t k = 0;
        int r;

        events[k].fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        if (events[k].fd < 0)
                return -errno;
        events[k++].events = POLLIN;
        for (; nodes && *nodes; nodes++)
                (void) inotify_add_watch(events[0].fd, *nodes, IN_CLOSE | IN_DELETE_SELF);

        for (size_t i = 0; i < n && k < WATCHED_MAX; i++) {
                int fd = (int) syscall(SYS_pidfd_open, holders[i].pid, 0);

                if (fd < 0 && errno == ESRCH)
                        timeout_msec = 0; /* Ended in the meantime: look again at once. */
                if (fd >= 0)
                        events[k++] = (struct pollfd) { .fd = fd, .events = POLLIN };
        }

        r = poll(events, k, timeout_msec) < 0 && errno != EINTR ? -errno : 0;
        while (k > 0)
                safe_close(events[--k].fd);
        return r;
}
