/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Returns whether the kernel was booted with an option that begins like that ("intel_iommu=on"). */
bool cmdline_has(const char *beginning);
