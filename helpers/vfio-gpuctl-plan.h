/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan.h"

/* Writes the functions of a plan as host devices of a libvirt domain to standard output. Returns 0, or a
 * negative errno after it logged why. */
int plan_print_xml(const Plan *plan);
