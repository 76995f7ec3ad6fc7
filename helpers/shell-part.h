/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shell-state.h"

/* The parts of shell_run(): constructs (shell-run.c), single commands (shell-command.c), what of them is the
 * shell's own (shell-builtin.c), and what they write (shell-output.c). All return 0 or a negative errno if
 * nothing else is said. */

/* Follows a node. */
int shell_run_node(Shell *s, const ShellNode *node, ShellStatus *ret);

/* Where a branch begins. */
typedef struct ShellBranch {
        size_t n_undo;
        unsigned condition;
        const char *directory;
        ShellDirectory *pushed;
} ShellBranch;

/* What is in a branch does not change variables and the directory for what is after it. 'condition' is the
 * line of a condition that is not known, or 0; 'forget' notes what may be something else from here on. */
ShellBranch shell_begin_branch(Shell *s, unsigned condition);
void shell_end_branch(Shell *s, ShellBranch branch, bool forget);

/* Follows a simple command. */
int shell_run_simple(Shell *s, const ShellNode *node, ShellStatus *ret);

/* Finds the files that a node writes to. */
int shell_expand_redirections(Shell *s, const ShellNode *node, ShellCall *call);

/* Follows a text, in this shell. */
int shell_run_text(Shell *s, const ShellCall *call, const char *text);

/* Gives the path of a file that a script names, from where the script is. */
int shell_find_path(Shell *s, const char *name, char **ret);

/* Adds a file that is written to: one of the kernel's by its path, wherever the script is, others as they are
 * named. */
int shell_add_output(Shell *s, Strings *outputs, char *name);

/* Tells the caller of what cannot be followed. */
int shell_problem(Shell *s, const ShellCall *call, ShellProblem problem, const char *reason);

/* Makes a value of words, with blanks between them. */
int shell_join(Shell *s, char **words, size_t n, char **ret);

/* Makes a variable one that is not known, or all that may have been changed by arithmetic. */
int shell_set_unknown(Shell *s, ShellVariable *variable);
int shell_forget_arithmetic(Shell *s, const char *text);

typedef int (*ShellBuiltin)(Shell *s, ShellCall *call, ShellStatus *ret);

/* Finds a builtin command, NULL if there is none of that name; and says whether it is one that declares
 * variables. */
ShellBuiltin shell_find_builtin(const char *name);
bool shell_is_declaration(const char *name);

/* Fills in what a command writes to standard output, and for tee where. */
int shell_find_output(Shell *s, ShellCall *call);
