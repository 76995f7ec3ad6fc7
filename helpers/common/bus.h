/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <systemd/sd-bus.h>

#include "macros.h"

#define _cleanup_bus_ _cleanup_(sd_bus_flush_close_unrefp)
#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
#define _cleanup_bus_error_ _cleanup_(sd_bus_error_free)

/* The service manager, and the jobs that it has been asked for. */
typedef struct Manager Manager;

/* Connects to the service manager: the system's, or with an address the one of a user on that bus. Returns
 * 0, or a negative errno after it logged why. */
int manager_open(const char *address, Manager **ret);

/* The same for the system's manager, unless *m is connected already. */
int manager_open_once(Manager **m);

Manager *manager_close(Manager *m);
DEFINE_CLEANUP(Manager *, manager_close)
#define _cleanup_manager_ _cleanup_(manager_closep)

/* Returns the connection, for calls to others on the same bus. */
sd_bus *manager_bus(Manager *m);

/* Makes a call of the manager's, to be filled in and sent. Returns 0 or a negative errno. */
int manager_new_call(Manager *m, const char *method, sd_bus_message **ret);

/* Reads a string property of a unit, "" where the unit has none. Returns 0 with a string to be freed, or a
 * negative errno. */
int manager_unit_string(Manager *m, const char *unit, const char *interface, const char *property, char **ret);

/* Returns 1 if the unit is active, on its way to that, or waits to be started; 0 if not, or a negative errno. */
int manager_unit_runs(Manager *m, const char *unit);

/* Returns 1 if a person could start the unit, 0 if it is masked, faulty or refuses that, or a negative
 * errno. */
int manager_unit_can_start(Manager *m, const char *unit);

/* Returns 1 if the unit's program was ended by SIGTERM, as it is by a stop in the middle of its start; 0 if
 * not, or a negative errno. */
int manager_unit_was_terminated(Manager *m, const char *unit);

/* Returns 1 if a file that the unit was read from has changed since, 0 if not, or a negative errno. */
int manager_unit_needs_reload(Manager *m, const char *unit);

/* Reads when the unit was last active, on the monotonic clock in microseconds; 0 for never. Returns 0 or an
 * errno. */
int manager_unit_left(Manager *m, const char *unit, uint64_t *ret);

/* Lists the loaded units that match one of the patterns and are in one of the states (NULL: in any). Returns
 * 0 or a negative errno. */
int manager_list_units(Manager *m, char *const *states, char *const *patterns, char ***ret);

/* Lists the names of all unit files, loaded or not. Returns 0 or a negative errno. */
int manager_list_unit_files(Manager *m, char ***ret);

/* What the answer to manager_queue() is called where there is no such unit. */
#define BUS_ERROR_NO_SUCH_UNIT "org.freedesktop.systemd1.NoSuchUnit"

/* Asks for a job ("StartUnit", "StopUnit") and remembers it for manager_wait(). With mode "replace" it takes
 * the place of jobs that it contradicts, with "fail" they have precedence. 'error' receives the manager's
 * answer. Returns 1, 0 where another job has precedence (as when the manager stops) or there is no such
 * unit, or a negative errno. */
int manager_queue(Manager *m, const char *method, const char *unit, const char *mode, sd_bus_error *error);

/* The same for a job that manager_wait() is not to wait for. */
int manager_ask(Manager *m, const char *method, const char *unit, const char *mode, sd_bus_error *error);

/* Adds the job that a unit has at the moment, if it has one, to those that manager_wait() waits for. Returns
 * 0 or a negative errno. */
int manager_follow(Manager *m, const char *unit);

/* Waits until every job that manager_queue() asked for has ended, or until 'interrupt' (a descriptor, or -1)
 * becomes readable, or the deadline (of the monotonic clock, in microseconds; UINT64_MAX for none) has
 * passed. A job that the manager has not told the end of, and does not know any more, has ended. Returns 0
 * if all of them are done, 1 if one ended in another way or it is not known how, -EINTR, -ETIMEDOUT, or
 * another negative errno. */
int manager_wait(Manager *m, int interrupt, uint64_t deadline);

/* The same where the jobs are to start these units: if it is not known how one of them ended, it counts as
 * done if all units are active. */
int manager_wait_for_start(Manager *m, char *const *units, int interrupt, uint64_t deadline);

/* What manager_result() is where it is not known how a job ended, and none ended badly. */
#define JOB_LOST "its end was not told"

/* Returns how a job ended if manager_wait() returned 1: "failed", "canceled", "dependency", "timeout" and so
 * on, or JOB_LOST. */
const char *manager_result(Manager *m);

/* Forgets that a unit failed. Returns 0 or a negative errno. */
int manager_reset_failed(Manager *m, const char *unit);

/* Returns whether the machine is going down. */
bool manager_is_stopping(Manager *m);

/* Has the manager read all units again. Returns 0 or a negative errno. */
int manager_reload(Manager *m);
