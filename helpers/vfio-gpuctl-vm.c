/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"
#include "unit-name.h"
#include "vfio-gpuctl.h"

const Vm *look_up_vm(const Config *config, const char *name) {
        _cleanup_free_ char *unescaped = NULL;
        const Vm *vm = config_find_vm(config, name);

        if (!vm && vm_name_unescape(name, &unescaped) >= 0)
                vm = config_find_vm(config, unescaped);
        return vm;
}

const Vm *find_vm(const Config *config, const char *name) {
        const Vm *vm = look_up_vm(config, name);

        if (!vm)
                log_error(NO_SECTION ".", name);
        return vm;
}
