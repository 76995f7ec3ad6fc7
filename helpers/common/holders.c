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

#include "clock.h"
#include "consoles.h"
#include "function.h"
#include "holders.h"
#include "log.h"
#include "pci.h"
#include "process.h"
#include "root.h"
#include "strv.h"
#include "text.h"

/* Below a function hang a few dozen device nodes at most; a USB controller with hubs is the deepest of it. */
#define DEPTH_MAX 24
#define CHILDREN_MAX (64 * 1024)
#define WATCHED_MAX 64

/* How often to look where closing a node is no event, and where the end of each holder is one still: a VM
 * may run for days, and as a rule ends with its process. */
#define BLIND_MSEC 200
#define HALF_BLIND_MSEC 2000

/* Looked at again after this long whatever came, since an event can fall between looking and waiting. */
#define LOOK_AGAIN_MSEC 500

static void holder_done(Holder *holder) {
        free(holder->name);
        free(holder->node);
        owner_done(&holder->owner);
}

void holders_free(Holder *holders, size_t n) {
        for (size_t i = 0; i < n; i++)
                holder_done(holders + i);
        free(holders);
}

/* What newer kernels hang on the function of the firmware's frame buffer is found in two places. */
static int add_once(const char *name, char ***nodes) {
        _cleanup_free_ char *node = NULL;

        if (asprintf(&node, "/dev/%s", name) < 0) {
                node = NULL;
                return -ENOMEM;
        }
        return strv_contains(*nodes, node) ? 0 : strv_consume(nodes, TAKE_PTR(node));
}

/* "DEVNAME=dri/card0" in a uevent file is the node's name below /dev. Input devices (a jack of the sound
 * card, a keyboard on a USB controller) can go at any time, and logind has keyboards open for their power
 * key: they hold nothing. */
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

                if (name && !startswith(name, "input/") && r >= 0)
                        r = add_once(name, nodes);
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
        _cleanup_free_ char *root = root_path("%s", ""), *path = root_path("%s", pattern);
        glob_t found = {};
        int r = root && path ? 0 : -ENOMEM;

        if (r >= 0 && glob(path, GLOB_NOSORT, NULL, &found) == 0)
                for (size_t i = 0; r >= 0 && i < found.gl_pathc; i++)
                        r = strv_extend(nodes, found.gl_pathv[i] + strlen(root));
        globfree(&found);
        return r;
}

/* Adds the nodes that are no children of the function. */
static int add_nodes_of_driver(const char *driver, char *const *functions, char ***nodes) {
        _cleanup_strv_free_ char **others = NULL;
        int r;

        if (streq(driver, "nvidia")) {
                r = add_matches("/dev/nvidia*", nodes);
                return r < 0 ? r : add_matches("/dev/nvidia*/*", nodes);
        }
        if (!streq(driver, "amdgpu"))
                return 0;

        /* One for all GPUs: who has it open may well use none but another, and has a render node as well. */
        r = driver_others(driver, functions, &others);
        return r < 0 || others ? r : add_matches("/dev/kfd", nodes);
}

int nodes_of_functions(char *const *functions, char ***nodes) {
        char *const *all = functions;
        int r;

        for (; functions && *functions; functions++) {
                _cleanup_free_ char *path = pci_path(*functions, ""), *driver = NULL;

                if (!path)
                        return -ENOMEM;
                r = walk(path, 0, nodes);
                if (r < 0)
                        return r;

                r = pci_read_link(*functions, "driver", &driver);
                if (r > 0)
                        r = add_nodes_of_driver(driver, all, nodes);
                if (r == -ENOMEM)
                        return r;
        }
        return nodes_of_firmware(all, nodes);
}

int nodes_of_firmware(char *const *functions, char ***nodes) {
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = firmware_devices(functions, &devices);
        STRV_FOREACH(device, devices) {
                _cleanup_free_ char *path = root_path("%s", *device);

                if (r >= 0)
                        r = path ? walk(path, 0, nodes) : -ENOMEM;
        }
        return r;
}

int nodes_of_vfio(char *const *functions, char ***nodes) {
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
                        if (!strv_contains(*nodes, node) && strv_consume(nodes, TAKE_PTR(node)) < 0)
                                return -ENOMEM;
                }

                path = pci_path(*functions, "vfio-dev");
                r = path ? walk(path, 0, nodes) : -ENOMEM;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Nodes by name and by number: in a container they may have other names. */
typedef struct Nodes {
        char *const *names;
        dev_t *numbers; /* 0: there is no such character device */
} Nodes;

static int nodes_read(char *const *names, Nodes *ret) {
        struct stat st;

        *ret = (Nodes) { .names = names, .numbers = calloc(strv_length(names) + 1, sizeof(dev_t)) };
        if (!ret->numbers)
                return -ENOMEM;
        for (size_t i = 0; names && names[i]; i++)
                ret->numbers[i] = stat(names[i], &st) >= 0 && S_ISCHR(st.st_mode) ? st.st_rdev : 0;
        return 0;
}

static void nodes_done(Nodes *nodes) {
        free(nodes->numbers);
}

/* Returns the node that a link of /proc with this name leads to, or NULL: in a container another device may
 * have the name. A number is read only of what may be a device, since the server that a file is on may not
 * answer. */
static const char *match_node(const Nodes *nodes, const char *name, int directory, const char *link) {
        struct stat st;

        for (size_t i = 0; nodes->names && nodes->names[i]; i++)
                if (!nodes->numbers[i] && streq(nodes->names[i], name))
                        return nodes->names[i];
        /* What is left of a device that is gone may have the number of one that has come since. */
        if (!strstr(name, "/dev/") || endswith(name, " (deleted)") || fstatat(directory, link, &st, 0) < 0 ||
            !S_ISCHR(st.st_mode))
                return NULL;

        for (size_t i = 0; nodes->names && nodes->names[i]; i++)
                if (nodes->numbers[i] == st.st_rdev)
                        return nodes->names[i];
        return NULL;
}

/* Returns the node that /proc/PID/fd/FD is, or NULL. */
static const char *match_descriptor(const Nodes *nodes, int fds, const char *fd) {
        char target[PATH_MAX];
        ssize_t n;

        n = readlinkat(fds, fd, target, sizeof(target) - 1);
        if (n <= 0)
                return NULL;
        target[n] = 0;
        return match_node(nodes, target, fds, fd);
}

static const char *find_open_node(const Nodes *nodes, pid_t pid) {
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

/* Returns the node that one line of /proc/PID/maps is about, or NULL. */
static const char *match_mapping(const Nodes *nodes, pid_t pid, char *line) {
        char link[sizeof("/proc//map_files/-") + 3 * sizeof(pid_t) + 4 * sizeof(long)];
        char *name = strchr(line, '/');
        unsigned long begin, end;

        if (!name || !strstr(name, "/dev/") || sscanf(line, "%lx-%lx ", &begin, &end) != 2)
                return NULL;
        name[strcspn(name, "\n")] = 0;
        (void) snprintf(link, sizeof(link), "/proc/%i/map_files/%lx-%lx", pid, begin, end);
        return match_node(nodes, name, AT_FDCWD, link);
}

/* A mapping keeps the node open when the descriptor that it was made with is closed. */
static const char *find_mapped_node(const Nodes *nodes, pid_t pid) {
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
        while (!node && maps && getline(&line, &size, maps) > 0)
                node = match_mapping(nodes, pid, line);
        return node;
}

static const char *find_node(const Nodes *nodes, pid_t pid) {
        return find_open_node(nodes, pid) ?: find_mapped_node(nodes, pid);
}

static int describe_process(pid_t pid, const char *node, Holder *ret) {
        char path[sizeof("/proc//comm") + 3 * sizeof(pid_t)];
        _cleanup_free_ char *name = NULL;
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%i/comm", pid);
        r = read_text_file(path, 256, &name);

        *ret = (Holder) { .pid = pid, .name = text_printable(r < 0 ? "?" : name), .node = strdup(node) };
        return owner_find(pid, &ret->owner) >= 0 && ret->name && ret->node ? 0 : -ENOMEM;
}

static bool runs_init(pid_t pid) {
        char path[sizeof("/proc//exe") + 3 * sizeof(pid_t)];
        struct stat st, init;

        (void) snprintf(path, sizeof(path), "/proc/%i/exe", pid);
        return stat(path, &st) >= 0 && stat("/proc/1/exe", &init) >= 0 && st.st_ino == init.st_ino &&
                st.st_dev == init.st_dev;
}

static pid_t find_parent(pid_t pid) {
        pid_t parent;
        char state;

        return process_stat(pid, &state, &parent) >= 0 ? parent : 0;
}

/* A process that PID 1 has forked has all that it has open until it runs a program of its own, which a getty
 * may wait for, and is called "(agetty)" as long. The managers of users run the same program, under its name. */
static bool is_init(const Holder *holder) {
        return holder->pid == 1 || (*holder->name == '(' && find_parent(holder->pid) == 1 && runs_init(holder->pid));
}

static bool is_vm(const Holder *holder) {
        return startswith(holder->node, "/dev/vfio/");
}

/* A program of ours: group_is_open(). Its unit alone might be one that somebody has made for a VM. */
static bool looks_whether_open(const Holder *holder) {
        return is_vm(holder) && startswith(holder->name, "vfio-gpu") && startswith(holder->owner.unit, "vfio-gpu-");
}

static bool is_harmless(const Holder *holder) {
        return looks_whether_open(holder) ||
                (startswith(holder->node, "/dev/dri/card") &&
                 (is_init(holder) || streq(holder->owner.unit, "systemd-logind.service")));
}

/* Lists the kernel's own threads, which have nothing open: half of all processes, and as long to look at as
 * the others. That there is no list is fine. */
static void list_kernel_threads(char ***ret) {
        _cleanup_free_ char *name = NULL, *children = NULL;

        if (read_text_file("/proc/2/comm", 64, &name) >= 0 && streq(name, "kthreadd") &&
            read_text_file("/proc/2/task/2/children", CHILDREN_MAX, &children) >= 0)
                (void) strv_split(children, " ", ret);
}

/* Adds a process that has the node open, unless it is one of those that do not count. */
static int add_holder(pid_t pid, const char *node, Holder **holders, size_t *n) {
        Holder *grown;
        int r;

        grown = reallocarray(*holders, *n + 1, sizeof(Holder));
        if (!grown)
                return -ENOMEM;
        *holders = grown;

        r = describe_process(pid, node, grown + *n);
        if (r < 0 || is_harmless(grown + *n))
                holder_done(grown + *n);
        else
                (*n)++;
        return r;
}

int holders_find(char *const *names, Holder **ret, size_t *ret_n) {
        _cleanup_strv_free_ char **kernel_threads = NULL;
        _cleanup_closedir_ DIR *proc = opendir("/proc");
        _cleanup_(nodes_done) Nodes nodes = {};
        Holder *holders = NULL;
        struct dirent *entry;
        size_t n = 0;
        int r = proc ? nodes_read(names, &nodes) : -errno;

        list_kernel_threads(&kernel_threads);
        while (r >= 0 && (entry = readdir(proc))) {
                pid_t pid = isdigit((unsigned char) entry->d_name[0]) ? atoi(entry->d_name) : 0;
                const char *node = NULL;

                if (pid > 0 && pid != getpid() && !strv_contains(kernel_threads, entry->d_name))
                        node = find_node(&nodes, pid);
                if (node)
                        r = add_holder(pid, node, &holders, &n);
        }

        /* Of those that do not count the memory is left. */
        if (r < 0 || n == 0)
                holders_free(holders, n);
        if (r < 0)
                return r;
        *ret = n > 0 ? holders : NULL;
        *ret_n = n;
        return 0;
}

char *holders_describe(const Holder *holders, size_t n) {
        _cleanup_strv_free_ char **words = NULL;

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *owner = owner_describe(&holders[i].owner);

                if (!owner || strv_extendf(&words, "%s (pid %i, %s) on %s", holders[i].name, holders[i].pid, owner,
                                           holders[i].node) < 0)
                        return NULL;
        }
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

/* Whether it still is the process that was found: its number may be another's by now. */
static bool is_holder_still(const Holder *holder) {
        _cleanup_(nodes_done) Nodes node = {};

        return nodes_read(STRV_MAKE(holder->node), &node) >= 0 && find_node(&node, holder->pid);
}

void holders_signal(const Holder *holders, size_t n, int sig) {
        for (size_t i = 0; i < n; i++) {
                int fd = is_vm(holders + i) ? -1 : (int) syscall(SYS_pidfd_open, holders[i].pid, 0);

                if (fd >= 0 && is_holder_still(holders + i) && syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) >= 0)
                        log_notice("sent %s to %s (pid %i), which has %s open", sig == SIGKILL ? "SIGKILL" : "SIGTERM",
                                   holders[i].name, holders[i].pid, holders[i].node);
                safe_close(fd);
        }
}

/* Returns a descriptor that can be read once one of the nodes is closed or gone, or -1: what inotify has for
 * all of root's processes can be used up by containers, and giving the GPU back may not depend on that. */
static int watch_nodes(char *const *nodes) {
        _cleanup_close_ int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

        for (; fd >= 0 && nodes && *nodes; nodes++)
                if (inotify_add_watch(fd, *nodes, IN_CLOSE | IN_DELETE_SELF) < 0 && errno == ENOSPC)
                        return -1;
        return TAKE_FD(fd);
}

static int limit_wait(int timeout_msec, int limit_msec) {
        return timeout_msec < 0 || timeout_msec > limit_msec ? limit_msec : timeout_msec;
}

int holders_wait(char *const *nodes, const Holder *holders, size_t n, int timeout_msec) {
        /* poll() passes over what is no descriptor. */
        struct pollfd events[WATCHED_MAX] = { { .fd = watch_nodes(nodes), .events = POLLIN } };
        size_t k = 1;
        int r;

        for (size_t i = 0; i < n && k < WATCHED_MAX; i++) {
                int fd = (int) syscall(SYS_pidfd_open, holders[i].pid, 0);

                if (fd < 0 && errno == ESRCH)
                        timeout_msec = 0; /* Ended in the meantime: look again at once. */
                if (fd >= 0)
                        events[k++] = (struct pollfd) { .fd = fd, .events = POLLIN };
        }
        if (events[0].fd < 0)
                timeout_msec = limit_wait(timeout_msec, n > 0 && k == n + 1 ? HALF_BLIND_MSEC : BLIND_MSEC);

        r = poll(events, k, timeout_msec) < 0 && errno != EINTR ? -errno : 0;
        while (k > 0)
                safe_close(events[--k].fd);
        return r;
}

bool holders_await(Patience *patience, char *const *nodes, const Holder *holders, size_t n) {
        int left = clock_left(patience->deadline);

        if (left > 0) {
                (void) holders_wait(nodes, holders, n, left < LOOK_AGAIN_MSEC ? left : LOOK_AGAIN_MSEC);
                return true;
        }
        if (patience->signal == 0)
                return false;

        holders_signal(holders, n, patience->signal);
        patience->signal = 0;
        patience->deadline = clock_now() + patience->again;
        return true;
}
