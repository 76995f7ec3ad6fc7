/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/fb.h>
#include <linux/vt.h>
#include <sys/ioctl.h>

#include "consoles.h"
#include "gpu.h"
#include "log.h"
#include "pci.h"
#include "root.h"
#include "state.h"
#include "strv.h"

#define VTCONSOLES "/sys/class/vtconsole"
#define PLATFORM "/sys/bus/platform"

static int read_attribute_of(const char *console, const char *attribute, char **ret) {
        _cleanup_free_ char *path = root_path(VTCONSOLES "/%s/%s", console, attribute);

        return path ? read_text_file(path, 4096, ret) : -ENOMEM;
}

/* Returns 1 with the console's name and state if it draws on frame buffers: "(M) frame buffer device"; 0 if
 * it does not, or is gone. */
static int read_console(const char *console, char **ret_name, bool *ret_bound) {
        _cleanup_free_ char *name = NULL, *bound = NULL;
        int r;

        r = read_attribute_of(console, "name", &name);
        if (r >= 0)
                r = read_attribute_of(console, "bind", &bound);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (!strstr(name, "frame buffer"))
                return 0;

        *ret_name = TAKE_PTR(name);
        *ret_bound = streq(bound, "1");
        return 1;
}

static int bind_console(const char *console, bool bind) {
        _cleanup_free_ char *path = root_path(VTCONSOLES "/%s/bind", console);

        return path ? write_attribute(path, bind ? "1" : "0") : -ENOMEM;
}

static int is_ours(const char *class, const char *device, char *const *functions) {
        _cleanup_free_ char *link = root_path("/sys/class/%s/%s", class, device);
        int r = link ? 0 : -ENOMEM;

        for (; r == 0 && functions && *functions; functions++)
                r = pci_carries(*functions, link);
        return r;
}

/* Returns whether it is the prefix with a number: "card0", not "card0-DP-1". */
static bool is_numbered(const char *name, const char *prefix) {
        const char *number = startswith(name, prefix);

        return !isempty(number) && !number[strspn(number, "0123456789")];
}

/* Lists the GPU's devices of a class, and says whether there are others. */
static int list_devices(const char *class, const char *prefix, char *const *functions, char ***ret,
                        bool *ret_others) {
        _cleanup_strv_free_ char **names = NULL, **ours = NULL;
        _cleanup_free_ char *path = root_path("/sys/class/%s", class);
        bool others = false;
        int r;

        r = path ? list_directory(path, &names) : -ENOMEM;
        if (r < 0 && r != -ENOENT)
                return r;

        STRV_FOREACH(name, names) {
                if (!is_numbered(*name, prefix))
                        continue;
                r = is_ours(class, *name, functions);
                if (r > 0)
                        r = strv_extend(&ours, *name);
                else
                        others = true;
                if (r < 0)
                        return r;
        }

        *ret = TAKE_PTR(ours);
        *ret_others = others;
        return 0;
}

/* Returns whether one of the text consoles is mapped to the frame buffer; without its node that cannot be
 * known. */
static bool has_consoles(const char *framebuffer) {
        _cleanup_free_ char *path = root_path("/dev/%s", framebuffer);
        struct fb_con2fbmap map = { .console = 1 };
        _cleanup_close_ int fd = -1;

        fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
        if (fd < 0)
                return false;

        for (; map.console <= MAX_NR_CONSOLES && ioctl(fd, FBIOGET_CON2FBMAP, &map) >= 0; map.console++)
                if (map.framebuffer == (unsigned) atoi(framebuffer + 2))
                        return true;
        return false;
}

/* The same for a kernel that does not show frame buffers (CONFIG_FB_DEVICE=n): each GPU has one, and the
 * consoles are on that of the one which the firmware used. */
static int cards_have_consoles(char *const *functions) {
        _cleanup_strv_free_ char **ours = NULL;
        bool others = false;
        int r;

        r = list_devices("drm", "card", functions, &ours, &others);
        if (r < 0 || !ours || !others)
                return r < 0 ? r : !!ours;

        for (; *functions; functions++)
                if (gpu_showed_boot(*functions))
                        return 1;
        return 0;
}

/* Returns 1 if the text consoles, if there are any, draw on the GPU, 0 if not, or a negative errno. */
static int consoles_are_on(char *const *functions) {
        _cleanup_strv_free_ char **ours = NULL;
        bool others = false;
        int r;

        r = list_devices("graphics", "fb", functions, &ours, &others);
        if (r >= 0 && !ours && !others)
                return cards_have_consoles(functions);
        if (r < 0 || !ours || !others)
                return r < 0 ? r : !!ours;

        /* Those on another GPU stay where they are. */
        STRV_FOREACH(framebuffer, ours)
                if (has_consoles(*framebuffer))
                        return 1;
        return 0;
}

/* Returns whether one of the function's memory regions covers the address. */
static bool covers(const char *function, unsigned long long address) {
        _cleanup_free_ char *resource = NULL;
        unsigned long long begin, end;

        if (pci_read(function, "resource", &resource) < 0)
                return false;
        for (const char *line = resource; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                if (sscanf(line, "%llx %llx", &begin, &end) == 2 && end > begin && address >= begin && address <= end)
                        return true;
        return false;
}

/* Returns whether a line of /proc/iomem is about the frame buffer that the firmware left: as its device has
 * it (sysfb_create_simplefb()), or the driver, where the device has none. */
static bool is_firmware(const char *line) {
        static const char *const names[] = { ": BOOTFB", ": efifb", ": vesafb", ": efidrm", ": vesadrm" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (endswith(line, names[i]))
                        return true;
        return false;
}

/* Returns whether that frame buffer lies in the GPU's memory. */
static bool firmware_is_on(char *const *functions) {
        _cleanup_free_ char *path = root_path("/proc/iomem"), *iomem = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        unsigned long long begin;

        if (!path || read_text_file(path, 1024 * 1024, &iomem) < 0 || strv_split(iomem, "\n", &lines) < 0)
                return false;

        STRV_FOREACH(line, lines)
                if (is_firmware(*line) && sscanf(*line, "%llx-", &begin) == 1)
                        for (char *const *f = functions; f && *f; f++)
                                if (covers(*f, begin))
                                        return true;
        return false;
}

int firmware_devices(char *const *functions, char ***devices) {
        _cleanup_strv_free_ char **all = NULL;
        _cleanup_free_ char *path = root_path(PLATFORM "/devices");
        int r;

        if (!firmware_is_on(functions))
                return 0;

        r = path ? list_directory(path, &all) : -ENOMEM;
        STRV_FOREACH(device, all)
                if (r >= 0 && strstr(*device, "-framebuffer"))
                        r = strv_extendf(devices, PLATFORM "/devices/%s", *device);
        return r;
}

static int find_firmware(char *const *functions, char ***record) {
        _cleanup_strv_free_ char **devices = NULL;
        int r;

        r = firmware_devices(functions, &devices);
        STRV_FOREACH(device, devices) {
                _cleanup_free_ char *link = root_path("%s/driver", *device), *driver = NULL;

                if (!link)
                        return -ENOMEM;
                if (r >= 0 && read_link_name(link, &driver) >= 0)
                        r = strv_extendf(record, "firmware %s %s", driver, strrchr(*device, '/') + 1);
        }
        return r;
}

static int find_consoles(char *const *functions, char ***record) {
        _cleanup_strv_free_ char **consoles = NULL;
        _cleanup_free_ char *path = root_path(VTCONSOLES);
        int r;

        r = consoles_are_on(functions);
        if (r <= 0)
                return r;

        r = path ? list_directory(path, &consoles) : -ENOMEM;
        if (r == -ENOENT) /* A kernel without virtual terminals. */
                return 0;
        STRV_FOREACH(console, consoles) {
                _cleanup_free_ char *name = NULL;
                bool bound = false;

                if (r >= 0)
                        r = read_console(*console, &name, &bound);
                if (r > 0 && bound)
                        r = strv_extendf(record, "console %s", name);
        }
        return r;
}

/* Binds or unbinds every frame buffer console of that name. */
static int switch_console(const char *wanted, bool bind) {
        _cleanup_strv_free_ char **consoles = NULL;
        _cleanup_free_ char *path = root_path(VTCONSOLES);
        int r;

        r = path ? list_directory(path, &consoles) : -ENOMEM;
        STRV_FOREACH(console, consoles) {
                _cleanup_free_ char *name = NULL;
                bool bound = false;

                if (r >= 0)
                        r = read_console(*console, &name, &bound);
                if (r <= 0 || !streq(name, wanted) || bound == bind)
                        continue;
                r = bind_console(*console, bind);
                if (r >= 0)
                        log_info("%s console '%s' (%s)", bind ? "gave back" : "unbound", name, *console);
        }
        return r;
}

static int switch_firmware(const char *driver_and_device, bool bind) {
        _cleanup_free_ char *device = NULL, *driver = NULL, *path = NULL;
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = strv_split(driver_and_device, " ", &words);
        if (r < 0)
                return r;
        if (strv_length(words) != 2 || strchr(words[0], '/') || strchr(words[1], '/'))
                return -EBADMSG;

        device = root_path(PLATFORM "/devices/%s", words[1]);
        driver = root_path(PLATFORM "/devices/%s/driver", words[1]);
        path = root_path(PLATFORM "/drivers/%s/%s", words[0], bind ? "bind" : "unbind");
        if (!device || !driver || !path)
                return -ENOMEM;

        /* As it should be: an earlier attempt came this far, or ended before it. */
        if (path_exists(driver) == bind)
                return 0;
        r = write_attribute(path, words[1]);
        /* Gone for good is no fault: a driver that took the GPU in the meantime removes the device. */
        return r < 0 && !path_exists(device) ? 0 : r;
}

static int switch_all(char *const *record, bool bind) {
        int r = 0;

        for (; record && *record; record++) {
                const char *console = startswith(*record, "console "), *firmware = startswith(*record, "firmware ");
                int k = -EBADMSG;

                if (console)
                        k = switch_console(console, bind);
                else if (firmware)
                        k = switch_firmware(firmware, bind);
                if (k < 0)
                        r = log_error_errno(k, "cannot %s %s: %m", bind ? "give back" : "unbind", *record);
                if (k < 0 && !bind)
                        return r;
        }
        return r;
}

/* What a stop that failed has not given back is to be given back all the same. */
static int keep_record(int state, char ***record) {
        _cleanup_strv_free_ char **kept = NULL;
        int r;

        r = state_read(state, RECORD_CONSOLES, &kept);
        if (r == -ENOENT)
                return 0;
        STRV_FOREACH(line, kept)
                if (r >= 0 && !strv_contains(*record, *line))
                        r = strv_extend(record, *line);
        return r;
}

int consoles_unbind(char *const *functions, const char *vm, int state) {
        _cleanup_strv_free_ char **record = NULL;
        int r;

        r = find_consoles(functions, &record);
        if (r >= 0)
                r = find_firmware(functions, &record);
        if (r < 0)
                return log_error_errno(r, "cannot look at the consoles of the GPU: %m");
        if (!record)
                return 0;

        r = keep_record(state, &record);
        if (r >= 0)
                r = state_write(state, RECORD_CONSOLES, record);
        if (r < 0)
                return log_error_errno(r, "cannot write " STATE_DIRECTORY "/%s/" RECORD_CONSOLES ": %m", vm);
        return switch_all(record, false);
}

int consoles_bind(const char *vm, int state) {
        _cleanup_strv_free_ char **record = NULL;
        int r;

        r = state_read(state, RECORD_CONSOLES, &record);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY "/%s/" RECORD_CONSOLES ": %m", vm);

        r = switch_all(record, true);
        if (r < 0)
                return r;
        r = state_remove(state, RECORD_CONSOLES);
        return r < 0 ? log_error_errno(r, "cannot remove " STATE_DIRECTORY "/%s/" RECORD_CONSOLES ": %m", vm) : 0;
}
