/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "attribute.h"
#include "bar.h"
#include "consoles.h"
#include "function.h"
#include "log.h"
#include "records.h"
#include "root.h"
#include "state.h"
#include "strv.h"

/* The second has begun later, so that what the first one leaves may be the second's to give back. */
#define FIRST "first"
#define SECOND "second"

/* In memory, since every input writes it anew. */
static char directory[] = "/dev/shm/fuzz-record-XXXXXX";

static const struct {
        const char *path, *text;
} files[] = {
        { "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8" },
        { "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "8" },
        { "/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", "0" },
        { "/sys/kernel/mm/hugepages/hugepages-2048kB/surplus_hugepages", "0" },
        { "/sys/devices/system/cpu/possible", "0-7" },
        { "/sys/devices/system/cpu/cpufreq/policy0/scaling_governor", "performance" },
        { "/sys/bus/pci/devices/0000:01:00.0/reset_method", "bus" },
        { "/sys/bus/pci/devices/0000:01:00.0/resource", "0x80000000 0x8fffffff 0x40200\n" },
        { "/sys/class/vtconsole/vtcon0/name", "(M) frame buffer device" },
        { "/sys/class/vtconsole/vtcon0/bind", "0" },
        { "/run/systemd/system.control/user.slice.d/50-AllowedCPUs.conf", "" },
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

static void remove_directory(void) {
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void be_silent(_unused_ int level, _unused_ int error, _unused_ const LogSubject *subject,
                      _unused_ const char *text) {
}

static void make_parents(char *path) {
        for (char *slash = strchr(path + strlen(directory) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void) mkdir(path, 0755);
                *slash = '/';
        }
}

/* What the last input has left is made as it was. */
static void put_file(const char *path, const char *text) {
        _cleanup_free_ char *full = root_path("%s", path);
        _cleanup_fclose_ FILE *f = NULL;

        f = fopen(full, "we");
        if (!f) {
                make_parents(full);
                f = fopen(full, "we");
        }
        if (!f || fputs(text, f) < 0)
                abort();
}

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv) {
        if (!mkdtemp(directory) || atexit(remove_directory) != 0)
                abort();
        root_set(directory);
        log_set_sink(be_silent);
        return 0;
}

static void put_record(const char *vm, const char *record, const uint8_t *data, size_t size, time_t written) {
        const struct timespec times[] = { { .tv_sec = written }, { .tv_sec = written } };
        _cleanup_close_ int state = -1, fd = -1;

        state = state_open(vm, true);
        fd = openat(state, record, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, data, size) != (ssize_t) size || futimens(fd, times) < 0)
                abort();
}

static bool is_same(const Function *a, const Function *b) {
        return streq(a->address, b->address) && streq(a->driver, b->driver) && streq(a->module, b->module) &&
                streq(a->override, b->override) && a->drm == b->drm && a->sleeps == b->sleeps;
}

/* What was read is the same after it was written and read again. */
static void read_functions(const uint8_t *data, size_t size) {
        _cleanup_functions_free_ Function *once = NULL, *twice = NULL;
        _cleanup_close_ int state = -1;

        put_record(FIRST, "functions", data, size, 1);
        state = state_open(FIRST, false);
        if (functions_load(state, &once) < 0)
                return;
        if (functions_save(state, once) < 0 || functions_load(state, &twice) < 0)
                abort();
        for (size_t i = 0; once[i].address || twice[i].address; i++)
                if (!once[i].address || !twice[i].address || !is_same(once + i, twice + i))
                        abort();
}

static int record_governor(const char *vm) {
        return attributes_restore(vm, "governor");
}

static int record_consoles(const char *vm) {
        _cleanup_close_ int state = state_open(vm, false);

        return consoles_bind(vm, state);
}

/* The kernel there is none of, so that a size stays as it is. */
static int record_bars(const char *vm) {
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_close_ int state = state_open(vm, false);

        bars_restore(state);
        return state_read(state, "bars", &lines) == -ENOENT ? 0 : -EBUSY;
}

/* A record goes when all of it is undone, and stays where it is not. */
static void undo(const char *vm, const char *record, int (*verb)(const char *vm)) {
        _cleanup_strv_free_ char **lines = NULL;
        _cleanup_close_ int state = -1;
        bool undone = verb(vm) >= 0;

        state = state_open(vm, false);
        if (undone != (state_read(state, record, &lines) == -ENOENT))
                abort();
}

/* Whatever a record says, nothing that reads it falls over it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct {
                const char *record;
                int (*verb)(const char *vm);
        } verbs[] = {
                { "bars", record_bars },
                { "cpus", record_cpus },
                { "governor", record_governor },
                { "hugepages", record_hugepages },
                { "consoles", record_consoles },
        };

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                put_file(files[i].path, files[i].text);
        read_functions(data, size);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                put_record(FIRST, verbs[i].record, data, size, 1);
                put_record(SECOND, verbs[i].record, data, size, 2);
                undo(FIRST, verbs[i].record, verbs[i].verb);
                undo(SECOND, verbs[i].record, verbs[i].verb);
        }
        return 0;
}
