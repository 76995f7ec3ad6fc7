/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "function.h"
#include "state.h"
#include "strv.h"

#define RECORD "functions"

static char directory[] = "/tmp/fuzz-record-XXXXXX";
static int state = -1;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void remove_directory(void) {
        (void) unlinkat(state, RECORD, 0);
        (void) rmdir(directory);
}

static void make_directory(void) {
        state = mkdtemp(directory) ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (state < 0 || atexit(remove_directory) != 0)
                abort();
}

static void write_record(const uint8_t *data, size_t size) {
        _cleanup_close_ int fd = openat(state, RECORD, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        if (fd < 0 || write(fd, data, size) != (ssize_t) size)
                abort();
}

static bool is_same(const Function *a, const Function *b) {
        return streq(a->address, b->address) && streq(a->driver, b->driver) && streq(a->module, b->module) &&
                streq(a->override, b->override) && a->drm == b->drm;
}

/* Whatever a record says, what was read of it is the same after it was written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_functions_free_ Function *once = NULL, *twice = NULL;

        if (state < 0)
                make_directory();
        write_record(data, size);
        if (functions_load(state, &once) < 0)
                return 0;
        if (functions_save(state, once) < 0 || functions_load(state, &twice) < 0)
                abort();
        for (size_t i = 0; once[i].address || twice[i].address; i++)
                if (!once[i].address || !twice[i].address || !is_same(once + i, twice + i))
                        abort();
        return 0;
}
