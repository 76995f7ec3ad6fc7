/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "shell-parser.h"

/* A word in the making. */
typedef struct Builder {
        ShellParser *p;
        ShellPart *first, **end;
        char *text; /* of the part that is not yet added */
        size_t n, allocated;
        bool quoted, has_text;
} Builder;

static void builder_done(Builder *b) {
        free(b->text);
}

static int add_part(Builder *b, ShellPartType type, bool quoted, ShellPart **ret) {
        ShellPart *part = arena_alloc(b->p->arena, sizeof(ShellPart));

        if (!part)
                return -ENOMEM;
        part->type = type;
        part->quoted = quoted;
        *b->end = part;
        b->end = &part->next;
        *ret = part;
        return 0;
}

static int flush_text(Builder *b) {
        ShellPart *part;
        int r;

        if (!b->has_text)
                return 0;
        b->has_text = false;
        r = add_part(b, SHELL_TEXT, b->quoted, &part);
        if (r < 0)
                return r;
        part->text = arena_strndup(b->p->arena, b->text ?: "", b->n);
        b->n = 0;
        return part->text ? 0 : -ENOMEM;
}

/* Says that there is a part, if only an empty one, of this kind. */
static int begin_text(Builder *b, bool quoted) {
        int r = b->has_text && b->quoted != quoted ? flush_text(b) : 0;

        b->has_text = true;
        b->quoted = quoted;
        return r;
}

static int add_char(Builder *b, char c, bool quoted) {
        int r = begin_text(b, quoted);

        if (r < 0)
                return r;
        if (b->n == b->allocated) {
                char *grown = realloc(b->text, b->allocated = 2 * b->allocated + 64);

                if (!grown)
                        return -ENOMEM;
                b->text = grown;
        }
        b->text[b->n++] = c;
        return 0;
}

static int add_special(Builder *b, ShellPartType type, bool quoted, ShellPart **ret) {
        int r = flush_text(b);

        return r < 0 ? r : add_part(b, type, quoted, ret);
}

static int add_opaque(Builder *b, bool quoted) {
        ShellPart *part;

        return add_special(b, SHELL_OPAQUE, quoted, &part);
}

size_t shell_name_length(const char *s) {
        size_t n = 0;

        while (isalpha((unsigned char) s[n]) || s[n] == '_' || (n > 0 && isdigit((unsigned char) s[n])))
                n++;
        return n;
}

const char *shell_arithmetic_end(const char *s) {
        unsigned depth = 0;

        if (!startswith(s, "(("))
                return NULL;
        for (; *s; s++) {
                depth += *s == '(';
                if (*s == ')' && --depth == 1)
                        return s[1] == ')' ? s + 2 : NULL;
        }
        return NULL;
}

/* Takes what is known not to matter, up to 'end'. */
static void skip_to(ShellParser *p, const char *end) {
        for (; p->s < end; p->s++)
                p->line += *p->s == '\n';
}

static int parse_command(Builder *b, bool quoted) {
        ShellParser *p = b->p;
        unsigned line = p->line;
        ShellPart *part;
        int r;

        r = add_special(b, SHELL_COMMAND, quoted, &part);
        if (r >= 0)
                r = shell_parse_sequence(p, &part->script);
        return r < 0 ? r : shell_expect(p, ')', line, "has a $( that is not closed");
}

/* Returns the text up to the closing backquote, or NULL. */
static char *backquoted(ShellParser *p) {
        const char *end = p->s;
        char *text, *t;

        while (*end && *end != '`')
                end += *end == '\\' && end[1] ? 2 : 1;
        text = t = arena_alloc(p->arena, (size_t) (end - p->s) + 1);
        if (!text)
                return NULL;

        for (; p->s < end; p->s++) {
                if (*p->s == '\\' && p->s[1] && strchr("`\\$", p->s[1]))
                        p->s++;
                *t++ = *p->s;
        }
        return text;
}

static int parse_backquotes(Builder *b, bool quoted) {
        ShellParser *p = b->p, inner;
        const char *begin = p->s;
        ShellPart *part;
        char *text;
        int r;

        r = add_special(b, SHELL_COMMAND, quoted, &part);
        text = r < 0 ? NULL : backquoted(p);
        if (!text)
                return -ENOMEM;
        if (*p->s != '`')
                return shell_complain(p, p->line, "has a ` that is not closed");

        inner = (ShellParser) { .arena = p->arena, .s = text, .line = p->line, .depth = p->depth };
        r = shell_parse_sequence(&inner, &part->script);
        if (r >= 0 && *inner.s)
                r = shell_complain(&inner, inner.line, "is no command of the shell");
        if (r == -EINVAL)
                p->error = inner.error;
        for (const char *s = begin; s < p->s; s++)
                p->line += *s == '\n';
        p->s++;
        return r;
}

static const char *read_name(ShellParser *p) {
        size_t n = shell_name_length(p->s);
        const char *name;

        if (n == 0)
                n = strspn(p->s, "0123456789");
        if (n == 0 && *p->s && strchr("@*#?-$!", *p->s))
                n = 1;
        if (n == 0)
                return "";
        name = arena_strndup(p->arena, p->s, n);
        p->s += n;
        return name;
}

static const char *read_operator(ShellParser *p) {
        static const char *const operators[] = {
                ":-", ":=", ":+", ":?", "-", "=", "+", "?", "##", "#", "%%", "%", "//", "/",
        };

        for (size_t i = 0; i < ELEMENTSOF(operators); i++)
                if (startswith(p->s, operators[i])) {
                        p->s += strlen(operators[i]);
                        return streq(operators[i], "?") || streq(operators[i], ":?") ? "" : operators[i];
                }
        return *p->s == '}' ? "" : "?";
}

/* Reads from behind "${". */
static int parse_braces(Builder *b, bool quoted) {
        ShellParser *p = b->p;
        unsigned line = p->line;
        ShellPart *part;
        bool opaque;
        int r;

        opaque = (*p->s == '#' && p->s[1] != '}') || *p->s == '!';
        p->s += opaque;
        r = add_special(b, opaque ? SHELL_OPAQUE : SHELL_PARAMETER, quoted, &part);
        if (r < 0)
                return r;
        part->text = read_name(p);
        if (!part->text)
                return -ENOMEM;
        if (*p->s == '[') {
                p->s++;
                r = shell_parse_word(p, SHELL_WORD_INDEX, &part->index);
                if (r >= 0)
                        r = shell_expect(p, ']', line, "has a [ that is not closed");
        }
        if (r >= 0) {
                part->operator = read_operator(p);
                r = shell_parse_word(p, SHELL_WORD_ARGUMENT, &part->argument);
        }
        return r < 0 ? r : shell_expect(p, '}', line, "has a ${ that is not closed");
}

/* Reads from behind "$'". */
static int parse_escapes(Builder *b) {
        static const char from[] = "ntr\\'\"", to[] = "\nt\r\\'\"";
        ShellParser *p = b->p;
        unsigned line = p->line;
        int r = begin_text(b, true);

        for (; r >= 0 && *p->s && *p->s != '\''; p->s++) {
                const char *known = *p->s == '\\' && p->s[1] ? strchr(from, p->s[1]) : NULL;

                p->line += *p->s == '\n';
                if (known)
                        p->s++;
                r = add_char(b, known && *known == 't' ? '\t' : known ? to[known - from] : *p->s, true);
        }
        return r < 0 ? r : shell_expect(p, '\'', line, "has a ' that is not closed");
}

static int parse_double(Builder *b);

/* Reads from behind "$". */
static int parse_dollar(Builder *b, bool quoted) {
        ShellParser *p = b->p;
        const char *end = shell_arithmetic_end(p->s);
        ShellPart *part;
        int r;

        if (end) {
                skip_to(p, end);
                return add_opaque(b, quoted);
        }
        switch (*p->s) {
        case '(':
                p->s++;
                return parse_command(b, quoted);
        case '{':
                p->s++;
                return parse_braces(b, quoted);
        case '\'':
                if (quoted)
                        break;
                p->s++;
                return parse_escapes(b);
        case '"':
                if (quoted)
                        break;
                p->s++;
                return parse_double(b);
        default:
                if (shell_name_length(p->s) == 0 && (!*p->s || !strchr("0123456789@*#?-$!", *p->s)))
                        break;
                r = add_special(b, SHELL_PARAMETER, quoted, &part);
                if (r < 0)
                        return r;
                /* One digit only. */
                part->text = isdigit((unsigned char) *p->s) ? arena_strndup(p->arena, p->s++, 1) : read_name(p);
                part->operator = "";
                return part->text ? 0 : -ENOMEM;
        }
        return add_char(b, '$', quoted);
}

/* Reads what has a meaning between double quotes as well. */
static int parse_quoted_char(Builder *b) {
        ShellParser *p = b->p;
        char c = *p->s++;

        p->line += c == '\n';
        if (c == '$')
                return parse_dollar(b, true);
        if (c == '`')
                return parse_backquotes(b, true);
        if (c == '\\' && *p->s == '\n') {
                p->line++;
                p->s++;
                return 0;
        }
        if (c == '\\' && *p->s && strchr("\\$`\"", *p->s))
                c = *p->s++;
        return add_char(b, c, true);
}

/* Reads from behind '"'. */
static int parse_double(Builder *b) {
        unsigned line = b->p->line;
        /* Of "$@" nothing may be left, of "" an empty word is. */
        int r = *b->p->s == '"' ? begin_text(b, true) : 0;

        while (r >= 0 && *b->p->s && *b->p->s != '"')
                r = parse_quoted_char(b);
        return r < 0 ? r : shell_expect(b->p, '"', line, "has a \" that is not closed");
}

/* Reads from behind "'". */
static int parse_single(Builder *b) {
        ShellParser *p = b->p;
        unsigned line = p->line;
        int r = begin_text(b, true);

        for (; r >= 0 && *p->s && *p->s != '\''; p->s++) {
                p->line += *p->s == '\n';
                r = add_char(b, *p->s, true);
        }
        return r < 0 ? r : shell_expect(p, '\'', line, "has a ' that is not closed");
}

/* Reads from behind the '(' of bash's patterns and of <(…), which give nothing that is known. */
static int parse_parentheses(Builder *b) {
        ShellParser *p = b->p;
        unsigned depth = 1, line = p->line;

        for (; *p->s && depth > 0; p->s++) {
                depth += *p->s == '(';
                depth -= *p->s == ')';
                p->line += *p->s == '\n';
        }
        return depth > 0 ? shell_complain(p, line, "has a ( that is not closed") : add_opaque(b, false);
}

static int parse_backslash(Builder *b) {
        ShellParser *p = b->p;

        if (*p->s == '\n') {
                p->line++;
                p->s++;
                return 0;
        }
        return *p->s ? add_char(b, *p->s++, true) : add_char(b, '\\', false);
}

static int parse_plain_char(Builder *b) {
        ShellParser *p = b->p;
        char c = *p->s++;

        switch (c) {
        case '\\':
                return parse_backslash(b);
        case '\'':
                return parse_single(b);
        case '"':
                return parse_double(b);
        case '`':
                return parse_backquotes(b, false);
        case '$':
                return parse_dollar(b, false);
        case '{':
                return add_char(b, SHELL_OPEN, false);
        case ',':
                return add_char(b, SHELL_COMMA, false);
        case '}':
                return add_char(b, SHELL_CLOSE, false);
        default:
                p->line += c == '\n';
                return add_char(b, c, false);
        }
}

static bool is_at_end(const Builder *b, ShellWordMode mode) {
        char c = *b->p->s;

        switch (mode) {
        case SHELL_WORD_REGEX:
                return !c || strchr(" \t\n", c);
        case SHELL_WORD_ARGUMENT:
                return !c || c == '}';
        case SHELL_WORD_INDEX:
                return !c || c == ']';
        case SHELL_WORD_PLAIN:
                break;
        }
        return shell_ends_word(c);
}

/* Returns whether the '(' that is next belongs to a word. */
static bool is_in_word(const Builder *b, ShellWordMode mode) {
        const char *s = b->p->s;

        if (mode != SHELL_WORD_PLAIN)
                return false;
        return (*s == '(' && b->has_text && b->n > 0 && !b->quoted && strchr("?*+@!", b->text[b->n - 1])) ||
               ((*s == '<' || *s == '>') && s[1] == '(');
}

static int finish(Builder *b, ShellWord **ret) {
        ShellWord *word = arena_alloc(b->p->arena, sizeof(ShellWord));
        int r = word ? flush_text(b) : -ENOMEM;

        if (r < 0)
                return r;
        word->parts = b->first;
        *ret = word;
        return 0;
}

int shell_parse_word(ShellParser *p, ShellWordMode mode, ShellWord **ret) {
        _cleanup_(builder_done) Builder b = { .p = p, .end = &b.first };
        int r = 0;

        if (++p->depth > SHELL_DEPTH_MAX)
                return shell_complain(p, p->line, "is nested too deeply");
        while (r >= 0) {
                if (is_in_word(&b, mode)) {
                        p->s += 1 + (*p->s != '(');
                        r = parse_parentheses(&b);
                } else if (is_at_end(&b, mode))
                        break;
                else
                        r = parse_plain_char(&b);
        }
        p->depth--;
        return r < 0 ? r : finish(&b, ret);
}

int shell_parse_document(ShellParser *p, const char *text, unsigned line, ShellWord **ret) {
        ShellParser inner = { .arena = p->arena, .s = text, .line = line, .depth = p->depth + 1 };
        _cleanup_(builder_done) Builder b = { .p = &inner, .end = &b.first };
        int r = begin_text(&b, true);

        while (r >= 0 && *inner.s)
                r = parse_quoted_char(&b);
        if (r == -EINVAL)
                p->error = inner.error;
        return r < 0 ? r : finish(&b, ret);
}
