/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pinned.h"
#include "programs.h"
#include "root.h"
#include "text.h"

#define UNIT_FILE_MAX (1024 * 1024)
#define CTL "vfio-gpuctl"

char *pinned_text(const char *vm, const char *text) {
        _cleanup_free_ char *programs = programs_directory(vm), *ctl = NULL, *replaced = NULL;

        if (!programs || asprintf(&ctl, "%s" CTL, programs) < 0)
                return NULL;
        replaced = text_replace(text, LIBEXECDIR "/", programs);
        return replaced ? text_replace(replaced, BINDIR "/" CTL, ctl) : NULL;
}

bool pinned_is_same(const char *vm, const char *unit, const char *copy) {
        _cleanup_free_ char *text = NULL, *pinned = NULL, *expected = NULL;

        if (read_text_file(unit, UNIT_FILE_MAX, &text) < 0 || read_text_file(copy, UNIT_FILE_MAX, &pinned) < 0)
                return false;
        expected = pinned_text(vm, text);
        return expected && (streq(pinned, expected) || streq(pinned, text));
}
