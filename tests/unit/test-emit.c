/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "../../generator/emit.h"
#include "tap.h"

#define WORDS(...) ((char *const *) (const char *const[]){ __VA_ARGS__, NULL })

static void becomes(char *const *command, const char *expected) {
        _cleanup_free_ char *line = exec_line(command);

        is(line, expected);
}

int main(void) {
        _cleanup_free_ char *escaped = specifier_escape("100% %i $x");

        becomes(NULL, "");
        becomes(WORDS("/bin/a", "b=c,d", "0000:01:00.0"), "/bin/a b=c,d 0000:01:00.0");
        becomes(WORDS("a", ""), "a \"\"");
        becomes(WORDS("--vm=My\\x20VM"), "\"--vm=My\\\\x20VM\"");
        becomes(WORDS("say \"hi\""), "\"say \\\"hi\\\"\"");
        becomes(WORDS("100%"), "\"100%%\"");
        becomes(WORDS("${HOME} $x"), "\"$${HOME} $$x\"");
        becomes(WORDS(";", "a;b", "'"), "\";\" \"a;b\" \"'\"");
        becomes(WORDS("a\nb\x01"), "\"a\\x0ab\\x01\"");
        becomes(WORDS("pipe*", "ü"), "\"pipe*\" \"ü\"");
        becomes(WORDS("#c"), "\"#c\"");
        is(escaped, "100%% %%i $x");
        return tap_done();
}
