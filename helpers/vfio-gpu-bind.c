/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that gives the functions to vfio-pci, and takes them from it once no VM has them. */

#include "function.h"
#include "group.h"
#include "journal.h"
#include "messages.h"
#include "pci.h"
#include "step.h"
#include "strv.h"
#include "vm-end.h"

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

        ret = vm_wait_end(task->functions);
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
