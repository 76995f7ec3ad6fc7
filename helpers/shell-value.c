/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "shell-state.h"

/* A value that would be longer is not known any more. */
#define VALUE_MAX 16384
#define VARIABLES_MAX 512
#define FIELDS_MAX 1024

#define BLANKS " \t\n"

static const char unknown[] = { SHELL_UNKNOWN, 0 };

/* Fields in the making. */
typedef struct Expansion {
        Shell *s;
        Strings *fields;
        char *current; /* NULL between fields */
        bool splits;
} Expansion;

bool shell_word_in(const char *words, const char *word) {
        size_t length = strlen(word);

        while (*words) {
                size_t n = strcspn(words, " ");
                bool is_prefix = n > 1 && words[n - 1] == '*';

                n -= is_prefix;
                if (n > 0 && (is_prefix ? length >= n : length == n) && strncmp(words, word, n) == 0)
                        return true;
                words += n + is_prefix;
                words += strspn(words, " ");
        }
        return false;
}

bool shell_name_is(const char *value) {
        size_t n = 0;

        while (isalpha((unsigned char) value[n]) || value[n] == '_' || (n > 0 && isdigit((unsigned char) value[n])))
                n++;
        return n > 0 && !value[n];
}

char *shell_append(Shell *s, const char *a, const char *b) {
        size_t n = strlen(a), m;
        char *both;

        /* Two texts that are not known are one. */
        b += n > 0 && a[n - 1] == SHELL_UNKNOWN && *b == SHELL_UNKNOWN;
        m = strlen(b);
        if (n + m > VALUE_MAX)
                return arena_strndup(s->arena, unknown, 1);
        both = arena_alloc(s->arena, n + m + 1);
        if (both)
                (void) stpcpy(stpcpy(both, a), b);
        return both;
}

ShellVariable *shell_find_variable(Shell *s, const char *name) {
        for (ShellVariable *v = s->variables; v; v = v->next)
                if (streq(v->name, name))
                        return v;
        return NULL;
}

int shell_variable(Shell *s, const char *name, ShellVariable **ret) {
        ShellVariable *v = shell_find_variable(s, name);

        if (!v) {
                if (++s->n_variables > VARIABLES_MAX)
                        return -E2BIG;
                v = arena_alloc(s->arena, sizeof(ShellVariable));
                if (!v)
                        return -ENOMEM;
                v->name = arena_strndup(s->arena, name, strlen(name));
                if (!v->name)
                        return -ENOMEM;
                v->next = s->variables;
                s->variables = v;
        }
        *ret = v;
        return 0;
}

static int note_undo(Shell *s, ShellVariable *v) {
        if (s->branches == 0)
                return 0;
        if (s->n_undo == s->undo_allocated) {
                size_t allocated = 2 * s->undo_allocated + 16;
                ShellUndo *grown = arena_alloc(s->arena, allocated * sizeof(ShellUndo));

                if (!grown)
                        return -ENOMEM;
                if (s->n_undo > 0)
                        memcpy(grown, s->undo, s->n_undo * sizeof(ShellUndo));
                s->undo = grown;
                s->undo_allocated = allocated;
        }
        s->undo[s->n_undo++] = (ShellUndo) { v, v->values, v->is_list };
        return 0;
}

int shell_set(Shell *s, ShellVariable *v, const Strings *values, bool is_list) {
        int r = note_undo(s, v);

        if (r < 0)
                return r;
        v->values = *values;
        v->values.allocated = 0; /* another variable may have the same list */
        v->is_list = is_list;
        return 0;
}

int shell_set_one(Shell *s, const char *name, char *value) {
        Strings values = { 0 };
        ShellVariable *v;
        int r;

        r = shell_variable(s, name, &v);
        if (r >= 0)
                r = strings_add(s->arena, &values, value);
        return r < 0 ? r : shell_set(s, v, &values, false);
}

static int add_field(Expansion *x) {
        int r;

        if (x->fields->n >= FIELDS_MAX)
                return -E2BIG;
        r = strings_add(x->s->arena, x->fields, x->current);
        x->current = NULL;
        return r;
}

/* Adds to the field what cannot end it. */
static int add_text(Expansion *x, const char *text) {
        x->current = shell_append(x->s, x->current ?: "", text);
        return x->current ? 0 : -ENOMEM;
}

/* Adds a value, of which blanks make several fields unless it is quoted. */
static int add_value(Expansion *x, const char *value, bool quoted) {
        int r = 0;

        if (quoted || !x->splits)
                return add_text(x, value);
        while (r >= 0 && *value) {
                size_t blanks = strspn(value, BLANKS), n = strcspn(value + blanks, BLANKS);
                char *piece = arena_strndup(x->s->arena, value + blanks, n);

                if (!piece)
                        return -ENOMEM;
                if (blanks > 0 && x->current)
                        r = add_field(x);
                if (r >= 0 && n > 0)
                        r = add_text(x, piece);
                value += blanks + n;
        }
        return r;
}

static int add_values(Expansion *x, const Strings *values, bool quoted) {
        int r = 0;

        for (size_t i = 0; i < values->n && r >= 0; i++) {
                if (i > 0 && x->splits && x->current)
                        r = add_field(x);
                else if (i > 0)
                        r = add_text(x, " ");
                if (r >= 0)
                        r = add_value(x, values->list[i], quoted);
        }
        return r;
}

static int one_value(Shell *s, const char *value, Strings *ret) {
        return strings_add(s->arena, ret, arena_strndup(s->arena, value, strlen(value)));
}

/* Returns one of a list. Where it ends is not known if one of its elements is not: "$(cat file)" can be many. */
static const char *pick(char *const *list, size_t n, size_t index) {
        if (index < n)
                return list[index];
        for (size_t i = 0; i < n; i++)
                if (streq(list[i], unknown))
                        return unknown;
        return "";
}

static int argument_values(Shell *s, const char *name, Strings *ret) {
        size_t n = strtoul(name, NULL, 10);

        if (*name == '@' || *name == '*') {
                *ret = (Strings) { .list = s->arguments, .n = s->n_arguments };
                return 0;
        }
        if (*name == '#')
                return s->n_arguments > 0 && streq(s->arguments[0], unknown) ? one_value(s, unknown, ret) :
                        strings_add(s->arena, ret, arena_printf(s->arena, "%zu", s->n_arguments));
        if (!isdigit((unsigned char) *name))
                return one_value(s, unknown, ret);
        /* In as many digits as there may be. */
        if (n == 0)
                return one_value(s, s->script->name, ret);
        return one_value(s, pick(s->arguments, s->n_arguments, n - 1), ret);
}

/* Picks one of a list's values, or all of them. */
static int indexed_values(Shell *s, const ShellVariable *v, const ShellWord *index, Strings *ret) {
        char *text, *end;
        unsigned long n;
        int r;

        r = shell_expand(s, index, &text);
        if (r < 0)
                return r;
        if (streq(text, "@") || streq(text, "*")) {
                *ret = v->values;
                return 0;
        }
        n = strtoul(text, &end, 10);
        if (!isdigit((unsigned char) *text) || *end)
                return one_value(s, unknown, ret);
        return one_value(s, pick(v->values.list, v->values.n, n), ret);
}

/* Gives the values of a parameter before its operator. Returns 1, or 0 if it is not set, or a negative
 * errno. */
static int parameter_values(Shell *s, const ShellPart *part, Strings *ret) {
        const ShellVariable *v;
        int r;

        if (!isalpha((unsigned char) *part->text) && *part->text != '_')
                r = argument_values(s, part->text, ret);
        else if (streq(part->text, "BASH_SOURCE"))
                r = one_value(s, s->script->name, ret);
        else {
                v = shell_find_variable(s, part->text);
                /* The environment may have it. */
                if (!v || (v->values.n == 0 && !v->is_list)) {
                        r = one_value(s, unknown, ret);
                        return r < 0 ? r : 0;
                }
                if (part->index)
                        r = indexed_values(s, v, part->index, ret);
                else
                        r = one_value(s, v->values.n > 0 ? v->values.list[0] : "", ret);
        }
        return r < 0 ? r : 1;
}

/* Takes ${name:-word} and its like. */
static int choose_value(Shell *s, const ShellPart *part, bool is_set, Strings *values) {
        const char *value = values->n > 0 ? values->list[0] : "";
        bool is_empty = !is_set || (part->operator[0] == ':' && !*value), wants = strchr(part->operator, '+');
        char *other;
        int r;

        if (is_empty == wants) {
                if (!wants)
                        return 0;
                *values = (Strings) { 0 };
                return one_value(s, "", values);
        }
        r = shell_expand(s, part->argument, &other);
        if (r < 0)
                return r;
        if (strchr(part->operator, '=')) {
                r = shell_set_one(s, part->text, other);
                if (r < 0)
                        return r;
        }
        *values = (Strings) { 0 };
        return strings_add(s->arena, values, other);
}

/* Divides "pattern/text". */
static int replace_value(Shell *s, const char *value, char *argument, bool everywhere, char **ret) {
        char *slash = argument;

        while (*slash && *slash != '/')
                slash += *slash == '\\' && slash[1] ? 2 : 1;
        if (!*slash)
                return shell_replace(s, value, argument, "", everywhere, ret);
        *slash = 0;
        return shell_replace(s, value, argument, slash + 1, everywhere, ret);
}

static int change_value(Shell *s, const ShellPart *part, const char *value, char **ret) {
        const char *o = part->operator;
        char *argument;
        int r;

        if (streq(o, "?")) {
                *ret = arena_strndup(s->arena, unknown, 1);
                return *ret ? 0 : -ENOMEM;
        }
        r = shell_expand_pattern(s, part->argument, &argument);
        if (r < 0)
                return r;
        if (*o == '/')
                return replace_value(s, value, argument, o[1], ret);
        return shell_strip(s, value, argument, *o == '%', o[1], ret);
}

static int change_values(Shell *s, const ShellPart *part, Strings *values) {
        Strings changed = { 0 };
        int r = 0;

        for (size_t i = 0; i < values->n && r >= 0; i++) {
                char *value;

                r = change_value(s, part, values->list[i], &value);
                if (r >= 0)
                        r = strings_add(s->arena, &changed, value);
        }
        *values = changed;
        return r;
}

static int add_parameter(Expansion *x, const ShellPart *part) {
        Strings values = { 0 };
        int r;

        r = parameter_values(x->s, part, &values);
        if (r >= 0 && *part->operator && strchr(":-=+", *part->operator))
                r = choose_value(x->s, part, r > 0, &values);
        else if (r >= 0 && *part->operator)
                r = change_values(x->s, part, &values);
        return r < 0 ? r : add_values(x, &values, part->quoted);
}

static int add_part(Expansion *x, const ShellPart *part) {
        char *value;
        int r;

        switch (part->type) {
        case SHELL_TEXT:
                return *part->text || part->quoted ? add_text(x, part->text) : 0;
        case SHELL_PARAMETER:
                return add_parameter(x, part);
        case SHELL_COMMAND:
                r = shell_substitute(x->s, part->script, &value);
                return r < 0 ? r : add_value(x, value, part->quoted);
        case SHELL_OPAQUE:
                break;
        }
        return add_text(x, unknown);
}

static int expand_parts(Expansion *x, const ShellWord *word) {
        int r = 0;

        for (const ShellPart *part = word->parts; part && r >= 0; part = part->next)
                r = add_part(x, part);
        return r;
}

int shell_expand_fields(Shell *s, const ShellWord *word, Strings *fields) {
        Strings found = { 0 };
        Expansion x = { .s = s, .fields = &found, .splits = true };
        int r;

        r = expand_parts(&x, word);
        if (r >= 0 && x.current)
                r = add_field(&x);
        for (size_t i = 0; i < found.n && r >= 0; i++) {
                Strings alternatives = { 0 };

                r = shell_expand_braces(s, found.list[i], &alternatives);
                for (size_t k = 0; k < alternatives.n && r >= 0; k++)
                        r = fields->n < FIELDS_MAX ? strings_add(s->arena, fields, alternatives.list[k]) : -E2BIG;
        }
        return r < 0 ? r : 0;
}

int shell_expand(Shell *s, const ShellWord *word, char **ret) {
        Strings unused = { 0 };
        Expansion x = { .s = s, .fields = &unused };
        int r;

        r = expand_parts(&x, word);
        if (r < 0)
                return r;
        *ret = x.current ?: arena_strndup(s->arena, "", 0);
        if (!*ret)
                return -ENOMEM;
        shell_make_plain(*ret);
        return 0;
}

char *shell_escape(Shell *s, const char *text, const char *special) {
        char *escaped = arena_alloc(s->arena, 2 * strlen(text) + 1), *p = escaped;

        for (; escaped && *text; text++) {
                if (strchr(special, *text))
                        *p++ = '\\';
                *p++ = *text;
        }
        return escaped;
}

int shell_expand_pattern(Shell *s, const ShellWord *word, char **ret) {
        char *pattern = arena_strndup(s->arena, "", 0);

        for (const ShellPart *part = word->parts; part && pattern; part = part->next) {
                ShellPart alone = *part;
                char *value;
                int r;

                alone.next = NULL;
                r = shell_expand(s, &(ShellWord) { .parts = &alone }, &value);
                if (r < 0)
                        return r;
                value = part->quoted ? shell_escape(s, value, "*?[]\\/") : value;
                pattern = value ? shell_append(s, pattern, value) : NULL;
        }
        *ret = pattern;
        return pattern ? 0 : -ENOMEM;
}

static int assigned_list(Shell *s, const ShellAssignment *a, const ShellVariable *v, Strings *ret) {
        int r = 0;

        for (size_t i = 0; a->append && i < v->values.n && r >= 0; i++)
                r = strings_add(s->arena, ret, v->values.list[i]);
        for (const ShellWord *word = a->value; word && r >= 0; word = word->next)
                r = shell_expand_fields(s, word, ret);
        return r < 0 ? r : ret->n > FIELDS_MAX ? -E2BIG : 0;
}

int shell_assign(Shell *s, const ShellAssignment *a) {
        Strings values = { 0 };
        ShellVariable *v;
        char *value;
        int r;

        r = shell_variable(s, a->name, &v);
        if (r < 0)
                return r;
        if (a->is_list)
                r = assigned_list(s, a, v, &values);
        else {
                r = shell_expand(s, a->value, &value);
                /* One value of a list: which others it has is not followed. */
                if (r >= 0 && a->index)
                        value = arena_strndup(s->arena, unknown, 1);
                else if (r >= 0 && a->append)
                        value = shell_append(s, v->values.n > 0 ? v->values.list[0] : unknown, value);
                if (r >= 0)
                        r = strings_add(s->arena, &values, value);
        }
        return r < 0 ? r : shell_set(s, v, &values, a->is_list || a->index);
}
