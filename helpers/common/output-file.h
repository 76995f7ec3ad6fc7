/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/stat.h>

#include "macros.h"

/* A file that is there in whole or not at all, whatever becomes of the program. "-" is standard output. */

/* Looks whether the file can be written before work is put into what is to be in it: there is none, or there
 * is one and it is to be replaced; 'input', what the work reads (NULL for nothing), is never overwritten.
 * Returns 0, or a negative errno after it logged why not. */
int output_check(const char *path, bool replace, const struct stat *input);

/* Writes it, mode 0644. Returns 0, or a negative errno after it logged why not. */
int output_write(const char *path, bool replace, const void *data, size_t size);

/* Gives a file another name, at which there must be nothing yet. Returns 0, -EEXIST or another negative
 * errno. */
int rename_to_new(const char *from, const char *to);
