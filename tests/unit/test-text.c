/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tap.h"
#include "text.h"

/* Returns the seconds, or the negative errno. */
static int seconds(const char *s) {
        unsigned value;
        int r;

        r = parse_seconds(s, &value);
        return r < 0 ? r : (int) value;
}

static void test_seconds(void) {
        ok(seconds("90") == 90);
        ok(seconds("90s") == 90);
        ok(seconds(" 1min 30s") == 90);
        ok(seconds("1min30s ") == 90);
        ok(seconds("1 min 30 sec") == 90);
        ok(seconds("2 minutes") == 120);
        ok(seconds("1.5h") == 5400);
        ok(seconds("500ms") == 1);
        ok(seconds("1001ms") == 2);
        ok(seconds("1us") == 1);
        ok(seconds("1µs") == 1);
        ok(seconds("0") == 0);
        ok(seconds("1d") == 86400);
        ok(seconds("24h 1us") == -ERANGE);
        ok(seconds("9999999d") == -ERANGE);
        ok(seconds("99999999999999999999") == -EINVAL);
        ok(seconds("infinity") == -EINVAL);
        ok(seconds("") == -EINVAL);
        ok(seconds("s") == -EINVAL);
        ok(seconds("-1") == -EINVAL);
        ok(seconds("+1") == -EINVAL);
        ok(seconds("1.") == -EINVAL);
        ok(seconds(".5") == -EINVAL);
        ok(seconds("1.5.5") == -EINVAL);
        ok(seconds("1 fortnight") == -EINVAL);
        ok(seconds("90 s s") == -EINVAL);
        ok(seconds("1e3") == -EINVAL);
        ok(seconds("0x10") == -EINVAL);
}

static void printable_is(const char *s, const char *expected) {
        _cleanup_free_ char *printable = text_printable(s);

        is(printable, expected);
}

static void test_printable(void) {
        printable_is("", "");
        printable_is("Über 9000 €", "Über 9000 €");
        printable_is("\x1b[31mred", "\\x1b[31mred");
        printable_is("a\tb\x7f", "a\\x09b\\x7f");
        printable_is("\xff\xc0\x80", "\\xff\\xc0\\x80");
        printable_is("\xc2\x9b" "31m", "\\xc2\\x9b31m");
        printable_is("\xe2\x82", "\\xe2\\x82");
}

static void replaced_is(const char *s, const char *what, const char *with, const char *expected) {
        _cleanup_free_ char *replaced = text_replace(s, what, with);

        is(replaced, expected);
}

static void test_replace(void) {
        replaced_is("", "a", "b", "");
        replaced_is("abc", "x", "y", "abc");
        replaced_is("a\\b\\", "\\", "\\\\", "a\\\\b\\\\");
        replaced_is("/usr/lib/x/a /usr/lib/x/b", "/usr/lib/x/", "/run/", "/run/a /run/b");
        replaced_is("aaa", "aa", "b", "ba");
        replaced_is("abab", "ab", "", "");
}

static void test_utf8(void) {
        ok(utf8_char_length("a") == 1);
        ok(utf8_char_length("ä") == 2);
        ok(utf8_char_length("€") == 3);
        ok(utf8_char_length("😀") == 4);
        ok(utf8_char_length("\x80") == 0);
        ok(utf8_char_length("\xed\xa0\x80") == 0);
        ok(utf8_char_length("\xf4\x90\x80\x80") == 0);
        ok(utf8_char_length("\xe0\x80\x80") == 0);
}

static void test_nearest(void) {
        static const char *const names[] = { "Devices", "StopUnits", "StartUnits", "StopUserUnits", "VM" };

        is(nearest_name("Device", names, ELEMENTSOF(names)), "Devices");
        is(nearest_name("devices", names, ELEMENTSOF(names)), "Devices");
        is(nearest_name("StopUnit", names, ELEMENTSOF(names)), "StopUnits");
        is(nearest_name("StatrUnits", names, ELEMENTSOF(names)), "StartUnits");
        is(nearest_name("vm", names, ELEMENTSOF(names)), "VM");
        is(nearest_name("Colour", names, ELEMENTSOF(names)), NULL);
        is(nearest_name("", names, ELEMENTSOF(names)), NULL);
        is(nearest_name("x", names, ELEMENTSOF(names)), NULL);
        is(nearest_name("StopUnitsStopUnitsStopUnitsStopUnitsStopUnits", names, ELEMENTSOF(names)), NULL);
        is(nearest_name("nvidai", (const char *const[]){ "video", "nvidia" }, 2), "nvidia");
        is(nearest_name("nvidai", (const char *const[]){ "video", "dvb" }, 2), NULL);
        is(nearest_name("short", (const char *const[]){ "a name that is longer than any that is compared", "shirt" }, 2),
           "shirt");
}

int main(void) {
        test_seconds();
        test_printable();
        test_replace();
        test_utf8();
        test_nearest();
        return tap_done();
}
