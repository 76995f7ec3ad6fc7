/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shell-run.h"

/* What the parts of shell_run() share: values (shell-value.c), tests (shell-test.c) and commands
 * (shell-run.c). */

typedef struct ShellVariable {
        struct ShellVariable *next;
        const char *name;
        Strings values; /* several of a list, else one, or none for one that is not set */
        bool is_list;
        bool changed;        /* in a branch that may not be taken */
        unsigned ended;      /* the last branch that it was given back its values after */
        ShellNode *function; /* what is called by this name */
} ShellVariable;

/* What the variable was before a branch that may not be taken. */
typedef struct ShellUndo {
        ShellVariable *variable;
        Strings values;
        bool is_list;
} ShellUndo;

/* What a variable is again when the function has ended. */
typedef struct ShellLocal {
        struct ShellLocal *next;
        ShellVariable *variable;
        Strings values;
        bool is_list;
} ShellLocal;

/* What popd goes back to. */
typedef struct ShellDirectory {
        struct ShellDirectory *next;
        const char *name;
} ShellDirectory;

typedef enum ShellLeave {
        SHELL_STAYS,
        SHELL_CONTINUES,
        SHELL_BREAKS,
        SHELL_RETURNS,
        SHELL_EXITS,
} ShellLeave;

typedef struct Shell {
        const struct Shell *parent; /* whose script runs this one's */
        Arena *arena;
        const ShellCaller *caller;
        const Script *script;
        ShellVariable *variables;
        size_t n_variables;
        char **arguments; /* $1 and so on */
        size_t n_arguments;
        Strings given; /* those that the script was run with */
        const char *input; /* standard input, a value; NULL for one that is not known */
        char *output;      /* what the last command wrote, as above */
        const char *directory; /* that it is in, NULL for one that is not known */
        ShellDirectory *pushed;
        bool is_user;
        unsigned condition; /* the line of one that is not known */
        ShellLeave leave;
        bool fails; /* where it exits */
        unsigned depth, branches, branches_ended, steps, steps_max;
        unsigned functions; /* that it is in */
        ShellLocal *locals; /* the newest first */
        ShellUndo *undo;    /* the newest last */
        size_t n_undo, undo_allocated;
} Shell;

/* Returns whether a value is the name of a variable. */
bool shell_name_is(const char *value);

/* Makes a value of what two values are one after the other. Returns NULL if memory ran out. */
char *shell_append(Shell *s, const char *a, const char *b);

/* Puts a backslash before each of these characters. Returns NULL if memory ran out. */
char *shell_escape(Shell *s, const char *text, const char *special);

/* Expands a word to one value, or to none, one or several, as an argument is. */
int shell_expand(Shell *s, const ShellWord *word, char **ret);
int shell_expand_fields(Shell *s, const ShellWord *word, Strings *fields);

/* Expands a word to a pattern, in which quoted characters have a backslash before them. */
int shell_expand_pattern(Shell *s, const ShellWord *word, char **ret);

/* Makes the fields of a value with braces: {a,b} and {0..15}; the value is changed. */
int shell_expand_braces(Shell *s, char *value, Strings *fields);

/* Makes braces and commas plain characters. */
void shell_make_plain(char *value);

/* Finds a variable, or makes one; finds only those that are set. */
int shell_variable(Shell *s, const char *name, ShellVariable **ret);
ShellVariable *shell_find_variable(Shell *s, const char *name);

/* Gives a variable values, which can be undone as long as 's->branches' is not 0. */
int shell_set(Shell *s, ShellVariable *variable, const Strings *values, bool is_list);
int shell_set_one(Shell *s, const char *name, char *value);

/* Makes an assignment of a script's. */
int shell_assign(Shell *s, const ShellAssignment *assignment);

/* Runs what is in $(…). Gives what it writes, or a value that is not known. */
int shell_substitute(Shell *s, ShellNode *script, char **ret);

/* Matches a value with a pattern. Returns a status, SHELL_EXPECTED apart, or a negative errno. */
int shell_match(Shell *s, const char *value, const char *pattern);

/* Finds the places of a value that a pattern without '*' matches, and puts a text there. */
int shell_replace(Shell *s, const char *value, const char *pattern, const char *with, bool everywhere, char **ret);

/* Takes the shortest (or longest) beginning or end that the pattern matches off a value. */
int shell_strip(Shell *s, const char *value, const char *pattern, bool is_end, bool longest, char **ret);

/* Answers test's arguments, or those of [[ … ]] if 'is_condition' (where what follows a comparison is a
 * pattern). Returns a status or a negative errno. */
int shell_test(Shell *s, char **words, size_t n, bool is_condition);
