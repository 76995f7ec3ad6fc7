/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that has vfio-pci and what it needs in the kernel. They may stay there, so there is nothing to
 * undo. */

#include "function.h"
#include "log.h"
#include "module.h"
#include "root.h"
#include "step.h"

static int start(_unused_ const Task *task) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        _cleanup_free_ char *driver = root_path("/sys/bus/pci/drivers/" VFIO_DRIVER);
        bool is_there = driver && path_exists(driver);
        int r;

        /* A kernel without modules can have the driver all the same, and one whose files an upgrade has removed
         * keeps what it has. */
        r = is_there ? module_try_open(&kmod) : module_open(&kmod);
        if (r < 0)
                return is_there ? 0 : r;

        r = module_load(kmod, VFIO_DRIVER);
        if (r < 0 && !is_there)
                return log_full(LOG_ERR, r, &(LogSubject) { .module = VFIO_DRIVER },
                                "cannot load vfio-pci: %m; does 'modinfo vfio-pci' find it for the running kernel? "
                                "After an upgrade of the kernel, reboot");

        /* Needed once a VM opens the group, and loaded by the kernel then; but that would be too late to
         * fail. Kernels that use iommufd instead have none. */
        r = module_load(kmod, "vfio_iommu_type1");
        if (r < 0 && r != -ENOENT)
                return log_full(LOG_ERR, r, &(LogSubject) { .module = "vfio_iommu_type1" },
                                "cannot load vfio_iommu_type1: %m");
        log_info("vfio-pci is in the kernel");
        return 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start });
}
