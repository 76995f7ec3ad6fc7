/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-disable.h"
#include "import-write.h"
#include "key.h"
#include "log.h"
#include "root.h"
#include "strv.h"
#include "text.h"
#include "vfio-gpuctl.h"

typedef struct Options {
        bool check, disable;
        char **paths; /* NULL for libvirt's own directory */
} Options;

/* Says each thing once, though it may be about several VMs. */
static void log_remarks(const Strings *remarks, char ***told) {
        for (size_t i = 0; i < remarks->n; i++) {
                _cleanup_free_ char *printable = text_printable(remarks->list[i]);

                if (strv_contains(*told, remarks->list[i]))
                        continue;
                log_warning("%s.", printable ?: "?");
                (void) strv_extend(told, remarks->list[i]);
        }
}

static int finish_output(void) {
        return fflush(stdout) != 0 ? log_error_errno(errno, "cannot write to standard output: %m.") : 0;
}

/* Reads the text as the configuration that it is to be. */
static int parse(const char *text, Config **ret) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_fclose_ FILE *f = fmemopen((char *) text, strlen(text), "r");
        int r;

        r = f ? config_new(&config) : -ENOMEM;
        if (r >= 0)
                r = config_read(config, f, "the imported file");
        if (r >= 0)
                r = config_finish(config);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(config);
        return 0;
}

/* Returns a value in words, to be freed, or NULL without memory. */
static char *value_text(const Value *value, Key key) {
        char *text = NULL;

        if (key_table[key].is_list)
                return strv_join(value->list, " ");
        if (*key_table[key].choices)
                return strdup(value->choice ?: "");
        return asprintf(&text, "%us", value->seconds) < 0 ? NULL : text;
}

/* Says what is different for a VM that has a section already. Returns how much, or -ENOMEM. */
static int compare_vm(const Config *present, const Vm *now, const Config *imported, const Vm *then) {
        int n = 0;

        for (int key = 0; key < KEY_MAX; key++) {
                _cleanup_free_ char *a = value_text(config_value(present, now, key), key);
                _cleanup_free_ char *b = value_text(config_value(imported, then, key), key);

                if (!a || !b)
                        return -ENOMEM;
                if (!streq(a, b))
                        n += printf("  would change %s=%s to %s=%s\n", key_table[key].name, a, key_table[key].name,
                                    b) > 0;
        }
        return n;
}

static char *device_text(const Config *config, const char *address, Key key) {
        const Device *device = config_find_device(config, address);

        return device ? value_text(&device->settings.values[key], key) : strdup("");
}

/* The same for the sections of its devices. */
static int compare_devices(const Config *present, const Config *imported, const ImportVm *vm) {
        int n = 0;

        for (size_t i = 0; i < vm->n_lines; i++) {
                const char *address = vm->lines[i].device;
                _cleanup_free_ char *a = NULL, *b = NULL;
                int key = key_from_name(vm->lines[i].key);

                if (!address || key < 0)
                        continue;
                a = device_text(present, address, key);
                b = device_text(imported, address, key);
                if (!a || !b)
                        return -ENOMEM;
                if (!streq(a, b))
                        n += printf("  would change %s: %s=%s to %s=%s\n", address, vm->lines[i].key, a,
                                    vm->lines[i].key, b) > 0;
        }
        return n;
}

static void print_lines(const ImportVm *vm) {
        for (size_t i = 0; i < vm->n_lines; i++) {
                (void) printf("  would set %s%s", vm->lines[i].device ?: "", vm->lines[i].device ? ": " : "");
                import_write_line(stdout, "", &vm->lines[i]);
        }
}

static int check_vm(const ImportVm *vm, const Config *present, const Config *imported) {
        const Vm *now = vm->name ? config_find_vm(present, vm->name) : NULL, *then;
        int n, k;

        if (!now) {
                (void) printf("[VM %s] is not configured:\n", vm->name ?: "NAME");
                print_lines(vm);
                return 0;
        }
        then = config_find_vm(imported, vm->name);
        (void) printf("[VM %s] is configured:\n", vm->name);
        n = then ? compare_vm(present, now, imported, then) : 0;
        k = n < 0 ? n : compare_devices(present, imported, vm);
        if (k < 0)
                return k;
        if (n + k == 0)
                (void) printf("  nothing would be different\n");
        return 0;
}

static int check_configuration(const Import *import, const char *text) {
        _cleanup_config_free_ Config *present = NULL, *imported = NULL;
        int r;

        log_set_max_level(LOG_CRIT);
        r = parse(text, &imported);
        if (r >= 0)
                r = config_load(&present);
        log_set_max_level(LOG_INFO);
        for (size_t i = 0; i < import->n_vms && r >= 0; i++)
                if (import->vms[i].swaps)
                        r = check_vm(&import->vms[i], present, imported);
        return r == -ENOMEM ? log_oom() : r;
}

static void print_moves(const Moves *moves) {
        for (size_t i = 0; i < moves->n; i++) {
                _cleanup_free_ char *from = text_printable(moves->list[i].from),
                                    *to = text_printable(moves->list[i].to);

                (void) printf("would move aside %s to %s\n", from ?: "?", to ?: "?");
        }
}

static int plan_moves(Import *import, Moves *ret) {
        _cleanup_strv_free_ char **told = NULL;
        int r = import_plan_moves(import, ret);

        if (r >= 0)
                log_remarks(&ret->remarks, &told);
        return r;
}

static int check(Import *import, const char *text, bool disable) {
        Moves moves = { 0 };
        int r;

        r = check_configuration(import, text);
        if (r >= 0 && disable)
                r = plan_moves(import, &moves);
        if (r >= 0 && disable) {
                print_moves(&moves);
                r = import_check_moves(import, &moves);
        }
        return r < 0 ? r : finish_output();
}

static int disable(Import *import, const Moves *moves) {
        int r = import_make_moves(import, moves);

        if (r < 0)
                return r;
        for (size_t i = 0; i < moves->n; i++) {
                _cleanup_free_ char *from = text_printable(moves->list[i].from);

                log_notice("moved aside: %s", from ?: "?");
        }
        if (moves->n == 0)
                log_notice("nothing was moved: no hook is there that was taken over.");
        else {
                log_notice("these commands take it back:");
                import_print_way_back(stderr, import, moves);
        }
        return 0;
}

static bool has_section(const Import *import) {
        for (size_t i = 0; i < import->n_vms; i++)
                if (import->vms[i].swaps)
                        return true;
        return false;
}

/* Makes the whole text first: of a failure half-way nobody is to have a half of it. */
static int make_text(const Import *import, char **ret) {
        size_t size;
        FILE *f = open_memstream(ret, &size);

        if (!f)
                return log_oom();
        import_write(f, import);
        return fclose(f) != 0 ? log_oom() : 0;
}

static int write_and_disable(Import *import, const char *text, bool and_disable) {
        Moves moves = { 0 };
        int r = 0;

        if (and_disable) {
                r = plan_moves(import, &moves);
                if (r >= 0)
                        r = import_check_moves(import, &moves);
        }
        if (r < 0)
                return r;
        (void) fputs(text, stdout);
        r = finish_output();
        return r >= 0 && and_disable ? disable(import, &moves) : r;
}

static int run(const Options *options) {
        _cleanup_import_ Import import = { 0 };
        _cleanup_strv_free_ char **told = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = import_read(&import, options->paths);
        log_remarks(&import.remarks, &told);
        if (r < 0)
                return r;
        for (size_t i = 0; i < import.n_vms; i++)
                log_remarks(&import.vms[i].remarks, &told);
        if (!has_section(&import))
                return log_error_errno(ENOENT, "nothing to import: no script in %s hands a GPU to a VM.",
                                       import.sources);

        r = make_text(&import, &text);
        if (r < 0)
                return r;
        return options->check ? check(&import, text, options->disable) :
                                write_and_disable(&import, text, options->disable);
}

static int usage(FILE *f) {
        (void) fprintf(f,
                       "Usage: %s import [DIRECTORY|FILE]… [--check] [--disable]\n\n"
                       "Reads hooks of libvirt, " IMPORT_HOOKS
                       " if none are named, and writes a vfio-gpu.conf.\n\n"
                       "  --check     Say what would be different from the present configuration\n"
                       "  --disable   Move the old hooks to where libvirt does not run them\n"
                       "  --help      Show this text\n\nSee vfio-gpuctl-import(1).\n",
                       program_invocation_short_name);
        return f == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

int verb_import(int argc, char *argv[]) {
        _cleanup_strv_free_ char **paths = NULL;
        Options options = { 0 };

        for (int i = 1; i < argc; i++)
                if (streq(argv[i], "--help") || streq(argv[i], "-h"))
                        return usage(stdout);
                else if (streq(argv[i], "--check"))
                        options.check = true;
                else if (streq(argv[i], "--disable"))
                        options.disable = true;
                else if (argv[i][0] == '-' || !argv[i][0])
                        return usage(stderr);
                else if (strv_extend(&paths, argv[i]) < 0) {
                        log_oom();
                        return EXIT_REFUSED;
                }
        if (options.disable && strv_length(paths) > 1) {
                log_error("--disable takes one directory of hooks at a time.");
                return EXIT_USAGE;
        }
        options.paths = paths;
        return run(&options) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
