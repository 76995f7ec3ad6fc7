/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-parser.h"
#include "shell-run.h"

const char *shell_word_text(const ShellWord *word) {
        if (!word->parts)
                return "";
        return word->parts->type == SHELL_TEXT && !word->parts->next ? word->parts->text : NULL;
}

int shell_new_node(ShellParser *p, ShellNodeType type, ShellNode **ret) {
        ShellNode *node = arena_alloc(p->arena, sizeof(ShellNode));

        if (!node)
                return -ENOMEM;
        node->type = type;
        node->line = p->line;
        *ret = node;
        return 0;
}

int shell_add_word(ShellParser *p, ShellWordMode mode, ShellWord ***end) {
        ShellWord *word;
        int r = shell_parse_word(p, mode, &word);

        if (r < 0)
                return r;
        **end = word;
        *end = &word->next;
        return 0;
}

/* Takes the lines up to the one that ends the here-document. */
int shell_read_document(ShellParser *p, ShellDocument *d) {
        unsigned line = p->line;
        char *text, *t;

        text = t = arena_alloc(p->arena, strlen(p->s) + 2);
        if (!text)
                return -ENOMEM;
        while (*p->s) {
                const char *begin = p->s + (d->strip_tabs ? strspn(p->s, "\t") : 0);
                size_t n = strcspn(begin, "\n");
                bool is_last = n == strlen(d->delimiter) && memcmp(begin, d->delimiter, n) == 0;

                p->s = begin + n + (begin[n] == '\n');
                p->line += begin[n] == '\n';
                if (is_last)
                        break;
                t = mempcpy(t, begin, n);
                *t++ = '\n';
        }

        if (!d->quoted)
                return shell_parse_document(p, text, line, &d->redirection->target);
        d->redirection->target = arena_alloc(p->arena, sizeof(ShellWord));
        if (!d->redirection->target)
                return -ENOMEM;
        d->redirection->target->parts = arena_alloc(p->arena, sizeof(ShellPart));
        if (!d->redirection->target->parts)
                return -ENOMEM;
        *d->redirection->target->parts = (ShellPart) { .type = SHELL_TEXT, .quoted = true, .text = text };
        return 0;
}

static int expect_document(ShellParser *p, ShellRedirection *redirection, bool strip_tabs) {
        ShellDocument *d = arena_alloc(p->arena, sizeof(ShellDocument)), **end = &p->documents;
        ShellWord *word;
        int r;

        if (!d)
                return -ENOMEM;
        shell_skip_blanks(p);
        r = shell_parse_word(p, SHELL_WORD_PLAIN, &word);
        if (r < 0)
                return r;
        d->redirection = redirection;
        d->delimiter = shell_word_text(word);
        if (!d->delimiter)
                return shell_complain(p, p->line, "ends a here-document with more than plain text");
        d->quoted = word->parts && word->parts->quoted;
        d->strip_tabs = strip_tabs;
        while (*end)
                end = &(*end)->next;
        *end = d;
        return 0;
}

/* Returns what kind of redirection is next, having taken its operator; the longest that fits comes first. */
static int take_operator(ShellParser *p, ShellRedirectionType *ret, bool *ret_document) {
        static const struct {
                const char *operator;
                ShellRedirectionType type;
                bool document;
        } operators[] = {
                { "&>>", SHELL_WRITE },        { "&>", SHELL_WRITE },        { "<<<", SHELL_INLINE },
                { "<<-", SHELL_INLINE, true }, { "<<", SHELL_INLINE, true }, { "<&", SHELL_OTHER },
                { "<>", SHELL_OTHER },         { "<", SHELL_READ },          { ">>", SHELL_WRITE },
                { ">&", SHELL_OTHER },         { ">|", SHELL_WRITE },        { ">", SHELL_WRITE },
        };

        for (size_t i = 0; i < ELEMENTSOF(operators); i++)
                if (startswith(p->s, operators[i].operator)) {
                        p->s += strlen(operators[i].operator);
                        *ret = operators[i].type;
                        *ret_document = operators[i].document;
                        return 0;
                }
        return -ENOENT;
}

/* Returns the length of what says which descriptor an operator behind it is about: digits, or in braces the
 * variable that gets one. */
static size_t descriptor_length(const char *s) {
        size_t n = strspn(s, "0123456789");

        if (*s == '{') {
                n = shell_name_length(s + 1);
                n = n > 0 && s[n + 1] == '}' ? n + 2 : 0;
        }
        return s[n] == '<' || s[n] == '>' ? n : 0;
}

int shell_parse_redirection(ShellParser *p, ShellRedirection ***end) {
        size_t descriptor = descriptor_length(p->s);
        const char *s = p->s;
        ShellRedirection *redirection;
        ShellRedirectionType type;
        bool document, strip_tabs;
        int r;

        if ((*s == '<' || *s == '>') && s[1] == '(')
                return 0;
        p->s += descriptor;
        if (take_operator(p, &type, &document) < 0)
                return 0;

        redirection = arena_alloc(p->arena, sizeof(ShellRedirection));
        if (!redirection)
                return -ENOMEM;
        redirection->type = type;
        redirection->is_output = descriptor == 0 || *s == '1';
        **end = redirection;
        *end = &redirection->next;

        strip_tabs = p->s[-1] == '-';
        if (document)
                r = expect_document(p, redirection, strip_tabs);
        else {
                shell_skip_blanks(p);
                r = shell_parse_word(p, SHELL_WORD_PLAIN, &redirection->target);
                if (r >= 0 && !redirection->target->parts)
                        return shell_complain(p, p->line, "redirects to nothing");
        }
        return r < 0 ? r : 1;
}

/* Returns the length of "name=", "name+=" or "name[" if that is next, else 0. */
static size_t assignment_length(const char *s) {
        size_t n = shell_name_length(s);

        if (n == 0)
                return 0;
        if (s[n] == '=' || (s[n] == '+' && s[n + 1] == '='))
                return n + 1 + (s[n] == '+');
        return s[n] == '[' && memmem(s + n, strcspn(s + n, " \t\n;"), "]=", 2) ? n : 0;
}

static int parse_list(ShellParser *p, ShellAssignment *a) {
        ShellWord **end = &a->value;
        unsigned line = p->line;
        int r;

        p->s++;
        a->is_list = true;
        for (;;) {
                r = shell_skip_lines(p);
                if (r < 0 || shell_ends_word(*p->s))
                        break;
                r = shell_add_word(p, SHELL_WORD_PLAIN, &end);
                if (r < 0)
                        break;
        }
        return r < 0 ? r : shell_expect(p, ')', line, "has a list that is not closed");
}

static int parse_assignment(ShellParser *p, ShellAssignment ***end) {
        size_t n = shell_name_length(p->s);
        ShellAssignment *a = arena_alloc(p->arena, sizeof(ShellAssignment));
        int r = 0;

        if (!a)
                return -ENOMEM;
        a->name = arena_strndup(p->arena, p->s, n);
        if (!a->name)
                return -ENOMEM;
        p->s += n;
        if (*p->s == '[') {
                p->s++;
                r = shell_parse_word(p, SHELL_WORD_INDEX, &a->index);
                if (r >= 0)
                        r = shell_expect(p, ']', p->line, "has a [ that is not closed");
                if (r < 0)
                        return r;
        }
        a->append = *p->s == '+';
        p->s += a->append;
        if (*p->s != '=')
                return shell_complain(p, p->line, "assigns nothing");
        p->s++;
        r = *p->s == '(' ? parse_list(p, a) : shell_parse_word(p, SHELL_WORD_PLAIN, &a->value);
        if (r < 0)
                return r;

        **end = a;
        *end = &a->next;
        return 0;
}

/* Commands whose arguments are assignments as well. */
static bool is_declaration(const ShellWord *word) {
        const char *text = word ? shell_word_text(word) : NULL;

        return text && shell_word_in("declare export local readonly typeset", text);
}

int shell_parse_simple(ShellParser *p, ShellNode **ret) {
        ShellAssignment **assignments;
        ShellRedirection **redirections;
        ShellWord **words;
        ShellNode *node;
        int r;

        r = shell_new_node(p, SHELL_SIMPLE, &node);
        if (r < 0)
                return r;
        assignments = &node->assignments;
        redirections = &node->redirections;
        words = &node->words;

        for (;;) {
                shell_skip_blanks(p);
                r = shell_parse_redirection(p, &redirections);
                if (r > 0)
                        continue;
                if (r < 0 || (shell_ends_word(*p->s) && !startswith(p->s, "<(") && !startswith(p->s, ">(")))
                        break;
                if ((!node->words || is_declaration(node->words)) && assignment_length(p->s) > 0)
                        r = parse_assignment(p, &assignments);
                else
                        r = shell_add_word(p, SHELL_WORD_PLAIN, &words);
                if (r < 0)
                        return r;
        }
        if (r >= 0 && !node->words && !node->assignments && !node->redirections)
                return shell_complain(p, p->line, "is no command of the shell");
        if (r < 0)
                return r;

        if (startswith(p->s, "(") && node->words && !node->words->next && shell_word_text(node->words)) {
                p->s++;
                shell_skip_blanks(p);
                r = shell_expect(p, ')', node->line, "is no command of the shell");
                return r < 0 ? r : shell_parse_function(p, shell_word_text(node->words), ret);
        }
        *ret = node;
        return 0;
}
