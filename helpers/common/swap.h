/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "strv.h"

/* One swap as a whole: its units in the service manager, and what is left of it when they are stopped. 'vm'
 * is the VM's name as in the names of units. */

/* The units that end a swap that is only tried, and one that was left unfinished; none of them is a step. */
#define SWAP_TEST "vfio-gpu-test"
#define SWAP_RECOVER "vfio-gpu-recover"

/* The units of what a VM wants of the host beside the GPU: a swap goes on without them. What those
 * of the first list change is on record, and undone by their programs. */
#define SWAP_TUNINGS_RECORDED STRV_MAKE("cpus", "device", "governor", "hugepages")
#define SWAP_TUNINGS STRV_MAKE("bar", "cpus", "device", "governor", "hugepages", "inhibit", "power")

/* Returns whether the unit is that of a tuning. */
bool swap_is_tuning(const char *unit);

/* Returns whether a unit of ours is the VM's target, one of its steps or, in a file's name,
 * vfio-gpu@.service of it: "vfio-gpu-bind@a@b.service" belongs to VM "a@b" alone. */
bool swap_has_unit(const char *unit, const char *vm);

/* Lists the target and the steps of the VM that the manager has loaded and that are in one of the states
 * (NULL: in any). Returns 0 or a negative errno. */
int swap_units(Manager *m, const char *vm, char *const *states, char ***ret);

/* Has vfio-gpu@.service of the VM stopped if it is active still: where the start of another unit has stopped the
 * target, and not a person, only systemd before 254 does that. 'm' may be NULL. */
void swap_end_entry(Manager *m, const char *vm);

/* Looks for a process of the VM's steps or of vfio-gpu@.service. One that is dead, and its parent may not have
 * noticed yet, is none of them, nor one that only holds a lock: it has nothing of the GPU, and is asked to end.
 * Returns 1 with the process and its unit, 0 if there is none, or a negative errno. */
int swap_find_process(const char *vm, char **ret_pid, char **ret_unit);

/* Told, each time that the wait has taken long, who has the functions open ("qemu (pid 812, …) on
 * /dev/vfio/13", NULL for nobody) and which units are being stopped. */
typedef void (*SwapWaiting)(const char *who, char *const *units);

/* Asks for the units of the desktop, in the reverse order: the service manager starts them the moment the
 * last step is undone. Returns whether it takes that for each of them. */
bool swap_ask_for_desktop(Manager *m, char *const *units);

/* Stops the target and the steps and waits until they are undone, which takes as long as a VM has the
 * functions. Returns 0 however the steps ended, or a negative errno after it logged why. */
int swap_stop(Manager *m, const char *vm, SwapWaiting waiting);

/* Asks for the end of the units that run only while the VM has the GPU, as far as that is still on record.
 * Returns 0 or a negative errno after it logged why. */
int swap_stop_started(Manager *m, int state);

/* Starts the units of the desktop, or restarts them if they may have begun without the GPU, and waits until
 * they run, for a limited time. Warns where one does not. */
void swap_wait_for_desktop(Manager *m, char *const *units, bool restart);

/* What the status of vfio-gpu@.service says, before the VM's name, once its start is done. */
#define SWAP_READY "The GPU is ready for VM "

/* Returns whether the status of a unit that has failed says why. */
bool swap_is_reason(const char *status);

/* Returns in words how the program of a unit ended, which is what its property Result= says. */
const char *swap_result(const char *result);

/* Says that vfio-gpu@.service was killed, or took too long, where its start could not say so itself.
 * 'vm_name' is the VM's name as people know it; 'begun' is whether there is anything to take back. */
void swap_tell_start(Manager *m, const char *vm, const char *vm_name, bool begun);

/* Says which of the VM's units have failed that could not say so themselves, and so not what they have left. */
void swap_tell_silent(Manager *m, const char *vm);

/* Lists the records of what is not yet undone. Returns 0 or a negative errno. */
int swap_unfinished(int state, char ***ret);

/* Removes the copies of units and every record, and says before the last one, if 'tell', that the host has its
 * GPU back. Returns 0, -EBUSY where not everything is undone and the records have to stay, or another negative
 * errno, each after it logged why. */
int swap_finish(Manager *m, const char *vm, int state, bool tell);
