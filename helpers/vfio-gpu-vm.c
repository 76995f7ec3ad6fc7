/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The step that does nothing until the swap is undone: then it waits until no VM has the functions any more,
 * with all of the time that a VM takes, and before the other steps begin theirs. */

#include "function.h"
#include "log.h"
#include "state.h"
#include "step.h"
#include "strv.h"
#include "vm-end.h"

static int stop(const Task *task) {
        _cleanup_functions_free_ Function *functions = NULL;
        _cleanup_strv_free_ char **addresses = NULL;
        _cleanup_close_ int state = -1;
        int r;

        r = state = state_open(task->vm, false);
        if (r >= 0)
                r = functions_load(state, &functions);
        if (r >= 0)
                r = functions_addresses(functions, &addresses);
        if (r >= 0)
                r = vm_wait_end(task, addresses);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot find out whether a VM still has the GPU: %m; the step that takes "
                                       "it back looks again, 'vfio-gpuctl status' shows who has it open");
        return 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .stop = stop });
}
