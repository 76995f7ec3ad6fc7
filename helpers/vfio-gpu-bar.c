/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks whether the memory regions of the functions have the sizes that they were to get. The kernel takes a
 * size only while no driver has the function, so it is vfio-gpu-bind that sets them, between one driver and
 * the next, and goes on if it cannot. */

#include "bar.h"
#include "log.h"
#include "step.h"
#include "strv.h"

static int look(const char *word) {
        _cleanup_free_ char *address = NULL, *text = NULL, *wanted = NULL;
        BarSize size;
        unsigned now;
        int r;

        r = bar_parse(word, &address, &size);
        if (r >= 0)
                r = bar_read(address, size.bar, &now);
        if (r < 0)
                return log_error_errno(r, "cannot read the size of %s: %m", word);
        if (now == size.order)
                return 0;
        text = bar_size_text(now);
        wanted = bar_size_text(size.order);
        return log_full(LOG_ERR, ERANGE, &(LogSubject) { .function = address },
                        "region %u of %s has %s, which was to be %s; vfio-gpu-bind has logged why", size.bar, address,
                        text ?: "?", wanted ?: "?");
}

static int start(const Task *task) {
        int r = 0;

        STRV_FOREACH(word, task->resize_bars) {
                int k = look(*word);

                r = k < 0 ? k : r;
        }
        return r;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start });
}
