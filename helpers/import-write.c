/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-write.h"
#include "text.h"

/* What vfio-gpu.conf(5) allows, with a little room. */
#define LINE_MAX_BYTES 180

/* A name of a file can have anything in it. */
static void write_comment(FILE *f, const char *before, const char *text) {
        _cleanup_free_ char *printable = text_printable(text);

        (void) fprintf(f, "# %s%s\n", before, printable ?: "?");
}

static void write_comments(FILE *f, const char *head, const Strings *lines) {
        if (lines->n == 0)
                return;
        write_comment(f, head, "");
        for (size_t i = 0; i < lines->n; i++)
                write_comment(f, "  ", lines->list[i]);
}

void import_write_line(FILE *f, const char *indent, const ImportLine *line) {
        size_t length = 0;

        for (const char *word = line->value; *word; word += strspn(word, " ")) {
                size_t n = strcspn(word, " ");
                bool begins = length == 0 || length + n + 1 > LINE_MAX_BYTES;

                if (begins)
                        length = (size_t) fprintf(f, "%s%s%s=", length > 0 ? "\n" : "", indent, line->key);
                length += (size_t) fprintf(f, "%s%.*s", begins ? "" : " ", (int) n, word);
                word += n;
        }
        if (length == 0)
                (void) fprintf(f, "%s%s=", indent, line->key);
        (void) fputc('\n', f);
}

static void write_vm(FILE *f, const ImportVm *vm) {
        (void) fprintf(f, "\n[VM %s]\n", vm->name ?: "NAME");
        for (size_t i = 0; i < vm->n_lines; i++) {
                if (vm->lines[i].device)
                        continue;
                write_comment(f, "", vm->lines[i].from);
                import_write_line(f, "", &vm->lines[i]);
        }
        write_comments(f, "No line is needed for:", &vm->notes);
        write_comments(f, "Not taken over:", &vm->left);
}

/* Returns the first line about the device of this one, itself perhaps. */
static const ImportLine *first_of_device(const Import *import, const ImportLine *line) {
        for (size_t i = 0; i < import->n_vms; i++)
                for (size_t k = 0; k < import->vms[i].n_lines; k++) {
                        const ImportLine *other = &import->vms[i].lines[k];

                        if (other->device && streq(other->device, line->device))
                                return other;
                }
        return line;
}

/* The first value that any of the VMs has for a key counts. */
static bool is_said(const Import *import, const ImportLine *line) {
        for (size_t i = 0; i < import->n_vms; i++)
                for (size_t k = 0; k < import->vms[i].n_lines; k++) {
                        const ImportLine *other = &import->vms[i].lines[k];

                        if (other->device && streq(other->device, line->device) && streq(other->key, line->key))
                                return other != line;
                }
        return false;
}

static void write_device(FILE *f, const Import *import, const ImportLine *first) {
        (void) fprintf(f, "\n[Device %s]\n", first->device);
        for (size_t i = 0; i < import->n_vms; i++)
                for (size_t k = 0; k < import->vms[i].n_lines; k++) {
                        const ImportLine *line = &import->vms[i].lines[k];

                        if (!line->device || !streq(line->device, first->device) || is_said(import, line))
                                continue;
                        write_comment(f, "", line->from);
                        import_write_line(f, "", line);
                }
}

void import_write(FILE *f, const Import *import) {
        write_comment(f, "Made by \"vfio-gpuctl import\" of ", import->sources);
        write_comment(f, "A comment above a line says where in the scripts it comes from.", "");
        for (size_t i = 0; i < import->n_vms; i++)
                if (import->vms[i].swaps)
                        write_vm(f, &import->vms[i]);
        for (size_t i = 0; i < import->n_vms; i++)
                for (size_t k = 0; k < import->vms[i].n_lines; k++) {
                        const ImportLine *line = &import->vms[i].lines[k];

                        if (line->device && first_of_device(import, line) == line)
                                write_device(f, import, line);
                }
}
