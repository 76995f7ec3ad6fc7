/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>

#include <libudev.h>

#include "clock.h"
#include "drm-card.h"
#include "log.h"

DEFINE_CLEANUP(struct udev *, udev_unref)
DEFINE_CLEANUP(struct udev_monitor *, udev_monitor_unref)
DEFINE_CLEANUP(struct udev_device *, udev_device_unref)
DEFINE_CLEANUP(struct udev_enumerate *, udev_enumerate_unref)

/* Returns the DRM card below the function as udev knows it, or NULL. */
static struct udev_device *find_card(struct udev *udev, const char *address) {
        _cleanup_(udev_enumerate_unrefp) struct udev_enumerate *found = udev_enumerate_new(udev);
        _cleanup_(udev_device_unrefp) struct udev_device *pci = NULL;
        struct udev_list_entry *entry;

        pci = udev_device_new_from_subsystem_sysname(udev, "pci", address);
        if (!found || !pci)
                return NULL;

        (void) udev_enumerate_add_match_subsystem(found, "drm");
        (void) udev_enumerate_add_match_sysname(found, "card[0-9]*");
        (void) udev_enumerate_add_match_parent(found, pci);
        (void) udev_enumerate_scan_devices(found);
        udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(found)) {
                struct udev_device *card = udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));

                if (card && udev_device_get_devnode(card)) /* not a connector */
                        return card;
                (void) udev_device_unref(card);
        }
        return NULL;
}

static bool card_is_ready(struct udev *udev, const char *address) {
        _cleanup_(udev_device_unrefp) struct udev_device *card = find_card(udev, address);

        return card && udev_device_get_is_initialized(card);
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
        _cleanup_(udev_monitor_unrefp) struct udev_monitor *monitor = listen(udev);
        struct pollfd event = { .events = POLLIN };

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
