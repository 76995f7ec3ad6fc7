/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fnmatch.h>

#include "huge-pages.h"
#include "import-command.h"

/* What is written to a file of sysfs or procfs. 'rest' is what the rule leaves open. */
typedef struct Write {
        Recorder *recorder;
        const ShellCall *call;
        const char *path;
        char *text; /* "" where nothing is written, SHELL_UNKNOWN where it is not known */
} Write;

static int add(const Write *w, Action action, const char *object, const char *value) {
        return command_adds(w->recorder, w->call, action, object, value);
}

static int leave(const Write *w, const char *reason) {
        return command_leaves(w->recorder, w->call, reason);
}

static int needless(const Write *w, const char *reason) {
        return command_needless(w->recorder, w->call, reason);
}

static int write_console(const Write *w) {
        if (streq(w->text, "0") || streq(w->text, "1"))
                return add(w, *w->text == '0' ? ACTION_CONSOLE_OFF : ACTION_CONSOLE_ON, "", "");
        return leave(w, "what is written to a text console is not known");
}

static int write_framebuffer_off(const Write *w) {
        return add(w, ACTION_FRAMEBUFFER_OFF, "", "");
}

static int write_framebuffer_on(const Write *w) {
        return add(w, ACTION_FRAMEBUFFER_ON, "", "");
}

/* Returns the name of the driver in /sys/bus/pci/drivers/NAME/…, or NULL without memory. */
static char *driver_name(const Write *w) {
        const char *name = w->path + strlen("/sys/bus/pci/drivers/");

        return arena_strndup(w->recorder->facts->arena, name, strcspn(name, "/"));
}

static int write_driver(const Write *w) {
        const char *verb = shell_base_name(w->path);
        char *driver = driver_name(w), *address = record_address(w->recorder, w->text);
        bool is_vfio;

        if (!driver)
                return -ENOMEM;
        is_vfio = streq(driver, "vfio-pci");
        if (streq(verb, "new_id") && is_vfio)
                return shell_is_known(w->text) ? add(w, ACTION_TAKE_ID, w->text, "") :
                        leave(w, "which devices vfio-pci is told to take is not known");
        if (streq(verb, "remove_id") || streq(verb, "new_id"))
                return needless(
                        w, "IDs: functions are bound by their address, which leaves nothing behind in a driver");
        if (!address)
                return command_unknown_function(w->recorder, w->call, is_vfio && streq(verb, "bind"));
        if (!shell_is_known(driver))
                return leave(w, "which driver it is about is not known");
        if (streq(verb, "bind"))
                return add(w, is_vfio ? ACTION_TAKE : ACTION_GIVE, address, driver);
        return add(w, is_vfio ? ACTION_GIVE : ACTION_RELEASE, address, "");
}

static int write_probe(const Write *w) {
        return needless(w, "drivers_probe: comes with each function");
}

static int write_rescan(const Write *w) {
        return add(w, ACTION_RESCAN, "", "");
}

static int write_governor(const Write *w) {
        return shell_is_known(w->text) || !w->recorder->is_start ?
                       add(w, ACTION_GOVERNOR, "", w->text) :
                       command_unknown(w->recorder, w->call, UNKNOWN_GOVERNOR,
                                       "the governor's name is not known: set CpuGovernor=");
}

/* Returns 1 if HugePages= takes it, 0 if not, or -ENOMEM; none at all gives them back. */
static int is_huge_pages(const Write *w, const char *size) {
        HugePages pages;
        char *value = arena_printf(w->recorder->facts->arena, "%sx%s",
                                   strspn(w->text, "0") == strlen(w->text) ? "1" : w->text,
                                   *size ? size : "2M");

        return value ? huge_pages_parse(value, &pages) >= 0 : -ENOMEM;
}

/* Sizes are in the names of directories, in kibibytes. */
static int write_huge_pages(const Write *w) {
        const char *at = strstr(w->path, "hugepages-"), *name = "";
        int r;

        if (!shell_is_known(w->text) && !w->recorder->is_start)
                return add(w, ACTION_HUGE_PAGES, "", "0");
        if (at)
                name = record_page_size(w->recorder->facts->arena, strtoul(at + strlen("hugepages-"), NULL, 10));
        if (!name)
                return -ENOMEM;
        r = *w->text ? is_huge_pages(w, name) : 0;
        if (r < 0)
                return r;
        if (r == 0)
                return command_unknown(w->recorder, w->call, UNKNOWN_HUGE_PAGES,
                                       "how many huge pages, or of what size, is not known: set HugePages=COUNTxSIZE");
        return add(w, ACTION_HUGE_PAGES, name, w->text);
}

static int write_memory(const Write *w) {
        return command_beside(w->recorder, w->call,
                              "caches dropped and memory compacted: HugePages= does that where it needs it, "
                              "transparent huge pages do without");
}

static const struct {
        const char *pattern;
        int (*write)(const Write *w);
} rules[] = {
        { "/sys/class/vtconsole/vtcon*/bind", write_console },
        { "/sys/devices/virtual/vtconsole/vtcon*/bind", write_console },
        { "/etc/class/vtconsole/vtcon*/bind", write_console }, /* so in many copies of one guide */
        { "/sys/bus/platform/drivers/*framebuffer/unbind", write_framebuffer_off },
        { "/sys/bus/platform/drivers/*framebuffer/bind", write_framebuffer_on },
        { "/sys/bus/platform/devices/*framebuffer*/driver/unbind", write_framebuffer_off },
        { "/sys/bus/pci/drivers/*/bind", write_driver },
        { "/sys/bus/pci/drivers/*/unbind", write_driver },
        { "/sys/bus/pci/drivers/*/new_id", write_driver },
        { "/sys/bus/pci/drivers/*/remove_id", write_driver },
        { "/sys/bus/pci/drivers_probe", write_probe },
        { "/sys/bus/pci/rescan", write_rescan },
        { "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor", write_governor },
        { "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor", write_governor },
        { "/proc/sys/vm/nr_hugepages", write_huge_pages },
        { "/sys/kernel/mm/hugepages/hugepages-*kB/nr_hugepages", write_huge_pages },
        { "/sys/devices/system/node/node*/hugepages/hugepages-*kB/nr_hugepages", write_huge_pages },
        { "/proc/sys/vm/drop_caches", write_memory },
        { "/proc/sys/vm/compact_memory", write_memory },
};

static int write_override(const Write *w, const char *address) {
        return streq(w->text, "vfio-pci") ? add(w, ACTION_TAKE, address, w->text) :
                shell_is_known(w->text) ? add(w, ACTION_GIVE, address, w->text) :
                leave(w, "which driver the function is to have is not known");
}

static int write_d3cold(const Write *w, const char *address) {
        return streq(w->text, "0") || streq(w->text, "1") ?
                       add(w, ACTION_D3COLD, address, *w->text == '1' ? "yes" : "no") :
                       leave(w, "expected 0 or 1");
}

static int write_power(const Write *w, const char *address) {
        return streq(w->text, "on") || streq(w->text, "auto") ? add(w, ACTION_POWER_CONTROL, address, w->text) :
                leave(w, "expected on or auto");
}

static int write_reset_method(const Write *w, const char *address) {
        return *w->text && shell_is_known(w->text) && !strchr(w->text, '\n') ?
                       add(w, ACTION_RESET_METHOD, address, w->text) :
                       leave(w, "how the function is to be reset is not known");
}

/* The number of the BAR is in the name of the file, the logarithm of its size in mebibytes is what is
 * written. */
static int write_resize(const Write *w, const char *address) {
        unsigned long size = strtoul(w->text, NULL, 10), unit = size < 10 ? 0 : size < 20 ? 1 : 2;
        char bar = shell_base_name(w->path)[strlen("resource")], *value;

        if (!*w->text || w->text[strspn(w->text, "0123456789")] || size > 43)
                return leave(w, "the size of the BAR is not known");
        value = arena_printf(w->recorder->facts->arena, "%c:%llu%c", bar, 1ULL << (size - 10 * unit), "MGT"[unit]);
        return value ? add(w, ACTION_RESIZE_BAR, address, value) : -ENOMEM;
}

static int write_release(const Write *w, const char *address) {
        return add(w, ACTION_RELEASE, address, "");
}

static int write_remove(const Write *w, const char *address) {
        return add(w, ACTION_REMOVE, address, "");
}

static int write_reset(const Write *w, _unused_ const char *address) {
        return needless(w, "a reset: vfio-pci resets a function when a VM opens and closes it");
}

static int write_bus_rescan(const Write *w, _unused_ const char *address) {
        return write_rescan(w);
}

/* The attributes of a function. */
static const struct {
        const char *pattern;
        int (*write)(const Write *w, const char *address);
} attributes[] = {
        { "driver/unbind", write_release },
        { "driver_override", write_override },
        { "remove", write_remove },
        { "rescan", write_bus_rescan },
        { "reset", write_reset },
        { "reset_method", write_reset_method },
        { "power/control", write_power },
        { "d3cold_allowed", write_d3cold },
        { "resource[0-5]_resize", write_resize },
};

/* Finds the last function in a path. Returns its address, or NULL, with what follows it. */
static char *find_function(Recorder *recorder, const char *path, const char **ret_rest) {
        char *address = NULL;

        *ret_rest = "";
        for (const char *p = path; (p = strchr(p, '/'));) {
                size_t n = strcspn(++p, "/");
                char *component = arena_strndup(recorder->facts->arena, p, n), *found;

                found = component && n >= strlen("0000:00:00.0") ? record_address(recorder, component) : NULL;
                if (found) {
                        address = found;
                        *ret_rest = p[n] == '/' ? p + n + 1 : "";
                }
        }
        return address;
}

static int write_function(const Write *w, const char *address, const char *rest) {
        const char *of_group = startswith(rest, "iommu_group/devices/");

        if (of_group && *of_group) {
                const char *attribute = strchr(of_group, '/');

                if (attribute && streq(attribute, "/driver_override") && streq(w->text, "vfio-pci"))
                        return add(w, ACTION_TAKE_GROUP, address, "");
                if (attribute && streq(attribute, "/driver/unbind"))
                        return needless(w, "unbinding: comes with each function");
        }
        for (size_t i = 0; i < ELEMENTSOF(attributes); i++)
                if (fnmatch(attributes[i].pattern, rest, FNM_PATHNAME) == 0)
                        return attributes[i].write(w, address);
        return leave(w, "there is no setting for this attribute of a function");
}

/* Returns the text without what sysfs does not mind, or NULL without memory. */
static char *clean(Recorder *recorder, const char *text) {
        size_t n;

        text += strspn(text, " \t\n");
        for (n = strlen(text); n > 0 && strchr(" \t\n", text[n - 1]); n--)
                ;
        return arena_strndup(recorder->facts->arena, text, n);
}

int record_write(Recorder *recorder, const ShellCall *call, const char *path, const char *text) {
        const char unknown[] = { SHELL_UNKNOWN, 0 };
        Write w = { .recorder = recorder, .call = call, .path = path };
        const char *rest;
        char *address;

        if (!startswith(path, "/sys/") && !startswith(path, "/proc/") && !startswith(path, "/etc/class/"))
                return 0;
        w.text = clean(recorder, text ?: unknown);
        if (!w.text)
                return -ENOMEM;

        address = startswith(path, "/sys/") ? find_function(recorder, path, &rest) : NULL;
        if (address)
                return write_function(&w, address, rest);
        for (size_t i = 0; i < ELEMENTSOF(rules); i++)
                if (fnmatch(rules[i].pattern, path, FNM_PATHNAME) == 0)
                        return rules[i].write(&w);
        if (startswith(path, "/sys/bus/pci/devices/"))
                return command_unknown_function(recorder, call, endswith(path, "/driver_override") &&
                                                                        streq(w.text, "vfio-pci"));
        return leave(&w, strchr(path, SHELL_UNKNOWN) ? "which file of the kernel's it writes is not known" :
                     "there is no setting for this file of the kernel's");
}
