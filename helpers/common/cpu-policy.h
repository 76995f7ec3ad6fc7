/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* The frequency policies of the CPUs: "policy0" and so on, each for some of them. */
#define CPU_POLICIES "/sys/devices/system/cpu/cpufreq"

/* Lists them. Returns 0, with none where no driver knows how to change frequencies, or a negative errno. */
int cpu_policies(char ***ret);
