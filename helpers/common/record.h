/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Records of units in the state directory of a swap, one name a line: those that ran and were stopped, and
 * those that did not run and were started. */
#define RECORD_STOPPED "stopped"
#define RECORD_STARTED "started"

/* There, and empty, once vfio-gpu@.service has asked for those that were stopped. */
#define RECORD_RETURNING "returning"

/* There, and empty, beside what an earlier swap has left, from the start of the next one until that begins
 * something: if it is refused, or ended before, what is left is not to be touched in its name. */
#define RECORD_REFUSED "refused"

/* There, and empty, if the service manager is to read its units again at the end. */
#define RECORD_RELOAD "reload"
