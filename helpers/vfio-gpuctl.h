/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "settings.h"

/* What every verb of vfio-gpuctl ends with. */
#define EXIT_REFUSED 1
#define EXIT_USAGE 2

/* What is said where a VM is not configured. */
#define NO_SECTION "no section [VM %s] in vfio-gpu.conf or its drop-ins"

/* Finds a VM by its name, or by the name as it is in units. Returns NULL if there is none. */
const Vm *look_up_vm(const Config *config, const char *name);

/* The same, but logs that there is none. */
const Vm *find_vm(const Config *config, const char *name);

/* Each gets its own name as argv[0] and what follows it. Returns an exit status, having said what failed. */
int verb_check(int argc, char *argv[]);
int verb_import(int argc, char *argv[]);
int verb_plan(int argc, char *argv[]);
int verb_recover(int argc, char *argv[]);
int verb_rom(int argc, char *argv[]);
int verb_status(int argc, char *argv[]);
int verb_test(int argc, char *argv[]);
