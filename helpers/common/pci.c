/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>

#include "pci.h"
#include "root.h"
#include "strv.h"

#define ATTRIBUTE_MAX 4096

/* Reads 'least' to 'most' hexadecimal digits. Returns what follows them, or NULL. */
static const char *parse_hex(const char *s, int least, int most, unsigned *ret) {
        unsigned value = 0;
        int n = 0;

        for (; n < most && isxdigit((unsigned char) s[n]); n++)
                value = value << 4 |
                        (unsigned) (isdigit((unsigned char) s[n]) ? s[n] - '0' : (s[n] | 0x20) - 'a' + 10);

        *ret = value;
        return n >= least ? s + n : NULL;
}

int pci_address_parse(const char *s, char **ret) {
        unsigned domain = 0, bus, slot, function;
        const char *p = strchr(s, ':');
        bool has_domain = p && strchr(p + 1, ':');
        char text[sizeof("ffffffff:ff:1f.7")];

        if (has_domain) {
                /* Domains above ffff exist: the kernel numbers those of Intel's VMD from 10000. */
                s = parse_hex(s, 4, 8, &domain);
                if (!s || *s++ != ':')
                        return -EINVAL;
        }

        s = parse_hex(s, 2, 2, &bus);
        if (!s || *s++ != ':')
                return -EINVAL;
        s = parse_hex(s, 2, 2, &slot);
        if (!s || *s++ != '.' || slot > 0x1f)
                return -EINVAL;
        s = parse_hex(s, 1, 1, &function);
        if (!s || *s || function > 7)
                return -EINVAL;

        (void) snprintf(text, sizeof(text), "%04x:%02x:%02x.%x", domain, bus, slot, function);
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

/* Returns 1 if it is an address as the kernel writes it, 0 if not, or -ENOMEM. */
static int is_address(const char *s) {
        _cleanup_free_ char *address = NULL;
        int r = pci_address_parse(s, &address);

        return r < 0 ? (r == -EINVAL ? 0 : r) : streq(address, s);
}

int pci_list(const char *path, char ***ret) {
        _cleanup_strv_free_ char **names = NULL, **addresses = NULL;
        int r;

        r = list_directory(path, &names);
        STRV_FOREACH(name, names) {
                if (r >= 0)
                        r = is_address(*name);
                if (r > 0)
                        r = strv_extend(&addresses, *name);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(addresses);
        return 0;
}

bool pci_same_slot(const char *a, const char *b) {
        const char *dot = strrchr(a, '.');

        return dot && strncmp(a, b, (size_t) (dot - a) + 1) == 0;
}

char *pci_path(const char *address, const char *attribute) {
        return root_path("/sys/bus/pci/devices/%s%s%s", address, *attribute ? "/" : "", attribute);
}

bool pci_exists(const char *address) {
        _cleanup_free_ char *path = pci_path(address, "");

        return path && path_exists(path);
}

bool pci_is_gone(const char *address) {
        _cleanup_free_ char *path = pci_path(address, "");

        return path && access(path, F_OK) < 0 && errno == ENOENT;
}

int pci_read(const char *address, const char *attribute, char **ret) {
        _cleanup_free_ char *path = pci_path(address, attribute);

        return path ? read_text_file(path, ATTRIBUTE_MAX, ret) : -ENOMEM;
}

int pci_read_number(const char *address, const char *attribute, unsigned long *ret) {
        _cleanup_free_ char *text = NULL;
        char *end;
        int r;

        r = pci_read(address, attribute, &text);
        if (r < 0)
                return r;

        errno = 0;
        *ret = strtoul(text, &end, 0);
        return errno ? -errno : end == text || *end ? -EINVAL : 0;
}

int pci_write(const char *address, const char *attribute, const char *value) {
        _cleanup_free_ char *path = pci_path(address, attribute);

        return path ? write_attribute(path, value) : -ENOMEM;
}

int pci_read_link(const char *address, const char *link, char **ret) {
        _cleanup_free_ char *path = pci_path(address, link);
        int r;

        if (!path)
                return -ENOMEM;

        *ret = NULL;
        r = read_link_name(path, ret);
        if (r == -ENOENT)
                return pci_exists(address) ? 0 : -ENODEV;
        return r < 0 ? r : 1;
}

int pci_carries(const char *address, const char *link) {
        _cleanup_free_ char *target = NULL, *component = NULL;
        int r;

        r = read_link(link, &target);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        if (asprintf(&component, "/%s/", address) < 0) {
                component = NULL;
                return -ENOMEM;
        }
        return !!strstr(target, component);
}

int pci_class_devices(const char *address, const char *class, char ***ret) {
        _cleanup_free_ char *directory = root_path("/sys/class/%s", class);
        _cleanup_strv_free_ char **all = NULL, **found = NULL;
        int r;

        r = directory ? list_directory(directory, &all) : -ENOMEM;
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(name, all) {
                _cleanup_free_ char *link = NULL;

                if (r < 0 || asprintf(&link, "%s/%s", directory, *name) < 0)
                        return r < 0 ? r : -ENOMEM;
                r = pci_carries(address, link);
                if (r > 0)
                        r = strv_extend(&found, *name);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(found);
        return 0;
}

int pci_read_override(const char *address, char **ret) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = pci_read(address, "driver_override", &text);
        if (r < 0)
                return r;

        /* What the kernel prints where nothing is set. */
        if (streq(text, "(null)"))
                *text = 0;

        *ret = TAKE_PTR(text);
        return 0;
}

int pci_class(const char *address) {
        unsigned long class;
        int r;

        r = pci_read_number(address, "class", &class);
        return r < 0 ? r : (int) (class >> 8 & 0xffff);
}
