/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>

#include <libudev.h>

#include "clock.h"
#include "drm-card.h"
#include "log.h"
#include "pci.h"
#include "strv.h"

DEFINE_CLEANUP(struct udev *, udev_unref)
DEFINE_CLEANUP(struct udev_monitor *, udev_monitor_unref)
DEFINE_CLEANUP(struct udev_device *, udev_device_unref)

/* An enumeration by libudev would look at everything below the function, and take ten times as long. */
static bool card_is_ready(struct udev *udev, const char *address) {
        _cleanup_strv_free_ char **names = NULL;

        (void) pci_class_devices(address, "drm", &names);
        STRV_FOREACH(name, names) {
                _cleanup_(udev_device_unrefp) struct udev_device *card = NULL;

                card = startswith(*name, "card") ? udev_device_new_from_subsystem_sysname(udev, "drm", *name) : NULL;
                if (card && udev_device_get_devnode(card)) /* not a connector */
                        return udev_device_get_is_initialized(card);
        }
        return false;
}

static struct udev_monitor *listen(struct udev *udev) {
        struct udev_monitor *monitor = udev ? udev_monitor_new_from_netlink(udev, "udev") : NULL;

        if (monitor && udev_monitor_filter_add_match_subsystem_devtype(monitor, "drm", NULL) >= 0 &&
            udev_monitor_enable_receiving(monitor) >= 0)
                return monitor;
        (void) udev_monitor_unref(monitor);
        return NULL;
}

void drm_card_wait(const char *address, uint64_t deadline) {
        _cleanup_(udev_unrefp) struct udev *udev = udev_new();
        _cleanup_(udev_monitor_unrefp) struct udev_monitor *monitor = NULL;
        struct pollfd event = { .events = POLLIN };

        if (udev && card_is_ready(udev, address))
                return;

        monitor = listen(udev);
        if (!monitor) {
                log_warning("cannot listen to udev; the desktop may come back before the screen");
                return;
        }
        event.fd = udev_monitor_get_fd(monitor);
        while (!card_is_ready(udev, address)) {
                if (clock_left(deadline) == 0) {
                        log_warning("the DRM device of %s has not appeared; going on without it", address);
                        return;
                }
                (void) poll(&event, 1, clock_left(deadline));
                (void) udev_device_unref(udev_monitor_receive_device(monitor));
        }
}
