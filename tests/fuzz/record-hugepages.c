/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way back of vfio-gpu-hugepages, whose parser is its own. */

#include "records.h"

#define main hugepages_main

int hugepages_main(int argc, char **argv);

#include "vfio-gpu-hugepages.c"

int record_hugepages(const char *vm) {
        return stop(&(Task) { .vm = vm });
}
