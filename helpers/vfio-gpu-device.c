/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sets attributes of the functions before vfio-pci has them, and gives them back once the host's drivers
 * have the functions again: how they are reset, and how deep they may sleep. */

#include "attribute.h"
#include "log.h"
#include "step.h"
#include "strv.h"

#define RECORD "device"

static int start(const Task *task) {
        _cleanup_strv_free_ char **assignments = NULL;
        int r = 0;

        STRV_FOREACH(attribute, task->attributes)
                if (r >= 0)
                        r = strv_extendf(&assignments, "/sys/bus/pci/devices/%s", *attribute);
        if (r < 0)
                return log_oom();
        r = attributes_set(task->vm, RECORD, assignments);
        STRV_FOREACH(attribute, task->attributes)
                if (r >= 0)
                        log_info("set %s", *attribute);
        return r;
}

static int stop(const Task *task) {
        return attributes_restore(task->vm, RECORD);
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
