/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* A list of strings: an array that ends with NULL. NULL itself is the empty list. */

#define STRV_FOREACH(s, list) for (char **s = (list); s && *s; s++)
#define STRV_MAKE(...) ((char **) (const char *[]){ __VA_ARGS__, NULL })

/* Frees the list and its strings; NULL is fine. Returns NULL. */
char **strv_free(char **list);
DEFINE_CLEANUP(char **, strv_free)
#define _cleanup_strv_free_ _cleanup_(strv_freep)

/* Returns the number of strings. */
size_t strv_length(char *const *list);

/* Returns whether 's' is one of the strings. */
bool strv_contains(char *const *list, const char *s);

/* Appends a copy of 's'. Returns 0, or -ENOMEM with the list as it was. */
int strv_extend(char ***list, const char *s);

/* Appends 'a' with 'b' behind it. Returns 0, or -ENOMEM with the list as it was. */
int strv_extend_joined(char ***list, const char *a, const char *b);

/* Appends a string made as by printf(). Returns 0, or -ENOMEM with the list as it was. */
int strv_extendf(char ***list, const char *format, ...) _printf_(2, 3);

/* Appends 's', which the list owns from then on; on failure it is freed. Returns 0 or -ENOMEM. */
int strv_consume(char ***list, char *s);

/* Copies the list. Returns 0 or -ENOMEM. */
int strv_copy(char *const *list, char ***ret);

/* Splits 's' at any of 'separators', dropping empty words. Returns 0 or -ENOMEM. */
int strv_split(const char *s, const char *separators, char ***ret);

/* Returns the strings with 'separator' between them, to be freed, or NULL without memory. */
char *strv_join(char *const *list, const char *separator);
