/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shell-arena.h"

/* Scripts of the shell, sh's and most of what bash has beside it, as trees. Nothing is run here or looked
 * up: text goes in, and a tree comes out. */

/* Bytes that stand for something else in words and values. */
#define SHELL_UNKNOWN '\1' /* any text at all */
#define SHELL_VM '\2'      /* the name of a VM, whichever it is */
#define SHELL_OPEN '\3'    /* braces and commas that are not quoted */
#define SHELL_COMMA '\4'
#define SHELL_CLOSE '\5'

typedef struct ShellWord ShellWord;
typedef struct ShellNode ShellNode;

typedef enum ShellPartType {
        SHELL_TEXT,      /* text as it is */
        SHELL_PARAMETER, /* $name, ${name…} */
        SHELL_COMMAND,   /* $(…) and `…` */
        SHELL_OPAQUE,    /* $((…)), <(…) and what else gives a text that is not known */
} ShellPartType;

typedef struct ShellPart {
        struct ShellPart *next;
        ShellPartType type;
        bool quoted;
        const char *text;     /* of SHELL_TEXT; the name of a parameter */
        const char *operator; /* of a parameter: "", ":-", "##" and so on; "?" for one that is not known here */
        ShellWord *argument;  /* what follows the operator */
        ShellWord *index;     /* of name[index] */
        ShellNode *script;    /* of SHELL_COMMAND */
} ShellPart;

struct ShellWord {
        ShellWord *next;
        ShellPart *parts;
};

typedef struct ShellAssignment {
        struct ShellAssignment *next;
        const char *name;
        ShellWord *index; /* of name[index]=, else NULL */
        bool append;      /* += */
        bool is_list;     /* name=(…) */
        ShellWord *value; /* of a list, the words */
} ShellAssignment;

typedef enum ShellRedirectionType {
        SHELL_WRITE,  /* > and whatever else writes to a file */
        SHELL_READ,   /* < */
        SHELL_INLINE, /* here-documents and here-strings */
        SHELL_OTHER,  /* between descriptors */
} ShellRedirectionType;

typedef struct ShellRedirection {
        struct ShellRedirection *next;
        ShellRedirectionType type;
        bool is_output; /* of SHELL_WRITE: it is standard output that is written */
        ShellWord *target;
} ShellRedirection;

typedef struct ShellClause {
        struct ShellClause *next;
        ShellWord *patterns;
        ShellNode *body;
        bool goes_on; /* ends with ;& or ;;& */
} ShellClause;

typedef enum ShellNodeType {
        SHELL_SIMPLE,     /* words, assignments */
        SHELL_CONDITION,  /* [[ words ]] */
        SHELL_ARITHMETIC, /* ((…)) */
        SHELL_SEQUENCE,   /* first and those next to it */
        SHELL_PIPE,       /* the same */
        SHELL_NOT,        /* first */
        SHELL_AND,        /* first, second */
        SHELL_OR,
        SHELL_IF,    /* first, second, third (or NULL) */
        SHELL_WHILE, /* first, second */
        SHELL_UNTIL,
        SHELL_FOR,      /* name, words, second */
        SHELL_COUNT,    /* for ((name)), second */
        SHELL_CASE,    /* words (one), clauses */
        SHELL_FUNCTION, /* name, first */
        SHELL_SUBSHELL, /* first */
        SHELL_GROUP,
} ShellNodeType;

struct ShellNode {
        ShellNode *next;
        ShellNodeType type;
        unsigned line;
        ShellNode *first, *second, *third;
        const char *name; /* of a loop's variable or a function; of arithmetic, the text */
        ShellWord *words;
        ShellAssignment *assignments;
        ShellRedirection *redirections;
        ShellClause *clauses;
};

typedef struct ShellSyntaxError {
        unsigned line;
        const char *problem; /* as the end of a sentence about the line, NULL for none */
} ShellSyntaxError;

/* Makes spaces of what a text for shell_parse() cannot have: the bytes above, and other control characters. */
void shell_clean(char *text);

/* Makes the tree of a script that begins in line 'line', in the arena. Where the text stops making sense the
 * tree has what comes before it, as a shell would have run it, and 'error' says where and why. Returns 0, or
 * -ENOMEM if the arena is used up. */
int shell_parse(Arena *arena, const char *text, unsigned line, ShellNode **ret, ShellSyntaxError *error);

/* Returns the text of a word that is nothing but text, or NULL. */
const char *shell_word_text(const ShellWord *word);

/* Returns a character with the bytes for braces and commas made what they stand for. */
static inline char shell_plain(char c) {
        return c == SHELL_OPEN ? '{' : c == SHELL_COMMA ? ',' : c == SHELL_CLOSE ? '}' : c;
}
