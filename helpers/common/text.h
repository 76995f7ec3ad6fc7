/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Text as people write it into files, and as they read it in messages. */

/* Returns the length of the UTF-8 character at 's', 0 if it is none (overlong forms and surrogates
 * included). */
size_t utf8_char_length(const char *s);

/* Returns a copy of 's', to be freed, in which control characters and whatever is not UTF-8 are written as
 * "\x1b", so that no file can write on a person's terminal. NULL without memory. */
char *text_printable(const char *s);

/* Returns a copy of 's', to be freed, in which every 'what' has become 'with', or NULL without memory. */
char *text_replace(const char *s, const char *what, const char *with);

/* Returns the one of 'n' names that 's' was probably meant to be, or NULL if none is close. */
const char *nearest_name(const char *s, const char *const *names, size_t n);

/* Reads a time span as systemd writes them ("90", "1min 30s", "1.5h"), rounded up to seconds. Returns 0,
 * -EINVAL for anything else ("infinity" included), or -ERANGE for more than a day. */
int parse_seconds(const char *s, unsigned *ret);

/* Makes the sentence, to be freed, that says what is wrong with something. Returns -EINVAL, or -ENOMEM
 * without one, so that callers can write: return refusal(ret_problem, "…"). */
int refusal(char **ret_problem, const char *format, ...) _printf_(2, 3);
