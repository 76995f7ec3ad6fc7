/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "lsm.h"
#include "root.h"

#define ATTRIBUTE_MAX 64

int selinux_read(const char *attribute) {
        _cleanup_free_ char *path = root_path("/sys/fs/selinux/%s", attribute), *text = NULL;

        return path && read_text_file(path, ATTRIBUTE_MAX, &text) >= 0 ? atoi(text) : -1;
}

bool selinux_is_enforcing(void) {
        return selinux_read("enforce") == 1;
}

bool apparmor_is_on(void) {
        _cleanup_free_ char *path = root_path("/sys/module/apparmor/parameters/enabled"), *enabled = NULL;

        return path && read_text_file(path, ATTRIBUTE_MAX, &enabled) >= 0 && streq(enabled, "Y");
}
