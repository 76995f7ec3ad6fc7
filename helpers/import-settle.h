/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "import-vm.h"

/* The parts of import_settle(), and what they share. */

#define DISPLAY_MANAGER "display-manager.service"

typedef struct Settle {
        ImportVm *vm;
        const ImportMachine *machine;
        const char *base;
        Arena *arena;
} Settle;

#define FACT_FOREACH(f, vm) for (Fact *f = (vm)->facts.list; f && f < (vm)->facts.list + (vm)->facts.n; f++)

/* Each decides what becomes of some of the facts, adding lines, notes and remarks. They return 0, -E2BIG or
 * -ENOMEM. */
int settle_devices(Settle *s);
int settle_modules(Settle *s);
int settle_units(Settle *s);
int settle_user_units(Settle *s);
int settle_holders(Settle *s);
int settle_consoles(Settle *s);
int settle_values(Settle *s);
int settle_huge_pages(Settle *s);
int settle_functions(Settle *s);

/* Why the other half of what is not understood needs no line. */
extern const char settle_way_back[];

/* Decides what becomes of a fact. */
void settle_mark(Fact *fact, FactUse use, const char *reason);

/* Returns whether a fact of this kind is there, before or after the VM. */
bool settle_has_action(const ImportVm *vm, Action action, bool is_start);

/* Returns whether the function is taken, or let go of by its driver. */
bool settle_takes(const Fact *fact);

/* Returns whether a module is one of VFIO's or KVM's. */
bool module_is_vfio(const char *module);

/* Returns whether that is the unit of a known display manager. */
bool unit_is_display_manager(const char *unit);

/* Lists of words. */
bool settle_has(const Strings *list, const char *s);
int settle_add_once(Settle *s, Strings *list, const char *word);
char *settle_join(Settle *s, const Strings *list, const char *separator);

typedef enum Phase {
        PHASE_START,
        PHASE_STOP,
        PHASE_ANY,
} Phase;

/* Lists where the facts are that have this fate. Returns "" for none, or NULL without memory. */
char *settle_places(Settle *s, FactUse use, const char *reason, Phase phase);

/* Returns whether something of this kind is not known, before or after the VM. */
bool settle_has_unknown(const ImportVm *vm, bool is_start, Unknown unknown);

/* Adds a line. Without 'from' it comes from the facts that are marked with its key. */
int settle_add_line(Settle *s, const char *key, const char *value, const char *device, const char *from);

/* Adds a note, and a remark about a fact. */
int settle_note(Settle *s, const char *text);
int settle_remark(Settle *s, const Fact *fact, const char *format, ...) _printf_(3, 4);
