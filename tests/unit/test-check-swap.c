/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include <systemd/sd-login.h>

#include "check-part.h"
#include "holders.h"
#include "log.h"
#include "root.h"
#include "strv.h"
#include "tap.h"
#include "user-units.h"

/* What is said of other swaps and of services, with a service manager, logind and processes that are made up;
 * and of a file that changes while it is looked at. */

static struct {
        const char *service, *target; /* the states of the other VM's units */
        char *const *units;           /* those on their way to or from a swap */
        const char *holder;
        const char *what, *mode; /* of the one lock that logind has, until it was read */
        const char *known;       /* the one unit that the managers of users know */
        bool is_silent;          /* they do not answer */
        const Holder *holders;   /* of the functions' own nodes */
        size_t n_holders;
        unsigned looks;          /* how often they were looked for */
        const char *file;        /* becomes a FIFO once it was looked at by its name */
        char said[512];          /* the last notice */
} world;

int manager_unit_string(_unused_ Manager *m, const char *unit, _unused_ const char *interface, const char *property,
                        char **ret) {
        if (streq(property, "LoadState"))
                *ret = strdup(streq(unit, world.known) ? "loaded" : "not-found");
        else
                *ret = strdup(strstr(unit, ".target") ? world.target : world.service);
        return *ret ? 0 : -ENOMEM;
}

int manager_open(_unused_ const char *address, Manager **ret) {
        *ret = NULL;
        return world.is_silent ? -EIO : 0;
}

Manager *manager_close(_unused_ Manager *m) {
        return NULL;
}

int manager_queue(_unused_ Manager *m, _unused_ const char *method, _unused_ const char *unit,
                  _unused_ const char *mode, _unused_ sd_bus_error *error) {
        return 1;
}

int manager_wait(_unused_ Manager *m, _unused_ int interrupt, _unused_ uint64_t deadline) {
        return 0;
}

sd_bus *manager_bus(_unused_ Manager *m) {
        return NULL;
}

int sd_bus_message_new_method_call(_unused_ sd_bus *bus, sd_bus_message **ret, _unused_ const char *destination,
                                   _unused_ const char *path, _unused_ const char *interface,
                                   _unused_ const char *member) {
        *ret = NULL;
        return 0;
}

int sd_bus_call(_unused_ sd_bus *bus, _unused_ sd_bus_message *call, _unused_ uint64_t usec,
                _unused_ sd_bus_error *error, sd_bus_message **reply) {
        *reply = NULL;
        return 0;
}

int sd_bus_message_enter_container(_unused_ sd_bus_message *m, _unused_ char type, _unused_ const char *contents) {
        return 1;
}

/* Of the inhibitors: what, who, why, mode, uid, pid. */
int sd_bus_message_read(_unused_ sd_bus_message *m, _unused_ const char *types, ...) {
        const char *strings[] = { world.what, "Editor", "unsaved work", world.mode };
        va_list ap;

        if (!world.mode)
                return 0;
        va_start(ap, types);
        for (size_t i = 0; i < ELEMENTSOF(strings); i++)
                *va_arg(ap, const char **) = strings[i];
        *va_arg(ap, uint32_t *) = 1000;
        *va_arg(ap, uint32_t *) = 4711;
        va_end(ap);
        world.mode = NULL;
        return 1;
}

sd_bus_message *sd_bus_message_unref(_unused_ sd_bus_message *m) {
        return NULL;
}

int sd_get_uids(uid_t **ret) {
        *ret = calloc(1, sizeof(uid_t));
        if (!*ret)
                return -ENOMEM;
        **ret = getuid();
        return 1;
}

/* The bus of the user's manager is there. */
int access(const char *path, int mode) {
        return startswith(path, "/run/user/") ? 0 : faccessat(AT_FDCWD, path, mode, 0);
}

int stat(const char *path, struct stat *st) {
        int r = fstatat(AT_FDCWD, path, st, 0);

        if (world.file && streq(path, world.file) && (unlink(path) < 0 || mkfifo(path, 0600) < 0))
                abort();
        return r;
}

int manager_list_units(_unused_ Manager *m, _unused_ char *const *states, _unused_ char *const *patterns,
                       char ***ret) {
        return strv_copy(world.units, ret);
}

int vfio_holders_describe(_unused_ char *const *functions, char **ret) {
        if (!world.holder)
                return 0;
        *ret = strdup(world.holder);
        return *ret ? 1 : -ENOMEM;
}

int nodes_of_functions(_unused_ char *const *functions, char ***nodes) {
        return strv_extend(nodes, "/dev/snd/controlC1");
}

int holders_find(_unused_ char *const *names, Holder **ret, size_t *ret_n) {
        world.looks++;
        *ret = (Holder *) world.holders;
        *ret_n = world.n_holders;
        return 0;
}

void holders_free(_unused_ Holder *holders, _unused_ size_t n) {
}

/* The display manager is stopped, by its other name, with a unit that is a part of it, and with one that needs
 * that. */
int sd_bus_get_property_strv(_unused_ sd_bus *bus, _unused_ const char *destination, const char *path,
                             _unused_ const char *interface, const char *member, _unused_ sd_bus_error *error,
                             char ***ret) {
        static const char *const known[][3] = {
                { "display-manager.service", "Names", "gdm.service" },
                { "gdm.service", "ConsistsOf", "part.service" },
                { "part.service", "RequiredBy", "needs.service" },
                { "needs.service", "ConsistsOf", "display-manager.service" },
        };
        _cleanup_free_ char *unit = NULL;

        if (sd_bus_path_decode(path, "/org/freedesktop/systemd1/unit", &unit) <= 0)
                abort();
        for (size_t i = 0; i < ELEMENTSOF(known); i++)
                if (streq(unit, known[i][0]) && streq(member, known[i][1]))
                        return strv_extend(ret, known[i][2]);
        return streq(unit, "none.service") ? -ENOENT : 0;
}

/* Compares the one finding there is for VM "My first" while 'owners', itself before others, were handed its
 * functions. */
static void finds(char **owners, const char *id, const char *object, const char *sentence) {
        const Check check = { .vm = "My\\x20first", .vm_name = "My first" };
        _cleanup_findings_ Findings findings = { 0 };
        char manager;
        CheckContext c = {
                .check = &check,
                .manager = (Manager *) &manager,
                .findings = &findings,
                .owners = owners,
                .others = strv_contains(owners, check.vm) ? owners + 1 : owners,
        };

        ok(check_swaps(&c) == 0 && check_holders(&c) == 0);
        if (!ok(findings.n == 1))
                return;
        is(findings.list->info->id, id);
        is(findings.list->object, object);
        is(findings.list->sentence, sentence);
}

static void test_owners(void) {
        world.service = world.target = "inactive";
        finds(STRV_MAKE("My\\x20first", "My\\x20VM"), "swap-unfinished", "vfio-gpu@My\\x20VM.target",
              "the GPU was handed over to VM My VM and never given back, as /run/vfio-gpu/My\\x20VM shows: run "
              "'vfio-gpuctl recover \"My VM\"' first");
        world.target = "active";
        finds(STRV_MAKE("My\\x20VM"), "swap-unfinished", "vfio-gpu@My\\x20VM.target",
              "the GPU is handed over to VM My VM by its target alone: 'systemctl stop "
              "\"vfio-gpu@My\\x20VM.target\"' first");
        world.service = "active";
}

static void test_others(void) {
        world.service = "activating";
        world.units = STRV_MAKE("vfio-gpu@My\\x20VM.service");
        finds(NULL, "swap-in-progress", "vfio-gpu@My\\x20VM.service",
              "another swap is in progress, vfio-gpu@My VM.service is activating, and each would undo the other's "
              "work: try again when it is done ('systemctl status \"vfio-gpu@My\\x20VM.service\"')");
        world.units = NULL;
        world.service = "active";
}

static void test_holders(void) {
        world.holder = "qemu (pid 1)";
        finds(STRV_MAKE("My\\x20first", "My\\x20VM"), "vm-running", "My VM",
              "the GPU is handed over to VM My VM, which still runs: qemu (pid 1); end it first ('virsh shutdown' or "
              "'virsh destroy')");
        finds(NULL, "vm-running", NULL, "the GPU is in use through vfio-pci: qemu (pid 1); end that VM first");
        world.holder = NULL;
}

/* Two processes of a service that is not stopped; what goes with the display manager; what is of a user. */
static const Holder some_holders[] = {
        { 811, (char *) "Xorg", (char *) "/dev/dri/card1",
          { .unit = (char *) "gdm.service", .user_unit = (char *) "", .session = (char *) "" } },
        { 812, (char *) "alsactl", (char *) "/dev/snd/controlC1",
          { .unit = (char *) "alsa-state.service", .user_unit = (char *) "", .session = (char *) "" } },
        { 813, (char *) "alsactl", (char *) "/dev/snd/controlC1",
          { .unit = (char *) "alsa-state.service", .user_unit = (char *) "", .session = (char *) "" } },
        { 814, (char *) "sh", (char *) "/dev/snd/controlC1",
          { .unit = (char *) "needs.service", .user_unit = (char *) "", .session = (char *) "" } },
        { 815, (char *) "kwin", (char *) "/dev/dri/card1",
          { .unit = (char *) "session-3.scope", .user_unit = (char *) "", .session = (char *) "3" } },
        { 816, (char *) "startx", (char *) "/dev/dri/card1",
          { .unit = (char *) "getty@tty1.service", .user_unit = (char *) "", .session = (char *) "4" } },
        { 817, (char *) "wireplumber", (char *) "/dev/snd/controlC1",
          { .unit = (char *) "user@1000.service", .user_unit = (char *) "wireplumber.service",
            .session = (char *) "" } },
        { 818, (char *) "qemu", (char *) "/dev/dri/card1",
          { .unit = (char *) "machine-1.scope", .user_unit = (char *) "", .session = (char *) "" } },
};

static void look_for_services(char **stop_units, bool ends_holders, Findings *findings) {
        const Check check = { .stop_units = stop_units, .ends_holders = ends_holders };
        char manager;
        CheckContext c = { .check = &check, .manager = (Manager *) &manager, .findings = findings };

        world.holders = some_holders;
        world.n_holders = ELEMENTSOF(some_holders);
        world.looks = 0;
        ok(check_services(&c) == 0);
        ok(world.looks == !ends_holders);
}

static void test_services(void) {
        _cleanup_findings_ Findings one = { 0 }, none = { 0 }, ended = { 0 }, all = { 0 };

        look_for_services(STRV_MAKE("none.service", "display-manager.service"), false, &one);
        if (ok(one.n == 1)) {
                is(one.list->info->id, "gpu-held");
                is(one.list->object, "alsa-state.service");
                is(one.list->sentence, "alsa-state.service has /dev/snd/controlC1 of the GPU open (alsactl, pid 812) and is "
                   "not stopped for the swap, which waits HoldersTimeoutSec= for it and is given up unless it "
                   "lets go with the desktop: name it in StopUnits=");
        }
        look_for_services(STRV_MAKE("alsa-state.service", "display-manager.service"), false, &none);
        ok(none.n == 0);
        look_for_services(STRV_MAKE("display-manager.service"), true, &ended);
        ok(ended.n == 0);
        look_for_services(NULL, false, &all);
        ok(all.n == 3);
}

/* Returns what is found of a lock, to be freed, or NULL. */
static char *find_lock(const char *what, const char *mode) {
        const Check check = { .stop_units = STRV_MAKE("display-manager.service") };
        _cleanup_findings_ Findings findings = { 0 };
        char manager;
        CheckContext c = { .check = &check, .manager = (Manager *) &manager, .findings = &findings };

        world.what = what;
        world.mode = mode;
        ok(check_inhibitors(&c) == 0);
        return findings.n == 1 ? strdup(findings.list->sentence) : NULL;
}

static void test_inhibitors(void) {
        _cleanup_free_ char *block = find_lock("sleep:shutdown", "block"), *weak = find_lock("shutdown", "block-weak"),
                            *delay = find_lock("shutdown", "delay"), *sleeps = find_lock("sleep", "block");

        is(block, "Editor (pid 4711 of user 1000) blocks a shutdown, and a swap ends the desktop as one does; its "
           "reason: unsaved work; let it finish, or set Inhibitors=ignore");
        is(weak, block);
        is(delay, NULL);
        is(sleeps, NULL);
}

static void keep_notice(int level, _unused_ int error, _unused_ const LogSubject *subject, const char *text) {
        if (level == LOG_NOTICE)
                (void) snprintf(world.said, sizeof(world.said), "%s", text);
}

static void test_user_units(void) {
        char **units = STRV_MAKE("kwin*", "plasma.service", "plsama.service");

        log_set_sink(keep_notice);
        world.known = "plasma.service";
        world.is_silent = true;
        stop_user_units(units);
        is(world.said, "");
        world.is_silent = false;
        stop_user_units(units);
        is(world.said, "StopUserUnits= names plsama.service, and no user's service manager has such a unit now: if one "
           "should, correct the name as 'systemctl --user list-units --all' has it there");
        log_set_sink(log_sink_stderr);
}

static void put(const char *directory, const char *name, const char *text) {
        _cleanup_free_ char *path = root_path("%s/%s", directory, name);
        _cleanup_fclose_ FILE *f = NULL;

        for (char *slash = path ? strchr(path + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void) mkdir(path, 0755);
                *slash = '/';
        }
        f = path ? fopen(path, "we") : NULL;
        if (!f || fputs(text, f) < 0)
                abort();
}

/* A file in a home that its user puts a FIFO in the place of, which a start would wait for. */
static void test_rom(void) {
        _cleanup_free_ char *path = root_path("/home/user/gpu.rom");
        const Check check = { .vm_name = "My first" };
        const Domain domain = { .firmware = FIRMWARE_UEFI };
        const Hostdev hostdev = { .address = (char *) "0000:01:00.0", .rom_file = (char *) "/home/user/gpu.rom" };
        _cleanup_findings_ Findings findings = { 0 };
        CheckContext c = { .check = &check, .findings = &findings };

        put("/sys/bus/pci/devices/0000:01:00.0", "class", "0x030000\n");
        put("/home/user", "gpu.rom", "none\n");
        world.file = path;
        (void) alarm(60);
        ok(check_rom(&c, &domain, &hostdev) == 0);
        (void) alarm(0);
        world.file = NULL;
        if (ok(findings.n > 0))
                is(findings.list[findings.n - 1].info->id, "rom-not-run");
}

/* What is left of the VM's own swap. */
static void test_state(const char *root) {
        _cleanup_free_ char *path = NULL, *sentence = NULL;

        STRV_FOREACH(name, STRV_MAKE("/run", "/run/vfio-gpu", "/run/vfio-gpu/My\\x20first")) {
                free(path);
                path = root_path("%s", *name);
                if (!path || mkdir(path, 0755) < 0)
                        abort();
        }
        world.service = world.target = "inactive";
        if (asprintf(&sentence, "%s/run/vfio-gpu/My\\x20first is left of an earlier swap of this VM, whose way back "
                     "was not finished: what it notes of the host counts, and is restored after this swap; "
                     "'vfio-gpuctl recover \"My first\"' restores it now", root) < 0)
                abort();
        finds(NULL, "state-left", path, sentence);
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

int main(void) {
        char directory[] = "/tmp/test-check-swap-XXXXXX";

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        root_set(directory);
        test_owners();
        test_others();
        test_holders();
        test_services();
        test_state(directory);
        test_inhibitors();
        test_user_units();
        test_rom();
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return tap_done();
}
