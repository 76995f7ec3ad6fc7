/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>

#include "gpu.h"
#include "pci.h"
#include "root.h"
#include "strv.h"
#include "text.h"

static bool is_display(const char *address) {
        int class = pci_class(address);

        return class >= 0 && pci_class_is_display(class);
}

static bool has_mark(const char *address, const char *attribute) {
        unsigned long marked;

        return pci_read_number(address, attribute, &marked) >= 0 && marked == 1;
}

/* Linux 6.18 brought this mark, which GPUs without VGA can have as well, to the DRM device: while no driver
 * of the host's has the GPU, it has none. */
static bool is_boot_display(const char *address) {
        _cleanup_free_ char *path = pci_path(address, "drm");
        _cleanup_strv_free_ char **names = NULL;

        if (!path || list_directory(path, &names) < 0)
                return false;
        STRV_FOREACH(name, names) {
                char attribute[sizeof("drm//boot_display") + NAME_MAX];

                (void) snprintf(attribute, sizeof(attribute), "drm/%s/boot_display", *name);
                if (startswith(*name, "card") && has_mark(address, attribute))
                        return true;
        }
        return false;
}

static bool is_boot_vga(const char *address) {
        return has_mark(address, "boot_vga");
}

bool gpu_showed_boot(const char *address) {
        return is_boot_display(address) || is_boot_vga(address);
}

/* The second mark is lost where the function was removed from the bus. One GPU alone needs none. */
static const char *find_boot_gpu(char *const *bus) {
        static bool (*const marks[])(const char *address) = { is_boot_display, is_boot_vga };
        const char *only = NULL;
        size_t n = 0;

        for (size_t i = 0; i < ELEMENTSOF(marks); i++)
                for (char *const *address = bus; address && *address; address++)
                        if (is_display(*address) && marks[i](*address))
                                return *address;
        for (; bus && *bus; bus++)
                if (is_display(*bus)) {
                        only = *bus;
                        n++;
                }
        return n == 1 ? only : NULL;
}

static bool is_audio_of(const char *address, const char *gpu) {
        unsigned long vendor, gpu_vendor;

        return pci_same_slot(gpu, address) &&
               pci_class(address) == PCI_CLASS_HDA &&
               pci_read_number(address, "vendor", &vendor) >= 0 &&
               pci_read_number(gpu, "vendor", &gpu_vendor) >= 0 &&
               vendor == gpu_vendor;
}

static int add_function(char ***functions, const char *address, char **ret_problem) {
        int class = pci_class(address);

        if (class >= 0 && pci_class_is_bridge(class))
                return refusal(ret_problem, "%s is a %s, which always stays with the host: take it out%s", address,
                               class == PCI_CLASS_HOST_BRIDGE ? "host bridge" : "bridge",
                               class == PCI_CLASS_HOST_BRIDGE ? "" : ", a VM gets the devices behind it");
        if (strv_contains(*functions, address))
                return refusal(ret_problem, "%s is listed twice", address);
        return strv_extend(functions, address);
}

static int add_boot_gpu(char ***functions, char **ret_problem) {
        _cleanup_strv_free_ char **bus = NULL;
        _cleanup_free_ char *path = root_path("/sys/bus/pci/devices");
        const char *gpu;
        int r;

        if (!path)
                return -ENOMEM;
        r = pci_list(path, &bus);
        if (r < 0)
                return refusal(ret_problem,
                               "auto finds no GPU, since /sys/bus/pci/devices cannot be read: %s",
                               strerror(-r));

        gpu = find_boot_gpu(bus);
        if (!gpu)
                return refusal(ret_problem,
                               "auto finds no GPU, no function of a display class has boot_vga=1, and there is not "
                               "just one: expected the addresses of the functions");

        r = add_function(functions, gpu, ret_problem);
        STRV_FOREACH(address, bus)
                if (r >= 0 && is_audio_of(*address, gpu))
                        r = add_function(functions, *address, ret_problem);
        return r;
}

int gpu_functions(char *const *words, char ***ret, char **ret_problem) {
        _cleanup_strv_free_ char **functions = NULL;
        int r;

        for (; words && *words; words++) {
                r = streq(*words, "auto") ? add_boot_gpu(&functions, ret_problem) :
                                            add_function(&functions, *words, ret_problem);
                if (r < 0)
                        return r;
        }
        if (!functions)
                return refusal(ret_problem, "no function to hand over is left, expected auto or addresses");

        *ret = TAKE_PTR(functions);
        return 0;
}
