/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "emit.h"
#include "kmsg.h"
#include "log.h"
#include "root.h"

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

/* Writes the units of every VM; one that fails does not cost the others. */
static int emit_all(const Config *config, const char *directory) {
        int result = 0;

        for (size_t i = 0; i < config->n_vms; i++) {
                Plan plan;
                int r;

                r = plan_make(config, config->vms[i], &plan);
                if (r < 0)
                        return log_oom();

                r = emit_plan(directory, &plan);
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
