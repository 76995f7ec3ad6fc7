/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "gpu.h"
#include "pci.h"
#include "root.h"
#include "strv.h"
#include "text.h"

static bool is_boot_gpu(const char *address) {
        unsigned long boot_vga;
        int class;

        if (pci_read_number(address, "boot_vga", &boot_vga) < 0 || boot_vga != 1)
                return false;
        class = pci_class(address);
        return class >= 0 && pci_class_is_display(class);
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
                return refusal(ret_problem, "%s is a bridge, which always stays with the host", address);
        if (strv_contains(*functions, address))
                return refusal(ret_problem, "%s is listed twice", address);
        return strv_extend(functions, address);
}

static int add_boot_gpu(char ***functions, char **ret_problem) {
        _cleanup_strv_free_ char **bus = NULL;
        _cleanup_free_ char *path = root_path("/sys/bus/pci/devices");
        const char *gpu = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = pci_list(path, &bus);
        if (r < 0)
                return refusal(ret_problem,
                               "auto finds no GPU, since /sys/bus/pci/devices cannot be read: %s",
                               strerror(-r));

        STRV_FOREACH(address, bus)
                if (is_boot_gpu(*address)) {
                        gpu = *address;
                        break;
                }
        if (!gpu)
                return refusal(ret_problem,
                               "auto finds no GPU, no function of a display class has boot_vga=1: "
                               "expected the addresses of the functions");

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
