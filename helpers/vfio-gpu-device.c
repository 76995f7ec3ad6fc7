/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sets attributes of the functions before vfio-pci has them, and gives them back once the host's drivers
 * have the functions again: how they are reset, and how deep they may sleep. */

#include "attribute.h"
#include "log.h"
#include "step.h"
#include "strv.h"

#define RECORD "device"

static int set(const Task *task, const char *attribute) {
        _cleanup_free_ char *assignment = NULL;
        int r;

        if (asprintf(&assignment, "/sys/bus/pci/devices/%s", attribute) < 0)
                return log_oom();
        r = attributes_set(task->vm, RECORD, STRV_MAKE(assignment));
        if (r >= 0)
                log_info("set %s", attribute);
        return r;
}

/* One that cannot be set does not keep the others; where that is so of all, nothing is to be undone. */
static int start(const Task *task) {
        bool any = false;
        int ret = 0;

        STRV_FOREACH(attribute, task->attributes) {
                int r = set(task, *attribute);

                any = any || r >= 0;
                ret = r < 0 ? r : ret;
        }
        return any ? 0 : ret;
}

static int stop(const Task *task) {
        return attributes_restore(task->vm, RECORD);
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
