/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "clock.h"
#include "group.h"
#include "holders.h"
#include "journal.h"
#include "libvirt.h"
#include "messages.h"
#include "strv.h"
#include "swap.h"
#include "vm-end.h"

/* How often the service manager is asked for more time while a VM runs, and for how much. */
#define PATIENCE_MSEC 10000
#define PATIENCE_USEC (60 * USEC_PER_SEC)

/* How long until it is looked again for what no event tells. */
#define MOMENT_MSEC 100

/* Libvirt takes a second for what it does then, unless it hangs or does not run. */
#define LIBVIRT_TIMEOUT_SEC 30

/* Returns 1 if any of them is held, -ENOENT if that is to be seen from the open files alone, or another
 * errno. */
static int are_open(char *const *functions) {
        int r = 0, k;

        for (; r <= 0 && functions && *functions; functions++) {
                k = group_is_open(*functions);
                if (k < 0 && k != -ENOENT)
                        return k;
                r = k == 0 ? r : k;
        }
        return r;
}

static int tell_vm(const Holder *holders, size_t n, bool said) {
        _cleanup_free_ char *who = n > 0 ? holders_describe(holders, n) : strdup("a process that is ending");

        if (!who)
                return -ENOMEM;
        if (!said)
                (void) log_full(LOG_NOTICE, 0, &(LogSubject) { .id = MESSAGE_VM_RUNNING },
                                "waiting for the VM that still has the GPU: %s; end it with 'virsh shutdown' or "
                                "'virsh destroy'", who);
        journal_status("Waiting for the VM that still has the GPU: %s", who);
        return 0;
}

static void extend_time(const Task *task) {
        journal_extend_time(PATIENCE_USEC + task->timeout * USEC_PER_SEC);
}

/* Unbinding a function from vfio-pci would wait in the kernel for the VM that has it; waiting here can be
 * seen and interrupted. */
static int wait_for_vm(const Task *task, char *const *functions) {
        _cleanup_strv_free_ char **nodes = NULL;
        int r;

        r = nodes_of_vfio(functions, &nodes);
        for (bool said = false; r >= 0; said = true) {
                Holder *holders = NULL;
                size_t n = 0;
                int open = are_open(functions);

                r = open == -ENOENT || open > 0 ? holders_find(nodes, &holders, &n) : open;
                if (r < 0 || (n == 0 && open <= 0))
                        break;

                r = tell_vm(holders, n, said);
                /* First, since the bus can take its time as well. */
                extend_time(task);
                if (!said)
                        swap_end_entry(NULL, task->vm);
                /* The files of a process that ends cannot be seen any more, until they are closed. */
                if (r >= 0)
                        r = holders_wait(nodes, holders, n, n > 0 ? PATIENCE_MSEC : MOMENT_MSEC);
                holders_free(holders, n);
        }
        return r;
}

/* When QEMU has ended, libvirt resets the functions whatever driver they are on by then, and through the bus
 * where they have no better way: virPCIDeviceReset(). A driver of the host would not survive that. Returns 1
 * if a VM has them again. */
static int wait_for_libvirt(const Task *task, char *const *functions) {
        uint64_t deadline = clock_now() + LIBVIRT_TIMEOUT_SEC * USEC_PER_SEC;
        int r;

        for (bool said = false;; said = true) {
                _cleanup_free_ char *file = NULL;

                r = libvirt_find_domain(functions, &file);
                if (r > 0 && are_open(functions) > 0)
                        return 1;
                if (r <= 0)
                        return r;
                if (clock_left(deadline) == 0) {
                        log_warning("libvirt has not cleaned up after the VM (%s) for %i s; taking the GPU "
                                    "back all the same", file, LIBVIRT_TIMEOUT_SEC);
                        return 0;
                }
                if (!said) {
                        extend_time(task);
                        journal_status("Waiting for libvirt to clean up after the VM (%s)", file);
                }
                r = holders_wait(STRV_MAKE(file), NULL, 0, MOMENT_MSEC);
                if (r < 0)
                        return r;
        }
}

int vm_wait_end(const Task *task, char *const *functions) {
        int r;

        do {
                r = wait_for_vm(task, functions);
                if (r >= 0)
                        r = wait_for_libvirt(task, functions);
        } while (r > 0);
        return r;
}
