/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <systemd/sd-login.h>

#include "clock.h"
#include "holders.h"
#include "root.h"
#include "strv.h"
#include "tap.h"

/* Which nodes count, for hardware that no machine for tests has, and which node a process has open where
 * names mislead; the rest of who has them open is in tests/vm/cases/holders.py. */

#define GPU "/sys/bus/pci/devices/0000:01:00.0"
#define AUDIO "/sys/bus/pci/devices/0000:01:00.1"

static void make_parents(char *path) {
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void) mkdir(path, 0755);
                *slash = '/';
        }
}

static void put(const char *path, const char *text) {
        _cleanup_free_ char *full = root_path("%s", path);
        _cleanup_fclose_ FILE *f = NULL;

        make_parents(full);
        f = fopen(full, "we");
        if (!f || fputs(text, f) < 0)
                abort();
}

/* A device with a node, as sysfs has it. */
static void put_device(const char *path, const char *node) {
        _cleanup_free_ char *dev = NULL, *uevent = NULL, *text = NULL;

        if (asprintf(&dev, "%s/dev", path) < 0 || asprintf(&uevent, "%s/uevent", path) < 0 ||
            asprintf(&text, "MAJOR=1\nMINOR=2\nDEVNAME=%s\nDEVTYPE=x\n", node) < 0)
                abort();
        put(dev, "1:2\n");
        put(uevent, text);
}

static void put_link(const char *path, const char *target) {
        _cleanup_free_ char *link = root_path("%s", path);

        make_parents(link);
        (void) unlink(link);
        if (symlink(target, link) < 0)
                abort();
}

static void set_driver(const char *function, const char *driver) {
        _cleanup_free_ char *link = NULL, *target = NULL;

        if (asprintf(&link, "%s/driver", function) < 0 || asprintf(&target, "../../drivers/%s", driver) < 0)
                abort();
        put_link(link, target);
}

static void test_nodes(const char *const *functions, char *const *expected) {
        _cleanup_strv_free_ char **nodes = NULL;

        ok(nodes_of_functions((char *const *) functions, &nodes) == 0);
        ok(strv_length(nodes) == strv_length(expected));
        for (; *expected; expected++)
                if (!ok(strv_contains(nodes, *expected)))
                        (void) printf("# %s\n", *expected);
}

static void test_gpu(void) {
        const char *const gpu[] = { "0000:01:00.0", NULL }, *const both[] = { "0000:01:00.0", "0000:01:00.1", NULL };

        put_device(GPU "/drm/card1", "dri/card1");
        put_device(GPU "/drm/renderD129", "dri/renderD129");
        put_device(GPU "/drm/card1/card1-DP-1/drm_dp_aux0", "drm_dp_aux0");
        put_device(GPU "/drm/card1/card1-DP-1/i2c-7/i2c-dev/i2c-7", "i2c-7");
        put_device(GPU "/graphics/fb1", "fb1");
        put_device(GPU "/i2c-3/i2c-dev/i2c-3", "i2c-3");
        put_device(AUDIO "/sound/card1/controlC1", "snd/controlC1");
        put_device(AUDIO "/sound/card1/pcmC1D3p", "snd/pcmC1D3p");
        put_device(AUDIO "/sound/card1/input14/event9", "input/event9");
        put("/dev/kfd", "");
        put("/dev/nvidia0", "");
        put("/dev/nvidiactl", "");
        put("/dev/nvidia-caps/nvidia-cap1", "");

        set_driver(GPU, "nouveau");
        set_driver(AUDIO, "snd_hda_intel");
        test_nodes(both, STRV_MAKE("/dev/dri/card1", "/dev/dri/renderD129", "/dev/drm_dp_aux0", "/dev/i2c-7", "/dev/fb1",
                                   "/dev/i2c-3", "/dev/snd/controlC1", "/dev/snd/pcmC1D3p"));

        set_driver(GPU, "amdgpu");
        test_nodes(gpu, STRV_MAKE("/dev/dri/card1", "/dev/dri/renderD129", "/dev/drm_dp_aux0", "/dev/i2c-7", "/dev/fb1",
                                  "/dev/i2c-3", "/dev/kfd"));

        /* Then it may be another card that somebody computes on. */
        put_link("/sys/bus/pci/drivers/amdgpu/0000:01:00.0", "../../devices/0000:01:00.0");
        put_link("/sys/bus/pci/drivers/amdgpu/0000:05:00.0", "../../devices/0000:05:00.0");
        test_nodes(gpu, STRV_MAKE("/dev/dri/card1", "/dev/dri/renderD129", "/dev/drm_dp_aux0", "/dev/i2c-7", "/dev/fb1",
                                  "/dev/i2c-3"));

        set_driver(GPU, "nvidia");
        test_nodes(gpu, STRV_MAKE("/dev/dri/card1", "/dev/dri/renderD129", "/dev/drm_dp_aux0", "/dev/i2c-7", "/dev/fb1",
                                  "/dev/i2c-3", "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-caps",
                                  "/dev/nvidia-caps/nvidia-cap1"));
}

/* Older kernels hang it on nothing, newer ones on the function. */
static void test_firmware(void) {
        const char *const gpu[] = { "0000:01:00.0", NULL }, *const audio[] = { "0000:01:00.1", NULL };
        const char *const drivers[] = { "BOOTFB", "efifb", "vesafb", "efidrm", "vesadrm" };

        set_driver(GPU, "nouveau");
        put(GPU "/resource", "0xe0000000 0xefffffff 0x14220c\n");
        put(AUDIO "/resource", "0xf0000000 0xf0003fff 0x140204\n");
        put_device("/sys/devices/platform/simple-framebuffer.0/drm/card0", "dri/card0");
        put_device("/sys/devices/platform/simple-framebuffer.0/graphics/fb0", "fb0");
        put_device(GPU "/efi-framebuffer.0/graphics/fb0", "fb0");
        put_device("/sys/devices/platform/pcspkr/input/input5/event5", "nothing");
        put_link("/sys/bus/platform/devices/simple-framebuffer.0", "../../../devices/platform/simple-framebuffer.0");
        put_link("/sys/bus/platform/devices/efi-framebuffer.0", "../../pci/devices/0000:01:00.0/efi-framebuffer.0");
        put_link("/sys/bus/platform/devices/pcspkr", "../../../devices/platform/pcspkr");

        for (size_t i = 0; i < ELEMENTSOF(drivers); i++) {
                _cleanup_free_ char *iomem = NULL;

                if (asprintf(&iomem, "e0000000-efffffff : PCI Bus 0000:01\n  e0000000-e07e8fff : %s\n", drivers[i]) < 0)
                        abort();
                put("/proc/iomem", iomem);
                test_nodes(gpu, STRV_MAKE("/dev/dri/card1", "/dev/dri/renderD129", "/dev/drm_dp_aux0", "/dev/i2c-7", "/dev/fb1",
                                          "/dev/i2c-3", "/dev/dri/card0", "/dev/fb0"));
                test_nodes(audio, STRV_MAKE("/dev/snd/controlC1", "/dev/snd/pcmC1D3p"));
        }
}

static void test_vfio(void) {
        const char *const both[] = { "0000:01:00.0", "0000:01:00.1", NULL };
        _cleanup_free_ char *gpu = root_path(GPU "/iommu_group"), *audio = root_path(AUDIO "/iommu_group");
        _cleanup_strv_free_ char **nodes = NULL;

        put_device(GPU "/vfio-dev/vfio0", "vfio/devices/vfio0");
        if (symlink("../../../../kernel/iommu_groups/13", gpu) < 0 || symlink("../../../../kernel/iommu_groups/13", audio) < 0)
                abort();
        ok(nodes_of_vfio((char *const *) both, &nodes) == 0);
        ok(strv_length(nodes) == 2);
        ok(strv_contains(nodes, "/dev/vfio/13"));
        ok(strv_contains(nodes, "/dev/vfio/devices/vfio0"));
}

static Holder make(pid_t pid, const char *name, const char *node, const char *unit, const char *user_unit, const char *session,
                   const char *seat, const char *user) {
        return (Holder) {
                .pid = pid,
                .name = (char *) name,
                .node = (char *) node,
                .owner = { (char *) unit, (char *) user_unit, (char *) session, (char *) seat, (char *) user, 0 },
        };
}

static void test_description(void) {
        const Holder holders[] = {
                make(812, "Xorg", "/dev/dri/card0", "session-3.scope", "", "3", "seat0", "anna"),
                make(813, "sh", "/dev/fb0", "session-4.scope", "", "4", "", "bob"),
                make(814, "pipewire", "/dev/snd/controlC1", "user@1000.service", "pipewire.service", "", "", "anna"),
                make(815, "sleep", "/dev/dri/card0", "", "", "", "", "root"),
        };
        _cleanup_free_ char *text = holders_describe(holders, ELEMENTSOF(holders)), *none = holders_describe(NULL, 0);

        is(text,
           "Xorg (pid 812, session 3 of anna on seat0) on /dev/dri/card0, sh (pid 813, session 4 of bob) on "
           "/dev/fb0, pipewire (pid 814, user unit pipewire.service of anna) on /dev/snd/controlC1, sleep "
           "(pid 815, of root) on /dev/dri/card0");
        is(none, "");
}

static void test_settings(void) {
        const struct {
                Holder holder;
                const char *setting;
        } cases[] = {
                { make(1, "", "", "alsa-state.service", "", "", "", "root"), "name its unit in StopUnits=" },
                { make(1, "", "", "user@1000.service", "pipewire.service", "", "", "anna"), "name its unit in StopUserUnits=" },
                { make(1, "", "", "user@1000.service", "app-steam-4711.scope", "", "", "anna"), NULL },
                { make(1, "", "", "docker-0a1b.scope", "", "", "", "root"), NULL },
                { make(1, "", "", "", "", "", "", "root"), NULL },
                { make(1, "", "", "session-none.scope", "", "none", "", "anna"), NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *setting = owner_setting(&cases[i].holder.owner);

                is(setting, cases[i].setting);
        }
}

/* As in a container: what is /dev/zero elsewhere has the name of another node. */
_Noreturn static void hold_renamed(int ready) {
        int fd = unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || mount("/dev/zero", "/dev/full", NULL, MS_BIND, NULL) < 0 ?
                 -1 : open("/dev/full", O_RDWR | O_CLOEXEC);

        if (fd < 0 || write(ready, "", 1) != 1)
                _exit(EXIT_FAILURE);
        for (;;)
                (void) pause();
}

/* Returns through which of the nodes the process is found, to be freed, or NULL. */
static char *find_node_of(pid_t pid, char *const *nodes) {
        Holder *holders = NULL;
        char *node = NULL;
        size_t n = 0;

        ok(holders_find(nodes, &holders, &n) >= 0);
        for (size_t i = 0; i < n; i++)
                if (holders[i].pid == pid)
                        node = strdup(holders[i].node);
        holders_free(holders, n);
        return node;
}

static void test_renamed(void) {
        _cleanup_free_ char *other = NULL, *renamed = NULL;
        int pipes[2], status;
        pid_t pid;
        char byte;

        if (pipe2(pipes, O_CLOEXEC) < 0 || (pid = fork()) < 0)
                abort();
        if (pid == 0)
                hold_renamed(pipes[1]);
        (void) close(pipes[1]);
        if (read(pipes[0], &byte, 1) == 1) {
                other = find_node_of(pid, STRV_MAKE("/dev/full"));
                is(other, NULL);
                renamed = find_node_of(pid, STRV_MAKE("/dev/full", "/dev/zero"));
                is(renamed, "/dev/zero");
        } else
                (void) printf("# skipped: no name spaces to be had\n");
        (void) close(pipes[0]);
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, &status, 0);
}

/* Forks a process that keeps what is open, and opens 'node' if that is set, and returns once it has the name.
 * With 'child' it has one itself. */
static void fork_holder(const char *name, const char *child, const char *node) {
        int ready[2];
        pid_t pid;
        char byte;

        if (pipe2(ready, O_CLOEXEC) < 0)
                _exit(EXIT_FAILURE);
        pid = fork();
        if (pid == 0) {
                if (child)
                        fork_holder(child, NULL, NULL);
                if ((node && open(node, O_RDONLY | O_CLOEXEC) < 0) || prctl(PR_SET_NAME, name) < 0 ||
                    write(ready[1], "", 1) != 1)
                        _exit(EXIT_FAILURE);
                for (;;)
                        (void) pause();
        }
        if (pid < 0 || read(ready[0], &byte, 1) != 1)
                _exit(EXIT_FAILURE);
}

/* In the place of libsystemd's: all of them are in the unit of a step. */
int sd_pid_get_unit(_unused_ pid_t pid, char **ret) {
        *ret = strdup("vfio-gpu-vm@Windows10.service");
        return *ret ? 0 : -ENOMEM;
}

/* Writes the names of those that have the card or the group open. */
static void write_holders(int out) {
        Holder *holders = NULL;
        size_t n = 0;

        if (holders_find(STRV_MAKE("/dev/dri/card0", "/dev/vfio/13"), &holders, &n) < 0)
                (void) dprintf(out, "cannot be found ");
        for (size_t i = 0; i < n; i++)
                (void) dprintf(out, "%s ", holders[i].name);
        (void) dprintf(out, "end");
        holders_free(holders, n);
}

/* A VM has the group open, which a step looks at. PID 1 has the card open, and so have a getty that it has
 * forked, the manager of a user, which is the same program, and what that has forked. */
_Noreturn static void be_init(const char *devices, int out) {
        int status;
        pid_t pid;

        if (mount("proc", "/proc", "proc", 0, NULL) < 0 || mount(devices, "/dev", NULL, MS_BIND, NULL) < 0)
                _exit(EXIT_FAILURE);
        fork_holder("qemu", NULL, "/dev/vfio/13");
        fork_holder("vfio-gpu-vm", NULL, "/dev/vfio/13");
        if (open("/dev/dri/card0", O_RDONLY | O_CLOEXEC) < 0)
                _exit(EXIT_FAILURE);
        fork_holder("(agetty)", NULL, NULL);
        fork_holder("systemd", "(service)", NULL);
        pid = fork();
        if (pid == 0) {
                write_holders(out);
                _exit(EXIT_SUCCESS);
        }
        (void) waitpid(pid, &status, 0);
        _exit(EXIT_SUCCESS);
}

/* Whoever is PID 1 here need not be a service manager: one more is made. */
static void test_init(void) {
        _cleanup_free_ char *devices = root_path("/dev");
        char names[128] = "";
        int pipes[2], status;
        ssize_t n = 0, k;
        pid_t pid;

        put("/dev/dri/card0", "");
        put("/dev/vfio/13", "");
        if (pipe2(pipes, O_CLOEXEC) < 0 || (pid = fork()) < 0)
                abort();
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) >= 0 && (pid = fork()) == 0)
                        be_init(devices, pipes[1]);
                (void) waitpid(pid, &status, 0);
                _exit(EXIT_SUCCESS);
        }
        (void) close(pipes[1]);
        while ((k = read(pipes[0], names + n, sizeof(names) - 1 - (size_t) n)) > 0)
                n += k;
        if (n > 0)
                is(names, "qemu systemd (service) end");
        else
                (void) printf("# skipped: no name spaces to be had\n");
        (void) close(pipes[0]);
        (void) waitpid(pid, &status, 0);
}

/* In the place of the C library's: a machine whose containers have all instances that root may have. */
int inotify_init1(_unused_ int flags) {
        errno = EMFILE;
        return -1;
}

/* Returns how long it is waited for a process at most, in milliseconds. */
static int time_wait(pid_t pid, size_t n, int timeout_msec) {
        const Holder holder = { .pid = pid };
        uint64_t begin = clock_now();

        ok(holders_wait(STRV_MAKE("/dev/null"), &holder, n, timeout_msec) == 0);
        return (int) ((clock_now() - begin) / USEC_PER_MSEC);
}

static void test_wait(void) {
        pid_t pid;

        (void) alarm(60);
        ok(time_wait(0, 0, -1) < 1000);
        /* One whose end cannot be seen, as there is no such number. */
        ok(time_wait(-1, 1, -1) < 1000);
        /* All of /proc is looked through after each wait. */
        ok(time_wait(getpid(), 1, -1) >= 1000);
        ok(time_wait(getpid(), 1, 1) < 1000);

        pid = fork();
        if (pid == 0) {
                (void) poll(NULL, 0, 50);
                _exit(EXIT_SUCCESS);
        }
        ok(time_wait(pid, 1, -1) < 1000);
        (void) waitpid(pid, NULL, 0);
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

int main(void) {
        char directory[] = "/tmp/test-holders-XXXXXX";

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        root_set(directory);
        test_gpu();
        test_firmware();
        test_vfio();
        test_description();
        test_settings();
        test_renamed();
        test_init();
        test_wait();
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return tap_done();
}
