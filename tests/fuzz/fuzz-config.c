/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ftw.h>

#include "../../generator/emit.h"
#include "log.h"
#include "root.h"

#define INPUT_MAX 65536

static void be_silent(_unused_ int level, _unused_ int error, _unused_ const LogSubject *subject,
                      _unused_ const char *text) {
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type,
                      _unused_ struct FTW *ftw) {
        return remove(path);
}

static void emit_everything(const Config *config) {
        char directory[] = "/tmp/fuzz-config-XXXXXX";

        if (!mkdtemp(directory))
                abort();
        for (size_t i = 0; i < config->n_vms; i++) {
                Plan plan;

                /* Whatever the text was, no two VMs may claim one file. */
                if (plan_make(config, config->vms[i], &plan) < 0 || emit_plan(directory, &plan) < 0)
                        abort();
                plan_done(&plan);
        }
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_fclose_ FILE *f = NULL;

        if (size == 0 || size > INPUT_MAX)
                return 0;

        root_set("/nonexistent");
        log_set_sink(be_silent);
        f = fmemopen((void *) data, size, "r");
        if (!f || config_new(&config) < 0 || config_read(config, f, "input") < 0 ||
            config_finish(config) < 0)
                abort();
        emit_everything(config);
        return 0;
}
