/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Looks for a domain that libvirt runs, or that has ended and is not yet cleaned up after, and that has one
 * of the functions. Returns 1 with the file that stands for that as long as it exists, 0 if there is none,
 * or a negative errno. */
int libvirt_find_domain(char *const *functions, char **ret_file);
