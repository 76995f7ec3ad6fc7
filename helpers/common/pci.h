/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* PCI functions by their address as the kernel writes it: "0000:01:00.0". */

/* Brings an address into the kernel's form; "01:00.0" is taken to be in domain 0000. Returns 0 with a string
 * to be freed, -EINVAL for anything that is no address, or -ENOMEM. */
int pci_address_parse(const char *s, char **ret);

/* Returns whether two addresses in the kernel's form differ in the function number alone. */
bool pci_same_slot(const char *a, const char *b);

/* Lists the functions in a directory of sysfs; what is no address is passed over. Returns 0 or a negative
 * errno. */
int pci_list(const char *path, char ***ret);

/* Returns the path of an attribute (or of the function itself for ""), to be freed, or NULL without memory. */
char *pci_path(const char *address, const char *attribute);

/* Returns whether the function is on the bus. */
bool pci_exists(const char *address);

/* Returns whether the function is not on the bus for sure; an error that could mean anything does not count. */
bool pci_is_gone(const char *address);

/* Reads an attribute. Returns 0 with a string to be freed, or a negative errno. */
int pci_read(const char *address, const char *attribute, char **ret);

/* Reads an attribute that holds a number ("0x030000"). Returns 0 or a negative errno. */
int pci_read_number(const char *address, const char *attribute, unsigned long *ret);

/* Writes an attribute. Returns 0 or a negative errno. */
int pci_write(const char *address, const char *attribute, const char *value);

/* Reads the name that a link ("driver", "iommu_group") points at. Returns 1 with a string to be freed, 0
 * with NULL if there is no such link, or a negative errno (-ENODEV where the function is not on the bus). */
int pci_read_link(const char *address, const char *link, char **ret);

/* Follows a link of /sys/class. Returns 1 if the device there hangs on the function, itself or on a child of
 * it as a virtio GPU's does; 0 if not, or if there is no such link; or -ENOMEM. */
int pci_carries(const char *address, const char *link);
/* Lists the devices of a class ("block", "net") that hang on the function, whatever is between. Returns 0 or
 * a negative errno. */
int pci_class_devices(const char *address, const char *class, char ***ret);

/* Reads driver_override, "" where there is none. Returns 0 with a string to be freed, or a negative errno. */
int pci_read_override(const char *address, char **ret);

/* Base classes and classes, as the upper 8 and 16 of the 24 bits of the "class" attribute. */
#define PCI_BASE_CLASS_DISPLAY 0x03
#define PCI_BASE_CLASS_BRIDGE 0x06
#define PCI_CLASS_HOST_BRIDGE 0x0600
#define PCI_CLASS_HDA 0x0403

/* Returns the class (base class and sub-class, 16 bits), or a negative errno. */
int pci_class(const char *address);

static inline bool pci_class_is_display(int class) {
        return class >> 8 == PCI_BASE_CLASS_DISPLAY;
}

/* Bridges stay on their own driver whatever is done with what is behind them. */
static inline bool pci_class_is_bridge(int class) {
        return class >> 8 == PCI_BASE_CLASS_BRIDGE;
}
