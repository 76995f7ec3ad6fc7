/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "shell-part.h"

int shell_set_unknown(Shell *s, ShellVariable *v) {
        Strings values = { 0 };
        int r = strings_add(s->arena, &values, arena_strndup(s->arena, (const char[]) { SHELL_UNKNOWN }, 1));

        return r < 0 ? r : shell_set(s, v, &values, v->is_list);
}

/* Variables that get something which is not known. */
static int forget_names(Shell *s, char **names, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++) {
                ShellVariable *v;

                if (shell_name_is(names[i])) {
                        r = shell_variable(s, names[i], &v);
                        if (r >= 0)
                                r = shell_set_unknown(s, v);
                }
        }
        return r;
}

/* What arithmetic may have changed. */
int shell_forget_arithmetic(Shell *s, const char *text) {
        int r = 0;

        while (*text && r >= 0) {
                size_t n = 0;
                ShellVariable *v = NULL;
                char *name;

                while (isalnum((unsigned char) text[n]) || text[n] == '_')
                        n++;
                name = arena_strndup(s->arena, text, n);
                if (!name)
                        return -ENOMEM;
                if (n > 0)
                        v = shell_find_variable(s, name);
                if (v && strpbrk(text, "=+-"))
                        r = shell_set_unknown(s, v);
                text += n > 0 ? n : 1;
        }
        return r;
}

static int builtin_nothing(_unused_ Shell *s, _unused_ ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_TRUE;
        return 0;
}

static int builtin_cd(Shell *s, ShellCall *call, ShellStatus *ret) {
        size_t i = 1;
        char *path = NULL;
        int r = 0;

        while (i < call->n_words && call->words[i][0] == '-' && call->words[i][1])
                i++;
        if (i < call->n_words && shell_is_known(call->words[i]) && !streq(call->words[i], "-"))
                r = shell_find_path(s, call->words[i], &path);
        s->directory = path;
        *ret = SHELL_TRUE;
        return r;
}

static int builtin_pushd(Shell *s, ShellCall *call, ShellStatus *ret) {
        ShellDirectory *pushed = arena_alloc(s->arena, sizeof(ShellDirectory));

        if (!pushed)
                return -ENOMEM;
        *pushed = (ShellDirectory) { s->pushed, s->directory };
        s->pushed = pushed;
        return builtin_cd(s, call, ret);
}

static int builtin_popd(Shell *s, _unused_ ShellCall *call, ShellStatus *ret) {
        if (s->pushed) {
                s->directory = s->pushed->name;
                s->pushed = s->pushed->next;
        }
        *ret = SHELL_TRUE;
        return 0;
}

static int builtin_false(_unused_ Shell *s, _unused_ ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_FALSE;
        return 0;
}

static int builtin_question(_unused_ Shell *s, _unused_ ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_MAYBE;
        return 0;
}

static int builtin_test(Shell *s, ShellCall *call, ShellStatus *ret) {
        size_t n = call->n_words - 1;
        int status;

        if (streq(call->words[0], "[") && n > 0 && streq(call->words[n], "]"))
                n--;
        status = shell_test(s, call->words + 1, n, false);
        if (status < 0)
                return status;
        *ret = (ShellStatus) status;
        return 0;
}

static int builtin_leave(Shell *s, ShellCall *call, ShellStatus *ret) {
        static const struct {
                const char *name;
                ShellLeave leave;
        } ways[] = {
                { "exit", SHELL_EXITS },
                { "return", SHELL_RETURNS },
                { "break", SHELL_BREAKS },
                { "continue", SHELL_CONTINUES },
        };

        for (size_t i = 0; i < ELEMENTSOF(ways); i++)
                if (streq(call->words[0], ways[i].name))
                        s->leave = ways[i].leave;
        *ret = call->n_words == 1 || streq(call->words[1], "0") ? SHELL_TRUE : SHELL_MAYBE;
        s->fails = call->n_words > 1 && shell_is_known(call->words[1]) && !streq(call->words[1], "0");
        return 0;
}

/* What is declared without a value is empty; the assignments were made before. */
static int builtin_declare(Shell *s, ShellCall *call, ShellStatus *ret) {
        bool is_list = false;
        int r = 0;

        *ret = SHELL_TRUE;
        if (streq(call->words[0], "export") || streq(call->words[0], "readonly"))
                return 0;
        for (size_t i = 1; i < call->n_words && r >= 0; i++) {
                const char *word = call->words[i];
                Strings values = { 0 };
                ShellVariable *v;

                if (*word == '-')
                        is_list |= strchr(word, 'a') || strchr(word, 'A');
                if (!shell_name_is(word))
                        continue;
                r = shell_variable(s, word, &v);
                if (r >= 0 && !is_list)
                        r = strings_add(s->arena, &values, arena_strndup(s->arena, "", 0));
                if (r >= 0)
                        r = shell_set(s, v, &values, is_list);
        }
        return r;
}

static int builtin_read(Shell *s, ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_MAYBE;
        return forget_names(s, call->words + 1, call->n_words - 1);
}

static int builtin_let(Shell *s, ShellCall *call, ShellStatus *ret) {
        int r = 0;

        *ret = SHELL_MAYBE;
        for (size_t i = 1; i < call->n_words && r >= 0; i++)
                r = shell_forget_arithmetic(s, call->words[i]);
        return r;
}

static int builtin_shift(Shell *s, ShellCall *call, ShellStatus *ret) {
        size_t n = call->n_words > 1 ? strtoul(call->words[1], NULL, 10) : 1;

        *ret = SHELL_TRUE;
        n = n < s->n_arguments ? n : s->n_arguments;
        s->arguments += n;
        s->n_arguments -= n;
        return 0;
}

static int builtin_set(Shell *s, ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_TRUE;
        for (size_t i = 1; i < call->n_words; i++)
                if (streq(call->words[i], "--")) {
                        s->arguments = call->words + i + 1;
                        s->n_arguments = call->n_words - i - 1;
                        break;
                }
        return 0;
}

static int builtin_eval(Shell *s, ShellCall *call, ShellStatus *ret) {
        char *text;
        int r = shell_join(s, call->words + 1, call->n_words - 1, &text);

        *ret = SHELL_EXPECTED;
        return r < 0 ? r : shell_run_text(s, call, text);
}

static int builtin_source(Shell *s, ShellCall *call, ShellStatus *ret) {
        const Script *script = NULL, *outer = s->script;
        char *name;
        int r;

        *ret = SHELL_EXPECTED;
        if (call->n_words < 2)
                return 0;
        r = shell_find_path(s, call->words[1], &name);
        if (r >= 0 && shell_is_known(name))
                r = s->caller->script(name, true, &script, s->caller->userdata);
        if (r < 0)
                return r;
        if (r == 0)
                return shell_problem(s, call, SHELL_TAKES_UNREAD,
                                     "takes over settings from a file that cannot be read");
        s->script = script;
        r = shell_run_node(s, script->tree, ret);
        s->script = outer;
        if (s->leave == SHELL_RETURNS)
                s->leave = SHELL_STAYS;
        return r;
}

static const struct {
        const char *names;
        ShellBuiltin run;
} builtins[] = {
        { ": true pwd wait trap alias unalias jobs hash disown shopt ulimit umask", builtin_nothing },
        { "cd", builtin_cd },
        { "pushd", builtin_pushd },
        { "popd", builtin_popd },
        { "false", builtin_false },
        { "type", builtin_question },
        { "test [", builtin_test },
        { "exit return break continue", builtin_leave },
        { "declare local typeset export readonly", builtin_declare },
        { "read readarray mapfile getopts unset", builtin_read },
        { "let", builtin_let },
        { "shift", builtin_shift },
        { "set", builtin_set },
        { "eval", builtin_eval },
        { "source .", builtin_source },
};

ShellBuiltin shell_find_builtin(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(builtins); i++)
                if (shell_word_in(builtins[i].names, name))
                        return builtins[i].run;
        return NULL;
}

bool shell_is_declaration(const char *name) {
        return shell_find_builtin(name) == builtin_declare;
}
