/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "root.h"
#include "text.h"
#include "unit-name.h"
#include "vfio-gpuctl.h"

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]);
        const char *help;
} verbs[] = {
        { "check", verb_check, "check VM [--json]    Find out whether a swap can be made" },
        { "plan", verb_plan, "plan [VM] [--xml]    Show what a swap does, or the host devices for libvirt" },
        { "status", verb_status, "status [VM] [--json] Show where each swap stands, and who has the GPU" },
        { "test", verb_test, "test VM --for=S      Swap, and give the GPU back after S seconds whatever happens" },
        { "recover", verb_recover, "recover [VM]         Give the GPU back to the host, whatever is left of a swap" },
        { "import", verb_import, "import …             Make a configuration of libvirt's old hooks" },
        { "rom", verb_rom, "rom VERB …           Look into the ROM of a graphics card, make the file for a VM" },
};

static int usage(FILE *f) {
        (void) fprintf(f, "Usage: %s VERB …\n\n", program_invocation_short_name);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                (void) fprintf(f, "  %s\n", verbs[i].help);
        (void) fprintf(f, "  --help               Show this text\n"
                          "  --version            Show the version\n\n"
                          "See vfio-gpuctl(1), vfio-gpu.conf(5) and vfio-gpu@.service(8).\n");
        return f == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

static int unknown_verb(const char *verb) {
        const char *names[ELEMENTSOF(verbs)], *near;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                names[i] = verbs[i].name;
        near = nearest_name(verb, names, ELEMENTSOF(names));
        if (near)
                log_error("unknown verb \"%s\", did you mean %s?", verb, near);
        else
                log_error("unknown verb \"%s\", see %s --help.", verb, program_invocation_short_name);
        return EXIT_USAGE;
}

int main(int argc, char *argv[]) {
        root_set(getenv("VFIO_GPU_ROOT"));

        if (argc < 2)
                return usage(stderr);
        if (streq(argv[1], "--help") || streq(argv[1], "-h"))
                return usage(stdout);
        if (streq(argv[1], "--version"))
                return printf("vfio-gpuctl " VERSION "\n") < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                if (streq(argv[1], verbs[i].name))
                        return verbs[i].run(argc - 1, argv + 1);
        return unknown_verb(argv[1]);
}
