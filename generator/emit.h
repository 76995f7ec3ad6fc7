/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "plan.h"

/* Writes the units of one VM into the directory: its target, its steps and the drop-in of vfio-gpu@.service;
 * of a VM with problems only the drop-in, which says them. Files that exist are an error. Failures are
 * logged. Returns 0 or a negative errno. */
int emit_plan(const char *directory, const Plan *plan);

/* Writes the drop-in of the template vfio-gpu@.service, with which every VM that has none of its own is refused
 * for these problems. Failures are logged. Returns 0 or a negative errno. */
int emit_refusal(const char *directory, char *const *problems);

/* Makes one line of a command, quoted and escaped so that the service manager gives the program exactly
 * these words. Returns a string to be freed, or NULL without memory. */
char *exec_line(char *const *command);

/* Escapes text for a setting that is taken whole, where only '%' means something. Returns a string to be
 * freed, or NULL without memory. */
char *specifier_escape(const char *s);
