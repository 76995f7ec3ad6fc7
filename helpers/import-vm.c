/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-settle.h"

/* What is the same in any context. */
static const struct {
        Action action;
        FactUse use;
        const char *reason; /* NULL: it is the fact's own */
} rest[] = {
        { ACTION_UNKNOWN, USE_LEFT, NULL },
        { ACTION_NEEDLESS, USE_NEEDLESS, NULL },
        { ACTION_BESIDE, USE_NEEDLESS, NULL },
        { ACTION_END_SESSION, USE_NEEDLESS,
          "desktops: Sessions=end, the default, ends the graphical sessions and waits for them" },
        { ACTION_END_SOUND, USE_NEEDLESS,
          "sound servers: a user's manager is stopped if its units keep the GPU open after the session" },
        { ACTION_START_SOME, USE_NEEDLESS,
          "units started again whose names are not known: vfio-gpu starts again what it stopped" },
        { ACTION_LOAD_SOME, USE_NEEDLESS, "drivers loaded: each function gets the one that it had" },
        { ACTION_RESCAN, USE_NEEDLESS, "the bus scanned again: needed only after functions were removed" },
        { ACTION_TAKE_ID, USE_LEFT, "names functions by vendor and device: put their addresses in Devices=" },
        { ACTION_REMOVE, USE_LEFT, "removes a function from the bus before the VM: Return=rescan does that after it" },
};

static void settle_rest(Settle *s) {
        FACT_FOREACH(f, s->vm) {
                for (size_t i = 0; i < ELEMENTSOF(rest) && f->use == USE_OPEN; i++)
                        if (f->action == rest[i].action)
                                settle_mark(f, rest[i].use, rest[i].reason ?: f->value);
                if (f->use == USE_OPEN)
                        settle_mark(f, USE_LEFT, "there is no setting for this at this moment of a swap");
        }
}

/* Adds a note for all that have the same reason. */
static int add_notes(Settle *s) {
        Strings told = { 0 };
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                char *where;

                if (r < 0 || f->use != USE_NEEDLESS || settle_has(&told, f->reason))
                        continue;
                r = settle_add_once(s, &told, f->reason);
                where = r < 0 ? NULL : settle_places(s, USE_NEEDLESS, f->reason, PHASE_ANY);
                if (!where)
                        return -ENOMEM;
                r = strings_add(s->arena, &s->vm->notes, arena_printf(s->arena, "%s: %s", where, f->reason));
        }
        return r;
}

static bool is_left_alike(const Fact *a, const Fact *b) {
        return a->use == USE_LEFT && a->script == b->script && streq(a->reason, b->reason);
}

/* Returns whether one before it is alike, in any line or in the same one. */
static bool is_left_told(const Settle *s, const Fact *fact, bool by_line) {
        for (const Fact *f = s->vm->facts.list; f < fact; f++)
                if (is_left_alike(f, fact) && (!by_line || f->line == fact->line))
                        return true;
        return false;
}

/* Says once of a script why some of its lines are not taken over. */
static int tell_left(Settle *s, const Fact *fact, const char *source) {
        const char *others = "";
        size_t n = 0;

        FACT_FOREACH(f, s->vm)
                if (f > fact && others && is_left_alike(f, fact) && !is_left_told(s, f, true))
                        others = arena_printf(s->arena, "%s%s%u", others, n++ > 0 ? ", " : " ", f->line);
        if (!others)
                return -ENOMEM;
        return settle_remark(s, fact, "not taken over: %s (%s)%s%s", source, fact->reason,
                             n == 0 ? "" : n == 1 ? "; nor is line" : "; nor are lines", others);
}

/* Lists each line of a script once, whatever is not taken over in it. */
static int add_left(Settle *s) {
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                char *place, *source;

                if (r < 0 || f->use != USE_LEFT || is_left_told(s, f, true))
                        continue;
                place = import_place(s->arena, s->base, f->script, f->line);
                source = import_source_line(s->arena, f->script, f->line);
                if (!place || !source)
                        return -ENOMEM;
                r = strings_add(s->arena, &s->vm->left, arena_printf(s->arena, "%s: %s", place, source));
                if (r >= 0)
                        r = strings_add(s->arena, &s->vm->left, arena_printf(s->arena, "    %s", f->reason));
                if (r >= 0 && !is_left_told(s, f, false))
                        r = tell_left(s, f, source);
        }
        return r;
}

bool import_is_about_gpu(const Fact *f) {
        switch (f->action) {
        case ACTION_TAKE:
        case ACTION_TAKE_GROUP:
        case ACTION_TAKE_ID:
        case ACTION_RELEASE:
        case ACTION_GIVE:
        case ACTION_CONSOLE_OFF:
        case ACTION_FRAMEBUFFER_OFF:
                return true;
        case ACTION_UNLOAD:
                return f->is_start && !module_is_vfio(f->object);
        case ACTION_STOP:
                return f->is_start && (streq(f->object, DISPLAY_MANAGER) || unit_is_display_manager(f->object));
        case ACTION_UNKNOWN:
                return f->is_start && f->unknown == UNKNOWN_TAKEN;
        default:
                return false;
        }
}

bool import_is_needless(const Fact *f) {
        return f->action == ACTION_NEEDLESS || f->action == ACTION_BESIDE;
}

bool import_is_taken_over(const ImportVm *vm, const Fact *f) {
        if (f->use != USE_NEEDLESS)
                return f->use == USE_LINE;
        switch (f->action) {
        case ACTION_BESIDE:
                return false;
        /* What is not known to have been taken away before is no way back. */
        case ACTION_START_SOME:
                return settle_has_action(vm, ACTION_STOP, true) || settle_has_action(vm, ACTION_END_SESSION, true) ||
                        settle_has_unknown(vm, true, UNKNOWN_UNIT);
        case ACTION_LOAD:
        case ACTION_LOAD_SOME:
                return f->is_start || settle_has_action(vm, ACTION_UNLOAD, true);
        default:
                return true;
        }
}

/* What was not read may well hand a GPU over. */
static int tell_unread(Settle *s) {
        int r = 0;

        FACT_FOREACH(f, s->vm)
                if (r >= 0 && f->action == ACTION_UNKNOWN && f->unknown == UNKNOWN_SCRIPT) {
                        char *source = import_source_line(s->arena, f->script, f->line);

                        r = source ? settle_remark(s, f, "not followed: %s (%s)", source, f->value) : -ENOMEM;
                }
        return r;
}

int import_settle(ImportVm *vm, const ImportMachine *machine, const char *base) {
        static int (*const parts[])(Settle *s) = {
                settle_devices, settle_modules, settle_units, settle_user_units, settle_holders, settle_consoles,
                settle_values, settle_huge_pages, settle_functions,
        };
        Settle s = { .vm = vm, .machine = machine, .base = base, .arena = vm->facts.arena };
        int r = 0;

        /* A script that only writes a log, say, is no reason to hand a GPU over. */
        FACT_FOREACH(f, vm)
                vm->swaps |= import_is_about_gpu(f);
        if (!vm->swaps)
                return tell_unread(&s);
        for (size_t i = 0; i < ELEMENTSOF(parts) && r >= 0; i++)
                r = parts[i](&s);
        if (r < 0)
                return r;
        settle_rest(&s);
        r = add_notes(&s);
        return r < 0 ? r : add_left(&s);
}
