/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* One PCI function as it was before the swap touched it, and the way back to that. */
typedef struct Function {
        char *address;
        char *driver;   /* "" where none was bound */
        char *module;   /* the driver's kernel module, "" where it is built in */
        char *override; /* driver_override, "" where none was set */
        bool drm;       /* a DRM device belonged to it */
        bool sleeps;    /* its power/control was "auto" */
} Function;

#define VFIO_DRIVER "vfio-pci"

/* Frees an array that ends with an entry without an address. */
void functions_free(Function *functions);
DEFINE_CLEANUP(Function *, functions_free)
#define _cleanup_functions_free_ _cleanup_(functions_freep)

/* Looks at one function as it is now. Returns 0 or a negative errno, after which what is there is to be
 * freed as well. */
int function_read(const char *address, Function *ret);

/* Takes those that are on the bus no more out of the array, with a warning for each. One that appears again
 * is a new function: without an override, and its driver finds it. */
void functions_drop_gone(Function *functions);

/* Looks at those of the functions that are not in the array yet (NULL: at all), as they are now, and adds them.
 * Returns 0, or a negative errno after it logged why. */
int functions_add(Function **functions, char *const *addresses);

/* Lists the addresses. Returns 0 or -ENOMEM. */
int functions_addresses(const Function *functions, char ***ret);

/* Adds the functions that the driver has and that are not among these. Returns 0 or a negative errno. */
int driver_others(const char *driver, char *const *functions, char ***others);

/* Lists the modules to unload: those that are listed and, with 'automatic', NVIDIA's that drive one of the
 * functions, unless another needs one that there is no need to unload. Returns 0 or a negative errno. */
int functions_modules(const Function *functions, bool automatic, char *const *listed, char ***ret);

/* Keeps the functions in the record of a swap. Returns 0 or a negative errno. */
int functions_save(int state, const Function *functions);

/* Forgets them. Returns 0 or a negative errno. */
int functions_forget(int state);

/* Reads them back. Returns 0, -ENOENT where there is no record, -EBADMSG where it cannot be read, or another
 * errno. */
int functions_load(int state, Function **ret);

/* Lists the VMs (their escaped names) that were handed one of the functions and have not given it back, but for
 * 'except' (NULL: all of them). Returns 0 or a negative errno. */
int functions_owners(char *const *addresses, const char *except, char ***ret);

/* Finds the driver that one of the VMs (their escaped names) gives the function back to. Returns 1 with its name
 * to be freed, "" for none, 0 if none of them was handed the function, or -ENOMEM. */
int functions_recorded_driver(char *const *vms, const char *address, char **ret);

/* Keeps a function for a VM, and does nothing with it. */
#define STUB_DRIVER "pci-stub"

/* Returns whether the driver is one of VFIO's: vfio-pci, or one that stands for it with some devices, as
 * mlx5_vfio_pci does. */
bool driver_is_vfio(const char *driver);

/* Returns whether the driver waits in the kernel for its users, without limit, when a function is unbound
 * from it or removed from the bus. Unloading its module fails instead. */
bool driver_waits(const char *driver);

/* Takes the function from its driver, whatever that is. Returns 0 also where none is bound, or a negative
 * errno. */
int function_unbind(const char *address);

/* Sets driver_override; "" clears it. Returns 0 or a negative errno. */
int function_set_override(const char *address, const char *driver);

/* Lets the function sleep again if it was allowed to: vfio-pci forbids that when it lets go of one. Returns 0
 * or a negative errno. */
int function_restore_power(const Function *f);

/* Makes the kernel bind the function to 'driver' and to no other, and looks whether it did. Leaves
 * driver_override at that driver. Returns 0, -ENXIO where the driver did not take it, or another negative
 * errno. */
int function_bind(const char *address, const char *driver);

/* Returns 1 if the function is driven by 'driver', 0 if not, or a negative errno. */
int function_is_driven_by(const char *address, const char *driver);
