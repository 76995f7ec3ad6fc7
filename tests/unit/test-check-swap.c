/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ftw.h>
#include <sys/stat.h>

#include "check-part.h"
#include "holders.h"
#include "root.h"
#include "strv.h"
#include "tap.h"

/* What is said of other swaps, with a service manager and processes that are made up. */

static struct {
        const char *service, *target; /* the states of the other VM's units */
        char *const *units;           /* those on their way to or from a swap */
        const char *holder;
} world;

int manager_unit_string(_unused_ Manager *m, const char *unit, _unused_ const char *interface,
                        _unused_ const char *property, char **ret) {
        *ret = strdup(strstr(unit, ".target") ? world.target : world.service);
        return *ret ? 0 : -ENOMEM;
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

/* Compares the one finding there is for VM "My first" while 'owners' were handed its functions. */
static void finds(char **owners, const char *id, const char *object, const char *sentence) {
        const Check check = { .vm = "My\\x20first", .vm_name = "My first" };
        _cleanup_findings_ Findings findings = { 0 };
        char manager;
        CheckContext c = {
                .check = &check,
                .manager = (Manager *) &manager,
                .findings = &findings,
                .owners = owners,
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
              "\"vfio-gpu@My VM.target\"' first");
        world.service = "active";
}

static void test_others(void) {
        world.service = "activating";
        world.units = STRV_MAKE("vfio-gpu@My\\x20VM.service");
        finds(NULL, "swap-in-progress", "vfio-gpu@My\\x20VM.service",
              "another swap is in progress, vfio-gpu@My VM.service is activating, and each would undo the other's "
              "work: try again when it is done ('systemctl status \"vfio-gpu@My VM.service\"')");
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
        test_state(directory);
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return tap_done();
}
