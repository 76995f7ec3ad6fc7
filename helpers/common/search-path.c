/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "root.h"
#include "search-path.h"
#include "strv.h"

static const char *const directories[] = { "/etc", "/run", "/usr/local/lib", "/usr/lib" };

#define N_DIRECTORIES ELEMENTSOF(directories)

static int add_main_file(char ***files) {
        for (size_t i = 0; i < N_DIRECTORIES; i++) {
                _cleanup_free_ char *path = root_path("%s/vfio-gpu.conf", directories[i]);

                if (!path)
                        return -ENOMEM;
                /* A link that leads nowhere is there as well: reading it says what is wrong. */
                if (access(path, F_OK) == 0 || errno != ENOENT || readlink(path, &(char) { 0 }, 1) >= 0)
                        return strv_extendf(files, "%s/vfio-gpu.conf", directories[i]);
        }
        return 0;
}

/* Lists the drop-ins of one directory. */
static int list_drop_ins(const char *directory, char ***ret, char ***unreadable) {
        _cleanup_free_ char *path = root_path("%s/vfio-gpu.conf.d", directory);
        int r;

        if (!path)
                return -ENOMEM;

        r = list_directory(path, ret);
        if (r < 0 && r != -ENOENT && r != -ENOMEM)
                return strv_extendf(unreadable, "%s/vfio-gpu.conf.d", directory);
        return r == -ENOENT ? 0 : r;
}

/* Returns the list whose first name comes first, of equal ones the first list, or -1 when all are empty. */
static int first_of(char **const *heads) {
        int first = -1;

        for (int i = 0; i < (int) N_DIRECTORIES; i++)
                if (heads[i] && *heads[i] && (first < 0 || strcmp(*heads[i], *heads[first]) < 0))
                        first = i;
        return first;
}

/* Merges the sorted lists into 'files', which has room for them all. */
static int merge_drop_ins(char **const *lists, char **files) {
        char **heads[N_DIRECTORIES];
        int first;

        memcpy(heads, lists, sizeof(heads));
        while ((first = first_of(heads)) >= 0) {
                const char *name = *heads[first];

                if (endswith(name, ".conf") &&
                    asprintf(files++, "%s/vfio-gpu.conf.d/%s", directories[first], name) < 0) {
                        files[-1] = NULL;
                        return -ENOMEM;
                }
                for (size_t i = 0; i < N_DIRECTORIES; i++)
                        if (heads[i] && *heads[i] && streq(*heads[i], name))
                                heads[i]++;
        }
        return 0;
}

static int add_drop_ins(char **const *lists, char ***files) {
        size_t had = strv_length(*files), n = had;
        char **grown;

        for (size_t i = 0; i < N_DIRECTORIES; i++)
                n += strv_length(lists[i]);
        if (n == had)
                return 0;

        grown = reallocarray(*files, n + 1, sizeof(char *));
        if (!grown)
                return -ENOMEM;
        *files = grown;
        memset(grown + had, 0, (n + 1 - had) * sizeof(char *));
        return merge_drop_ins(lists, grown + had);
}

int search_path_list(char ***ret_files, char ***ret_unreadable) {
        _cleanup_strv_free_ char **files = NULL, **unreadable = NULL;
        char **lists[N_DIRECTORIES] = { 0 };
        int r;

        r = add_main_file(&files);
        for (size_t i = 0; i < N_DIRECTORIES && r >= 0; i++)
                r = list_drop_ins(directories[i], &lists[i], &unreadable);
        if (r >= 0)
                r = add_drop_ins(lists, &files);

        for (size_t i = 0; i < N_DIRECTORIES; i++)
                strv_free(lists[i]);
        if (r < 0)
                return r;

        *ret_files = TAKE_PTR(files);
        *ret_unreadable = TAKE_PTR(unreadable);
        return 0;
}
