/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that gives the functions to vfio-pci, and takes them from it once no VM has them. */

#include <fcntl.h>

#include <systemd/sd-daemon.h>

#include "clock.h"
#include "function.h"
#include "group.h"
#include "holders.h"
#include "journal.h"
#include "messages.h"
#include "pci.h"
#include "root.h"
#include "step.h"
#include "strv.h"

/* How often the service manager is asked for more time while a VM runs, and for how much. */
#define PATIENCE_MSEC 10000
#define PATIENCE_USEC (60 * USEC_PER_SEC)

static int bind_function(const char *address) {
        LogSubject subject = { .id = MESSAGE_DRIVER_WRONG, .function = address };
        int r;

        r = function_bind(address, VFIO_DRIVER);
        if (r == -ENXIO)
                return log_full(LOG_ERR, r, &subject, "vfio-pci did not take %s; the kernel's log says why "
                                "(journalctl -k)", address);
        if (r < 0)
                return log_full(LOG_ERR, r, &subject, "cannot give %s to vfio-pci: %m", address);
        log_info("gave %s to vfio-pci", address);
        return 0;
}

static int start(const Task *task) {
        STRV_FOREACH(address, task->functions) {
                int r = bind_function(*address);

                if (r < 0)
                        return r;
        }

        STRV_FOREACH(address, task->functions) {
                _cleanup_free_ char *problem = NULL;
                int r = group_problem(*address, NULL, &problem);

                if (r < 0)
                        return log_error_errno(r, "cannot look at the IOMMU group of %s: %m", *address);
                if (problem)
                        return log_full(LOG_ERR, EBUSY,
                                        &(LogSubject) { .id = MESSAGE_GROUP_NOT_VIABLE, .function = *address },
                                        "%s", problem);
        }
        return 0;
}

/* Unbinding a function from vfio-pci would wait in the kernel for the VM that has it; waiting here can be seen and
 * interrupted. */
static int wait_for_vm(char *const *functions) {
        _cleanup_strv_free_ char **nodes = NULL;
        int r;

        r = nodes_of_vfio(functions, &nodes);
        for (bool said = false; r >= 0; said = true) {
                _cleanup_free_ char *who = NULL;
                Holder *holders = NULL;
                size_t n = 0;

                r = holders_find(nodes, &holders, &n);
                if (r < 0 || n == 0)
                        break;

                who = holders_describe(holders, n);
                if (!said)
                        (void) log_full(LOG_NOTICE, 0, &(LogSubject) { .id = MESSAGE_VM_RUNNING },
                                        "waiting for the VM that still has the GPU: %s; end it with 'virsh shutdown' or "
                                        "'virsh destroy'", who ?: "?");
                journal_status("Waiting for the VM that still has the GPU: %s", who ?: "?");
                (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%llu", (unsigned long long) PATIENCE_USEC);
                r = holders_wait(nodes, holders, n, PATIENCE_MSEC);
                holders_free(holders, n);
        }
        return r;
}

static int take_back(const char *address) {
        int r;

        /* The next step says so. */
        if (pci_is_gone(address))
                return 0;

        r = function_is_driven_by(address, VFIO_DRIVER);
        if (r == 0)
                return 0;
        if (r > 0)
                r = function_unbind(address);
        if (r < 0)
                return log_full(LOG_ERR, r, &(LogSubject) { .function = address }, "cannot take %s from vfio-pci: %m",
                                address);
        log_info("took %s from vfio-pci", address);
        return 0;
}

static int stop(const Task *task) {
        int ret;

        ret = wait_for_vm(task->functions);
        if (ret < 0) {
                _cleanup_free_ char *functions = strv_join(task->functions, " ");

                return log_error_errno(ret, "cannot find out whether a VM still has %s: %m", functions ?: "the GPU");
        }

        STRV_FOREACH(address, task->functions) {
                int r = take_back(*address);

                if (r < 0)
                        ret = r;
        }
        return ret;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
