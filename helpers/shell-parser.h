/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "shell-syntax.h"

/* What the parts of the parser share: commands (shell-parse.c, and of these the
 * simple ones shell-parse-simple.c) and the words in them (shell-word.c). */

#define SHELL_DEPTH_MAX 64

typedef struct ShellDocument {
        struct ShellDocument *next;
        ShellRedirection *redirection;
        const char *delimiter;
        bool quoted, strip_tabs;
} ShellDocument;

typedef struct ShellParser {
        Arena *arena;
        const char *s; /* what is not yet read */
        unsigned line, depth;
        ShellDocument *documents; /* here-documents whose text is below the line */
        ShellSyntaxError error;
} ShellParser;

/* Notes what is wrong. Returns -EINVAL. */
int shell_complain(ShellParser *p, unsigned line, const char *problem);

/* Reads a sequence of commands up to what cannot belong to it. Returns 0 or a negative errno, with what
 * could be read before it. */
int shell_parse_sequence(ShellParser *p, ShellNode **ret);

/* Reads a character that has to be there. */
int shell_expect(ShellParser *p, char c, unsigned line, const char *problem);

/* Takes the character at the end of a line, and the here-documents that begin behind it. */
int shell_next_line(ShellParser *p);

/* Reads the text of a here-document, which is next. */
int shell_read_document(ShellParser *p, ShellDocument *document);

/* Passes over the ends of lines as well. */
int shell_skip_lines(ShellParser *p);

int shell_new_node(ShellParser *p, ShellNodeType type, ShellNode **ret);

/* Reads a command that begins with no reserved word; and a function, from behind its name. */
int shell_parse_simple(ShellParser *p, ShellNode **ret);
int shell_parse_function(ShellParser *p, const char *name, ShellNode **ret);

/* Adds a redirection to a list. Returns 1 if there was one, 0 if not, or a negative errno. */
int shell_parse_redirection(ShellParser *p, ShellRedirection ***end);

/* Passes over blanks, continued lines and comments. */
void shell_skip_blanks(ShellParser *p);

typedef enum ShellWordMode {
        SHELL_WORD_PLAIN,
        SHELL_WORD_REGEX,    /* parentheses and bars belong to it */
        SHELL_WORD_ARGUMENT, /* all up to the '}' of ${name:-argument} */
        SHELL_WORD_INDEX,    /* all up to the ']' of name[index] */
} ShellWordMode;

/* Reads a word; there has to be one. */
int shell_parse_word(ShellParser *p, ShellWordMode mode, ShellWord **ret);

/* Reads a word and adds it to a list. */
int shell_add_word(ShellParser *p, ShellWordMode mode, ShellWord ***end);

/* Makes a word of the text of a here-document. */
int shell_parse_document(ShellParser *p, const char *text, unsigned line, ShellWord **ret);

/* Returns what comes behind ((…)) at 's', or NULL if that is not what is there. */
const char *shell_arithmetic_end(const char *s);

/* Returns the length of the name at 's', 0 for none. */
size_t shell_name_length(const char *s);

/* Returns whether a word, and whatever is quoted, ends before this character. */
static inline bool shell_ends_word(char c) {
        return !c || strchr(" \t\n;&|<>()", c);
}
