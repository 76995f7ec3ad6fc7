/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "macros.h"

/* Whose a process is. Strings that do not apply are "". */
typedef struct Owner {
        char *unit;      /* of the service manager: also "session-3.scope" and "user@1000.service" */
        char *user_unit; /* of the manager of a user */
        char *session;   /* of logind */
        char *seat;      /* of that session */
        char *user;      /* name, or number where there is no name: of the session or manager, else of the process */
        uid_t uid;
} Owner;

/* Finds the owner of a process, as far as it can be known: the process may end in this moment. Returns 0 or
 * -ENOMEM; what is filled in is to be freed with owner_done() in both cases. */
int owner_find(pid_t pid, Owner *ret);
void owner_done(Owner *owner);

/* Returns "session 3 of anna on seat0", "user unit pipewire.service of anna" or "lightdm.service of root",
 * to be freed, or NULL without memory. */
char *owner_describe(const Owner *owner);

/* Returns which setting has the next swap stop the process, "name its unit in StopUnits=", to be freed, or NULL: no
 * setting does, as where its unit has another name each time, or there is no memory. */
char *owner_setting(const Owner *owner);

/* Returns the name of a user, or the number where there is no name, to be freed, or NULL without memory. */
char *user_name(uid_t uid);
