/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>

#include "kernel.h"
#include "macros.h"

static const char *kernel_root;

void kernel_set_root(const char *root) {
        kernel_root = root;
}

/* Returns a path of the host's, or ends the program: a test has no use for handling that. */
_printf_(1, 2) static char *host_path(const char *format, ...) {
        _cleanup_free_ char *path = NULL;
        char *whole;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&path, format, ap) < 0 || asprintf(&whole, "%s/%s", kernel_root, path) < 0)
                abort();
        va_end(ap);
        return whole;
}

_printf_(1, 2) static bool exists(const char *format, ...) {
        _cleanup_free_ char *name = NULL, *path = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&name, format, ap) < 0)
                abort();
        va_end(ap);
        path = host_path("%s", name);
        return access(path, F_OK) == 0;
}

/* Returns the text of a file of the tree, "" if there is none. */
static char *read_file(const char *name) {
        _cleanup_free_ char *path = host_path("%s", name);
        _cleanup_fclose_ FILE *f = fopen(path, "re");
        char *text = calloc(1, BUFSIZ);

        if (!text)
                abort();
        if (f)
                text[fread(text, 1, BUFSIZ - 1, f)] = 0;
        return text;
}

_printf_(2, 3) static void write_file(const char *name, const char *format, ...) {
        _cleanup_free_ char *path = host_path("%s", name);
        _cleanup_fclose_ FILE *f = fopen(path, "we");
        va_list ap;

        if (!f)
                abort();
        va_start(ap, format);
        (void) vfprintf(f, format, ap);
        va_end(ap);
}

_Noreturn void kernel_fatal(const char *what, const char *object) {
        write_file("kernel/fatal", "%s %s\n", what, object);
        abort();
}

/* Makes a relative link, both of whose ends are given from the top of the tree. */
static void make_link(const char *name, const char *target) {
        _cleanup_free_ char *path = host_path("%s", name), *relative = calloc(1, PATH_MAX);
        char *p = relative;

        for (const char *c = name; relative && *c; c++)
                if (*c == '/')
                        p = stpcpy(p, "../");
        if (!relative || !strcpy(p, target) || symlink(relative, path) < 0)
                kernel_fatal("cannot link", name);
}

static void remove_link(const char *name) {
        _cleanup_free_ char *path = host_path("%s", name);

        if (unlink(path) < 0)
                kernel_fatal("cannot remove", name);
}

/* Returns where a link of the tree leads, from its top, or NULL. */
static char *follow(const char *name) {
        _cleanup_free_ char *path = host_path("%s", name), *real = realpath(path, NULL);
        const char *rest = real ? startswith(real, kernel_root) : NULL;

        return rest ? strdup(rest + 1) : NULL;
}

/* One console draws, the other is the one that does when no other is there. */
static void bind_console(const char *console, bool bind) {
        _cleanup_free_ char *attribute = NULL;

        if (asprintf(&attribute, "sys/class/vtconsole/%s/bind", console) < 0)
                abort();
        write_file(attribute, "%i\n", bind);
        write_file("sys/class/vtconsole/vtcon0/bind", "%i\n", !bind);
}

/* Brings in, or takes away, all that is there only together with the owner. */
static void move(const char *owner, bool in) {
        _cleanup_free_ char *name = NULL, *list = NULL;
        bool consoles;

        if (asprintf(&name, "kernel/adds/%s", owner) < 0)
                abort();
        list = read_file(name);
        consoles = strstr(list, "vtcon1");

        for (char *rest = list, *line; (line = strsep(&rest, "\n"));) {
                _cleanup_free_ char *there = NULL, *parked = NULL;

                if (!*line)
                        continue;
                there = host_path("%s", line);
                for (char *c = line; *c; c++)
                        if (*c == '/')
                                *c = '%';
                parked = host_path("kernel/parked/%s", line);
                if (rename(in ? parked : there, in ? there : parked) < 0)
                        kernel_fatal(in ? "cannot bring in" : "cannot take away", line);
        }

        /* The kernel takes the consoles over, or lets go of them, together with the last frame buffer. */
        if (consoles && in)
                bind_console("vtcon1", true);
        else if (consoles)
                write_file("sys/class/vtconsole/vtcon0/bind", "1\n");
}

static char *driver_of(const char *bus, const char *device) {
        _cleanup_free_ char *link = NULL;

        if (asprintf(&link, "sys/bus/%s/devices/%s/driver", bus, device) < 0)
                abort();
        return follow(link);
}

/* With nothing to do, a function sleeps as soon as it may. */
static int control_write(const char *attribute, const char *value) {
        _cleanup_free_ char *state = NULL;

        if (asprintf(&state, "%.*s/../power_state", (int) (strrchr(attribute, '/') - attribute), attribute) < 0)
                abort();
        write_file(attribute, "%s\n", value);
        write_file(state, "%s\n", streq(value, "on") ? "D0" : "D3hot");
        return 0;
}

/* The driver's link to the device, the device's to the driver, and what the driver makes of the device. */
static void attach(const char *bus, const char *device, const char *driver, bool bound) {
        _cleanup_free_ char *link = NULL, *directory = NULL, *back = NULL, *forth = NULL, *to = NULL, *owner = NULL;

        if (asprintf(&link, "sys/bus/%s/devices/%s", bus, device) < 0 ||
            asprintf(&to, "sys/bus/%s/drivers/%s", bus, driver) < 0 ||
            asprintf(&back, "%s/%s", to, device) < 0 ||
            asprintf(&owner, "%s@%s", driver, device) < 0)
                abort();
        directory = follow(link);
        if (!directory || asprintf(&forth, "%s/driver", directory) < 0)
                kernel_fatal("no such device:", link);

        /* It allows its functions to sleep, and forbids it again. */
        if (streq(driver, "vfio-pci") && exists("%s/power/control", directory)) {
                _cleanup_free_ char *control = NULL;

                if (asprintf(&control, "%s/power/control", directory) < 0)
                        abort();
                (void) control_write(control, bound ? "auto" : "on");
        }
        if (!bound)
                move(owner, false);
        if (bound) {
                make_link(forth, to);
                make_link(back, directory);
        } else {
                remove_link(forth);
                remove_link(back);
        }
        if (bound)
                move(owner, true);
}

static bool matches(const char *bus, const char *device, const char *driver) {
        _cleanup_free_ char *name = NULL, *text = NULL, *wanted = NULL;

        if (asprintf(&name, "sys/bus/%s/devices/%s/driver_override", bus, device) < 0)
                abort();
        wanted = read_file(name);
        wanted[strcspn(wanted, "\n")] = 0;
        if (*wanted && !streq(wanted, "(null)"))
                return streq(wanted, driver);

        free(name);
        if (asprintf(&name, "kernel/ids/%s", device) < 0)
                abort();
        text = read_file(name);
        for (char *rest = text, *word; (word = strsep(&rest, "\n"));)
                if (streq(word, driver))
                        return true;
        return false;
}

/* Returns the names in a directory of the tree, sorted, to be freed as scandir() wants it. */
static int names_in(const char *name, struct dirent ***ret) {
        _cleanup_free_ char *path = host_path("%s", name);
        int n = scandir(path, ret, NULL, alphasort);

        return n < 0 ? 0 : n;
}

/* Offers a device without driver to the drivers of its bus, or to one of them. */
static void probe(const char *bus, const char *device, const char *only) {
        _cleanup_free_ char *current = driver_of(bus, device), *drivers = NULL;
        struct dirent **entries = NULL;
        bool done = current;
        int n;

        if (asprintf(&drivers, "sys/bus/%s/drivers", bus) < 0)
                abort();
        n = names_in(drivers, &entries);
        for (int i = 0; i < n; i++) {
                const char *driver = entries[i]->d_name;

                if (!done && *driver != '.' && (!only || streq(driver, only)) && matches(bus, device, driver)) {
                        attach(bus, device, driver, true);
                        done = true;
                }
                free(entries[i]);
        }
        free(entries);
}

static void probe_all(const char *driver) {
        struct dirent **entries = NULL;
        int n = names_in("sys/bus/pci/devices", &entries);

        for (int i = 0; i < n; i++) {
                if (entries[i]->d_name[0] != '.')
                        probe("pci", entries[i]->d_name, driver);
                free(entries[i]);
        }
        free(entries);
}

/* Whether or not it is in use, NVIDIA's driver of the GPU is not to be tried. */
static void let_go(const char *bus, const char *device, const char *driver) {
        if (streq(driver, "nvidia"))
                kernel_fatal("hangs, for the driver waits for its users: unbinding", device);
        attach(bus, device, driver, false);
}

static int driver_write(const char *bus, const char *driver, const char *attribute, const char *device) {
        _cleanup_free_ char *current = driver_of(bus, device);
        bool ours = current && streq(strrchr(current, '/') + 1, driver);

        if (!exists("sys/bus/%s/devices/%s", bus, device))
                return -ENODEV;
        if (streq(attribute, "unbind")) {
                if (!ours)
                        return -ENODEV;
                let_go(bus, device, driver);
                return 0;
        }
        if (!streq(attribute, "bind") || !matches(bus, device, driver))
                return -ENODEV;
        if (current)
                return -EBUSY;
        attach(bus, device, driver, true);
        return 0;
}

static int probe_write(const char *bus, const char *device) {
        if (!exists("sys/bus/%s/devices/%s", bus, device))
                return -ENODEV;
        probe(bus, device, NULL);
        return 0;
}

static int override_write(const char *attribute, const char *value) {
        write_file(attribute, "%s\n", *value ? value : "(null)");
        return 0;
}

static int remove_write(const char *attribute) {
        _cleanup_free_ char *directory = strdup(attribute), *driver = NULL;
        const char *device;

        *strrchr(directory, '/') = 0;
        device = strrchr(directory, '/') + 1;
        driver = driver_of("pci", device);
        if (driver)
                let_go("pci", device, strrchr(driver, '/') + 1);
        move(device, false);
        return 0;
}

/* What was removed is a new device when it is found again: nothing that was set survives. */
static int rescan_write(void) {
        struct dirent **entries = NULL;
        int n = names_in("kernel/ids", &entries);

        for (int i = 0; i < n; i++) {
                const char *device = entries[i]->d_name;

                if (exists("kernel/adds/%s", device) && !exists("sys/bus/pci/devices/%s", device)) {
                        _cleanup_free_ char *override = NULL;

                        move(device, true);
                        if (asprintf(&override, "sys/bus/pci/devices/%s/driver_override", device) < 0)
                                abort();
                        write_file(override, "(null)\n");
                        probe("pci", device, NULL);
                }
                free(entries[i]);
        }
        free(entries);
        return 0;
}

/* Returns the value of another attribute of the same function, or what the kernel keeps of it itself. */
static char *read_beside(const char *attribute, const char *other) {
        _cleanup_free_ char *directory = strndup(attribute, (size_t) (strrchr(attribute, '/') - attribute)), *name = NULL;
        char *text;

        if (asprintf(&name, "%s/%s", directory, other) < 0)
                abort();
        text = read_file(name);
        text[strcspn(text, "\n")] = 0;
        return text;
}

/* All of its methods, and what else is added by modules that do not show it. */
static int reset_method_write(const char *attribute, const char *value) {
        _cleanup_free_ char *words = strdup(value);

        for (char *rest = words, *word; (word = strsep(&rest, " "));)
                if (*word && !streq(word, "flr") && !streq(word, "bus") && !streq(word, "device_specific") &&
                    !streq(word, "default"))
                        return -EINVAL;
        write_file(attribute, "%s\n", streq(value, "default") ? "flr bus" : value);
        return 0;
}

/* Returns where the line of a region begins in the text of "resource". */
static char *find_region(char *text, int region) {
        for (; region > 0; region--)
                text = strchr(text, '\n') + 1;
        return text;
}

static int resize_write(const char *attribute, const char *value) {
        _cleanup_free_ char *directory = strndup(attribute, (size_t) (strrchr(attribute, '/') - attribute)),
                            *name = NULL, *sizes = read_beside(attribute, strrchr(attribute, '/') + 1), *text = NULL;
        int region = atoi(strrchr(attribute, '/') + sizeof("/resource") - 1), order = atoi(value);
        unsigned long long begin = 0, end = 0, flags = 0;
        char *line, *behind;

        if (exists("%s/driver", directory))
                return -EBUSY;
        if (!((strtoull(sizes, NULL, 16) >> order) & 1))
                return -EINVAL;
        if (asprintf(&name, "%s/resource", directory) < 0)
                abort();
        text = read_file(name);
        line = find_region(text, region);
        if (sscanf(line, "%llx %llx %llx", &begin, &end, &flags) != 3)
                kernel_fatal("has no such region:", attribute);
        behind = strchr(line, '\n') + 1;
        write_file(name, "%.*s0x%016llx 0x%016llx 0x%016llx\n%s", (int) (line - text), text, begin,
                   begin + (1ULL << (order + 20)) - 1, flags, behind);
        return 0;
}

/* Any two bytes but these, and any other number of bytes, mean to show it. */
static int rom_write(const char *attribute, const char *value) {
        _cleanup_free_ char *state = NULL;

        if (asprintf(&state, "%s-is-shown", attribute) < 0)
                abort();
        write_file(state, "%i\n", !streq(value, "0\n"));
        return 0;
}

static int enable_write(const char *attribute, const char *value) {
        _cleanup_free_ char *count = read_file(attribute);

        if (exists("%.*s/driver", (int) (strrchr(attribute, '/') - attribute), attribute))
                return -EBUSY;
        if (streq(value, "0") && atoi(count) == 0)
                return -EIO;
        write_file(attribute, "%i\n", atoi(count) + (streq(value, "0") ? -1 : 1));
        return 0;
}

static int governor_write(const char *attribute, const char *value) {
        _cleanup_free_ char *known = read_beside(attribute, "scaling_available_governors");

        for (char *rest = known, *word; (word = strsep(&rest, " "));)
                if (streq(word, value)) {
                        write_file(attribute, "%s\n", value);
                        return 0;
                }
        return -EINVAL;
}

static long read_count(const char *pool, const char *name) {
        _cleanup_free_ char *file = NULL, *text = NULL;

        if (asprintf(&file, "%s/%s_hugepages", pool, name) < 0)
                abort();
        text = read_file(file);
        return atol(text);
}

static void write_count(const char *pool, const char *name, long count) {
        _cleanup_free_ char *file = NULL;

        if (asprintf(&file, "%s/%s_hugepages", pool, name) < 0)
                abort();
        write_file(file, "%li\n", count);
}

/* Returns how many pages can be had by now. */
static long huge_pages_max(const char *pool) {
        _cleanup_free_ char *name = NULL, *limits = NULL, *compacted = read_file("proc/sys/vm/compact_memory"),
                            *dropped = read_file("proc/sys/vm/drop_caches");
        long limit[3] = { 0 };
        int kb = 0;

        if (sscanf(strrchr(pool, '/'), "/hugepages-%ikB", &kb) != 1 || asprintf(&name, "kernel/huge-%i", kb) < 0)
                abort();
        limits = read_file(name);
        if (sscanf(limits, "%li %li %li", limit, limit + 1, limit + 2) != 3)
                kernel_fatal("has no such huge pages:", pool);
        return limit[atoi(dropped) == 3 ? 2 : atoi(compacted) == 1 ? 1 : 0];
}

/* As the kernel does it: pages in use that are one too many become surplus, and the other way round. */
static int huge_pages_write(const char *attribute, const char *value) {
        _cleanup_free_ char *pool = strndup(attribute, (size_t) (strrchr(attribute, '/') - attribute));
        long target = atol(value), limit = huge_pages_max(pool), nr = read_count(pool, "nr"),
             unused = read_count(pool, "free"), surplus = read_count(pool, "surplus"), persistent = nr - surplus, n;

        if (target > persistent) {
                n = surplus < target - persistent ? surplus : target - persistent;
                surplus -= n;
                persistent += n;
                n = (target < limit ? target : limit) - persistent;
                nr += n > 0 ? n : 0;
                unused += n > 0 ? n : 0;
        } else {
                n = unused - read_count(pool, "resv");
                n = n < persistent - target ? n : persistent - target;
                nr -= n;
                unused -= n;
                surplus += persistent - n - target;
                write_file("proc/sys/vm/compact_memory", "0\n");
                write_file("proc/sys/vm/drop_caches", "0\n");
        }
        write_count(pool, "nr", nr);
        write_count(pool, "free", unused);
        write_count(pool, "surplus", surplus);
        return 0;
}

int kernel_read_rom(const char *attribute) {
        _cleanup_free_ char *shown = read_beside(attribute, "rom-is-shown"), *power = read_beside(attribute, "power_state");
        _cleanup_free_ char *enabled = read_beside(attribute, "enable");

        if (!streq(shown, "1"))
                return -EINVAL;
        if (startswith(power, "D3") || atoi(enabled) == 0)
                return -EIO;
        return 0;
}

int kernel_write(const char *attribute, const char *value) {
        char bus[16], driver[64], name[32], console[32];
        _cleanup_free_ char *text = strdup(value);
        const char *last = strrchr(attribute, '/') + 1;

        text[strcspn(text, "\n")] = 0;
        if (sscanf(attribute, "/sys/bus/%15[^/]/drivers/%63[^/]/%31s", bus, driver, name) == 3)
                return driver_write(bus, driver, name, text);
        if (streq(attribute, "/sys/bus/pci/drivers_probe"))
                return probe_write("pci", text);
        if (streq(attribute, "/sys/bus/pci/rescan"))
                return rescan_write();
        if (streq(last, "driver_override"))
                return override_write(attribute, text);
        if (streq(last, "remove"))
                return remove_write(attribute);
        if (streq(last, "rom"))
                return rom_write(attribute, value);
        if (streq(last, "enable"))
                return enable_write(attribute, text);
        if (streq(last, "reset_method"))
                return reset_method_write(attribute, text);
        if (streq(last, "d3cold_allowed")) {
                write_file(attribute, "%s\n", text);
                return 0;
        }
        if (startswith(last, "resource") && endswith(last, "_resize"))
                return resize_write(attribute, text);
        if (streq(last, "nr_hugepages"))
                return huge_pages_write(attribute, text);
        if (streq(last, "scaling_governor"))
                return governor_write(attribute, text);
        if (endswith(attribute, "/power/control"))
                return control_write(attribute, text);
        if (sscanf(attribute, "/sys/devices/virtual/vtconsole/%31[^/]/bind", console) == 1 && streq(last, "bind")) {
                bind_console(console, streq(text, "1"));
                return 0;
        }
        kernel_fatal("does not know the attribute", attribute);
}

/* Adds to, or takes from, the users of every module that this one uses. */
static void use_modules(const char *name, bool use) {
        _cleanup_free_ char *file = NULL, *needs = NULL, *self = NULL;

        if (asprintf(&file, "kernel/needs/%s", name) < 0 || asprintf(&self, "sys/module/%s", name) < 0)
                abort();
        needs = read_file(file);
        for (char *rest = needs, *word; (word = strsep(&rest, "\n"));) {
                _cleanup_free_ char *holder = NULL, *refcnt = NULL, *count = NULL;

                if (!*word)
                        continue;
                if (asprintf(&holder, "sys/module/%s/holders/%s", word, name) < 0 ||
                    asprintf(&refcnt, "sys/module/%s/refcnt", word) < 0)
                        abort();
                count = read_file(refcnt);
                write_file(refcnt, "%i\n", atoi(count) + (use ? 1 : -1));
                if (use)
                        make_link(holder, self);
                else
                        remove_link(holder);
        }
}

static bool has_what_it_needs(const char *name) {
        _cleanup_free_ char *file = NULL, *needs = NULL;

        if (asprintf(&file, "kernel/needs/%s", name) < 0)
                abort();
        needs = read_file(file);
        for (char *rest = needs, *word; (word = strsep(&rest, "\n"));)
                if (*word && !exists("sys/module/%s", word))
                        return false;
        return true;
}

static void detach_all(const char *driver) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n;

        if (asprintf(&directory, "sys/bus/pci/drivers/%s", driver) < 0)
                abort();
        n = names_in(directory, &entries);
        for (int i = 0; i < n; i++) {
                if (strchr(entries[i]->d_name, ':'))
                        attach("pci", entries[i]->d_name, driver, false);
                free(entries[i]);
        }
        free(entries);
}

/* Does something with every driver that the module brings. */
static void each_driver(const char *module, void (*what)(const char *driver)) {
        _cleanup_free_ char *drivers = NULL;
        struct dirent **entries = NULL;
        int n;

        if (asprintf(&drivers, "sys/module/%s/drivers", module) < 0)
                abort();
        n = names_in(drivers, &entries);
        for (int i = 0; i < n; i++) {
                const char *driver = startswith(entries[i]->d_name, "pci:");

                if (driver)
                        what(driver);
                free(entries[i]);
        }
        free(entries);
}

static bool drives_any(const char *driver) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        bool any = false;
        int n;

        if (asprintf(&directory, "sys/bus/pci/drivers/%s", driver) < 0)
                abort();
        n = names_in(directory, &entries);
        for (int i = 0; i < n; i++) {
                any = any || strchr(entries[i]->d_name, ':');
                free(entries[i]);
        }
        free(entries);
        return any;
}

int kernel_load_module(const char *name) {
        if (exists("sys/module/%s", name))
                return -EEXIST;
        if (!exists("kernel/adds/%s", name) || !has_what_it_needs(name))
                return -ENOENT;

        move(name, true);
        use_modules(name, true);
        each_driver(name, probe_all);
        /* It looks for GPUs once, and there will be no screen if it found none. */
        if (streq(name, "nvidia_drm") && !drives_any("nvidia"))
                write_file("sys/module/nvidia_drm/without-gpu", "\n");
        return 0;
}

int kernel_unload_module(const char *name) {
        _cleanup_free_ char *file = NULL, *count = NULL;

        if (!exists("sys/module/%s", name))
                return -ENOENT;
        if (asprintf(&file, "sys/module/%s/refcnt", name) < 0)
                abort();
        count = read_file(file);
        if (atoi(count) > 0)
                return -EWOULDBLOCK;

        each_driver(name, detach_all);
        use_modules(name, false);
        move(name, false);
        return 0;
}
