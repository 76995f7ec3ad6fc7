/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Writes one JSON document as it goes. Begin with { .f = stream }; "key" is NULL for the elements of a list
 * and for the outermost value. Errors are the stream's: check ferror() in the end. */
typedef struct Json {
        FILE *f;
        bool continues; /* a value stands before the next one */
} Json;

/* Open and close what holds other values; the outermost one ends with a newline of the caller's. */
void json_begin(Json *j, const char *key, char bracket);
void json_end(Json *j, char bracket);

/* Write one value. A NULL string becomes null, and what is not UTF-8 in one becomes U+FFFD. */
void json_string(Json *j, const char *key, const char *value);
void json_number(Json *j, const char *key, unsigned long long value);
void json_bool(Json *j, const char *key, bool value);

/* Writes a list of strings; NULL is an empty one. */
void json_strv(Json *j, const char *key, char *const *list);
