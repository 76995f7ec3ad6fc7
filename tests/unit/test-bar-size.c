/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bar-size.h"
#include "tap.h"

static void is_read(const char *s, unsigned bar, unsigned order, const char *size) {
        _cleanup_free_ char *text = bar_size_text(order);
        BarSize read = { 0 };

        ok(bar_size_parse(s, &read) == 0);
        ok(read.bar == bar && read.order == order);
        is(text, size);
}

static void is_refused(const char *s) {
        BarSize read;

        ok(bar_size_parse(s, &read) == -EINVAL);
}

int main(void) {
        is_read("0:1M", 0, 0, "1M");
        is_read("0:256M", 0, 8, "256M");
        is_read("2:8G", 2, 13, "8G");
        is_read("5:1024M", 5, 10, "1G");
        is_read("1:1T", 1, 20, "1T");
        is_read("1:8388608T", 1, 43, "8388608T");
        is_refused("");
        is_refused("0");
        is_refused("0:");
        is_refused("6:1M");
        is_refused("00:1M");
        is_refused("0:3M");
        is_refused("0:0M");
        is_refused("0:M");
        is_refused("0:256");
        is_refused("0:256MB");
        is_refused("0:256m");
        is_refused("0:1K");
        is_refused("0:16777216T");
        is_refused("0:18446744073709551616M");
        is_refused("0 :1M");
        return tap_done();
}
