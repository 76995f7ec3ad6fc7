/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way back of vfio-gpu-cpus, whose parser is its own, with a service manager that does everything. */

#include "bus.h"
#include "records.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define main cpus_main
#define manager_open(address, ret) (*(ret) = NULL, 0)
#define manager_new_call(m, method, ret) 0
#define sd_bus_call(...) 0
#define sd_bus_message_append(...) 0
#define sd_bus_message_append_array(...) 0
#define sd_bus_message_close_container(call) 0
#define sd_bus_message_open_container(...) 0

int cpus_main(int argc, char **argv);

#include "vfio-gpu-cpus.c"

int record_cpus(const char *vm) {
        return stop(&(Task) { .vm = vm });
}
