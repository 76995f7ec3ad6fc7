/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-state.h"

/* So many comparisons of characters count as one step. */
#define STEP 4096

typedef struct Test {
        Shell *s;
        char **words;
        size_t n;
        bool is_condition;
        unsigned depth;
} Test;

/* Passes over one element of a pattern that stands for a character. Returns what follows, and whether 'c' is
 * such a character. */
static const char *match_one(const char *pattern, char c, bool *ret) {
        const char *end = *pattern == '[' && pattern[1] ? strchr(pattern + 2, ']') : NULL;

        if (end) {
                bool is_not = pattern[1] == '!' || pattern[1] == '^', found = false;

                for (const char *p = pattern + 1 + is_not; p < end; p++)
                        if (p[1] == '-' && p + 2 < end) {
                                found |= c >= p[0] && c <= p[2];
                                p += 2;
                        } else {
                                p += *p == '\\' && p + 1 < end;
                                found |= *p == c;
                        }
                *ret = found != is_not;
                return end + 1;
        }
        if (*pattern == '\\' && pattern[1])
                pattern++;
        else if (*pattern == '?')
                c = '?';
        *ret = *pattern == c;
        return pattern + 1;
}

/* Returns whether the first 'n' characters are what the pattern says. */
static bool matches(Shell *s, const char *value, size_t n, const char *pattern) {
        const char *star = NULL;
        size_t i = 0, from = 0, cost = 0;

        while (i < n) {
                bool same = false;
                const char *next = *pattern && *pattern != '*' ? match_one(pattern, value[i], &same) : pattern;

                cost++;
                if (*pattern == '*') {
                        star = ++pattern;
                        from = i;
                } else if (same) {
                        pattern = next;
                        i++;
                } else if (star) {
                        pattern = star;
                        i = ++from;
                } else
                        break;
        }
        s->steps += (unsigned) (cost / STEP);
        pattern += i == n ? strspn(pattern, "*") : 0;
        return i == n && !*pattern;
}

/* Returns what a pattern without anything special is the pattern of, or NULL. */
static char *literal(Shell *s, const char *pattern) {
        char *text = arena_strndup(s->arena, pattern, strlen(pattern)), *t = text;

        for (; text && *pattern; pattern++) {
                if (strchr("*?[", *pattern) || *pattern == SHELL_UNKNOWN)
                        return NULL;
                if (*pattern == '\\' && pattern[1])
                        pattern++;
                *t++ = *pattern;
        }
        if (text)
                *t = 0;
        return text;
}

static int tell_vm(Shell *s, const char *name, bool is_pattern) {
        int r = s->caller->vm && !s->caller->vm_is_other ? s->caller->vm(name, is_pattern, s->caller->userdata) : 0;

        if (r < 0)
                return r;
        return s->caller->vm_is_other ? SHELL_FALSE : SHELL_MAYBE;
}

/* Tells the caller which name the VM would have if both were the same. */
static int compare_vm(Shell *s, const char *value, const char *text) {
        const char *vm = strchr(value, SHELL_VM), *behind = vm + 1;
        size_t before = (size_t) (vm - value), n = strlen(text);
        char *name;

        if (strchr(behind, SHELL_VM) || n < before + strlen(behind) || strncmp(value, text, before) != 0 ||
            !streq(text + n - strlen(behind), behind))
                return SHELL_FALSE;
        name = arena_strndup(s->arena, text + before, n - before - strlen(behind));
        if (!name)
                return -ENOMEM;
        return *name && shell_is_known(name) ? tell_vm(s, name, false) : SHELL_FALSE;
}

/* What nobody knows is no name to tell. */
static int tell_vm_like(Shell *s, const char *pattern) {
        return strchr(pattern, SHELL_UNKNOWN) ? SHELL_MAYBE : tell_vm(s, pattern, true);
}

int shell_match(Shell *s, const char *value, const char *pattern) {
        const char *text;

        if (streq(pattern, "*"))
                return SHELL_TRUE;
        text = literal(s, pattern);
        if (text && strchr(value, SHELL_VM) && !strchr(value, SHELL_UNKNOWN))
                return compare_vm(s, value, text);
        if (text && strchr(text, SHELL_VM) && shell_is_known(value))
                return compare_vm(s, text, value);
        if (strchr(value, SHELL_VM))
                return tell_vm_like(s, pattern);
        if (!shell_is_known(value) || !shell_is_known(pattern))
                return SHELL_MAYBE;
        return matches(s, value, strlen(value), pattern) ? SHELL_TRUE : SHELL_FALSE;
}

static char *unknown(Shell *s) {
        return arena_strndup(s->arena, (const char[]) { SHELL_UNKNOWN }, 1);
}

/* Returns how many characters the pattern matches there, 0 for none. */
static size_t match_here(const char *value, const char *pattern) {
        size_t n = 0;

        while (*pattern) {
                bool same;

                if (!value[n])
                        return 0;
                pattern = match_one(pattern, value[n], &same);
                if (!same)
                        return 0;
                n++;
        }
        return n;
}

int shell_replace(Shell *s, const char *value, const char *pattern, const char *with, bool everywhere, char **ret) {
        char *result = arena_strndup(s->arena, "", 0);

        if (strchr(pattern, '*') || !shell_is_known(pattern)) {
                *ret = unknown(s);
                return *ret ? 0 : -ENOMEM;
        }
        for (bool done = false; result && *value;) {
                size_t n = done ? 0 : match_here(value, pattern);
                char *next = n > 0 ? arena_strndup(s->arena, with, strlen(with)) : arena_strndup(s->arena, value, 1);

                result = next ? shell_append(s, result, next) : NULL;
                done |= n > 0 && !everywhere;
                value += n > 0 ? n : 1;
        }
        *ret = result;
        return result ? 0 : -ENOMEM;
}

int shell_strip(Shell *s, const char *value, const char *pattern, bool is_end, bool longest, char **ret) {
        size_t n = strlen(value);

        if (!shell_is_known(value) || !shell_is_known(pattern)) {
                *ret = unknown(s);
                return *ret ? 0 : -ENOMEM;
        }
        *ret = NULL;
        s->steps += (unsigned) (n * n / STEP);
        for (size_t i = 0; i <= n && !*ret; i++) {
                size_t k = longest ? n - i : i;

                if (is_end ? matches(s, value + n - k, k, pattern) : matches(s, value, k, pattern))
                        *ret = is_end ? arena_strndup(s->arena, value, n - k) :
                                        arena_strndup(s->arena, value + k, n - k);
        }
        if (!*ret)
                *ret = arena_strndup(s->arena, value, n);
        return *ret ? 0 : -ENOMEM;
}

static int negate(int status) {
        return status == SHELL_TRUE ? SHELL_FALSE : status == SHELL_FALSE ? SHELL_TRUE : status;
}

static int answer(bool condition) {
        return condition ? SHELL_TRUE : SHELL_FALSE;
}

/* Returns whether a value has anything in it. */
static int test_length(const char *value) {
        if (!*value || value[strspn(value, (const char[]) { SHELL_UNKNOWN, 0 })])
                return answer(*value);
        return SHELL_MAYBE;
}

static int compare_numbers(const char *a, const char *operator, const char *b) {
        static const char *const operators[] = { "-eq", "-ne", "-lt", "-le", "-gt", "-ge" };
        char *end_a, *end_b;
        long x = strtol(a, &end_a, 10), y = strtol(b, &end_b, 10);
        bool results[] = { x == y, x != y, x < y, x <= y, x > y, x >= y };

        if (!*a || !*b || *end_a || *end_b)
                return SHELL_MAYBE;
        for (size_t i = 0; i < ELEMENTSOF(operators); i++)
                if (streq(operator, operators[i]))
                        return answer(results[i]);
        return SHELL_MAYBE;
}

static bool is_binary(const char *word) {
        return shell_word_in("= == != =~ < > -eq -ne -lt -le -gt -ge -nt -ot -ef", word);
}

static int test_binary(Test *t, const char *a, const char *operator, const char *b) {
        const char *pattern;
        int status;

        if (*operator == '-')
                return shell_is_known(a) && shell_is_known(b) ? compare_numbers(a, operator, b) : SHELL_MAYBE;
        if (streq(operator, "=~") && strchr(a, SHELL_VM))
                return tell_vm_like(t->s, b);
        if (streq(operator, "=~") || *operator == '<' || *operator == '>')
                return SHELL_MAYBE;
        pattern = t->is_condition ? b : shell_escape(t->s, b, "*?[\\");
        if (!pattern)
                return -ENOMEM;
        status = shell_match(t->s, a, pattern);
        return *operator == '!' ? negate(status) : status;
}

static void take(Test *t, size_t n) {
        t->words += n;
        t->n -= n;
}

static bool next_is(const Test *t, const char *a, const char *b) {
        return t->n > 0 && (streq(*t->words, a) || streq(*t->words, b));
}

static int test_or(Test *t);

static int test_one(Test *t) {
        char **w = t->words;
        int status;

        if (t->n == 0)
                return SHELL_FALSE;
        if (t->n >= 3 && is_binary(w[1])) {
                take(t, 3);
                return test_binary(t, w[0], w[1], w[2]);
        }
        if (t->n >= 2 && (streq(w[0], "!") || streq(w[0], "("))) {
                take(t, 1);
                if (++t->depth > 32)
                        return SHELL_MAYBE;
                status = *w[0] == '!' ? negate(test_one(t)) : test_or(t);
                t->depth--;
                take(t, *w[0] == '(' && next_is(t, ")", ")"));
                return status;
        }
        if (t->n >= 2 && w[0][0] == '-' && w[0][1] && !w[0][2]) {
                take(t, 2);
                return w[0][1] == 'n' ? test_length(w[1]) : w[0][1] == 'z' ? negate(test_length(w[1])) : SHELL_MAYBE;
        }
        take(t, 1);
        return test_length(w[0]);
}

static int test_and(Test *t) {
        int status = test_one(t);

        while (status >= 0 && next_is(t, "-a", "&&")) {
                int other;

                take(t, 1);
                other = test_one(t);
                if (other < 0 || other == SHELL_FALSE || status == SHELL_TRUE)
                        status = other;
        }
        return status;
}

static int test_or(Test *t) {
        int status = test_and(t);

        while (status >= 0 && next_is(t, "-o", "||")) {
                int other;

                take(t, 1);
                other = test_and(t);
                if (other < 0 || other == SHELL_TRUE || status == SHELL_FALSE)
                        status = other;
        }
        return status;
}

int shell_test(Shell *s, char **words, size_t n, bool is_condition) {
        Test t = { .s = s, .words = words, .n = n, .is_condition = is_condition };
        int status = test_or(&t);

        return t.n > 0 && status >= 0 ? SHELL_MAYBE : status;
}
