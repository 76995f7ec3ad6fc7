/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <string.h>

#include "tap.h"

static unsigned n_tests, n_failed;

bool tap_ok(bool condition, const char *file, int line, const char *what) {
        (void) printf("%sok %u - %s\n", condition ? "" : "not ", ++n_tests, what);
        if (!condition) {
                n_failed++;
                (void) printf("# failed at %s:%d\n", file, line);
        }
        (void) fflush(stdout);
        return condition;
}

bool tap_is(const char *got, const char *expected, const char *file, int line, const char *what) {
        bool same = got && expected ? strcmp(got, expected) == 0 : got == expected;

        if (!tap_ok(same, file, line, what))
                (void) printf("# got      %s\n# expected %s\n", got ? got : "(null)",
                              expected ? expected : "(null)");
        return same;
}

int tap_done(void) {
        (void) printf("1..%u\n", n_tests);
        return n_failed > 0;
}
