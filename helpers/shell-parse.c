/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-parser.h"

int shell_complain(ShellParser *p, unsigned line, const char *problem) {
        p->error = (ShellSyntaxError) { line, problem };
        return -EINVAL;
}

int shell_expect(ShellParser *p, char c, unsigned line, const char *problem) {
        if (*p->s != c)
                return shell_complain(p, line, problem);
        p->s++;
        return 0;
}

int shell_next_line(ShellParser *p) {
        int r = 0;

        p->s++;
        p->line++;
        while (r >= 0 && p->documents) {
                ShellDocument *d = p->documents;

                p->documents = d->next;
                r = shell_read_document(p, d);
        }
        return r;
}

static size_t line_length(const char *s) {
        return strcspn(s, "\n");
}

void shell_skip_blanks(ShellParser *p) {
        for (;;)
                if (*p->s == ' ' || *p->s == '\t')
                        p->s++;
                else if (*p->s == '\\' && p->s[1] == '\n') {
                        p->s += 2;
                        p->line++;
                } else if (*p->s == '#')
                        p->s += line_length(p->s);
                else
                        return;
}

int shell_skip_lines(ShellParser *p) {
        int r = 0;

        shell_skip_blanks(p);
        while (r >= 0 && *p->s == '\n') {
                r = shell_next_line(p);
                shell_skip_blanks(p);
        }
        return r;
}

/* Returns whether this reserved word is next. */
static bool is_reserved(const ShellParser *p, const char *word) {
        const char *rest = startswith(p->s, word);

        return rest && shell_ends_word(*rest);
}

static bool take_reserved(ShellParser *p, const char *word) {
        if (!is_reserved(p, word))
                return false;
        p->s += strlen(word);
        return true;
}

static int expect_reserved(ShellParser *p, const char *word, unsigned line, const char *problem) {
        int r = shell_skip_lines(p);

        if (r < 0)
                return r;
        return take_reserved(p, word) ? 0 : shell_complain(p, line, problem);
}

/* Returns whether what is next ends a sequence. */
static bool is_at_end(const ShellParser *p) {
        static const char *const closers[] = { "then", "do", "done", "fi", "else", "elif", "esac", "}" };

        if (!*p->s || *p->s == ')' || startswith(p->s, ";;") || startswith(p->s, ";&"))
                return true;
        for (size_t i = 0; i < ELEMENTSOF(closers); i++)
                if (is_reserved(p, closers[i]))
                        return true;
        return false;
}

static int parse_sequence_until(ShellParser *p, const char *closer, unsigned line, const char *problem,
                                ShellNode **ret) {
        int r = shell_parse_sequence(p, ret);

        return r < 0 ? r : expect_reserved(p, closer, line, problem);
}

static int parse_command(ShellParser *p, ShellNode **ret);

/* Reads from behind "name()" or "function name". */
int shell_parse_function(ShellParser *p, const char *name, ShellNode **ret) {
        ShellNode *node;
        int r;

        r = shell_new_node(p, SHELL_FUNCTION, &node);
        if (r < 0)
                return r;
        node->name = name;
        r = shell_skip_lines(p);
        if (r >= 0)
                r = parse_command(p, &node->first);
        if (r < 0)
                return r;
        *ret = node;
        return 0;
}

/* Reads from behind "if" or "elif". */
static int parse_if(ShellParser *p, unsigned line, ShellNode **ret) {
        ShellNode *node;
        int r;

        if (++p->depth > SHELL_DEPTH_MAX)
                return shell_complain(p, p->line, "is nested too deeply");
        r = shell_new_node(p, SHELL_IF, &node);
        if (r < 0)
                return r;
        *ret = node;
        r = parse_sequence_until(p, "then", line, "begins an if without a then", &node->first);
        if (r >= 0)
                r = shell_parse_sequence(p, &node->second);
        if (r < 0)
                return r;

        if (take_reserved(p, "elif"))
                r = parse_if(p, line, &node->third);
        else {
                if (take_reserved(p, "else"))
                        r = shell_parse_sequence(p, &node->third);
                if (r >= 0)
                        r = expect_reserved(p, "fi", line, "begins an if without an end");
        }
        p->depth--;
        return r;
}

static int parse_loop(ShellParser *p, ShellNodeType type, ShellNode **ret) {
        unsigned line = p->line;
        int r;

        r = shell_new_node(p, type, ret);
        if (r >= 0)
                r = parse_sequence_until(p, "do", line, "begins a loop without a do", &(*ret)->first);
        if (r >= 0)
                r = parse_sequence_until(p, "done", line, "begins a loop without an end", &(*ret)->second);
        return r;
}

static int parse_for_words(ShellParser *p, ShellNode *node) {
        ShellWord **end = &node->words;
        int r = 0;

        for (;;) {
                shell_skip_blanks(p);
                if (r < 0 || shell_ends_word(*p->s))
                        return r;
                r = shell_add_word(p, SHELL_WORD_PLAIN, &end);
        }
}

/* Without "in" it goes through the arguments of the script. */
static int parse_arguments(ShellParser *p, ShellNode *node) {
        ShellWord *word = arena_alloc(p->arena, sizeof(ShellWord));
        ShellPart *part = arena_alloc(p->arena, sizeof(ShellPart));

        if (!word || !part)
                return -ENOMEM;
        *part = (ShellPart) { .type = SHELL_PARAMETER, .quoted = true, .text = "@", .operator = "" };
        word->parts = part;
        node->words = word;
        return 0;
}

static int take_arithmetic(ShellParser *p, const char *end, ShellNode *node) {
        node->name = arena_strndup(p->arena, p->s, (size_t) (end - p->s));
        for (; p->s < end; p->s++)
                p->line += *p->s == '\n';
        return node->name ? 0 : -ENOMEM;
}

static int parse_for_head(ShellParser *p, ShellNode *node) {
        const char *end;
        size_t n;
        int r;

        shell_skip_blanks(p);
        end = shell_arithmetic_end(p->s);
        if (end) {
                node->type = SHELL_COUNT;
                return take_arithmetic(p, end, node);
        }
        n = shell_name_length(p->s);
        if (n == 0)
                return shell_complain(p, node->line, "begins a loop over nothing");
        node->name = arena_strndup(p->arena, p->s, n);
        if (!node->name)
                return -ENOMEM;
        p->s += n;
        r = shell_skip_lines(p);
        if (r < 0)
                return r;
        return take_reserved(p, "in") ? parse_for_words(p, node) : parse_arguments(p, node);
}

static int parse_for(ShellParser *p, ShellNode **ret) {
        unsigned line = p->line;
        bool in_braces;
        int r;

        r = shell_new_node(p, SHELL_FOR, ret);
        if (r >= 0)
                r = parse_for_head(p, *ret);
        if (r < 0)
                return r;
        shell_skip_blanks(p);
        p->s += *p->s == ';';
        r = shell_skip_lines(p);
        if (r < 0)
                return r;
        /* Braces in place of do and done are nowhere described, and used. */
        in_braces = take_reserved(p, "{");
        if (!in_braces && !take_reserved(p, "do"))
                return shell_complain(p, line, "begins a loop without a do");
        return parse_sequence_until(p, in_braces ? "}" : "done", line, "begins a loop without an end",
                                    &(*ret)->second);
}

static int parse_clause(ShellParser *p, ShellClause *clause, unsigned line) {
        ShellWord **end = &clause->patterns;
        int r;

        p->s += *p->s == '(';
        do {
                shell_skip_blanks(p);
                r = shell_add_word(p, SHELL_WORD_PLAIN, &end);
                shell_skip_blanks(p);
        } while (r >= 0 && *p->s == '|' && p->s++);
        if (r >= 0)
                r = shell_expect(p, ')', line, "begins a case whose pattern is not closed");
        if (r >= 0)
                r = shell_parse_sequence(p, &clause->body);
        if (r < 0)
                return r;

        clause->goes_on = startswith(p->s, ";&") || startswith(p->s, ";;&");
        p->s += startswith(p->s, ";;&") ? 3 : startswith(p->s, ";;") || startswith(p->s, ";&") ? 2 : 0;
        return shell_skip_lines(p);
}

static int parse_case(ShellParser *p, ShellNode **ret) {
        ShellClause **end;
        unsigned line = p->line;
        int r;

        r = shell_new_node(p, SHELL_CASE, ret);
        if (r < 0)
                return r;
        shell_skip_blanks(p);
        r = shell_parse_word(p, SHELL_WORD_PLAIN, &(*ret)->words);
        if (r >= 0)
                r = expect_reserved(p, "in", line, "begins a case without an in");
        if (r >= 0)
                r = shell_skip_lines(p);
        end = &(*ret)->clauses;
        while (r >= 0 && !take_reserved(p, "esac")) {
                if (!*p->s)
                        return shell_complain(p, line, "begins a case without an end");
                *end = arena_alloc(p->arena, sizeof(ShellClause));
                if (!*end)
                        return -ENOMEM;
                r = parse_clause(p, *end, line);
                end = &(*end)->next;
        }
        return r;
}

static int parse_function_word(ShellParser *p, ShellNode **ret) {
        const char *name;
        size_t n;

        shell_skip_blanks(p);
        n = strcspn(p->s, " \t\n(){};&|<>");
        name = arena_strndup(p->arena, p->s, n);
        if (!name)
                return -ENOMEM;
        p->s += n;
        shell_skip_blanks(p);
        if (startswith(p->s, "()"))
                p->s += 2;
        return n > 0 ? shell_parse_function(p, name, ret) :
                       shell_complain(p, p->line, "begins a function without a name");
}

/* Reads one word of [[ … ]], operators included. */
static int add_condition_word(ShellParser *p, bool is_regex, ShellWord ***end) {
        size_t n = startswith(p->s, "&&") || startswith(p->s, "||") ? 2 : strchr("()<>", *p->s) ? 1 : 0;
        ShellWord *word;
        ShellPart *part;

        if (n == 0 || is_regex)
                return shell_add_word(p, is_regex ? SHELL_WORD_REGEX : SHELL_WORD_PLAIN, end);
        word = arena_alloc(p->arena, sizeof(ShellWord));
        part = arena_alloc(p->arena, sizeof(ShellPart));
        if (!word || !part)
                return -ENOMEM;
        *part = (ShellPart) { .type = SHELL_TEXT, .text = arena_strndup(p->arena, p->s, n) };
        p->s += n;
        word->parts = part;
        **end = word;
        *end = &word->next;
        return part->text ? 0 : -ENOMEM;
}

static int parse_condition(ShellParser *p, ShellNode **ret) {
        ShellWord **end, **last = NULL;
        int r;

        r = shell_new_node(p, SHELL_CONDITION, ret);
        if (r < 0)
                return r;
        end = &(*ret)->words;
        for (;;) {
                const char *operator = last && *last ? shell_word_text(*last) : NULL;

                r = shell_skip_lines(p);
                if (r < 0 || take_reserved(p, "]]"))
                        return r;
                if (!*p->s || *p->s == ';' || (*p->s == '&' && p->s[1] != '&') || (*p->s == '|' && p->s[1] != '|'))
                        return shell_complain(p, (*ret)->line, "has a [[ that is not closed");
                last = end;
                r = add_condition_word(p, operator && streq(operator, "=~"), &end);
                if (r < 0)
                        return r;
        }
}

static int parse_group(ShellParser *p, ShellNodeType type, ShellNode **ret) {
        unsigned line = p->line;
        int r;

        p->s++;
        r = shell_new_node(p, type, ret);
        if (r >= 0)
                r = shell_parse_sequence(p, &(*ret)->first);
        if (r < 0)
                return r;
        return shell_expect(p, type == SHELL_GROUP ? '}' : ')', line, "begins a group without an end");
}

/* Returns 1 if there was a command that begins with a reserved word or a parenthesis, 0 if not, or a
 * negative errno. */
static int parse_compound(ShellParser *p, ShellNode **ret) {
        const char *end = shell_arithmetic_end(p->s);
        unsigned line = p->line;
        int r;

        if (end) {
                r = shell_new_node(p, SHELL_ARITHMETIC, ret);
                if (r >= 0)
                        r = take_arithmetic(p, end, *ret);
        } else if (take_reserved(p, "if"))
                r = parse_if(p, line, ret);
        else if (take_reserved(p, "for"))
                r = parse_for(p, ret);
        else if (take_reserved(p, "while"))
                r = parse_loop(p, SHELL_WHILE, ret);
        else if (take_reserved(p, "until"))
                r = parse_loop(p, SHELL_UNTIL, ret);
        else if (take_reserved(p, "case"))
                r = parse_case(p, ret);
        else if (take_reserved(p, "function"))
                r = parse_function_word(p, ret);
        else if (take_reserved(p, "[["))
                r = parse_condition(p, ret);
        else if (is_reserved(p, "{"))
                r = parse_group(p, SHELL_GROUP, ret);
        else if (*p->s == '(')
                r = parse_group(p, SHELL_SUBSHELL, ret);
        else if (is_reserved(p, "select") || is_reserved(p, "coproc"))
                r = shell_complain(p, line, "is a part of the shell that is not read here");
        else
                return 0;
        return r < 0 ? r : 1;
}

static int parse_command(ShellParser *p, ShellNode **ret) {
        ShellRedirection **end;
        int r;

        if (++p->depth > SHELL_DEPTH_MAX)
                return shell_complain(p, p->line, "is nested too deeply");
        r = parse_compound(p, ret);
        if (r == 0)
                r = shell_parse_simple(p, ret);
        else if (r > 0) {
                end = &(*ret)->redirections;
                do {
                        shell_skip_blanks(p);
                        r = shell_parse_redirection(p, &end);
                } while (r > 0);
        }
        p->depth--;
        return r;
}

static int parse_pipe(ShellParser *p, ShellNode **ret) {
        ShellNode *node, **end;
        bool is_not, more;
        int r;

        is_not = take_reserved(p, "!");
        shell_skip_blanks(p);
        if (take_reserved(p, "time"))
                shell_skip_blanks(p);
        r = shell_new_node(p, SHELL_PIPE, &node);
        if (r < 0)
                return r;
        end = &node->first;
        do {
                r = parse_command(p, end);
                if (r < 0)
                        return r;
                end = &(*end)->next;
                shell_skip_blanks(p);
                more = *p->s == '|' && p->s[1] != '|';
                if (more) {
                        p->s += p->s[1] == '&' ? 2 : 1;
                        r = shell_skip_lines(p);
                }
        } while (r >= 0 && more);

        *ret = node->first->next ? node : node->first;
        if (r < 0 || !is_not)
                return r;
        r = shell_new_node(p, SHELL_NOT, &node);
        if (r < 0)
                return r;
        node->first = *ret;
        *ret = node;
        return 0;
}

static int parse_and_or(ShellParser *p, ShellNode **ret) {
        ShellNode *node, *both;
        int r;

        r = parse_pipe(p, &node);
        for (;;) {
                bool is_and = r >= 0 && startswith(p->s, "&&");

                if (r < 0)
                        return r;
                if (!is_and && !startswith(p->s, "||"))
                        break;
                p->s += 2;
                r = shell_new_node(p, is_and ? SHELL_AND : SHELL_OR, &both);
                if (r >= 0)
                        r = shell_skip_lines(p);
                if (r < 0)
                        return r;
                both->line = node->line;
                both->first = node;
                r = parse_pipe(p, &both->second);
                node = both;
        }
        *ret = node;
        return 0;
}

int shell_parse_sequence(ShellParser *p, ShellNode **ret) {
        ShellNode **end;
        int r;

        r = shell_new_node(p, SHELL_SEQUENCE, ret);
        if (r < 0)
                return r;
        end = &(*ret)->first;
        for (;;) {
                r = shell_skip_lines(p);
                if (r < 0 || is_at_end(p))
                        return r;
                r = parse_and_or(p, end);
                if (r < 0) {
                        *end = NULL;
                        return r;
                }
                end = &(*end)->next;

                shell_skip_blanks(p);
                if ((*p->s == ';' && p->s[1] != ';' && p->s[1] != '&') || *p->s == '&')
                        p->s++;
                else if (*p->s != '\n')
                        return 0;
        }
}

void shell_clean(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < ' ' && *text != '\n' && *text != '\t')
                        *text = ' ';
}

int shell_parse(Arena *arena, const char *text, unsigned line, ShellNode **ret, ShellSyntaxError *error) {
        ShellParser p = { .arena = arena, .s = text, .line = line };
        ShellNode *node = NULL;
        int r = shell_parse_sequence(&p, &node);

        if (r >= 0 && *p.s)
                r = shell_complain(&p, p.line, "is no command of the shell");
        if (r == -ENOMEM || !node)
                return -ENOMEM;
        *error = p.error;
        *ret = node;
        return 0;
}
