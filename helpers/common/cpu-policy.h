/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* The frequency policies of the CPUs: "policy0" and so on, each for some of them. */
#define CPU_POLICIES "/sys/devices/system/cpu/cpufreq"

/* Returns whether all CPUs of the policy in that directory are offline: it stays then, and can be neither
 * read nor set. */
bool cpu_policy_is_offline(const char *policy);

/* Lists the others. Returns 0, with none where no driver knows how to change frequencies, or a negative
 * errno. */
int cpu_policies(char ***ret);
