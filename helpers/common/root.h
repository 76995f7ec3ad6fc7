/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Every file of the machine is reached through these, so that a test, or a saved tree of a user's machine,
 * can stand in for it. Links are expected to be relative, as all of sysfs is. */

/* Prefixes every path from now on; "" or NULL for none. The string is not copied. */
void root_set(const char *prefix);

/* Returns whether paths have a prefix: what is looked at is not this machine. */
bool root_is_set(void);

/* Returns the path, made as by printf(), with the prefix before it, to be freed, or NULL without memory. */
char *root_path(const char *format, ...) _printf_(1, 2);

/* Read a file of at most 'max' bytes, less one trailing newline. Return 0 with a string to be freed, -EFBIG
 * if there is more, -EINVAL if there is a zero byte, or what open() and read() give. */
int read_text(int fd, size_t max, char **ret);
int read_text_file(const char *path, size_t max, char **ret);

/* Writes 'value' in a single write(), as sysfs wants it. Returns 0 or a negative errno. */
int write_attribute(const char *path, const char *value);

/* Reads what the link points at. Returns 0 with a string to be freed, or a negative errno. */
int read_link(const char *path, char **ret);

/* Reads the last component that the link points at. Returns 0 with a string to be freed, or a negative
 * errno. */
int read_link_name(const char *path, char **ret);

/* Returns whether the path exists; links are followed. */
bool path_exists(const char *path);

/* Lists the names in a directory, dot files left out, sorted. Returns 0 or a negative errno. */
int list_directory(const char *path, char ***ret);
