/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/stat.h>

#include "config-file.h"
#include "tap.h"

static int describe(const ConfigEvent *event, void *userdata) {
        FILE *f = userdata;
        static const char kinds[] = "SAXB";

        (void) fprintf(f, "%u%c", event->line, kinds[event->type]);
        if (event->type == CONFIG_ASSIGNMENT)
                (void) fprintf(f, "(%s|%s|%s)", event->section ? event->section : "", event->key,
                               event->value);
        else if (event->type == CONFIG_SECTION)
                (void) fprintf(f, "[%s]", event->section);
        else if (event->type == CONFIG_BAD_SECTION)
                (void) fprintf(f, "<%s>", event->section);
        return 0;
}

/* Reads the bytes and compares all events in short: S section, A assignment, X bad section, B bad line. */
static void reads(const char *bytes, size_t n, const char *expected) {
        _cleanup_fclose_ FILE *in = fmemopen((void *) bytes, n, "r");
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        ok(in && out && config_file_read(in, "name", describe, out) == 0);
        if (out)
                (void) fclose(out);
        is(text, expected);
}

#define READS(literal, expected) reads(literal, sizeof(literal) - 1, expected)

static void test_sections(void) {
        READS("[GPU]\n", "1S[GPU]");
        READS("[VM a]\n[VM b]\n[VM a]", "1S[VM a]2S[VM b]3S[VM a]");
        READS("[VM My VM]  # one\n[ GPU ] ; two\n", "1S[VM My VM]2S[GPU]");
        READS("[VM a]b]\n", "1S[VM a]b]");
        READS("[VM 0123456789012345678901234567890123456789012345678901234567890]\n",
              "1S[VM 0123456789012345678901234567890123456789012345678901234567890]");
        READS("[VM a\nA=b\n[VM c] d\nA=e\n[GPU]\nA=f\n", "1X<VM a>3X<VM c>5S[GPU]6A(GPU|A|f)");
        READS("[]\n", "1S[]");
}

static void test_assignments(void) {
        READS("[a]\nB=c\n", "1S[a]2A(a|B|c)");
        READS("B=c", "1A(|B|c)");
        READS("[a]\n  B = c d  \n\tE\t=\n", "1S[a]2A(a|B|c d)3A(a|E|)");
        READS("[a]\nB=c\n  d=e\n", "1S[a]2A(a|B|c)3A(a|d|e)");
        READS("[a]\r\nB=c\r\n", "1S[a]2A(a|B|c)");
        READS("\xef\xbb\xbf[a]\nB=c\n", "1S[a]2A(a|B|c)");
        READS("[a]\nB=c=d:e\n", "1S[a]2A(a|B|c=d:e)");
        READS("[a]\nB=\"c ;d\" # e\n", "1S[a]2A(a|B|\"c)");
        READS("[a]\nB=c#d # e # f\nG=# h\nI=  # j\n", "1S[a]2A(a|B|c#d)3A(a|G|# h)4A(a|I|)");
        READS("# a\n; b\n  # c=d\n\n \t\n", "");
        READS("", "");
}

static void test_bad_lines(void) {
        READS("[a]\nB\nC=d\nE\nF", "1S[a]2B3A(a|C|d)4B5B");
        READS("[a]\n=c\n", "1S[a]2B");
        READS("[a]\nB: c\n", "1S[a]2B");
        READS("[a]\nD=0000:01:00.0\n  0000:01:00.1\n", "1S[a]2A(a|D|0000:01:00.0)3B");
        READS("[a]\nB=c\0d\nE=f\n", "1S[a]2B3A(a|E|f)");
}

static void test_long_lines(void) {
        char text[1024] = "[a]\nB=", expected[256];
        size_t n = strlen(text);

        memset(text + n, 'x', 500);
        (void) strcpy(text + n + 500, "=tail\nC=d\n#");
        memset(text + strlen(text), 'y', 300);
        reads(text, strlen(text), "1S[a]2B3A(a|C|d)");

        /* The longest that always fits: 190 bytes. */
        (void) memset(text, 'x', 190);
        (void) memcpy(text, "B=", 2);
        text[190] = 0;
        (void) stpcpy(stpcpy(stpcpy(expected, "1A(|B|"), text + 2), ")");
        reads(text, 190, expected);
}

/* Opens a file of this mode. */
static FILE *opens(const char *text, mode_t mode, int expected, const char *problem) {
        char path[] = "/tmp/test-config-file-XXXXXX";
        int fd = mkstemp(path);
        _cleanup_free_ char *said = NULL;
        FILE *f = NULL;

        ok(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text) && fchmod(fd, mode) == 0);
        ok(config_file_open(path, &f, &said) == expected);
        ok(problem ? said && startswith(said, problem) : !said);
        /* What is appended later to a file that others can write is not read. */
        ok(write(fd, text, strlen(text)) == (ssize_t) strlen(text));
        ok(close(fd) == 0 && unlink(path) == 0);
        return f;
}

static void test_modes(void) {
        static const struct { const char *text; size_t n; } refused[] = { { "[VM a]\n", 7 }, { "", 0 } };
        char bytes[32];

        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                _cleanup_fclose_ FILE *f = opens(refused[i].text, 0666, -EPERM, "refused, it has mode 0666");

                ok(f && fread(bytes, 1, sizeof(bytes), f) == refused[i].n &&
                   memcmp(bytes, refused[i].text, refused[i].n) == 0);
        }
}

int main(void) {
        test_sections();
        test_assignments();
        test_bad_lines();
        test_long_lines();
        test_modes();
        return tap_done();
}
