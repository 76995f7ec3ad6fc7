/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* A digest in hexadecimal digits, with the zero behind it. */
#define SHA256_TEXT_SIZE (64 + 1)

/* Writes the SHA-256 digest (FIPS 180-4) of the bytes to 'ret'. Returns 'ret'. */
const char *sha256_text(const void *data, size_t size, char ret[SHA256_TEXT_SIZE]);
