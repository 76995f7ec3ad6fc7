/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bar.h"
#include "check-part.h"
#include "pci.h"
#include "root.h"
#include "strv.h"

static int check_method(CheckContext *c, const char *address, const char *method, char *const *known,
                        const char *list) {
        if (strv_contains(known, method) || streq(method, "default"))
                return 0;
        return findings_add(c->findings, FINDING_RESET_METHOD, address,
                            "ResetMethod= of %s names %s, which the kernel does not offer for it: %s/reset_method has "
                            "'%s', choose of that or take the setting out; a module that adds device_specific may not "
                            "show it before it is written", address, method, address, list);
}

static int check_methods(CheckContext *c, const char *address, const char *wanted) {
        _cleanup_strv_free_ char **methods = NULL, **known = NULL;
        _cleanup_free_ char *list = NULL;
        int r;

        r = pci_read(address, "reset_method", &list);
        if (r == -ENOENT)
                list = strdup("");
        else if (r < 0)
                return r;
        r = list ? strv_split(list, " ", &known) : -ENOMEM;
        if (r >= 0)
                r = strv_split(wanted, " ", &methods);
        STRV_FOREACH(method, methods)
                if (r >= 0)
                        r = check_method(c, address, *method, known, list);
        return r;
}

static int check_attribute(CheckContext *c, const char *assignment) {
        const char *value = strchr(assignment, '='), *slash = strchr(assignment, '/');
        _cleanup_free_ char *address = NULL, *attribute = NULL, *path = NULL;

        if (!value || !slash || slash > value)
                return -EINVAL;
        address = strndup(assignment, (size_t) (slash - assignment));
        attribute = strndup(slash + 1, (size_t) (value - slash - 1));
        path = address && attribute ? pci_path(address, attribute) : NULL;
        if (!path)
                return -ENOMEM;
        /* That the function is not there is found elsewhere. */
        if (!pci_exists(address))
                return 0;
        if (streq(attribute, "reset_method"))
                return check_methods(c, address, value + 1);
        if (path_exists(path))
                return 0;
        return findings_add(c->findings, FINDING_ATTRIBUTE_MISSING, address,
                            "%s has no %s, which its section [Device] sets: the kernel cannot do that here, and the "
                            "swap goes on without; take the setting out", address, attribute);
}

static int check_bar(CheckContext *c, const char *word) {
        _cleanup_free_ char *address = NULL, *text = NULL;
        BarSize size;
        int r;

        r = bar_parse(word, &address, &size);
        if (r < 0 || !pci_exists(address))
                return r;
        text = bar_size_text(size.order);
        r = text ? bar_can_be(address, &size) : -ENOMEM;
        if (r == -ENOENT)
                return findings_add(c->findings, FINDING_BAR_SIZE, address,
                                    "ResizeBar= of %s: its region %u has a fixed size, or the kernel is older than "
                                    "6.1 (there is no resource%u_resize): take the setting out, or boot a newer kernel",
                                    address, size.bar, size.bar);
        if (r != 0)
                return r;
        return findings_add(c->findings, FINDING_BAR_SIZE, address,
                            "ResizeBar= of %s: its region %u cannot have %s; resource%u_resize has the sizes that it "
                            "can have, bit 0 being 1M", address, size.bar, text, size.bar);
}

int check_devices(CheckContext *c) {
        int r = 0;

        for (char *const *a = c->check->attributes; a && *a && r >= 0; a++)
                r = check_attribute(c, *a);
        for (char *const *bar = c->check->resize_bars; bar && *bar && r >= 0; bar++)
                r = check_bar(c, *bar);
        return r < 0 ? r : 0;
}
