/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "cpu-set.h"
#include "root.h"

#define CONTROLLERS "/sys/fs/cgroup/cgroup.controllers"
#define ONLINE "/sys/devices/system/cpu/online"
#define LINE_MAX_BYTES 65536

/* With the hierarchies of before, the service manager takes the property and does nothing. */
static int check_controller(CheckContext *c) {
        _cleanup_free_ char *path = root_path(CONTROLLERS), *controllers = NULL;

        if (!path)
                return -ENOMEM;
        if (read_text_file(path, LINE_MAX_BYTES, &controllers) >= 0 && strstr(controllers, "cpuset"))
                return 0;
        return findings_add(c->findings, FINDING_CPUS_UNSUPPORTED, "AllowedCPUs=",
                            "AllowedCPUs= has no effect: there is no controller 'cpuset' in " CONTROLLERS
                            "; boot with the unified hierarchy of control groups, or take AllowedCPUs= out");
}

static int check_machine(CheckContext *c, const CpuSet *online, const char *there) {
        CpuSet missing = { 0 };
        _cleanup_free_ char *list = NULL;

        if (cpu_set_add(&missing, c->check->allowed_cpus) < 0)
                return -EINVAL;
        cpu_set_remove(&missing, online);
        if (cpu_set_is_empty(&missing))
                return 0;
        list = cpu_set_list(&missing);
        if (!list)
                return -ENOMEM;
        return findings_add(c->findings, FINDING_CPUS_OUTSIDE, list,
                            "AllowedCPUs= names CPUs %s, and those of this machine that are online are %s: correct it "
                            "in vfio-gpu.conf", list, there);
}

int check_cpus(CheckContext *c) {
        _cleanup_free_ char *path = root_path(ONLINE), *there = NULL;
        CpuSet online = { 0 };
        int r;

        if (!c->check->allowed_cpus)
                return 0;
        r = path ? read_text_file(path, LINE_MAX_BYTES, &there) : -ENOMEM;
        if (r >= 0)
                r = cpu_set_add(&online, there);
        if (r >= 0)
                r = check_machine(c, &online, there);
        return r < 0 ? r : check_controller(c);
}
