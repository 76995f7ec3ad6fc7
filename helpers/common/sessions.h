/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "holders.h"

/* Has logind end the graphical sessions on the seat, and waits for that until the deadline (of the monotonic
 * clock, in microseconds). Graphical is also a session of another type whose processes draw through one of
 * the nodes. *m is connected to the service manager where that is needed. Returns 0, or a negative errno
 * after it logged why. */
int sessions_end(Manager **m, char *const *nodes, uint64_t deadline);

/* Stops the managers of users who have no session any more and whose units are among the holders, as logind
 * would do it some seconds later. Returns 0, or a negative errno after it logged why. */
int sessions_stop_managers(Manager **m, const Holder *holders, size_t n);
