/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "import-facts.h"

/* What the old scripts of one VM come to. */

/* What is looked up on the machine that the scripts are for. */
typedef struct ImportMachine {
        const char *display_manager; /* the unit that display-manager.service is another name of, NULL if that is
                                        not known */
        const char *page_size;       /* of huge pages where none is given: "2M" */
} ImportMachine;

/* One assignment. */
typedef struct ImportLine {
        const char *key, *value;
        const char *device; /* for a section of its own, NULL for the VM's */
        const char *from;   /* where it was found: the text of a comment */
} ImportLine;

#define IMPORT_LINES_MAX 64

typedef struct ImportVm {
        const char *name; /* NULL where the scripts do not say */
        Facts facts;
        bool has_start, has_stop; /* there are scripts for before and after the VM */
        char **hostdevs;          /* what libvirt gives it, and where that is said */
        const char *hostdevs_file;
        bool swaps; /* they do something about a GPU */
        ImportLine lines[IMPORT_LINES_MAX];
        size_t n_lines;
        Strings notes;   /* what needs no line, and why: comments */
        Strings left;    /* what is not taken over, and why not: comments */
        Strings remarks; /* what a person has to know: messages that begin with file and line */
} ImportVm;

/* Makes lines, notes and remarks of the facts. 'base' is the directory that comments leave out of the names
 * of scripts. Returns 0 or -ENOMEM. */
int import_settle(ImportVm *vm, const ImportMachine *machine, const char *base);

/* Returns whether it is something that is done for a GPU alone. */
bool import_is_about_gpu(const Fact *fact);

/* Returns whether it needs no line, whatever else the scripts do. */
bool import_is_needless(const Fact *fact);

/* Returns whether a swap does it now: the configuration says so, or it is a part of every swap. For facts of
 * which it is settled what became of them. */
bool import_is_taken_over(const ImportVm *vm, const Fact *fact);

/* Returns "file:line", with the file's name as it is below 'base', or NULL without memory. */
char *import_place(Arena *arena, const char *base, const Script *script, unsigned line);

/* Returns a line of a script, without blanks around it and cut where it is long, or NULL without memory. */
char *import_source_line(Arena *arena, const Script *script, unsigned line);
