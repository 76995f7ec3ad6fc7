/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "shell-part.h"

#define WRAPPERS_MAX 16

/* So many characters to be read count as one command. */
#define TEXT_STEP 64

int shell_find_path(Shell *s, const char *name, char **ret) {
        const char *rest = startswith(name, "./") ?: name;

        *ret = *name == '/' || !s->directory ?
                       arena_strndup(s->arena, name, strlen(name)) :
                       arena_printf(s->arena, "%s%s%s", s->directory, endswith(s->directory, "/") ? "" : "/", rest);
        return *ret ? 0 : -ENOMEM;
}

int shell_add_output(Shell *s, Strings *outputs, char *name) {
        char *path = name;
        int r = *name == SHELL_UNKNOWN || *name == '~' ? 0 : shell_find_path(s, name, &path);

        return r < 0 ? r : strings_add(s->arena, outputs, shell_word_in("/sys/* /proc/*", path) ? path : name);
}

int shell_problem(Shell *s, const ShellCall *call, ShellProblem problem, const char *reason) {
        return s->caller->problem(call, problem, reason, s->caller->userdata);
}

int shell_run_text(Shell *s, const ShellCall *call, const char *text) {
        ShellSyntaxError error;
        ShellStatus status;
        ShellNode *tree;
        int r;

        if (!shell_is_known(text))
                return shell_problem(s, call, SHELL_RUNS_UNREAD, "runs a text that is not known");
        s->steps += (unsigned) strlen(text) / TEXT_STEP;
        r = shell_parse(s->arena, text, call->line, &tree, &error);
        if (r < 0)
                return r;
        if (error.problem)
                return shell_problem(s, call, SHELL_RUNS_UNREAD, "runs a text that is no script of the shell");
        return shell_run_node(s, tree, &status);
}

/* Runs a text as another shell would: what it sets is gone afterwards. */
static int run_other_shell(Shell *s, const ShellCall *call, const char *text) {
        bool is_user = s->is_user;
        ShellBranch b = shell_begin_branch(s, 0);
        int r;

        s->is_user = call->is_user;
        r = shell_run_text(s, call, text);
        s->is_user = is_user;
        s->leave = SHELL_STAYS;
        shell_end_branch(s, b, false);
        return r;
}

/* Programs that run another one, with the options of theirs that have an argument. */
static const struct Wrapper {
        const char *name, *options;
        size_t n_operands; /* before the command */
        bool is_user;      /* for somebody else, if -u or an operand says whom */
        bool adds_words;   /* which are not known */
} wrappers[] = {
        { "sudo", "ugCDhpRrTtU", 0, true },
        { "doas", "uC", 0, true },
        { "runuser", "ugGs", 0, true },
        { "env", "uCS", 0, false },
        { "nohup", "", 0, false },
        { "exec", "a", 0, false },
        { "command", "", 0, false },
        { "builtin", "", 0, false },
        { "nice", "n", 0, false },
        { "ionice", "cnpP", 0, false },
        { "timeout", "ks", 1, false },
        { "setsid", "", 0, false },
        { "stdbuf", "ioe", 0, false },
        { "time", "fo", 0, false },
        { "unbuffer", "", 0, false },
        { "flock", "wE", 1, false },
        { "numactl", "NCmip", 0, false },
        { "systemd-cat", "tp", 0, false },
        { "xargs", "adEILnPs", 0, false, true },
};

static const struct Wrapper *find_wrapper(const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(wrappers); i++)
                if (streq(shell_base_name(word), wrappers[i].name))
                        return &wrappers[i];
        return NULL;
}

static bool is_assignment(const char *word) {
        size_t n = 0;

        while (isalnum((unsigned char) word[n]) || word[n] == '_')
                n++;
        return n > 0 && word[n] == '=';
}

static void drop_words(ShellCall *call, size_t n) {
        n = n < call->n_words ? n : call->n_words;
        call->words += n;
        call->n_words -= n;
}

/* Returns whom an option says that a command is run as, or NULL. */
static const char *find_user(const ShellCall *call) {
        const char *word = call->words[0], *user = startswith(word, "--user=");

        if (user || (word[1] != 'u' && !streq(word, "--user")))
                return user;
        return word[1] == 'u' && word[2] ? word + 2 : call->n_words > 1 ? call->words[1] : NULL;
}

/* Takes the value of an option off. Returns whether the wrapper only asks something with it, and the text in
 * place of which words come. */
static bool take_option(ShellCall *call, const struct Wrapper *wrapper, const char **ret_replaced) {
        const char *word = call->words[0];
        const char *user = wrapper->is_user ? find_user(call) : NULL;

        call->is_user |= user && !streq(user, "root");
        if (wrapper->adds_words && word[1] == 'I')
                *ret_replaced = word[2] ? word + 2 : call->n_words > 1 ? call->words[1] : "";
        if (word[1] == '-' ? user && streq(word, "--user") : word[1] && !word[2] && strchr(wrapper->options, word[1]))
                drop_words(call, 1);
        return streq(wrapper->name, "command") && (word[1] == 'v' || word[1] == 'V');
}

/* Takes the words of one wrapper off. Returns as above. */
static bool unwrap(ShellCall *call, const struct Wrapper *wrapper, const char **ret_replaced) {
        size_t operands = wrapper->n_operands;
        bool asks = false;

        for (drop_words(call, 1); call->n_words > 0; drop_words(call, 1)) {
                char **word = call->words;

                if (streq(*word, "--")) {
                        drop_words(call, 1);
                        break;
                }
                if (streq(wrapper->name, "flock") && shell_word_in("-c --command", *word)) {
                        /* A text, as a shell has it. */
                        *--call->words = (char *) "sh";
                        call->n_words++;
                        break;
                }
                if (**word == '-')
                        asks |= take_option(call, wrapper, ret_replaced);
                else if (!is_assignment(*word) && operands-- == 0)
                        break;
        }
        return asks;
}

/* The shells and su: their -c has a text that is to be run. */
static bool is_shell(const char *word) {
        return shell_word_in("sh bash dash zsh ksh su runuser", shell_base_name(word));
}

static int run_script(Shell *s, const Script *script, char **arguments, size_t n, ShellStatus *ret) {
        Shell child = {
                .parent = s,
                .arena = s->arena,
                .caller = s->caller,
                .script = script,
                .arguments = arguments,
                .n_arguments = n,
                .given = { .list = arguments, .n = n },
                .condition = s->condition,
                .depth = s->depth,
                .steps = s->steps,
                .steps_max = s->steps_max,
                .is_user = s->is_user,
                .directory = s->directory,
        };
        int r = shell_run_node(&child, script->tree, ret);

        s->steps = child.steps;
        *ret = SHELL_EXPECTED;
        return r;
}

/* Returns whether the script was run with these arguments and is not done: it runs itself as root, say, or with
 * a log. */
static bool is_repeated(const Shell *s, const char *name, const ShellCall *call) {
        for (; s; s = s->parent) {
                bool same = streq(s->script->name, name) && s->given.n == call->n_words - 1;

                for (size_t i = 0; same && i < s->given.n; i++)
                        same = streq(s->given.list[i], call->words[i + 1]);
                if (same)
                        return true;
        }
        return false;
}

/* Returns 1 if there is a script of that name, which was run, 0 if not, or a negative errno. */
static int try_script(Shell *s, ShellCall *call, ShellStatus *ret) {
        char *name = call->words[0];
        const Script *script;
        int r;

        if (!shell_is_known(name))
                return 0;
        r = strchr(name, '/') ? shell_find_path(s, name, &name) : 0;
        if (r < 0)
                return r;
        call->is_repeated = is_repeated(s, name, call);
        if (call->is_repeated)
                return 1;
        r = s->caller->script(name, false, &script, s->caller->userdata);
        if (r <= 0)
                return r;
        r = run_script(s, script, call->words + 1, call->n_words - 1, ret);
        return r < 0 ? r : 1;
}

/* Returns whether su or runuser is for another user than root, who runs the scripts. */
static bool is_for_user(const ShellCall *call) {
        static const char with_value[] = "--command --shell --group --supp-group --whitelist-environment";

        for (size_t i = 1; i < call->n_words; i++) {
                const char *word = call->words[i];

                if (*word != '-')
                        return !streq(word, "root");
                if (word[1] == '-')
                        i += shell_word_in(with_value, word);
                else
                        i += word[1] && strchr("csgGw", word[strlen(word) - 1]);
        }
        return false;
}

static int run_shell(Shell *s, ShellCall *call, ShellStatus *ret) {
        bool is_su = streq(shell_base_name(call->words[0]), "su") || streq(shell_base_name(call->words[0]), "runuser");
        size_t i = 1;

        *ret = SHELL_EXPECTED;
        call->is_user |= is_su && is_for_user(call);
        for (; i < call->n_words; i++) {
                const char *word = call->words[i], *text = startswith(word, "--command=");

                if (text)
                        return run_other_shell(s, call, text);
                if (*word == '-' && word[1] != '-' && strchr(word, 'c') && i + 1 < call->n_words)
                        return run_other_shell(s, call, call->words[i + 1]);
                if (streq(word, "--command") && i + 1 < call->n_words)
                        return run_other_shell(s, call, call->words[i + 1]);
                if (*word != '-' && !is_su)
                        break;
        }
        if (i < call->n_words && !is_su) {
                ShellCall script = *call;
                int r;

                drop_words(&script, i);
                r = try_script(s, &script, ret);
                call->is_repeated = script.is_repeated;
                return r != 0 ? (r < 0 ? r : 0) :
                                shell_problem(s, call, SHELL_RUNS_UNREAD, "runs a script that cannot be read");
        }
        return call->text ? run_other_shell(s, call, call->text) :
                            shell_problem(s, call, SHELL_RUNS_UNREAD, "runs a text that is not known");
}

static int run_function(Shell *s, const ShellVariable *function, ShellCall *call, ShellStatus *ret) {
        ShellLocal *locals = s->locals;
        char **arguments = s->arguments;
        size_t n = s->n_arguments;
        int r;

        s->arguments = call->words + 1;
        s->n_arguments = call->n_words - 1;
        s->functions++;
        r = shell_run_node(s, function->function, ret);
        s->functions--;
        for (; s->locals != locals && r >= 0; s->locals = s->locals->next)
                r = shell_set(s, s->locals->variable, &s->locals->values, s->locals->is_list);
        s->arguments = arguments;
        s->n_arguments = n;
        if (s->leave == SHELL_RETURNS)
                s->leave = SHELL_STAYS;
        return r;
}

/* Returns 1 if the call was one of the shell's own, 0 if not, or a negative errno. */
static int run_own(Shell *s, ShellCall *call, bool wrapped, ShellStatus *ret) {
        const ShellVariable *v = wrapped ? NULL : shell_find_variable(s, call->words[0]);
        ShellBuiltin builtin = shell_find_builtin(call->words[0]);
        int r;

        if (v && v->function)
                r = run_function(s, v, call, ret);
        else if (builtin)
                r = builtin(s, call, ret);
        else if (is_shell(call->words[0]))
                r = run_shell(s, call, ret);
        else
                return 0;
        return r < 0 ? r : 1;
}

/* Returns the wrapper that the command begins with, or NULL. */
static const struct Wrapper *next_wrapper(Shell *s, const ShellCall *call) {
        const struct Wrapper *wrapper = find_wrapper(call->words[0]);
        const ShellVariable *v = wrapper ? shell_find_variable(s, call->words[0]) : NULL;

        if (v && v->function)
                return NULL;
        /* It has the form of su as well. */
        if (wrapper && streq(wrapper->name, "runuser") &&
            (call->n_words < 2 || (!startswith(call->words[1], "-u") && !startswith(call->words[1], "--user"))))
                return NULL;
        return wrapper;
}

/* Puts what is not known in place of a text in all words, or behind them if it is NULL. */
static int add_unknown(Shell *s, ShellCall *call, const char *replaced) {
        char *unknown = arena_strndup(s->arena, (const char[]) { SHELL_UNKNOWN }, 1);
        Strings words = { 0 };
        int r = unknown ? 0 : -ENOMEM;

        for (size_t i = 0; i < call->n_words && r >= 0; i++) {
                const char *at = replaced && *replaced ? strstr(call->words[i], replaced) : NULL;

                r = strings_add(s->arena, &words, at ? unknown : call->words[i]);
        }
        if (r >= 0 && !replaced)
                r = strings_add(s->arena, &words, unknown);
        call->words = words.list;
        call->n_words = words.n;
        return r;
}

/* Takes wrappers off. Returns 1 if that leaves nothing to be run, but for a shell, 0 if it does, or -ENOMEM. */
static int unwrap_all(Shell *s, ShellCall *call, bool *ret_wrapped, bool *ret_shell, bool *ret_exec,
                      ShellStatus *ret) {
        const struct Wrapper *wrapper = NULL;

        for (unsigned n = 0; call->n_words > 0 && n < WRAPPERS_MAX; n++) {
                const char *replaced = NULL;

                wrapper = next_wrapper(s, call);
                if (!wrapper)
                        return 0;
                *ret_wrapped = true;
                *ret_shell = wrapper->is_user;
                *ret_exec |= streq(wrapper->name, "exec");
                if (unwrap(call, wrapper, &replaced)) {
                        *ret = SHELL_MAYBE;
                        return 1;
                }
                if (wrapper->adds_words && call->n_words > 0 && add_unknown(s, call, replaced) < 0)
                        return -ENOMEM;
        }
        return call->n_words == 0;
}

static int tell_not_run(Shell *s, const ShellCall *call) {
        const char *name = call->words[0];

        if (strchr(name, SHELL_UNKNOWN))
                return shell_problem(s, call, SHELL_RUNS_UNREAD, "runs a command that is not known");
        return strchr(name, '/') ?
                       shell_problem(s, call, SHELL_RUNS_UNREAD, "runs a file that is no script or cannot be read") :
                       shell_problem(s, call, SHELL_UNKNOWN_NAME, "is a command that is not known here");
}

static int run_words(Shell *s, ShellCall *call, ShellStatus *ret) {
        bool wrapped = false, has_shell = false, is_exec = false;
        int r;

        r = unwrap_all(s, call, &wrapped, &has_shell, &is_exec, ret);
        if (r < 0)
                return r;
        if (r > 0)
                /* "sudo -s" with a here-document */
                return has_shell && !is_exec && call->n_words == 0 && s->input ?
                               run_other_shell(s, call, s->input) : 0;

        if (is_shell(call->words[0]))
                call->text = s->input;
        r = shell_find_output(s, call);
        if (r >= 0)
                r = run_own(s, call, wrapped, ret);
        if (r == 0)
                r = s->caller->command(call, ret, s->caller->userdata);
        if (r == 0)
                r = try_script(s, call, ret);
        if (r == 0)
                r = tell_not_run(s, call);
        if (is_exec && s->leave == SHELL_STAYS && !call->is_repeated)
                s->leave = SHELL_EXITS;
        return r < 0 ? r : 0;
}

static int expand_words(Shell *s, const ShellNode *node, ShellCall *call) {
        Strings words = { 0 };
        int r = 0;

        for (const ShellWord *word = node->words; word && r >= 0; word = word->next)
                r = shell_expand_fields(s, word, &words);
        call->words = words.list;
        call->n_words = words.n;
        return r;
}

int shell_expand_redirections(Shell *s, const ShellNode *node, ShellCall *call) {
        Strings outputs = { 0 };
        int r = 0;

        for (const ShellRedirection *redirection = node->redirections; redirection && r >= 0;
             redirection = redirection->next) {
                char *value;

                /* A here-document that never comes. */
                if (!redirection->target)
                        continue;
                r = shell_expand(s, redirection->target, &value);
                if (r < 0 || redirection->type == SHELL_OTHER)
                        continue;
                if (redirection->type != SHELL_WRITE)
                        s->input = redirection->type == SHELL_INLINE ? value : NULL;
                else if (redirection->is_output)
                        r = shell_add_output(s, &outputs, value);
        }
        call->outputs = outputs.list;
        return r;
}

static int note_local(Shell *s, const char *name) {
        ShellLocal *local = arena_alloc(s->arena, sizeof(ShellLocal));
        ShellVariable *v;
        int r;

        if (!local)
                return -ENOMEM;
        r = shell_variable(s, name, &v);
        if (r < 0)
                return r;
        *local = (ShellLocal) { s->locals, v, v->values, v->is_list };
        s->locals = local;
        return 0;
}

/* What a function declares is its own, unless that is with -g. */
static int note_locals(Shell *s, const ShellNode *node, const ShellCall *call) {
        int r = 0;

        if (s->functions == 0 || !shell_word_in("local declare typeset", call->words[0]))
                return 0;
        for (size_t i = 1; i < call->n_words; i++)
                if (call->words[i][0] == '-' && strchr(call->words[i], 'g'))
                        return 0;
        for (const ShellAssignment *a = node->assignments; a && r >= 0; a = a->next)
                r = note_local(s, a->name);
        for (size_t i = 1; i < call->n_words && r >= 0; i++)
                if (shell_name_is(call->words[i]))
                        r = note_local(s, call->words[i]);
        return r;
}

static int run_assignments(Shell *s, const ShellNode *node) {
        int r = 0;

        for (const ShellAssignment *a = node->assignments; a && r >= 0; a = a->next)
                r = shell_assign(s, a);
        return r;
}

int shell_run_simple(Shell *s, const ShellNode *node, ShellStatus *ret) {
        ShellCall call = { .script = s->script, .line = node->line, .condition = s->condition, .is_user = s->is_user };
        const char *input = s->input;
        int r;

        *ret = SHELL_EXPECTED;
        r = expand_words(s, node, &call);
        if (r >= 0 && call.n_words > 0)
                r = note_locals(s, node, &call);
        if (r >= 0 && (call.n_words == 0 || shell_is_declaration(call.words[0])))
                r = run_assignments(s, node);
        if (r >= 0)
                r = shell_expand_redirections(s, node, &call);
        /* What a substitution wrote is in the words by now. */
        s->output = NULL;
        if (r >= 0 && call.n_words > 0)
                r = run_words(s, &call, ret);
        s->input = input;
        if (r < 0)
                return r;
        if (call.text && !call.outputs)
                s->output = arena_strndup(s->arena, call.text, strlen(call.text));
        return call.text && !call.outputs && !s->output ? -ENOMEM : 0;
}
