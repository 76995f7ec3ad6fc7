/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "unit-name.h"
#include "vfio-gpuctl.h"

const Vm *find_vm(const Config *config, const char *name) {
        _cleanup_free_ char *unescaped = NULL;
        const Vm *vm = config_find_vm(config, name);

        if (!vm && vm_name_unescape(name, &unescaped) >= 0)
                vm = config_find_vm(config, unescaped);
        if (!vm)
                log_error("no section [VM %s] in vfio-gpu.conf or its drop-ins.", name);
        return vm;
}
