/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "device-setting.h"
#include "strv.h"

typedef int (*AddSettings)(const Device *device, char ***list);

static int add_for_each(const Config *config, char *const *functions, AddSettings add, char ***list) {
        int r = 0;

        for (; functions && *functions && r >= 0; functions++) {
                const Device *device = config_find_device(config, *functions);

                if (device)
                        r = add(device, list);
        }
        return r;
}

static int add_power(const Device *device, char ***list) {
        const char *control = device->settings.values[KEY_POWER_CONTROL].choice;

        return control ? strv_extendf(list, "%s/power/control=%s", device->address, control) : 0;
}

static int add_attributes(const Device *device, char ***list) {
        _cleanup_free_ char *methods = strv_join(device->settings.values[KEY_RESET_METHOD].list, " ");
        const char *d3cold = device->settings.values[KEY_D3COLD].choice;
        int r = methods ? 0 : -ENOMEM;

        if (r >= 0 && *methods)
                r = strv_extendf(list, "%s/reset_method=%s", device->address, methods);
        if (r >= 0 && d3cold)
                r = strv_extendf(list, "%s/d3cold_allowed=%i", device->address, streq(d3cold, "yes"));
        return r < 0 ? r : add_power(device, list);
}

static int add_bars(const Device *device, char ***list) {
        int r = 0;

        STRV_FOREACH(size, device->settings.values[KEY_RESIZE_BAR].list)
                if (r >= 0)
                        r = strv_extendf(list, "%s/resource%c_resize=%s", device->address, **size, *size + 2);
        return r;
}

int device_attributes(const Config *config, char *const *functions, char ***ret) {
        return add_for_each(config, functions, add_attributes, ret);
}

int device_power(const Config *config, char *const *functions, char ***ret) {
        return add_for_each(config, functions, add_power, ret);
}

int device_bars(const Config *config, char *const *functions, char ***ret) {
        return add_for_each(config, functions, add_bars, ret);
}
