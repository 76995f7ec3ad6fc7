/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <fcntl.h>
#include <ini.h>
#include <libgen.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "config-file.h"
#include "root.h"
#include "text.h"
#include "writers.h"

#define FILE_SIZE_MAX (4 * 1024 * 1024)

typedef struct Reader {
        FILE *stream;
        char *text;       /* the line as it stands in the file */
        size_t allocated;
        const char *line;  /* what of it is not blank */
        char *section;
        bool passing_over; /* what is below a bad section */
        bool unanswered;   /* inih has a line and made nothing of it yet */
        ConfigEvent event;
        ConfigHandler handler;
        void *userdata;
        int error;
} Reader;

static void report(Reader *r, ConfigEventType type, const char *key, const char *value,
                   const char *problem) {
        r->event.type = type;
        r->event.key = key;
        r->event.value = value;
        r->event.problem = problem;
        if (r->error == 0)
                r->error = r->handler(&r->event, r->userdata);
}

static char *strip(char *s) {
        char *end;

        s += strspn(s, " \t");
        end = s + strlen(s);
        while (end > s && isspace((unsigned char) end[-1]))
                end--;
        *end = 0;
        return s;
}

/* Returns the ']' that ends the section's head, NULL if there is none. A comment may follow, a name may
 * contain one. */
static char *find_section_end(char *text) {
        for (char *p = strchr(text, ']'); p; p = strchr(p + 1, ']')) {
                const char *rest = p + 1 + strspn(p + 1, " \t");

                if (!*rest || *rest == '#' || *rest == ';')
                        return p;
        }
        return NULL;
}

/* Where the name ends if there is no head's end: at a comment, or where somebody meant to end it. */
static char *find_torn_end(char *text) {
        char *end = text + strcspn(text, "]");

        for (char *p = text + 1; p < end; p++)
                if (strchr("#;", *p) && isblank((unsigned char) p[-1]))
                        return p;
        return end;
}

/* inih cuts names of sections at 49 characters and says nothing about empty ones. */
static int open_section(Reader *r, const char *text) {
        _cleanup_free_ char *head = strdup(text);
        char *end;

        if (!head)
                return -ENOMEM;
        end = find_section_end(head) ?: find_torn_end(head);
        r->passing_over = !find_section_end(head);
        *end = 0;

        free(r->section);
        r->event.section = r->section = strdup(strip(head + 1));
        if (!r->section)
                return -ENOMEM;

        if (r->passing_over)
                report(r, CONFIG_BAD_SECTION, NULL, text,
                       "is no head of a section: expected [GPU], [Host], [VM NAME] or [Device ADDRESS] and nothing "
                       "behind it");
        else
                report(r, CONFIG_SECTION, NULL, NULL, NULL);
        return r->error;
}

/* Returns what inih gets to see of the line: nothing of what it would misunderstand. */
static const char *filter_line(Reader *r, size_t length) {
        static const char bom[] = "\xef\xbb\xbf";
        char *text = r->text;

        if (memchr(text, 0, length)) {
                report(r, CONFIG_BAD_LINE, NULL, NULL, "contains a zero byte: expected text");
                return "";
        }
        if (r->event.line == 1 && startswith(text, bom))
                text += strlen(bom);

        /* Leading blanks would make it a continuation of the line before. */
        text = strip(text);
        r->line = text;
        if (*text == '[')
                r->error = open_section(r, text);
        if (!*text || strchr("[#;", *text) || r->passing_over)
                return "";

        for (char *p = text + 1; (p = strpbrk(p, "#;")); p++)
                if (isblank((unsigned char) p[-1])) {
                        *p = 0;
                        return strip(text);
                }
        return text;
}

/* A reader as ini_parse_stream() wants it, in the manner of fgets(). */
static char *next_line(char *buffer, int size, void *userdata) {
        Reader *r = userdata;
        const char *text;
        ssize_t n;

        if (r->unanswered)
                report(r, CONFIG_BAD_LINE, NULL, r->line, "is no assignment: expected Key=Value");
        r->unanswered = false;
        if (r->error < 0)
                return NULL;

        errno = 0;
        n = getline(&r->text, &r->allocated, r->stream);
        if (n < 0) {
                r->error = feof(r->stream) ? 0 : errno > 0 ? -errno : -EIO;
                return NULL;
        }

        r->event.line++;
        text = filter_line(r, (size_t) n);
        if (strlen(text) + 3 > (size_t) size) {
                report(r, CONFIG_BAD_LINE, NULL, NULL,
                       "is too long: expected at most 190 bytes; a list can be given in several "
                       "assignments of the same key");
                text = "";
        }

        r->unanswered = *text;
        (void) stpcpy(stpcpy(buffer, text), "\n");
        return buffer;
}

#if INI_HANDLER_LINENO
static int handle_pair(void *userdata, _unused_ const char *section, const char *key, const char *value,
                       _unused_ int line) {
#else
static int handle_pair(void *userdata, _unused_ const char *section, const char *key, const char *value) {
#endif
        Reader *r = userdata;

        /* inih takes the ':' in an address for a '=' as well. */
        if (!*key || !value || r->line[strcspn(r->line, "=:")] != '=')
                return 1;

        r->unanswered = false;
        report(r, CONFIG_ASSIGNMENT, key, value, NULL);
        return 1;
}

int config_file_read(FILE *stream, const char *name, ConfigHandler handler, void *userdata) {
        Reader r = { .stream = stream, .event.file = name, .handler = handler, .userdata = userdata };

        /* All that it could return was reported, with every line instead of the first one only. */
        (void) ini_parse_stream(next_line, &r, handle_pair, &r);

        free(r.section);
        free(r.text);
        return r.error;
}

/* Returns 0, -EPERM with a sentence, or -ENOMEM. */
static int check_writers(const char *what, const struct stat *st, char **ret_problem) {
        _cleanup_free_ char *problem = NULL;
        int r;

        r = writers_check(what, st, &problem);
        if (r == -EINVAL)
                r = refusal(ret_problem, "refused, %s", problem);
        return r == -EINVAL ? -EPERM : r;
}

static int check_file(const char *path, const struct stat *st, char **ret_problem) {
        _cleanup_free_ char *copy = strdup(path);
        struct stat directory;
        int r;

        if (!copy)
                return -ENOMEM;
        if (!S_ISREG(st->st_mode))
                return refusal(ret_problem,
                               "refused, it is %s: expected a regular file, or a link to /dev/null",
                               S_ISDIR(st->st_mode) ? "a directory" : "no regular file");
        if (st->st_size > FILE_SIZE_MAX)
                return refusal(ret_problem, "refused, it has %lld bytes: expected at most %d",
                              (long long) st->st_size, FILE_SIZE_MAX);

        r = check_writers("it", st, ret_problem);
        if (r < 0)
                return r;
        if (stat(dirname(copy), &directory) < 0)
                return refusal(ret_problem, "refused, its directory cannot be examined: %s",
                               strerror(errno));
        return check_writers("its directory", &directory, ret_problem);
}

/* Puts the first 'size' bytes in the place of the file: who can write into that could have it grow for as long
 * as it is read. */
static int copy_stream(FILE **f, size_t size) {
        _cleanup_fclose_ FILE *original = TAKE_PTR(*f), *copy = NULL;
        _cleanup_free_ char *text = malloc(size + 1);
        size_t n;

        copy = text ? fmemopen(NULL, size + 1, "w+") : NULL;
        if (!copy)
                return -ENOMEM;
        n = fread(text, 1, size, original);
        if (fwrite(text, 1, n, copy) != n || fflush(copy) < 0)
                return -ENOMEM;

        rewind(copy);
        *f = TAKE_PTR(copy);
        return 0;
}

int config_file_open(const char *path, FILE **ret, char **ret_problem) {
        _cleanup_free_ char *prefixed = root_path("%s", path);
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        if (!prefixed)
                return -ENOMEM;

        fd = open(prefixed, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0)
                return refusal(ret_problem, "cannot be read: %s", strerror(errno));

        *ret = NULL;
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
                return 0;
        r = check_file(prefixed, &st, ret_problem);
        if (r < 0 && r != -EPERM)
                return r;

        *ret = fdopen(fd, "re");
        if (!*ret)
                return -ENOMEM;
        (void) TAKE_FD(fd);
        if (r == -EPERM)
                return copy_stream(ret, (size_t) st.st_size) < 0 ? -ENOMEM : r;
        return 1;
}
