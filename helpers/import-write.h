/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "import-hooks.h"

/* Writes a vfio-gpu.conf of all that was read, with comments that say where its lines come from. */
void import_write(FILE *f, const Import *import);

/* Writes the assignments of a line, after 'indent': several where a list is too long for one. */
void import_write_line(FILE *f, const char *indent, const ImportLine *line);
