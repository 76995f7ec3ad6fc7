/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <syslog.h>

#include "import-write.h"
#include "log.h"
#include "settings.h"
#include "strv.h"

#define INPUT_MAX 65536
#define ARENA_MAX (64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void follow(ImportVm *vm, const Script *script, const char *operation, const char *sub, bool is_start) {
        Recorder recorder = { .facts = &vm->facts, .hook = script, .is_start = is_start };

        (void) record(&recorder, STRV_MAKE("a VM", operation, sub, "-"), false);
}

/* Whatever the script was, a configuration without an error comes of it. */
static void check(const char *text, size_t size) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_fclose_ FILE *f = fmemopen((char *) text, size, "r");

        if (!f || config_new(&config) < 0 || config_read(config, f, "imported") < 0)
                abort();
        if (config->has_errors || !config_find_vm(config, "a VM"))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_arena_ Arena arena = { .limit = ARENA_MAX };
        _cleanup_free_ char *written = NULL;
        ImportVm vm = { .name = "a VM", .facts.arena = &arena };
        Import import = { .base = "/hooks", .sources = "/hooks", .machine.page_size = "2M", .vms = &vm, .n_vms = 1 };
        Script script = { .name = "/hooks/qemu" };
        ShellSyntaxError error = { 0 };
        size_t n_written;
        char *text;
        FILE *f;

        if (size == 0 || size > INPUT_MAX)
                return 0;
        log_set_max_level(LOG_EMERG);
        text = arena_strndup(&arena, (const char *) data, size);
        if (!text)
                abort();
        shell_clean(text);
        script.text = text;
        if (shell_parse(&arena, text, 1, &script.tree, &error) < 0)
                return 0;

        follow(&vm, &script, "prepare", "begin", true);
        follow(&vm, &script, "release", "end", false);
        vm.has_start = vm.has_stop = true;
        if (import_settle(&vm, &import.machine, import.base) < 0 || !vm.swaps)
                return 0;

        f = open_memstream(&written, &n_written);
        if (!f)
                abort();
        import_write(f, &import);
        (void) fclose(f);
        check(written, n_written);
        return 0;
}
