/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sets the governor of every CPU's frequency while the VM has the GPU. */

#include "attribute.h"
#include "cpu-policy.h"
#include "log.h"
#include "step.h"
#include "strv.h"

#define RECORD "governor"

static int start(const Task *task) {
        _cleanup_strv_free_ char **policies = NULL, **assignments = NULL;
        int r;

        if (!task->cpu_governor)
                return log_error_errno(EINVAL, "no --cpu-governor= is given");
        r = cpu_policies(&policies);
        STRV_FOREACH(policy, policies)
                if (r >= 0)
                        r = strv_extendf(&assignments, CPU_POLICIES "/%s/scaling_governor=%s", *policy,
                                         task->cpu_governor);
        if (r < 0)
                return log_error_errno(r, "cannot list " CPU_POLICIES ": %m");
        if (!policies)
                return log_error_errno(ENODEV,
                                       "cannot set governor %s: no driver of the kernel's changes the frequency of "
                                       "this machine's CPUs (" CPU_POLICIES ")", task->cpu_governor);

        r = attributes_set(task->vm, RECORD, assignments);
        if (r >= 0)
                log_info("the CPUs have governor %s", task->cpu_governor);
        return r;
}

static int stop(const Task *task) {
        return attributes_restore(task->vm, RECORD);
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
