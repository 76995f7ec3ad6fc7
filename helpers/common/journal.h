/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "log.h"

/* Sends lines to the journal from now on, with VFIO_GPU_VM= set to 'vm' (its name, not escaped; not copied),
 * where standard error is a journal's stream, and the last error to the service manager as the status text
 * of the unit. At a terminal or in a pipe, lines go on to standard error. */
void journal_open(const char *vm);

/* The same, but at a terminal or in a pipe lines go to the journal and to standard error. */
void journal_open_beside(const char *vm);

/* Tells the service manager what the unit is busy with, for "systemctl status". */
void journal_status(const char *format, ...) _printf_(1, 2);

/* Asks the service manager for at least so many microseconds from now on before the unit's time limit ends
 * this program. */
void journal_extend_time(uint64_t usec);
