/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* The Test Anything Protocol, as much of it as a test program needs. */

/* Reports one test: its expression is its name. Returns whether it holds, so that what depends on it can be
 * left out. */
#define ok(condition) tap_ok((condition), __FILE__, __LINE__, #condition)

/* Reports one test that compares two strings, either of which may be NULL. */
#define is(got, expected) tap_is((got), (expected), __FILE__, __LINE__, #got)

bool tap_ok(bool condition, const char *file, int line, const char *what);
bool tap_is(const char *got, const char *expected, const char *file, int line, const char *what);

/* Ends the report. Returns the exit status of the program. */
int tap_done(void);
