/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "pci.h"
#include "tap.h"
#include "unit-name.h"

static void escapes_to(const char *vm, const char *expected) {
        _cleanup_free_ char *escaped = NULL, *back = NULL;

        ok(vm_name_escape(vm, &escaped) == 0);
        is(escaped, expected);
        ok(vm_name_unescape(escaped, &back) == 0);
        is(back, vm);
}

static void test_vm_names(void) {
        char name[256];
        _cleanup_free_ char *unused = NULL;

        escapes_to("Windows10", "Windows10");
        escapes_to("win-10_a.b:c@d", "win-10_a.b:c@d");
        escapes_to("My VM", "My\\x20VM");
        escapes_to("50%\\x20", "50\\x25\\x5cx20");
        escapes_to("ü", "\\xc3\\xbc");
        ok(vm_name_unescape("a\\x2", &unused) == -EINVAL);
        ok(vm_name_unescape("a\\x2G", &unused) == -EINVAL);
        ok(vm_name_unescape("a\\", &unused) == -EINVAL);

        ok(!vm_name_problem("My VM"));
        ok(vm_name_problem("") != NULL);
        ok(vm_name_problem(".") != NULL);
        ok(vm_name_problem("..") != NULL);
        ok(vm_name_problem(".win") != NULL);
        ok(vm_name_problem("-x") != NULL);
        ok(vm_name_problem("a\\b") != NULL);
        ok(!vm_name_problem("a.b-c"));
        ok(vm_name_problem("a/b") != NULL);
        ok(vm_name_problem("a\nb") != NULL);
        ok(vm_name_problem("\xff") != NULL);
        memset(name, 'a', sizeof(name));
        name[228] = 0;
        ok(!vm_name_problem(name));
        name[228] = 'a';
        name[229] = 0;
        ok(vm_name_problem(name) != NULL);
}

static void test_unit_names(void) {
        ok(!unit_name_problem("display-manager.service"));
        ok(!unit_name_problem("a\\x20b.service"));
        ok(!unit_name_problem("getty@tty1.service"));
        ok(!unit_name_problem("dev-sda1.swap"));
        ok(unit_name_problem("display-manager") != NULL);
        ok(unit_name_problem(".service") != NULL);
        ok(unit_name_problem("getty@.service") != NULL);
        ok(unit_name_problem("@tty1.service") != NULL);
        ok(unit_name_problem("a.device") != NULL);
        ok(unit_name_problem("a b.service") != NULL);
        ok(unit_name_problem("a%i.service") != NULL);
        ok(unit_name_problem("plasma*.service") != NULL);
        ok(unit_name_problem("../a.service") != NULL);
        ok(unit_name_problem("") != NULL);
        ok(!unit_glob_problem("plasma*"));
        ok(!unit_glob_problem("pipewire[a-z]?.service"));
        ok(!unit_glob_problem("pipewire.socket"));
        ok(unit_glob_problem("pipewire") != NULL);
        ok(unit_glob_problem("a/*") != NULL);
        ok(unit_glob_problem("$(a)*") != NULL);
}

static void parses_to(const char *s, const char *expected) {
        _cleanup_free_ char *address = NULL;

        ok(pci_address_parse(s, &address) == (expected ? 0 : -EINVAL));
        is(address, expected);
}

static void test_addresses(void) {
        parses_to("0000:01:00.0", "0000:01:00.0");
        parses_to("01:00.0", "0000:01:00.0");
        parses_to("0000:0A:1F.7", "0000:0a:1f.7");
        parses_to("10000:e1:00.0", "10000:e1:00.0");
        parses_to("1:00.0", NULL);
        parses_to("01:00", NULL);
        parses_to("01:00.8", NULL);
        parses_to("01:20.0", NULL);
        parses_to("01:00.0x", NULL);
        parses_to("01:00.0 ", NULL);
        parses_to("000:01:00.0", NULL);
        parses_to("100000000:01:00.0", NULL);
        parses_to("0000:01:00:0", NULL);
        parses_to(":01:00.0", NULL);
        parses_to("", NULL);

        ok(pci_same_slot("0000:01:00.0", "0000:01:00.1"));
        ok(!pci_same_slot("0000:01:00.0", "0000:01:01.0"));
        ok(!pci_same_slot("0000:01:00.0", "0001:01:00.0"));
}

int main(void) {
        test_vm_names();
        test_unit_names();
        test_addresses();
        return tap_done();
}
