/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json.h"
#include "text.h"

static void write_string(FILE *f, const char *s) {
        (void) fputc('"', f);
        while (*s) {
                size_t n = utf8_char_length(s);

                if (n == 0) {
                        (void) fputs("\\ufffd", f);
                        n = 1;
                } else if (n > 1)
                        (void) fwrite(s, 1, n, f);
                else if (*s == '"' || *s == '\\')
                        (void) fprintf(f, "\\%c", *s);
                else if ((unsigned char) *s < ' ' || *s == 0x7f)
                        (void) fprintf(f, "\\u%04x", (unsigned) *s);
                else
                        (void) fputc(*s, f);
                s += n;
        }
        (void) fputc('"', f);
}

static void next_value(Json *j, const char *key) {
        if (j->continues)
                (void) fputc(',', j->f);
        j->continues = true;
        if (key) {
                write_string(j->f, key);
                (void) fputc(':', j->f);
        }
}

void json_begin(Json *j, const char *key, char bracket) {
        next_value(j, key);
        (void) fputc(bracket, j->f);
        j->continues = false;
}

void json_end(Json *j, char bracket) {
        (void) fputc(bracket, j->f);
        j->continues = true;
}

void json_string(Json *j, const char *key, const char *value) {
        next_value(j, key);
        if (value)
                write_string(j->f, value);
        else
                (void) fputs("null", j->f);
}

void json_number(Json *j, const char *key, unsigned long long value) {
        next_value(j, key);
        (void) fprintf(j->f, "%llu", value);
}

void json_bool(Json *j, const char *key, bool value) {
        next_value(j, key);
        (void) fputs(value ? "true" : "false", j->f);
}

void json_strv(Json *j, const char *key, char *const *list) {
        json_begin(j, key, '[');
        for (; list && *list; list++)
                json_string(j, NULL, *list);
        json_end(j, ']');
}
