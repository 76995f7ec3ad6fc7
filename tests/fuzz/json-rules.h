/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Returns whether the text is one value of JSON and nothing else: RFC 8259, with no character but those of
 * UTF-8. */
bool json_is_valid(const char *text);
