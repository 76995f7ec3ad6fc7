/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "shell-part.h"

/* What commands write to standard output, as far as it is known. */

static const char unknown[] = { SHELL_UNKNOWN, 0 };

int shell_join(Shell *s, char **words, size_t n, char **ret) {
        char *text = arena_strndup(s->arena, "", 0);

        for (size_t i = 0; i < n && text; i++) {
                text = i > 0 ? shell_append(s, text, " ") : text;
                text = text ? shell_append(s, text, words[i]) : NULL;
        }
        *ret = text;
        return text ? 0 : -ENOMEM;
}

static int write_echo(Shell *s, ShellCall *call) {
        bool escapes = false;
        char *text;
        size_t i = 1;
        int r;

        for (; i < call->n_words && call->words[i][0] == '-' && call->words[i][1] &&
               !call->words[i][1 + strspn(call->words[i] + 1, "neE")]; i++)
                escapes |= strchr(call->words[i], 'e') != NULL;
        r = shell_join(s, call->words + i, call->n_words - i, &text);
        if (r >= 0)
                call->text = escapes && strchr(text, '\\') ? unknown : text;
        return r;
}

/* Returns what one % of printf's becomes, NULL for what is not followed. */
static const char *conversion(ShellCall *call, char c, size_t *next) {
        if (c == '%')
                return "%";
        if (c != 's' && c != 'd' && c != 'i' && c != 'b' && c != 'u')
                return NULL;
        return *next < call->n_words ? call->words[(*next)++] : "";
}

static int write_printf(Shell *s, ShellCall *call) {
        const char *format = call->n_words > 1 ? call->words[1] : "";
        char *text = arena_strndup(s->arena, "", 0);
        size_t next = 2;

        for (; *format && text; format++) {
                char one[] = { *format, 0 };
                const char *piece = one;

                if (*format == '%')
                        piece = conversion(call, *++format, &next);
                else if (*format == '\\')
                        piece = *++format == 'n' ? "\n" : NULL;
                if (!piece || (piece != one && !*format)) {
                        call->text = unknown;
                        return 0;
                }
                text = shell_append(s, text, piece);
        }
        call->text = next < call->n_words ? unknown : text;
        return text ? 0 : -ENOMEM;
}

static int write_cat(Shell *s, ShellCall *call) {
        bool has_file = false;

        for (size_t i = 1; i < call->n_words; i++)
                has_file |= call->words[i][0] != '-';
        call->text = has_file ? NULL : s->input;
        return 0;
}

/* Exchanges characters, as far as both sets are nothing but these. */
static int write_tr(Shell *s, ShellCall *call) {
        const char *from = call->n_words == 3 ? call->words[1] : "", *to = call->n_words == 3 ? call->words[2] : "";
        char *text;

        if (!s->input || !*from || !*to || *from == '-' || !shell_is_known(from) || strpbrk(from, "-\\[") ||
            strpbrk(to, "-\\["))
                return 0;
        call->text = text = arena_strndup(s->arena, s->input, strlen(s->input));
        for (; text && *text; text++) {
                const char *found = strchr(from, *text);
                size_t i = found ? (size_t) (found - from) : 0;

                if (found)
                        *text = i < strlen(to) ? to[i] : to[strlen(to) - 1];
        }
        return call->text ? 0 : -ENOMEM;
}

static int write_tee(Shell *s, ShellCall *call) {
        Strings outputs = { 0 };
        int r = 0;

        for (char **o = call->outputs; o && *o && r >= 0; o++)
                r = strings_add(s->arena, &outputs, *o);
        for (size_t i = 1; i < call->n_words && r >= 0; i++)
                if (call->words[i][0] != '-')
                        r = shell_add_output(s, &outputs, call->words[i]);
        call->text = s->input;
        call->outputs = outputs.list;
        return r;
}

static int write_path(Shell *s, ShellCall *call) {
        bool wants_directory = streq(shell_base_name(call->words[0]), "dirname");
        const char *path = call->n_words > 1 ? call->words[call->n_words - 1] : "", *slash = strrchr(path, '/');
        char *text;

        if (call->n_words != 2 || *path == '-')
                return 0;
        /* What is not known may have the last slash. */
        if (!shell_is_known(slash ?: path))
                return 0;
        if (!wants_directory)
                text = arena_strndup(s->arena, shell_base_name(path), strlen(shell_base_name(path)));
        else if (!slash)
                text = arena_strndup(s->arena, ".", 1);
        else
                text = arena_strndup(s->arena, path, slash == path ? 1 : (size_t) (slash - path));
        call->text = text;
        return text ? 0 : -ENOMEM;
}

static int write_directory(Shell *s, ShellCall *call) {
        call->text = s->directory;
        return 0;
}

static const struct {
        const char *name;
        int (*write)(Shell *s, ShellCall *call);
} writers[] = {
        { "echo", write_echo }, { "printf", write_printf }, { "cat", write_cat },
        { "tee", write_tee },   { "tr", write_tr },         { "dirname", write_path },
        { "basename", write_path }, { "pwd", write_directory },
};

int shell_find_output(Shell *s, ShellCall *call) {
        const char *name = shell_base_name(call->words[0]);

        for (size_t i = 0; i < ELEMENTSOF(writers); i++)
                if (streq(writers[i].name, name))
                        return writers[i].write(s, call);
        return 0;
}
