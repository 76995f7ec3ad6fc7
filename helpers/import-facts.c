/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fnmatch.h>

#include "import-facts.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

#define FACTS_MAX 4096
#define ARENA_MAX (32 * 1024 * 1024)

static bool is_same(const Fact *a, const Fact *b) {
        return a->action == b->action && a->unknown == b->unknown && a->script == b->script && a->line == b->line &&
                a->is_start == b->is_start && a->hook == b->hook && streq(a->object, b->object) &&
                streq(a->value, b->value);
}

int facts_add(Facts *facts, const Fact *fact) {
        Fact *added;

        for (size_t i = 0; i < facts->n; i++)
                if (is_same(&facts->list[i], fact))
                        return 0;
        if (facts->n == FACTS_MAX)
                return -E2BIG;
        if (facts->n == facts->allocated) {
                size_t allocated = 2 * facts->allocated + 64;
                Fact *grown = arena_alloc(facts->arena, allocated * sizeof(Fact));

                if (!grown)
                        return -ENOMEM;
                if (facts->n > 0)
                        memcpy(grown, facts->list, facts->n * sizeof(Fact));
                facts->list = grown;
                facts->allocated = allocated;
        }

        added = &facts->list[facts->n];
        *added = *fact;
        added->object = arena_strndup(facts->arena, fact->object, strlen(fact->object));
        added->value = arena_strndup(facts->arena, fact->value, strlen(fact->value));
        if (!added->object || !added->value)
                return -ENOMEM;
        facts->n++;
        return 0;
}

static Fact new_fact(const Recorder *recorder, const ShellCall *call, Action action, const char *value) {
        return (Fact) {
                .action = action, .object = "", .value = value, .script = call->script, .hook = recorder->hook,
                .line = call->line, .condition = call->condition, .is_start = recorder->is_start,
        };
}

int record_fact(Recorder *recorder, const ShellCall *call, Action action, const char *object, const char *value) {
        Fact fact = new_fact(recorder, call, action, value);

        fact.object = object;
        return facts_add(recorder->facts, &fact);
}

int record_unknown(Recorder *recorder, const ShellCall *call, Unknown unknown, const char *reason) {
        Fact fact = new_fact(recorder, call, ACTION_UNKNOWN, reason);

        fact.unknown = unknown;
        return facts_add(recorder->facts, &fact);
}

void record_dispatch(Recorder *recorder, const ShellCall *call) {
        static const char folder[] = { '/', SHELL_VM, '/', 0 };

        for (size_t i = 0; i < call->n_words; i++) {
                const char *at = strstr(call->words[i], folder);
                size_t n = at ? (size_t) (at - call->words[i]) : 0;

                recorder->dispatches |= at && (memmem(call->words[i], n, "/hooks", strlen("/hooks")) ||
                                               memmem(call->words[i], n, "qemu.d", strlen("qemu.d")));
        }
}

char *record_address(Recorder *recorder, const char *text) {
        const char *name = startswith(text, "pci_");
        char *copy = arena_strndup(recorder->facts->arena, name ?: text, strlen(name ?: text)), *address = NULL,
             *last = NULL;
        char *kept = NULL;

        for (char *p = copy; name && p && *p; p++)
                if (*p == '_')
                        *(last = p) = ':';
        if (last)
                *last = '.';
        if (copy && pci_address_parse(copy, &address) >= 0)
                kept = arena_strndup(recorder->facts->arena, address, strlen(address));
        free(address);
        return kept;
}

char *record_page_size(Arena *arena, unsigned long kib) {
        unsigned unit = 0;

        for (; kib > 0 && kib % 1024 == 0 && unit < 2; kib /= 1024)
                unit++;
        return arena_printf(arena, "%lu%c", kib, "KMG"[unit]);
}

/* Returns whether a call runs what is in a folder of hooks, or something of which nobody knows that it is
 * not. */
static bool may_run_hooks(const Recorder *recorder, const ShellCall *call, ShellProblem what) {
        bool is_known = true;

        for (size_t i = 0; i < call->n_words; i++) {
                if (recorder->folder && strstr(call->words[i], recorder->folder))
                        return true;
                is_known &= i > 1 || shell_is_known(call->words[i]);
        }
        return what == SHELL_RUNS_UNREAD && !is_known;
}

/* "/sys/bus/pci/devices/0000:01:00.*" stands for the functions of that slot. A pattern for more than one is
 * not followed: what is done with each is often only for some. */
static int paths(Arena *arena, const char *pattern, Strings *ret, _unused_ void *userdata) {
        const char *slot = startswith(pattern, "/sys/bus/pci/devices/");
        _cleanup_free_ char *path = root_path("/sys/bus/pci/devices"), *slot_address = NULL;
        _cleanup_strv_free_ char **functions = NULL;
        char *zero;
        int r = 0;

        if (!path)
                return -ENOMEM;
        if (!slot || strlen(slot) <= strlen("0000:01:00.") || strchr(slot, '/') || !strpbrk(slot, "*?["))
                return 0;
        zero = arena_printf(arena, "%.*s0", (int) strlen("0000:01:00."), slot);
        if (!zero)
                return -ENOMEM;
        if (pci_address_parse(zero, &slot_address) < 0)
                return 0;
        (void) list_directory(path, &functions);
        STRV_FOREACH(function, functions)
                if (r >= 0 && fnmatch(slot, *function, 0) == 0)
                        r = strings_add(arena, ret, arena_printf(arena, "/sys/bus/pci/devices/%s", *function));
        return r;
}

static int problem(const ShellCall *call, ShellProblem what, const char *reason, void *userdata) {
        Recorder *recorder = userdata;
        Fact fact = new_fact(recorder, call, ACTION_UNKNOWN, reason);

        record_dispatch(recorder, call);
        if (what == SHELL_RUNS_UNREAD || what == SHELL_TAKES_UNREAD)
                fact.unknown = UNKNOWN_SCRIPT;
        fact.may_run_hooks = may_run_hooks(recorder, call, what);
        return facts_add(recorder->facts, &fact);
}

static int script(const char *name, bool source, const Script **ret, void *userdata) {
        Recorder *recorder = userdata;

        return recorder->script ? recorder->script(name, source, ret, recorder->userdata) : 0;
}

static size_t mark(void *userdata) {
        return ((Recorder *) userdata)->facts->n;
}

/* A hook that fails keeps the VM from starting. */
static void failure(size_t first, void *userdata) {
        Facts *facts = ((Recorder *) userdata)->facts;

        for (Fact *f = facts->list; f && f < facts->list + facts->n; f++)
                if (f >= facts->list + first) {
                        f->action = ACTION_BESIDE;
                        f->object = "";
                        f->value = "the way back where a script fails: vfio-gpu undoes what it did";
                }
}

static int vm(const char *name, bool is_pattern, void *userdata) {
        Recorder *recorder = userdata;

        return recorder->vm ? recorder->vm(name, is_pattern, recorder->userdata) : 0;
}

int record(Recorder *recorder, char *const *arguments, bool vm_is_other) {
        const ShellCaller caller = {
                .command = record_command, .problem = problem, .script = script, .vm = vm, .mark = mark,
                .failure = failure, .paths = paths, .userdata = recorder, .vm_is_other = vm_is_other,
                .budget = recorder->budget,
        };
        _cleanup_arena_ Arena arena = { .limit = ARENA_MAX };
        int r = 0;

        if (arguments[0] && arguments[1] && arguments[2]) {
                recorder->folder = arena_printf(&arena, "/%s/%s", arguments[1], arguments[2]);
                r = recorder->folder ? 0 : -ENOMEM;
        }
        if (r >= 0)
                r = shell_run(&arena, &caller, recorder->hook, arguments);
        recorder->folder = NULL;
        if (r != -E2BIG && r != -ENOMEM)
                return r;
        /* What a limit ended is a script that nobody wrote for this. */
        return record_unknown(recorder, &(ShellCall) { .script = recorder->hook, .line = 1 }, UNKNOWN_OTHER,
                              "goes on for too long: what is below the point where that became clear was not read");
}
