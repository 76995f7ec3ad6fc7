/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-part.h"

#define STEPS_MAX 20000
#define DEPTH_MAX 256

/* So many commands are worth one look at the machine. */
#define LOOKUP_STEPS 100

ShellBranch shell_begin_branch(Shell *s, unsigned condition) {
        ShellBranch b = { s->n_undo, s->condition, s->directory, s->pushed };

        s->branches++;
        if (condition > 0)
                s->condition = condition;
        return b;
}

static bool is_same(const Strings *a, const Strings *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (!streq(a->list[i], b->list[i]))
                        return false;
        return true;
}

void shell_end_branch(Shell *s, ShellBranch b, bool forget) {
        s->branches--;
        s->condition = b.condition;
        s->directory = forget && s->directory != b.directory ? NULL : b.directory;
        s->pushed = b.pushed;
        s->branches_ended++;
        for (size_t i = b.n_undo; i < s->n_undo; i++) {
                const ShellUndo *undo = &s->undo[i];
                ShellVariable *v = undo->variable;

                /* The oldest has what it was before the branch. */
                if (v->ended == s->branches_ended)
                        continue;
                v->ended = s->branches_ended;
                v->changed |= forget && !is_same(&v->values, &undo->values);
                v->values = undo->values;
                v->is_list = undo->is_list;
        }
        s->n_undo = b.n_undo;
}

static int forget_changed(Shell *s) {
        int r = 0;

        for (ShellVariable *v = s->variables; v && r >= 0; v = v->next)
                if (v->changed) {
                        v->changed = false;
                        r = shell_set_unknown(s, v);
                }
        return r;
}

/* Runs what is run only if a condition holds that is not known. */
static int run_branch(Shell *s, const ShellNode *node, unsigned condition, ShellStatus *ret) {
        size_t mark = s->caller->mark ? s->caller->mark(s->caller->userdata) : 0;
        ShellBranch b = shell_begin_branch(s, condition);
        int r = node ? shell_run_node(s, node, ret) : 0;

        shell_end_branch(s, b, true);
        if (r >= 0 && s->leave == SHELL_EXITS && s->fails && s->caller->failure)
                s->caller->failure(mark, s->caller->userdata);
        s->leave = SHELL_STAYS;
        return r;
}

static int run_subshell(Shell *s, const ShellNode *node, ShellStatus *ret) {
        ShellBranch b = shell_begin_branch(s, 0);
        int r = shell_run_node(s, node, ret);

        shell_end_branch(s, b, false);
        s->leave = SHELL_STAYS;
        return r;
}

/* Returns the only command of a script that may write something, or NULL: "cd DIRECTORY && pwd" has one. */
static const ShellNode *only_writer(const ShellNode *script) {
        const ShellNode *only = script && script->first && !script->first->next ? script->first : NULL;
        const char *first = NULL;

        if (only && only->type == SHELL_AND && only->first->type == SHELL_SIMPLE && only->first->words)
                first = shell_word_text(only->first->words);
        if (first && streq(first, "cd"))
                only = only->second;
        return only && (only->type == SHELL_SIMPLE || only->type == SHELL_PIPE) ? only : NULL;
}

int shell_substitute(Shell *s, ShellNode *script, char **ret) {
        const ShellNode *only = only_writer(script);
        char *output;
        ShellStatus status;
        size_t n;
        int r;

        s->output = NULL;
        r = script ? run_subshell(s, script, &status) : 0;
        if (r < 0)
                return r;
        output = only && s->output ? s->output : arena_strndup(s->arena, (const char[]){ SHELL_UNKNOWN }, 1);
        if (!output)
                return -ENOMEM;
        for (n = strlen(output); n > 0 && output[n - 1] == '\n'; n--)
                ;
        *ret = arena_strndup(s->arena, output, n);
        return *ret ? 0 : -ENOMEM;
}

static int run_condition(Shell *s, const ShellNode *node, ShellStatus *ret) {
        bool is_pattern = false;
        Strings words = { 0 };
        int status, r = 0;

        for (const ShellWord *word = node->words; word && r >= 0; word = word->next) {
                char *value;

                r = is_pattern ? shell_expand_pattern(s, word, &value) : shell_expand(s, word, &value);
                if (r >= 0)
                        r = strings_add(s->arena, &words, value);
                is_pattern = r >= 0 && (streq(value, "=") || streq(value, "==") || streq(value, "!="));
        }
        status = r < 0 ? r : shell_test(s, words.list, words.n, true);
        if (status < 0)
                return status;
        *ret = (ShellStatus) status;
        return 0;
}

static int run_sequence(Shell *s, const ShellNode *node, ShellStatus *ret) {
        int r = 0;

        *ret = SHELL_TRUE;
        for (const ShellNode *n = node->first; n && r >= 0 && s->leave == SHELL_STAYS; n = n->next)
                r = shell_run_node(s, n, ret);
        return r;
}

/* Each gets what the one before it writes, and none changes a variable. */
static int run_pipe(Shell *s, const ShellNode *node, ShellStatus *ret) {
        const char *input = s->input;
        int r = 0;

        for (const ShellNode *n = node->first; n && r >= 0; n = n->next) {
                if (n != node->first)
                        s->input = s->output;
                s->output = NULL;
                r = run_subshell(s, n, ret);
        }
        s->input = input;
        return r;
}

static int run_and_or(Shell *s, const ShellNode *node, ShellStatus *ret) {
        bool is_and = node->type == SHELL_AND;
        ShellStatus status;
        int r;

        r = shell_run_node(s, node->first, &status);
        if (r < 0 || s->leave != SHELL_STAYS)
                return r;
        *ret = status;
        if (is_and ? status == SHELL_TRUE || status == SHELL_EXPECTED : status == SHELL_FALSE)
                return shell_run_node(s, node->second, ret);
        if (is_and ? status == SHELL_FALSE : status == SHELL_TRUE)
                return 0;
        r = run_branch(s, node->second, node->line, &status);
        /* Whatever the first one is, this decides. */
        if (status == (is_and ? SHELL_FALSE : SHELL_TRUE))
                *ret = status;
        return r < 0 ? r : forget_changed(s);
}

static int run_if(Shell *s, const ShellNode *node, ShellStatus *ret) {
        ShellStatus status;
        int r;

        r = shell_run_node(s, node->first, &status);
        if (r < 0 || s->leave != SHELL_STAYS)
                return r;
        *ret = SHELL_TRUE;
        if (status == SHELL_TRUE)
                return shell_run_node(s, node->second, ret);
        if (status == SHELL_FALSE)
                return node->third ? shell_run_node(s, node->third, ret) : 0;
        r = run_branch(s, node->second, node->line, &status);
        if (r >= 0)
                r = run_branch(s, node->third, node->line, &status);
        return r < 0 ? r : forget_changed(s);
}

static int match_clause(Shell *s, const ShellClause *clause, const char *value) {
        int best = SHELL_FALSE;

        for (const ShellWord *word = clause->patterns; word && best != SHELL_TRUE; word = word->next) {
                char *pattern;
                int r = shell_expand_pattern(s, word, &pattern);

                if (r >= 0) {
                        for (char *p = pattern; *p; p++)
                                *p = shell_plain(*p);
                        r = shell_match(s, value, pattern);
                }
                if (r < 0)
                        return r;
                if (r != SHELL_FALSE)
                        best = r;
        }
        return best;
}

static int run_case(Shell *s, const ShellNode *node, ShellStatus *ret) {
        bool is_sure = true;
        char *value;
        int r;

        *ret = SHELL_TRUE;
        r = shell_expand(s, node->words, &value);
        for (const ShellClause *clause = node->clauses; clause && r >= 0; clause = clause->next) {
                r = match_clause(s, clause, value);
                if (r < 0 || r == SHELL_FALSE)
                        continue;
                if (is_sure && r == SHELL_TRUE && !clause->goes_on)
                        return shell_run_node(s, clause->body, ret);
                is_sure = false;
                if (r == SHELL_TRUE && !clause->goes_on) {
                        r = run_branch(s, clause->body, node->line, ret);
                        break;
                }
                r = run_branch(s, clause->body, node->line, ret);
        }
        return r < 0 ? r : forget_changed(s);
}

/* Returns whether the loop goes on. */
static bool stays_in_loop(Shell *s) {
        bool stays = s->leave == SHELL_STAYS || s->leave == SHELL_CONTINUES;

        if (s->leave == SHELL_CONTINUES || s->leave == SHELL_BREAKS)
                s->leave = SHELL_STAYS;
        return stays;
}

/* Adds the values of a loop's list. What no path is looked up for stays the pattern that it is. */
static int expand_list(Shell *s, const ShellNode *node, Strings *values) {
        Strings fields = { 0 };
        int r = 0;

        for (const ShellWord *word = node->words; word && r >= 0; word = word->next)
                r = shell_expand_fields(s, word, &fields);
        for (size_t i = 0; i < fields.n && r >= 0; i++) {
                size_t n = values->n;

                if (s->caller->paths && shell_is_known(fields.list[i]))
                        r = s->caller->paths(s->arena, fields.list[i], values, s->caller->userdata);
                if (values->n > n)
                        s->steps += LOOKUP_STEPS;
                if (r >= 0 && values->n == n)
                        r = strings_add(s->arena, values, fields.list[i]);
        }
        return r;
}

static int run_for(Shell *s, const ShellNode *node, ShellStatus *ret) {
        Strings values = { 0 };
        int r;

        *ret = SHELL_TRUE;
        r = expand_list(s, node, &values);
        for (size_t i = 0; i < values.n && r >= 0; i++) {
                r = shell_set_one(s, node->name, values.list[i]);
                if (r >= 0)
                        r = shell_run_node(s, node->second, ret);
                if (!stays_in_loop(s))
                        break;
        }
        return r;
}

/* A loop that ends nobody knows when: its body is read once, and what it changes is not known afterwards. */
static int run_loop(Shell *s, const ShellNode *node, ShellStatus *ret) {
        ShellStatus status = SHELL_TRUE, goal = node->type == SHELL_UNTIL ? SHELL_FALSE : SHELL_TRUE;
        int r;

        if (node->type == SHELL_COUNT)
                r = shell_forget_arithmetic(s, node->name);
        else
                r = shell_run_node(s, node->first, &status);
        *ret = SHELL_TRUE;
        if (r < 0 || s->leave != SHELL_STAYS)
                return r;
        if (status != goal && (status == SHELL_TRUE || status == SHELL_FALSE))
                return 0;
        r = run_branch(s, node->second, status == goal ? 0 : node->line, &status);
        return r < 0 ? r : forget_changed(s);
}

/* Redirections of more than one command are not followed. */
static int check_redirections(Shell *s, const ShellNode *node) {
        ShellCall call = { .script = s->script, .line = node->line, .condition = s->condition };
        const char *input = s->input;
        int r = shell_expand_redirections(s, node, &call);

        s->input = input;
        for (char **o = call.outputs; o && *o && r >= 0; o++)
                if (startswith(*o, "/sys/") || startswith(*o, "/proc/"))
                        r = shell_problem(s, &call, SHELL_JOINT_OUTPUT, "writes what several commands give");
        return r;
}

static int run_node(Shell *s, const ShellNode *node, ShellStatus *ret) {
        ShellVariable *v;
        int r;

        switch (node->type) {
        case SHELL_SIMPLE:
                return shell_run_simple(s, node, ret);
        case SHELL_CONDITION:
                return run_condition(s, node, ret);
        case SHELL_ARITHMETIC:
                *ret = SHELL_MAYBE;
                return shell_forget_arithmetic(s, node->name);
        case SHELL_SEQUENCE:
                return run_sequence(s, node, ret);
        case SHELL_PIPE:
                return run_pipe(s, node, ret);
        case SHELL_NOT:
                r = shell_run_node(s, node->first, ret);
                *ret = *ret == SHELL_TRUE ? SHELL_FALSE : *ret == SHELL_FALSE ? SHELL_TRUE : SHELL_MAYBE;
                return r;
        case SHELL_AND:
        case SHELL_OR:
                return run_and_or(s, node, ret);
        case SHELL_IF:
                return run_if(s, node, ret);
        case SHELL_WHILE:
        case SHELL_UNTIL:
        case SHELL_COUNT:
                return run_loop(s, node, ret);
        case SHELL_FOR:
                return run_for(s, node, ret);
        case SHELL_CASE:
                return run_case(s, node, ret);
        case SHELL_FUNCTION:
                r = shell_variable(s, node->name, &v);
                if (r >= 0)
                        v->function = node->first;
                return r;
        case SHELL_SUBSHELL:
                return run_subshell(s, node->first, ret);
        case SHELL_GROUP:
                return shell_run_node(s, node->first, ret);
        }
        return -EINVAL;
}

int shell_run_node(Shell *s, const ShellNode *node, ShellStatus *ret) {
        int r = 0;

        *ret = SHELL_EXPECTED;
        if (++s->steps > s->steps_max || s->depth >= DEPTH_MAX)
                return -E2BIG;
        s->depth++;
        if (node->type != SHELL_SIMPLE && node->redirections)
                r = check_redirections(s, node);
        if (r >= 0)
                r = run_node(s, node, ret);
        s->depth--;
        return r;
}

int shell_run(Arena *arena, const ShellCaller *caller, const Script *script, char *const *arguments) {
        Shell s = {
                .arena = arena,
                .caller = caller,
                .script = script,
                .arguments = (char **) arguments,
                .steps_max = STEPS_MAX,
        };
        ShellStatus status;
        int r;

        if (caller->budget && *caller->budget < STEPS_MAX)
                s.steps_max = *caller->budget;
        while (arguments && arguments[s.n_arguments])
                s.n_arguments++;
        s.given = (Strings) { .list = s.arguments, .n = s.n_arguments };
        r = shell_run_node(&s, script->tree, &status);
        if (caller->budget)
                *caller->budget -= s.steps < s.steps_max ? s.steps : s.steps_max;
        return r;
}
