/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shell-syntax.h"

/* Follows a script through, with what is known of its variables, and without running anything: commands are
 * told to the caller, who says what they mean. A value is a string in which SHELL_UNKNOWN stands for text
 * that is not known. Where a condition is not known, all that follows from either answer is told. Loops over
 * lists are gone through, others are read once. What a script can make of it is limited in every direction. */

typedef struct Script {
        const char *name; /* of the file */
        const char *text;
        ShellNode *tree;
} Script;

typedef enum ShellStatus {
        SHELL_TRUE,
        SHELL_FALSE,
        SHELL_MAYBE,    /* it is a question, and the answer is not known */
        SHELL_EXPECTED, /* it does something, and the script goes on as if that had worked */
} ShellStatus;

/* A command as it would be run. */
typedef struct ShellCall {
        const Script *script;
        unsigned line;
        unsigned condition; /* the line of the innermost condition that is not known, 0 for none */
        char **words;       /* values, the name of the command first */
        size_t n_words;
        const char *text;   /* what an echo, or something like it, writes: a value */
        char **outputs;     /* the files that standard output goes to: values, NULL for none */
        bool is_user;       /* it is run as another user */
        bool is_repeated;   /* it is the script that runs it, once more */
} ShellCall;

/* What of a call cannot be followed. */
typedef enum ShellProblem {
        SHELL_RUNS_UNREAD,  /* it runs what is not known or cannot be read */
        SHELL_TAKES_UNREAD, /* it takes over settings from a file that cannot be read */
        SHELL_UNKNOWN_NAME, /* it is a command that the caller does not know */
        SHELL_JOINT_OUTPUT, /* several commands write to one file */
} ShellProblem;

typedef struct ShellCaller {
        /* Gets a command. Returns 1 if that is known, with its status, 0 if not, or a negative errno that
         * ends the run. */
        int (*command)(const ShellCall *call, ShellStatus *ret, void *userdata);
        /* Gets what the shell itself would run and cannot be followed; 'reason' is the end of a sentence
         * about it. */
        int (*problem)(const ShellCall *call, ShellProblem problem, const char *reason, void *userdata);
        /* Looks for a script, by its path or (also to be found in the usual directories) its name. Returns 1
         * with it, 0 if there is none, or a negative errno. 'source' is for one that needs no "#!". */
        int (*script)(const char *name, bool source, const Script **ret, void *userdata);
        /* Gets a name, or a pattern for names, that the name of the VM is compared with; may be NULL. */
        int (*vm)(const char *name, bool is_pattern, void *userdata);
        void *userdata;
        bool vm_is_other; /* the VM's name is none that a script knows */
        unsigned *budget; /* how many commands all runs together may still follow, NULL for no such limit */
        /* Says how much was told so far, and gets that back if all since then is what a script does before
         * it fails. Both may be NULL. */
        size_t (*mark)(void *userdata);
        void (*failure)(size_t mark, void *userdata);
        /* Adds the paths that a pattern in the list of a loop stands for, if it is one whose paths may be
         * looked up; may be NULL. Returns 0 or -ENOMEM. */
        int (*paths)(Arena *arena, const char *pattern, Strings *ret, void *userdata);
} ShellCaller;

/* Follows a script with its arguments. Values live in the arena. Returns 0, -E2BIG where a limit ended it,
 * or another negative errno. */
int shell_run(Arena *arena, const ShellCaller *caller, const Script *script, char *const *arguments);

/* Returns whether all of a value is known. */
static inline bool shell_is_known(const char *value) {
        return !strchr(value, SHELL_UNKNOWN) && !strchr(value, SHELL_VM);
}

/* Returns whether a word is one of those in a string, with blanks between them; one that ends with '*'
 * stands for all that begin like it. */
bool shell_word_in(const char *words, const char *word);

/* Returns the last component of a path. */
static inline const char *shell_base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}
