/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "emit.h"
#include "kmsg.h"
#include "log.h"
#include "pinned.h"
#include "root.h"
#include "state.h"
#include "strv.h"
#include "unit-name.h"

#define EXIT_USAGE 2

static bool in_container(void) {
        const char *virtualization = getenv("SYSTEMD_VIRTUALIZATION");
        _cleanup_free_ char *path = NULL;

        if (virtualization)
                return startswith(virtualization, "container:");

        /* Before systemd 251 generators were not told. */
        path = root_path("/run/systemd/container");
        return path && path_exists(path);
}

static bool in_initrd(void) {
        const char *initrd = getenv("SYSTEMD_IN_INITRD");
        _cleanup_free_ char *path = NULL;

        if (initrd)
                return streq(initrd, "1");

        path = root_path("/etc/initrd-release");
        return path && path_exists(path);
}

/* The copies that a swap in progress uses hide what was made now. */
static void tell_of_swap(const char *directory, const Plan *plan) {
        _cleanup_free_ char *copy = root_path(PINNED_DIRECTORY "/vfio-gpu@%s.target", plan->escaped);
        bool same = !plan->problems;

        if (!copy || !path_exists(copy))
                return;
        for (size_t i = 0; i < plan->n_steps && same; i++) {
                _cleanup_free_ char *unit = NULL, *pinned = root_path(PINNED_DIRECTORY "/%s", plan->steps[i].unit);

                if (asprintf(&unit, "%s/%s", directory, plan->steps[i].unit) < 0 || !pinned)
                        return;
                same = pinned_is_same(plan->escaped, unit, pinned);
        }
        if (!same)
                log_notice("VM %s has the GPU, and its swap ends as it began: what has changed in the "
                           "configuration counts from the next swap on.", plan->vm);
}

static void tell_of_swaps_without_vm(const Config *config) {
        _cleanup_free_ char *path = root_path(STATE_DIRECTORY);
        _cleanup_strv_free_ char **swaps = NULL;

        if (!path || list_directory(path, &swaps) < 0)
                return;
        STRV_FOREACH(swap, swaps) {
                _cleanup_free_ char *vm = NULL;

                if (vm_name_unescape(*swap, &vm) >= 0 && !config_find_vm(config, vm) && !config->is_incomplete)
                        log_notice("VM %s has the GPU and is no longer in the configuration; its swap ends "
                                   "as it began.", vm);
        }
}

/* Writes the units of every VM, and a refusal for those not known; one that fails does not cost the others. */
static int emit_all(const Config *config, const char *directory) {
        int result = config->is_incomplete ? emit_refusal(directory, config->problems) : 0;

        for (size_t i = 0; i < config->n_vms; i++) {
                Plan plan;
                int r;

                r = plan_make(config, config->vms[i], &plan);
                if (r < 0)
                        return log_oom();

                r = emit_plan(directory, &plan);
                if (r >= 0)
                        tell_of_swap(directory, &plan);
                plan_done(&plan);
                if (r < 0)
                        result = r;
        }
        return result;
}

static int run(const char *directory) {
        _cleanup_config_free_ Config *config = NULL;
        int r;

        if (in_container()) {
                log_debug("a container has no GPU to swap, nothing to do.");
                return 0;
        }
        if (in_initrd()) {
                log_debug("the initrd starts no VM, nothing to do.");
                return 0;
        }

        r = config_load(&config);
        if (r < 0)
                return log_oom();

        r = emit_all(config, directory);
        tell_of_swaps_without_vm(config);
        return config->has_errors ? -EINVAL : r;
}

static int usage(FILE *f) {
        (void) fprintf(f,
                       "Usage: %s NORMAL-DIR [EARLY-DIR LATE-DIR]\n\n"
                       "Turns vfio-gpu.conf into units that swap the GPU between the desktop and a VM.\n"
                       "Run by systemd at boot and at each daemon-reload, or by hand into an empty\n"
                       "directory to see what it makes.\n\n"
                       "  -h --help     Show this text\n"
                       "     --version  Show the version\n\n"
                       "See vfio-gpu-generator(8).\n",
                       program_invocation_short_name);
        return f == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

int main(int argc, char *argv[]) {
        root_set(getenv("VFIO_GPU_ROOT"));

        if (argc == 2 && (streq(argv[1], "--help") || streq(argv[1], "-h")))
                return usage(stdout);
        if (argc == 2 && streq(argv[1], "--version"))
                return printf("vfio-gpu-generator " VERSION "\n") < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        kmsg_setup();
        if ((argc != 2 && argc != 4) || argv[1][0] == '-') {
                log_error("expected one or three directories, got %d arguments.", argc - 1);
                return usage(stderr);
        }

        return run(argv[1]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
