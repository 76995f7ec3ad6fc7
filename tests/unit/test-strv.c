/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "strv.h"
#include "tap.h"

static void splits_to(const char *s, const char *expected) {
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_free_ char *joined = NULL;

        ok(strv_split(s, " \t", &words) == 0);
        joined = strv_join(words, "|");
        is(joined, expected);
}

static void test_split(void) {
        splits_to("", "");
        splits_to(" \t ", "");
        splits_to("a", "a");
        splits_to("  a\tb  c ", "a|b|c");
}

static void test_lists(void) {
        _cleanup_strv_free_ char **list = NULL, **copy = NULL;

        ok(strv_length(NULL) == 0);
        ok(!strv_contains(NULL, "a"));
        ok(strv_extend(&list, "a") == 0);
        ok(strv_extendf(&list, "%d", 7) == 0);
        ok(strv_extend_joined(&list, "--x=", "y") == 0);
        ok(strv_consume(&list, NULL) == -ENOMEM);
        ok(strv_length(list) == 3);
        ok(strv_contains(list, "7"));
        ok(strv_copy(list, &copy) == 0);
        is(copy[2], "--x=y");
}

int main(void) {
        test_split();
        test_lists();
        return tap_done();
}
