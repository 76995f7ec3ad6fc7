/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cpu-set.h"
#include "tap.h"

static void becomes(const char *list, const char *expected) {
        CpuSet set = { 0 };
        _cleanup_free_ char *text = NULL;

        ok(cpu_set_add(&set, list) == 0);
        text = cpu_set_list(&set);
        is(text, expected);
        ok(cpu_set_is_empty(&set) == !*expected);
}

static void is_refused(const char *list) {
        CpuSet set = { 0 };

        ok(cpu_set_add(&set, list) == -EINVAL);
}

static void test_bytes(void) {
        CpuSet set = { 0 }, other = { 0 };

        ok(cpu_set_add(&set, "0,2,9") == 0 && cpu_set_add(&other, "9-15,300") == 0);
        ok(cpu_set_size(&set) == 2 && set.bytes[0] == 5 && set.bytes[1] == 2);
        cpu_set_remove(&set, &other);
        ok(cpu_set_size(&set) == 1 && set.bytes[0] == 5);
        ok(cpu_set_size(&other) == 38);
}

int main(void) {
        becomes("", "");
        becomes("0", "0");
        becomes("0-3,8", "0-3,8");
        becomes("3,2,1,1-2", "1-3");
        becomes("07", "7");
        becomes("8191", "8191");
        becomes("0-8191", "0-8191");
        is_refused("8192");
        is_refused("0-8192");
        is_refused("99999999999999999999");
        is_refused("3-0");
        is_refused("-1");
        is_refused("1-");
        is_refused("1,");
        is_refused(",1");
        is_refused("1,,2");
        is_refused("1 2");
        is_refused("1-2-3");
        is_refused("0x1");
        is_refused("all");
        test_bytes();
        return tap_done();
}
