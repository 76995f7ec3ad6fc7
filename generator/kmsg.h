/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Sends the log where a generator's belongs: to the kernel's log, since the journal may not run yet, and to
 * standard error as well if a person runs us. Honours $SYSTEMD_LOG_LEVEL. */
void kmsg_setup(void);
