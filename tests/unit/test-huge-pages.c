/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "huge-pages.h"
#include "tap.h"

static void is_read(const char *s, unsigned long count, unsigned long kb) {
        HugePages pages = { 0 };

        ok(huge_pages_parse(s, &pages) == 0);
        ok(pages.count == count && pages.kb == kb);
}

static void is_refused(const char *s) {
        HugePages pages = { 7, 7 };

        ok(huge_pages_parse(s, &pages) == -EINVAL);
        ok(pages.count == 7 && pages.kb == 7);
}

int main(void) {
        is_read("8192x2M", 8192, 2048);
        is_read("16x1G", 16, 1024 * 1024);
        is_read("1x64K", 1, 64);
        is_read("67108864x64G", 1 << 26, 1 << 26);
        is_refused("");
        is_refused("8192");
        is_refused("8192x");
        is_refused("8192x2");
        is_refused("x2M");
        is_refused("0x2M");
        is_refused("1x0M");
        is_refused("-1x2M");
        is_refused("1X2M");
        is_refused("1x2m");
        is_refused("1x2MB");
        is_refused("1 x2M");
        is_refused("67108865x2M");
        is_refused("1x65G");
        is_refused("99999999999999999999x2M");
        is_refused("1x18446744073709551617K");
        return tap_done();
}
