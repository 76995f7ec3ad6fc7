/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "import-settle.h"

#define SOURCE_LINE_MAX 100

const char settle_way_back[] = "the way back from what was not understood: vfio-gpu undoes what it does";

void settle_mark(Fact *fact, FactUse use, const char *reason) {
        fact->use = use;
        fact->reason = reason;
}

bool settle_has(const Strings *list, const char *s) {
        for (size_t i = 0; i < list->n; i++)
                if (streq(list->list[i], s))
                        return true;
        return false;
}

int settle_add_once(Settle *s, Strings *list, const char *word) {
        return settle_has(list, word) ? 0 : strings_add(s->arena, list, arena_strndup(s->arena, word, strlen(word)));
}

char *settle_join(Settle *s, const Strings *list, const char *separator) {
        char *text = arena_strndup(s->arena, "", 0);

        for (size_t i = 0; i < list->n && text; i++)
                text = arena_printf(s->arena, "%s%s%s", text, i > 0 ? separator : "", list->list[i]);
        return text;
}

char *import_place(Arena *arena, const char *base, const Script *script, unsigned line) {
        const char *rest = *base ? startswith(script->name, base) : NULL;

        return arena_printf(arena, "%s:%u", rest && *rest == '/' ? rest + 1 : script->name, line);
}

char *import_source_line(Arena *arena, const Script *script, unsigned line) {
        const char *text = script->text;
        size_t n;

        for (unsigned i = 1; i < line && text; i++) {
                text = strchr(text, '\n');
                text = text ? text + 1 : NULL;
        }
        if (!text)
                return arena_strndup(arena, "", 0);
        text += strspn(text, " \t");
        for (n = strcspn(text, "\n"); n > 0 && strchr(" \t", text[n - 1]); n--)
                ;
        if (n <= SOURCE_LINE_MAX)
                return arena_strndup(arena, text, n);
        for (n = SOURCE_LINE_MAX; n > 0 && ((unsigned char) text[n] & 0xc0) == 0x80; n--)
                ;
        return arena_printf(arena, "%.*s…", (int) n, text);
}

int settle_remark(Settle *s, const Fact *fact, const char *format, ...) {
        char *place = import_place(s->arena, "", fact->script, fact->line), *text = NULL;
        _cleanup_free_ char *sentence = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&sentence, format, ap);
        va_end(ap);
        if (n >= 0 && place)
                text = arena_printf(s->arena, "%s: %s", place, sentence);
        return strings_add(s->arena, &s->vm->remarks, text);
}

static bool has_fate(const Fact *f, FactUse use, const char *reason, Phase phase) {
        return f->use == use && streq(f->reason, reason) &&
               (phase == PHASE_ANY || f->is_start == (phase == PHASE_START));
}

/* Returns whether one of the facts before this one is said in the same script, or even in the same line. */
static bool is_told(Settle *s, const Fact *fact, FactUse use, Phase phase, bool by_line) {
        for (const Fact *f = s->vm->facts.list; f < fact; f++)
                if (f->script == fact->script && (!by_line || f->line == fact->line) &&
                    has_fate(f, use, fact->reason, phase))
                        return true;
        return false;
}

/* Adds which condition the last lines have. */
static char *add_condition(Settle *s, char *text, unsigned condition, unsigned n) {
        if (!text || condition == 0)
                return text;
        return n == 1 ? arena_printf(s->arena, "%s (only where line %u says so)", text, condition) :
                        arena_printf(s->arena, "%s (these %u only where line %u says so)", text, n, condition);
}

/* Adds the lines of one script. */
static char *add_places(Settle *s, char *text, const Fact *first, FactUse use, Phase phase) {
        unsigned condition = 0, n = 0;

        FACT_FOREACH(f, s->vm) {
                unsigned its_condition = use == USE_LINE ? f->condition : 0;

                if (!text || f->script != first->script || !has_fate(f, use, first->reason, phase) ||
                    is_told(s, f, use, phase, true))
                        continue;
                if (its_condition != condition) {
                        text = add_condition(s, text, condition, n);
                        n = 0;
                }
                condition = its_condition;
                n++;
                if (text && f == first) {
                        char *place = import_place(s->arena, s->base, f->script, f->line);

                        text = place ? arena_printf(s->arena, "%s%s", text, place) : NULL;
                } else if (text)
                        text = arena_printf(s->arena, "%s, %u", text, f->line);
        }
        return add_condition(s, text, condition, n);
}

char *settle_places(Settle *s, FactUse use, const char *reason, Phase phase) {
        char *text = arena_strndup(s->arena, "", 0);

        FACT_FOREACH(f, s->vm) {
                if (!text || !has_fate(f, use, reason, phase) || is_told(s, f, use, phase, false))
                        continue;
                if (*text)
                        text = arena_printf(s->arena, "%s; ", text);
                text = text ? add_places(s, text, f, use, phase) : NULL;
        }
        return text;
}

/* Adds a line that the facts which are marked with its key have led to. */
int settle_add_line(Settle *s, const char *key, const char *value, const char *device, const char *from) {
        char *start, *stop;

        if (!value || s->vm->n_lines == IMPORT_LINES_MAX)
                return value ? -E2BIG : -ENOMEM;
        if (!from) {
                start = settle_places(s, USE_LINE, key, PHASE_START);
                stop = settle_places(s, USE_LINE, key, PHASE_STOP);
                if (!start || !stop)
                        return -ENOMEM;
                from = !*stop ? start : !*start ? stop : arena_printf(s->arena, "%s; the other way: %s", start, stop);
                if (!from)
                        return -ENOMEM;
        }
        s->vm->lines[s->vm->n_lines++] = (ImportLine) { .key = key, .value = value, .device = device, .from = from };
        return 0;
}

int settle_note(Settle *s, const char *text) {
        return strings_add(s->arena, &s->vm->notes, arena_strndup(s->arena, text, strlen(text)));
}

bool settle_has_action(const ImportVm *vm, Action action, bool is_start) {
        FACT_FOREACH(f, vm)
                if (f->action == action && f->is_start == is_start)
                        return true;
        return false;
}

bool settle_has_unknown(const ImportVm *vm, bool is_start, Unknown unknown) {
        FACT_FOREACH(f, vm)
                if (f->action == ACTION_UNKNOWN && f->unknown == unknown && f->is_start == is_start)
                        return true;
        return false;
}
