/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus.h"
#include "holders.h"

/* Where a swap stands. */
typedef enum Stage {
        STAGE_NOT_BEGUN,
        STAGE_HANDING_OVER,
        STAGE_HANDED_OVER,
        STAGE_TAKING_BACK,
        STAGE_HALF_DONE, /* no unit works on it, but there are records of what is not undone */
} Stage;

/* One function as it is now; what it has not is NULL. */
typedef struct FunctionStatus {
        char *address, *name, *driver, *override, *group;
        Holder *holders;
        size_t n_holders;
} FunctionStatus;

/* What the VM wants of the host beside the GPU. */
typedef struct TuningStatus {
        char *unit;
        char *setting; /* in the words of the configuration, as of this swap */
        bool failed;   /* the swap goes on without it */
} TuningStatus;

typedef struct Status {
        const char *vm; /* as in the names of units */
        char *vm_name;
        Stage stage;
        char **units; /* those at work */
        char *failure; /* what vfio-gpu@.service said when it failed last, or NULL */
        char *holder; /* who has the functions through VFIO, or NULL */
        char **left; /* what is not undone, where the stage is half-done */
        bool is_stale; /* the configuration has changed since the swap began */
        TuningStatus *tunings; /* of a swap that is not over */
        size_t n_tunings;
        FunctionStatus *functions;
        size_t n_functions;
} Status;

/* Finds out all about one VM. 'vm' is its escaped name, which is not copied, 'configured' what its
 * configuration hands over (NULL: it has none). Without a manager the records and the drivers have to tell.
 * Returns 0 or a negative errno; what is filled in is to be freed with status_done() in both cases. */
int status_read(Manager *m, const char *vm, char *const *configured, Status *ret);
void status_done(Status *status);

/* Returns the word for a stage that programs read: "handed-over". */
const char *stage_name(Stage stage);

/* Returns whether the holders are known: processes are this machine's, and only root sees what they have
 * open. */
bool status_sees_holders(void);
