/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preloaded into a program, has it meet the fake kernel's tree, $FAKE_ROOT, in the place of the machine's.
 * Every call that reaches the tree is counted. FAKE_FAIL=N:ERRNO has the N-th of them fail, FAKE_KILL=N
 * kills the program there, and FAKE_SIGNAL=N:SIGNAL sends it a signal; each leaves word of the call in
 * kernel/hit.
 *
 * To load a program takes longer than to run it. One with FAKE_SERVE waits, when it is loaded, for any of
 * the variables above on the socket that is its standard input, runs as a child with that, answers with the
 * child's status, and waits for the next. */

/* Both names of each call are defined here, so that neither may stand for the other. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kernel.h"
#include "macros.h"

/* What is the fake kernel's; nothing else of the machine is touched. Beside it is the list of processes,
 * "/proc" itself, but no process: those that are in it are the machine's. */
static const char *const places[] = {
        "/dev/dri", "/dev/fb", "/dev/nvidia", "/dev/snd", "/dev/vfio", "/etc/modprobe.d", "/lib/modprobe.d", "/lib/modules",
        "/proc/cmdline", "/proc/iomem", "/proc/meminfo", "/proc/modules", "/proc/sys/vm", "/run/modprobe.d",
        "/run/vfio-gpu", "/sys", "/usr/lib/modprobe.d", "/usr/lib/modules", "/usr/local/lib/modprobe.d",
};

static const char *fake_root;
static unsigned n_calls;
static bool inside; /* the fake kernel's own calls mean what they say */

#define NEXT(name)                                                              \
        ({                                                                      \
                static __typeof__(&name) next;                                  \
                                                                                \
                next = next ?: (__typeof__(&name)) dlsym(RTLD_NEXT, #name);     \
                next;                                                           \
        })

/* Only with AddressSanitizer. */
void __lsan_do_leak_check(void) __attribute__((__weak__));

typedef int (*phdr_callback)(struct dl_phdr_info *info, size_t size, void *data);

struct phdr_call {
        phdr_callback callback;
        void *data;
};

#define PAGE 4096UL
#define PAGES_MAX 8192UL

/* Returns the parts of a program's data of which there is a page, as program headers; 0 where there are too many. */
static size_t present_parts(const ElfW(Phdr) *whole, ElfW(Addr) base, ElfW(Phdr) *parts, size_t n_max) {
        static unsigned char present[PAGES_MAX];
        ElfW(Addr) from = whole->p_vaddr & ~(PAGE - 1), to = whole->p_vaddr + whole->p_memsz;
        size_t n_pages = (to - from + PAGE - 1) / PAGE, n = 0;

        if (n_pages > PAGES_MAX || mincore((void *) (base + from), n_pages * PAGE, present) < 0)
                return 0;
        for (size_t i = 0; i < n_pages; i++) {
                ElfW(Addr) page = from + i * PAGE;

                if (!(present[i] & 1))
                        continue;
                if (n > 0 && parts[n - 1].p_vaddr + parts[n - 1].p_memsz == page)
                        parts[n - 1].p_memsz += PAGE;
                else if (n == n_max)
                        return 0;
                else {
                        parts[n] = *whole;
                        parts[n].p_vaddr = page;
                        parts[n++].p_memsz = PAGE;
                }
        }
        return n;
}

static int tell_parts(struct dl_phdr_info *info, size_t size, void *data) {
        static ElfW(Phdr) headers[1024];
        const struct phdr_call *call = data;
        struct dl_phdr_info parts = *info;
        size_t n = 0;

        for (size_t i = 0; i < info->dlpi_phnum; i++) {
                const ElfW(Phdr) *header = &info->dlpi_phdr[i];
                size_t k = 0;

                if (header->p_type == PT_LOAD && header->p_flags & PF_W)
                        k = present_parts(header, info->dlpi_addr, headers + n,
                                          ELEMENTSOF(headers) - n - (info->dlpi_phnum - i));
                if (k == 0)
                        headers[n] = *header;
                n += k ?: 1;
        }
        parts.dlpi_phdr = headers;
        parts.dlpi_phnum = (ElfW(Half)) n;
        return call->callback(&parts, size, call->data);
}

/* The search for leaks reads all data of a program, and AddressSanitizer's own are megabytes of which a run needs little:
 * to have a page made only to read that it is empty takes longer than the run. */
int dl_iterate_phdr(phdr_callback callback, void *data) {
        struct phdr_call call = {callback, data};

        return NEXT(dl_iterate_phdr)(tell_parts, &call);
}

/* Without the destructors of two dozen libraries, which write to as many pages that the child shares until then. */
static void leave(int status, void *look_for_leaks) {
        (void) fflush(NULL);
        if (look_for_leaks && __lsan_do_leak_check)
                __lsan_do_leak_check();
        _exit(status);
}

/* A run in which nothing goes wrong loses what the first one lost: to look for it again takes a quarter of its time. */
static void begin_child(char *variable, bool is_first) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || (strchr(variable, '=') && putenv(variable) != 0) ||
            on_exit(leave, is_first || *variable ? variable : NULL) != 0)
                abort();
        /* Commands of modprobe.d have the library, too. */
        (void) unsetenv("FAKE_SERVE");
        (void) unsetenv("LD_BIND_NOW");
        (void) close(null);
}

static void serve(void) {
        static char variable[64];
        bool is_first = true;
        int status;
        pid_t child;

        for (; NEXT(read)(STDIN_FILENO, variable, sizeof(variable)) > 0; is_first = false) {
                child = fork();
                if (child == 0)
                        return begin_child(variable, is_first);
                if (child < 0 || waitpid(child, &status, 0) < 0 ||
                    NEXT(write)(STDIN_FILENO, &status, sizeof(status)) != sizeof(status))
                        abort();
        }
        _exit(EXIT_SUCCESS);
}

__attribute__((__constructor__)) static void begin(void) {
        fake_root = getenv("FAKE_ROOT");
        if (!fake_root)
                abort();
        kernel_set_root(fake_root);
        if (getenv("FAKE_SERVE"))
                serve();
}

static void report_hit(const char *what, const char *object) {
        _cleanup_free_ char *path = NULL;
        _cleanup_fclose_ FILE *f = NULL;

        inside = true;
        if (asprintf(&path, "%s/kernel/hit", fake_root) < 0 || !(f = NEXT(fopen)(path, "we")))
                abort();
        (void) fprintf(f, "%s %s\n", what, object);
        (void) NEXT(fflush)(f);
        inside = false;
}

/* Returns whether the call is to fail; errno is set then. */
static bool fails(const char *what, const char *object) {
        const char *fail = getenv("FAKE_FAIL"), *killed = getenv("FAKE_KILL"), *sent = getenv("FAKE_SIGNAL");
        unsigned at = 0;
        int error = 0, number = 0;

        n_calls++;
        if (killed && (unsigned) atoi(killed) == n_calls) {
                report_hit(what, object);
                (void) kill(getpid(), SIGKILL);
        }
        if (sent && sscanf(sent, "%u:%i", &at, &number) == 2 && at == n_calls) {
                report_hit(what, object);
                (void) kill(getpid(), number);
        }
        if (!fail || sscanf(fail, "%u:%i", &at, &error) != 2 || at != n_calls)
                return false;
        report_hit(what, object);
        errno = error;
        return true;
}

/* Returns the path of an open file if it is in the tree, from the tree's top, or NULL. */
static char *path_of(int fd) {
        char link[sizeof("/proc/self/fd/") + 3 * sizeof(int)], target[PATH_MAX];
        const char *rest;
        ssize_t n;

        (void) snprintf(link, sizeof(link), "/proc/self/fd/%i", fd);
        n = NEXT(readlink)(link, target, sizeof(target) - 1);
        if (n < 0)
                return NULL;
        target[n] = 0;
        rest = startswith(target, fake_root);
        return rest && *rest == '/' ? strdup(rest) : NULL;
}

/* Returns where in the tree the path leads, as a path of the host's, or NULL if it is none of the fake
 * kernel's. */
static char *translate(int fd, const char *path) {
        _cleanup_free_ char *directory = NULL;
        char *whole = NULL;
        bool is_there;

        if (inside || !path)
                return NULL;
        if (*path != '/') {
                directory = fd == AT_FDCWD ? NULL : path_of(fd);
                if (!directory || asprintf(&whole, "%s%s/%s", fake_root, directory, path) < 0)
                        return NULL;
                return whole;
        }
        is_there = streq(path, "/proc");
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                is_there = is_there || startswith(path, places[i]);
        return is_there && asprintf(&whole, "%s%s", fake_root, path) >= 0 ? whole : NULL;
}

#define MODE(flags, mode)                                                                       \
        if ((flags) & (O_CREAT | __O_TMPFILE)) {                                                \
                va_list ap;                                                                     \
                                                                                                \
                va_start(ap, flags);                                                            \
                mode = va_arg(ap, mode_t);                                                      \
                va_end(ap);                                                                     \
        }

static int fake_openat(int fd, const char *path, int flags, mode_t mode) {
        _cleanup_free_ char *there = translate(fd, path);

        if (there && fails("open", path))
                return -1;
        return NEXT(openat)(fd, there ?: path, flags, mode);
}

int open(const char *path, int flags, ...) {
        mode_t mode = 0;

        MODE(flags, mode);
        return fake_openat(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
        mode_t mode = 0;

        MODE(flags, mode);
        return fake_openat(AT_FDCWD, path, flags, mode);
}

int openat(int fd, const char *path, int flags, ...) {
        mode_t mode = 0;

        MODE(flags, mode);
        return fake_openat(fd, path, flags, mode);
}

int openat64(int fd, const char *path, int flags, ...) {
        mode_t mode = 0;

        MODE(flags, mode);
        return fake_openat(fd, path, flags, mode);
}

/* All wrappers are alike: translate, count, and then the real one. */
#define WRAP(type, name, path, failed, parameters, ...)                         \
        type name parameters;                                                   \
        type name parameters {                                                  \
                _cleanup_free_ char *there = translate(AT_FDCWD, path);         \
                                                                                \
                if (there && fails(#name, path))                                \
                        return failed;                                          \
                path = there ?: path;                                           \
                return NEXT(name)(__VA_ARGS__);                                 \
        }
#define WRAP_AT(type, name, fd, path, parameters, ...)                          \
        type name parameters;                                                   \
        type name parameters {                                                  \
                _cleanup_free_ char *there = translate(fd, path);               \
                                                                                \
                if (there && fails(#name, path))                                \
                        return -1;                                              \
                path = there ?: path;                                           \
                return NEXT(name)(__VA_ARGS__);                                 \
        }

WRAP(FILE *, fopen, path, NULL, (const char *path, const char *mode), path, mode)
WRAP(FILE *, fopen64, path, NULL, (const char *path, const char *mode), path, mode)
WRAP(DIR *, opendir, path, NULL, (const char *path), path)
WRAP(int, access, path, -1, (const char *path, int mode), path, mode)
WRAP(int, mkdir, path, -1, (const char *path, mode_t mode), path, mode)
WRAP(int, unlink, path, -1, (const char *path), path)
WRAP(int, stat, path, -1, (const char *path, struct stat *st), path, st)
WRAP(int, stat64, path, -1, (const char *path, struct stat64 *st), path, st)
WRAP(int, lstat, path, -1, (const char *path, struct stat *st), path, st)
WRAP(int, lstat64, path, -1, (const char *path, struct stat64 *st), path, st)
WRAP(ssize_t, readlink, path, -1, (const char *path, char *target, size_t n), path, target, n)
WRAP_AT(int, faccessat, fd, path, (int fd, const char *path, int mode, int flags), fd, path, mode, flags)
WRAP_AT(int, fstatat, fd, path, (int fd, const char *path, struct stat *st, int flags), fd, path, st, flags)
WRAP_AT(int, fstatat64, fd, path, (int fd, const char *path, struct stat64 *st, int flags), fd, path, st, flags)
WRAP_AT(int, mkdirat, fd, path, (int fd, const char *path, mode_t mode), fd, path, mode)
WRAP_AT(int, unlinkat, fd, path, (int fd, const char *path, int flags), fd, path, flags)

/* The state directory's own: both names are in it. */
int renameat(int from_fd, const char *from, int to_fd, const char *to) {
        _cleanup_free_ char *there = translate(to_fd, to);

        return there && fails("renameat", to) ? -1 : NEXT(renameat)(from_fd, from, to_fd, to);
}

/* What another process has open of the tree's is, to the program, open of the machine's. */
ssize_t readlinkat(int fd, const char *path, char *target, size_t size) {
        _cleanup_free_ char *there = translate(fd, path);
        size_t skip = strlen(fake_root);
        ssize_t n;

        if (there && fails("readlinkat", path))
                return -1;
        n = NEXT(readlinkat)(fd, there ?: path, target, size);
        if (n > (ssize_t) skip && strncmp(target, fake_root, skip) == 0) {
                n -= (ssize_t) skip;
                memmove(target, target + skip, (size_t) n);
        }
        return n;
}

ssize_t write(int fd, const void *data, size_t size) {
        _cleanup_free_ char *path = inside ? NULL : path_of(fd), *text = NULL;
        int r;

        if (path && fails("write", path))
                return -1;
        if (!path || !startswith(path, "/sys/"))
                return NEXT(write)(fd, data, size);

        text = strndup(data, size);
        if (!text)
                abort();
        inside = true;
        r = kernel_write(path, text);
        inside = false;
        errno = -r;
        return r < 0 ? -1 : (ssize_t) size;
}

/* Only at its beginning is a ROM told that it is not to be shown. */
static ssize_t fake_pwrite(int fd, const void *data, size_t size, bool at_beginning) {
        _cleanup_free_ char *path = path_of(fd), *text = NULL;
        int r;

        if (!path || !endswith(path, "/rom"))
                kernel_fatal("is not written to at a place:", path ?: "a file");
        if (fails("pwrite", path))
                return -1;
        text = strndup(data, at_beginning ? size : 0);
        inside = true;
        r = text ? kernel_write(path, text) : -ENOMEM;
        inside = false;
        errno = -r;
        return r < 0 ? -1 : (ssize_t) size;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
        return fake_pwrite(fd, data, size, offset == 0);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
        return fake_pwrite(fd, data, size, offset == 0);
}

/* The kernel gives no more than a page of a ROM at once. Reads of what else there is are not counted. */
ssize_t read(int fd, void *data, size_t size) {
        _cleanup_free_ char *path = inside ? NULL : path_of(fd);
        int r;

        if (!path || !endswith(path, "/rom"))
                return NEXT(read)(fd, data, size);
        if (fails("read", path))
                return -1;
        inside = true;
        r = kernel_read_rom(path);
        inside = false;
        errno = -r;
        return r < 0 ? -1 : NEXT(read)(fd, data, size < 4096 ? size : 4096);
}

/* Streams write in the C library, out of reach; what can be reached is their end. */
int fflush(FILE *f) {
        _cleanup_free_ char *path = inside || !f ? NULL : path_of(fileno(f));

        return path && fails("fflush", path) ? EOF : NEXT(fflush)(f);
}

/* libkmod and the C library each have their own prototypes of these, or none. */
/* A pause between two attempts passes at once: nothing changes meanwhile in a tree of files. */
int poll(struct pollfd *fds, nfds_t n, int timeout) {
        return n == 0 && timeout > 0 ? 0 : NEXT(poll)(fds, n, timeout);
}

int delete_module(const char *name, unsigned flags);
int finit_module(int fd, const char *options, int flags);

static int module_call(int (*call)(const char *name), const char *what, const char *name) {
        int r;

        if (fails(what, name))
                return -1;
        inside = true;
        r = call(name);
        inside = false;
        errno = -r;
        return r < 0 ? -1 : 0;
}

int delete_module(const char *name, unsigned flags) {
        if (!(flags & O_NONBLOCK))
                kernel_fatal("may wait for ever: delete_module without O_NONBLOCK of", name);
        return module_call(kernel_unload_module, "delete_module", name);
}

int finit_module(int fd, _unused_ const char *options, _unused_ int flags) {
        _cleanup_free_ char *path = path_of(fd);
        char *name = path ? strrchr(path, '/') + 1 : NULL;

        if (!name)
                kernel_fatal("is given a module from elsewhere:", "finit_module");
        name[strcspn(name, ".")] = 0;
        for (char *c = name; *c; c++)
                if (*c == '-')
                        *c = '_';
        return module_call(kernel_load_module, "finit_module", name);
}

/* libkmod has no other way to some of them. */
long syscall(long number, ...) {
        long a[6];
        va_list ap;

        va_start(ap, number);
        for (size_t i = 0; i < ELEMENTSOF(a); i++)
                a[i] = va_arg(ap, long);
        va_end(ap);

        if (number == SYS_finit_module)
                return finit_module((int) a[0], (const char *) a[1], (int) a[2]);
        if (number == SYS_init_module || number == SYS_delete_module)
                kernel_fatal("is not to be reached:", "init_module");
        return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
