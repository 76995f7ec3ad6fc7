/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "import-hooks.h"
#include "root.h"

#define SCRIPT_MAX (128 * 1024)
#define TREE_MAX (32 * 1024 * 1024)
#define SCRIPTS_MAX 512

static const char *const directories[] = {
        "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
};

char *import_path(const Import *import, const char *name) {
        const char *rest = import->base && !import->base_is_root ? startswith(name, import->base) : NULL;

        /* What was named on the command line is where that says, whatever the root is. */
        return rest && (!*rest || *rest == '/' || endswith(import->base, "/")) ? strdup(name) : root_path("%s", name);
}

/* Returns 0 with the text of a file, or what is wrong with it as the end of a sentence, or -ENOMEM. */
static int read_file(Import *import, const char *path, char **ret, const char **ret_problem) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0) {
                *ret_problem = arena_printf(&import->arena, "cannot be read: %s", strerror(errno));
                return *ret_problem ? 0 : -ENOMEM;
        }
        *ret_problem = !S_ISREG(st.st_mode)    ? "is no regular file" :
                       st.st_size > SCRIPT_MAX ? "is too large for a hook" :
                                                 NULL;
        if (*ret_problem)
                return 0;

        *ret = arena_alloc(&import->arena, (size_t) st.st_size + 1);
        if (!*ret)
                return -ENOMEM;
        n = read(fd, *ret, (size_t) st.st_size);
        if (n < 0 || memchr(*ret, 0, (size_t) n))
                *ret_problem = n < 0 ? "cannot be read" : "is no text";
        return 0;
}

/* Its first line names a shell, or nothing at all. */
bool import_is_for_shell(const char *text) {
        static const char *const shells[] = { "sh", "bash", "dash", "ash", "zsh", "ksh" };
        size_t n = strcspn(text, "\n"), end, begin;

        if (!startswith(text, "#!"))
                return true;
        for (end = n; end > 2; end = begin) {
                while (end > 2 && strchr(" \t\r", text[end - 1]))
                        end--;
                for (begin = end; begin > 2 && !strchr("/ \t", text[begin - 1]); begin--)
                        ;
                for (size_t i = 0; i < ELEMENTSOF(shells); i++)
                        if (end - begin == strlen(shells[i]) && strncmp(text + begin, shells[i], end - begin) == 0)
                                return true;
                /* What is before an option, or before the name in "/usr/bin/env bash". */
                begin -= begin > 2;
        }
        return false;
}

static int tell_syntax(Import *import, const Script *script, const ShellSyntaxError *error) {
        char *place = import_place(&import->arena, "", script, error->line);
        char *line = import_source_line(&import->arena, script, error->line);

        if (!place || !line)
                return -ENOMEM;
        return strings_add(&import->arena, &import->remarks,
                           arena_printf(&import->arena, "%s: not read from here on, this line %s: %s", place,
                                        error->problem, line));
}

static int parse(Import *import, Script *script, char *text, const char **ret_problem) {
        ShellSyntaxError error = { 0 };
        Arena tree = { .limit = TREE_MAX };
        int r;

        shell_clean(text);
        script->text = text;
        /* A limit of its own, though it is kept as long as everything else. */
        r = shell_parse(&tree, text, 1, &script->tree, &error);
        if (r < 0) {
                arena_done(&tree);
                script->tree = NULL;
                *ret_problem = "has too much in it for a hook";
                return 0;
        }
        arena_adopt(&import->arena, &tree);
        return error.problem ? tell_syntax(import, script, &error) : 0;
}

static Script *known_script(const Import *import, const char *name) {
        for (size_t i = 0; i < import->n_scripts; i++)
                if (streq(import->scripts[i]->name, name))
                        return import->scripts[i];
        return NULL;
}

static int new_script(Import *import, const char *name, Script **ret) {
        Script *script = arena_alloc(&import->arena, sizeof(Script));

        if (!script)
                return -ENOMEM;
        if (import->n_scripts == import->scripts_allocated) {
                size_t allocated = 2 * import->scripts_allocated + 16;
                Script **grown = arena_alloc(&import->arena, allocated * sizeof(Script *));

                if (!grown)
                        return -ENOMEM;
                if (import->n_scripts > 0)
                        memcpy(grown, import->scripts, import->n_scripts * sizeof(Script *));
                import->scripts = grown;
                import->scripts_allocated = allocated;
        }
        script->name = arena_strndup(&import->arena, name, strlen(name));
        if (!script->name)
                return -ENOMEM;
        import->scripts[import->n_scripts++] = *ret = script;
        return 0;
}

int import_load_script(Import *import, const char *name, const Script **ret, const char **ret_problem) {
        Script *script = known_script(import, name);
        _cleanup_free_ char *path = NULL;
        char *text = NULL;
        int r;

        *ret_problem = script && !script->tree ? "cannot be read" : NULL;
        *ret = script;
        if (script)
                return 0;
        if (import->n_scripts >= SCRIPTS_MAX) {
                *ret_problem = "is one file too many";
                return 0;
        }
        path = import_path(import, name);
        r = path ? new_script(import, name, &script) : -ENOMEM;
        if (r >= 0)
                r = read_file(import, path, &text, ret_problem);
        if (r < 0 || *ret_problem)
                return r;
        r = parse(import, script, text, ret_problem);
        *ret = script;
        return r;
}

/* A hook is not to be followed a second time by what runs hooks. */
static bool is_in_folder(const Import *import, const char *name) {
        for (size_t i = 0; i < import->n_hooks; i++)
                if (import->hooks[i].type == HOOK_FOLDER && streq(import->hooks[i].script->name, name))
                        return true;
        return false;
}

static int try_script(Import *import, const char *name, bool source, const Script **ret) {
        const char *problem;
        int r;

        if (is_in_folder(import, name))
                return 0;
        r = import_load_script(import, name, ret, &problem);
        if (r < 0 || problem)
                return r;
        return source || import_is_for_shell((*ret)->text) ? 1 : 0;
}

int import_find_script(const char *name, bool source, const Script **ret, void *userdata) {
        Import *import = userdata;
        int r = 0;

        if (strchr(name, '/'))
                return *name == '/' || startswith(name, import->base) ? try_script(import, name, source, ret) : 0;
        for (size_t i = 0; i < ELEMENTSOF(directories) && r == 0 && !source; i++) {
                char *path = arena_printf(&import->arena, "%s/%s", directories[i], name);

                r = path ? try_script(import, path, source, ret) : -ENOMEM;
        }
        return r;
}
