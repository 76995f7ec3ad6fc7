/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>

#include "log.h"
#include "output-file.h"
#include "pci.h"
#include "rom-card.h"
#include "rom-place.h"
#include "root.h"
#include "strv.h"
#include "vfio-gpuctl-rom.h"
#include "vfio-gpuctl.h"
#include "xml.h"

typedef struct Options {
        const char *words[2];
        size_t n_words;
        bool json, force;
        char *card; /* --for= */
} Options;

static void options_done(Options *options) {
        free(options->card);
}

/* A file, read as far as it can be one; 'size' also counts what was not. */
typedef struct Input {
        const char *name;
        uint8_t *data;
        size_t size;
        struct stat st;
} Input;

static void input_done(Input *input) {
        free(input->data);
}

/* Returns 0 or a negative errno after it logged why. */
static int input_allocate(Input *input) {
        input->data = malloc(ROM_SIZE_MAX + 1);
        return input->data ? 0 : log_oom();
}

static int read_all(int fd, Input *input) {
        while (input->size <= ROM_SIZE_MAX) {
                ssize_t n = read(fd, input->data + input->size, ROM_SIZE_MAX + 1 - input->size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                input->size += (size_t) n;
        }
        /* Of what is too large, the size is still to be told. */
        if (input->size > ROM_SIZE_MAX && S_ISREG(input->st.st_mode) && input->st.st_size > ROM_SIZE_MAX)
                input->size = (size_t) input->st.st_size;
        return 0;
}

static int input_read(const char *path, Input *input) {
        bool is_stdin = streq(path, "-");
        int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

        input->name = is_stdin ? "standard input" : path;
        r = fd < 0 || fstat(fd, &input->st) < 0 ? -errno : input_allocate(input);
        if (r >= 0)
                r = read_all(fd, input);
        if (fd > STDIN_FILENO)
                safe_close(fd);
        if (r == -EINVAL && startswith(path, "/sys/"))
                return log_error_errno(r, "cannot read %s: %m; 'vfio-gpuctl rom dump' has the kernel show it.", path);
        return r < 0 && r != -ENOMEM ? log_error_errno(r, "cannot read %s: %m.", input->name) : r;
}

/* Compares with the card that the ROM is meant for. Returns 0 or a negative errno after it logged why. */
static int check_card(const Rom *rom, const char *address) {
        unsigned long vendor, device;
        uint16_t rom_vendor, rom_device;
        int r;

        r = pci_read_number(address, "vendor", &vendor);
        if (r >= 0)
                r = pci_read_number(address, "device", &device);
        if (r < 0)
                return log_error_errno(r, "cannot find out what card %s is: %m.", address);
        if (!rom_card(rom, &rom_vendor, &rom_device)) {
                log_warning("warning: the ROM names no card, so that it cannot be compared with the one at %s.",
                            address);
                return 0;
        }
        if (rom_vendor == vendor && rom_device == device)
                return 0;
        return log_error_errno(EINVAL,
                               "this is not the ROM of the card at %s: it is for %04x:%04x, and the card is "
                               "%04lx:%04lx.",
                               address, rom_vendor, rom_device, vendor, device);
}

/* libvirt wants the path from the top. Returns it, to be freed, or NULL. */
static char *absolute_path(const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup(".");
        _cleanup_free_ char *real = directory ? realpath(directory, NULL) : NULL;
        char *absolute;

        if (!real || asprintf(&absolute, "%s/%s", streq(real, "/") ? "" : real, slash ? slash + 1 : path) < 0)
                return NULL;
        return absolute;
}

/* What was done, what is left to be done by hand, and what is in the way of it. */
static int tell(const Rom *rom, const char *name, const char *path) {
        _cleanup_strv_free_ char **sentences = NULL;
        _cleanup_free_ char *absolute = absolute_path(path);

        if (!absolute || rom_place_check("", absolute, &sentences) < 0)
                return log_oom();
        STRV_FOREACH(sentence, sentences)
                log_warning("warning: %s.", *sentence);
        (void) printf("%s: %zu bytes, from 0x%zx to 0x%zx of %s\n",
                      absolute, rom->end - rom->start, rom->start, rom->end, name);
        (void) printf("In the GPU function's <hostdev> of the VM:\n  <rom file='");
        xml_print(absolute);
        (void) printf("'/>\n");
        return fflush(stdout) != 0 ? log_error_errno(errno, "cannot write to standard output: %m.") : 0;
}

/* Writes the ROM that is in the bytes, and nothing where none is. */
static int write_rom(const Input *input, const Options *options, const char *path) {
        Rom rom;
        int r;

        rom_parse(input->data, input->size, &rom);
        if (rom.reason != ROM_ACCEPTED) {
                rom_log_refusal(&rom, input->name);
                return -EBADMSG;
        }
        r = options->card ? check_card(&rom, options->card) : 0;
        if (r < 0)
                return r;

        rom_log_warnings(&rom, input->name);
        r = output_write(path, options->force, rom.data + rom.start, rom.end - rom.start);
        return r < 0 || streq(path, "-") ? r : tell(&rom, input->name, path);
}

static int info(const Options *options) {
        _cleanup_(input_done) Input input = { 0 };
        Rom rom;
        int r;

        r = input_read(options->words[0], &input);
        if (r < 0)
                return r;
        rom_parse(input.data, input.size, &rom);

        if (options->json)
                rom_print_json(&rom);
        else if (rom.reason == ROM_ACCEPTED)
                rom_print_text(&rom, input.name);
        if (fflush(stdout) != 0)
                return log_error_errno(errno, "cannot write to standard output: %m.");
        if (rom.reason != ROM_ACCEPTED)
                rom_log_refusal(&rom, input.name);
        else if (!options->json)
                rom_log_warnings(&rom, input.name);
        return rom.reason == ROM_ACCEPTED ? 0 : -EBADMSG;
}

static int patch(const Options *options) {
        _cleanup_(input_done) Input input = { 0 };
        int r;

        r = input_read(options->words[0], &input);
        if (r >= 0)
                r = output_check(options->words[1], options->force, &input.st);
        return r < 0 ? r : write_rom(&input, options, options->words[1]);
}

/* With them it is not known which card the VM gets. */
static int refuse_problems(const Config *config, const Vm *vm) {
        _cleanup_strv_free_ char **problems = NULL;

        if (config_problems(config, vm, &problems) < 0)
                return log_oom();
        STRV_FOREACH(problem, problems)
                log_error("%s.", *problem);
        return problems ? -EINVAL : 0;
}

/* Finds the one graphics card that a VM gets. */
static int find_card_of(const Config *config, const Vm *vm, char **ret) {
        _cleanup_strv_free_ char **found = NULL;
        _cleanup_free_ char *all = NULL;

        STRV_FOREACH(address, config_value(config, vm, KEY_DEVICES)->list) {
                int class = pci_class(*address);

                if (class >= 0 && pci_class_is_display(class) && strv_extend(&found, *address) < 0)
                        return log_oom();
        }
        if (!found)
                return log_error_errno(ENODEV, "VM %s is handed no graphics card that is on the PCI bus.", vm->name);
        all = strv_join(found, ", ");
        if (strv_length(found) > 1)
                return log_error_errno(EINVAL, "VM %s is handed several graphics cards: name one of %s.",
                                       vm->name, all ?: "them");
        *ret = strdup(*found);
        return *ret ? 0 : log_oom();
}

/* What is wrong with other VMs is not told. */
static int find_card(const char *name, char **ret) {
        _cleanup_config_free_ Config *config = NULL;
        const Vm *vm;
        int r;

        log_set_max_level(LOG_CRIT);
        r = config_load(&config);
        log_set_max_level(LOG_INFO);
        if (r < 0)
                return log_oom();

        vm = find_vm(config, name);
        r = vm ? refuse_problems(config, vm) : -ENOENT;
        return r < 0 ? r : find_card_of(config, vm, ret);
}

static int dump(const Options *options) {
        _cleanup_(input_done) Input input = { 0 };
        _cleanup_free_ char *address = NULL, *name = NULL;
        int r;

        if (root_is_set())
                return log_error_errno(EINVAL, "dump is for the cards of this machine: call it without "
                                       "VFIO_GPU_ROOT.");
        r = pci_address_parse(options->words[0], &address);
        if (r == -EINVAL)
                r = find_card(options->words[0], &address);
        if (r >= 0)
                r = output_check(options->words[1], options->force, NULL);
        if (r < 0)
                return r;

        if (asprintf(&name, "the ROM of %s", address) < 0)
                return log_oom();
        input.name = name;
        r = input_allocate(&input);
        if (r >= 0)
                r = rom_card_read(address, input.data, &input.size);
        return r < 0 ? r : write_rom(&input, options, options->words[1]);
}

static const struct {
        const char *name;
        int (*run)(const Options *options);
        size_t n_words;
        bool json, force, card; /* the options that it has */
        const char *help, *text;
} verbs[] = {
        { "info", info, 1, true, false, false, "info FILE [--json]", "Show what is in a ROM file or dump" },
        { "patch", patch, 2, false, true, true, "patch IN OUT [--for=ADDRESS] [--force]",
          "Write what of it is for a VM" },
        { "dump", dump, 2, false, true, false, "dump ADDRESS|VM OUT [--force]",
          "Read the ROM of a graphics card" },
};

static int usage(FILE *f) {
        (void) fprintf(f, "Usage: %s rom VERB …\n\n", program_invocation_short_name);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++)
                (void) fprintf(f, "  %-40s%s\n", verbs[i].help, verbs[i].text);
        (void) fprintf(f, "  %-40sShow this text\n\n"
                       "\"-\" is standard input or output. See vfio-gpuctl-rom(1).\n", "--help");
        return f == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

static bool parse(size_t verb, int argc, char *argv[], Options *options) {
        for (int i = 1; i < argc; i++) {
                const char *card = startswith(argv[i], "--for=");

                if (verbs[verb].json && streq(argv[i], "--json"))
                        options->json = true;
                else if (verbs[verb].force && streq(argv[i], "--force"))
                        options->force = true;
                else if (verbs[verb].card && card && !options->card && pci_address_parse(card, &options->card) >= 0)
                        continue;
                else if (options->n_words < verbs[verb].n_words && (argv[i][0] != '-' || streq(argv[i], "-")))
                        options->words[options->n_words++] = argv[i];
                else
                        return false;
        }
        return options->n_words == verbs[verb].n_words;
}

int verb_rom(int argc, char *argv[]) {
        _cleanup_(options_done) Options options = { 0 };

        if (argc < 2)
                return usage(stderr);
        if (streq(argv[1], "--help") || streq(argv[1], "-h"))
                return usage(stdout);
        for (size_t i = 0; i < ELEMENTSOF(verbs); i++) {
                if (!streq(argv[1], verbs[i].name))
                        continue;
                if (!parse(i, argc - 1, argv + 1, &options)) {
                        log_error("expected: rom %s", verbs[i].help);
                        return EXIT_USAGE;
                }
                return verbs[i].run(&options) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
        }
        return usage(stderr);
}
