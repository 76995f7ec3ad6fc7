/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sets power/control of the functions once more, after vfio-pci has them: it allows them to sleep when it
 * gets one, whatever was set, and forbids it again when it lets go of one. What was set before is on record
 * with vfio-gpu-device, so nothing is undone here. */

#include "log.h"
#include "root.h"
#include "step.h"
#include "strv.h"

static int set(const char *attribute) {
        const char *value = strchr(attribute, '=');
        _cleanup_free_ char *path = NULL;
        int r;

        if (!value)
                return log_error_errno(EINVAL, "'%s' is no assignment to an attribute", attribute);
        path = root_path("/sys/bus/pci/devices/%.*s", (int) (value - attribute), attribute);
        r = path ? write_attribute(path, value + 1) : -ENOMEM;
        return r < 0 ? log_error_errno(r, "cannot set /sys/bus/pci/devices/%s: %m", attribute) : 0;
}

static int start(const Task *task) {
        int r = 0;

        STRV_FOREACH(attribute, task->attributes)
                if (r >= 0)
                        r = set(*attribute);
        return r;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start });
}
