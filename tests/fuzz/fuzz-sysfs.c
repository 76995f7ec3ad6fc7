/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <syslog.h>

#include "attribute.h"
#include "bar.h"
#include "consoles.h"
#include "function.h"
#include "group.h"
#include "holders.h"
#include "huge-pool.h"
#include "import-hooks.h"
#include "json-rules.h"
#include "libvirt.h"
#include "log.h"
#include "module.h"
#include "rom.h"
#include "rom-card.h"
#include "root.h"
#include "sessions.h"
#include "state.h"
#include "strv.h"
#include "tree.h"
#include "vfio-gpuctl.h"

#define INPUT_MAX 65536
#define VM "Windows10"
#define GPU "0000:01:00.0"

static char **functions = STRV_MAKE(GPU, "0000:01:00.1", "0000:01:00.2");

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(_unused_ int *argc, _unused_ char ***argv) {
        tree_prepare();
        return 0;
}

static void be_silent(_unused_ int level, _unused_ int error, _unused_ const LogSubject *subject,
                      _unused_ const char *text) {
}

/* Whatever the machine shows: no character but a line's end comes to the terminal that is none to be seen. */
static void check_printable(const char *text) {
        for (; *text; text++)
                if (((unsigned char) *text < ' ' && *text != '\n') || *text == 0x7f)
                        abort();
}

/* Runs a verb with what it prints in memory, to be freed. Both streams of the C library are variables. */
static char *run(int (*verb)(int argc, char *argv[]), char **argv) {
        FILE *out = stdout, *err = stderr;
        char *text = NULL, *errors = NULL;
        size_t n, m;

        stdout = open_memstream(&text, &n);
        stderr = open_memstream(&errors, &m);
        if (!stdout || !stderr)
                abort();
        (void) verb((int) strv_length(argv), argv);
        (void) fclose(stdout);
        (void) fclose(stderr);
        stdout = out;
        stderr = err;
        check_printable(errors);
        free(errors);
        return text;
}

static void run_verbs(void) {
        _cleanup_free_ char *check = NULL, *plan = NULL, *status = NULL, *text = NULL;

        /* Of another machine: without a service manager, and with the kernel that the tree tells of. */
        root_set("/");
        check = run(verb_check, STRV_MAKE("check", VM, "--json"));
        plan = run(verb_plan, STRV_MAKE("plan", VM, "--xml"));
        /* Of this one: with the processes. */
        root_set("");
        status = run(verb_status, STRV_MAKE("status", "--json"));
        text = run(verb_status, STRV_MAKE("status"));

        if ((*check && !json_is_valid(check)) || !json_is_valid(status))
                abort();
        check_printable(check);
        check_printable(plan);
        check_printable(text);
}

static void look_at_modules(void) {
        _cleanup_strv_free_ char **stack = NULL, **followers = NULL;
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;

        root_set("/");
        if (module_try_open(&kmod) >= 0)
                STRV_FOREACH(name, STRV_MAKE("nvidia", "nouveau")) {
                        (void) module_stack(kmod, *name, &stack);
                        (void) module_followers(kmod, *name, &followers);
                }
        root_set("");
}

static void look_at_holders(void) {
        _cleanup_strv_free_ char **nodes = NULL;
        _cleanup_free_ char *who = NULL, *file = NULL;
        Manager *m = NULL;

        (void) nodes_of_functions(functions, &nodes);
        (void) vfio_holders_describe(functions, &who);
        (void) group_is_open(GPU);
        (void) libvirt_find_domain(functions, &file);
        (void) sessions_end(&m, nodes, 0);
}

static void look_as_import(void) {
        static const Action actions[] = { ACTION_TAKE_GROUP, ACTION_TAKE_ID };
        Import import = { .arena.limit = INPUT_MAX };
        ImportVm vm = { .name = VM, .facts.arena = &import.arena };

        for (size_t i = 0; i < ELEMENTSOF(actions); i++)
                if (facts_add(&vm.facts, &(Fact) { .action = actions[i], .object = i ? "10de 2206" : GPU, .value = "" }) < 0)
                        abort();
        (void) import_read_machine(&import);
        (void) import_resolve(&import, &vm);
        (void) import_is_defined(VM);
        arena_done(&import.arena);
}

/* There and back, as the steps do it. */
static void swap(void) {
        _cleanup_close_ int state = state_open(VM, true);
        _cleanup_functions_free_ Function *before = NULL;

        if (state < 0)
                return;
        if (functions_add(&before, functions) >= 0)
                (void) functions_save(state, before);
        (void) consoles_unbind(functions, VM, state);
        (void) function_unbind(GPU);
        (void) function_bind(GPU, "vfio-pci");
        (void) attributes_set(VM, "device", STRV_MAKE("/sys/bus/pci/devices/" GPU "/reset_method=bus"));
        (void) huge_pool_resize(2048, 8);
        bars_resize(state, STRV_MAKE(GPU "/0:512M", GPU "/2:32M"));

        bars_restore(state);
        (void) attributes_restore(VM, "device");
        (void) consoles_bind(VM, state);
}

static void read_rom(void) {
        static uint8_t data[ROM_SIZE_MAX];
        size_t n;

        if (rom_card_read(GPU, data, &n) >= 0 && n > sizeof(data))
                abort();
}

/* A machine whose kernel tells anything: nothing that reads it may fall over that, or say what is not to be
 * read. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > INPUT_MAX)
                return 0;

        tree_enter(data, size);
        log_set_sink(be_silent);
        look_at_modules();
        look_at_holders();
        look_as_import();
        run_verbs();
        log_set_sink(be_silent);
        swap();
        read_rom();
        tree_leave();
        return 0;
}
