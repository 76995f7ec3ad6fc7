/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "macros.h"
#include "owner.h"

/* A process that has a device node of the GPU open, or a part of its memory mapped through one. */
typedef struct Holder {
        pid_t pid;
        char *name; /* of the process */
        char *node; /* "/dev/dri/card0" */
        Owner owner;
} Holder;

/* How long holders are waited for, and what is sent to them then. */
typedef struct Patience {
        uint64_t deadline; /* as of clock_now() */
        uint64_t again;    /* microseconds: how long they have once more after the signal */
        int signal;        /* 0 for none, or no more */
} Patience;

/* Frees an array of n entries. */
void holders_free(Holder *holders, size_t n);

/* Adds the device nodes ("/dev/…") of everything that hangs on the functions: DRM, frame buffer, sound, I2C,
 * those of NVIDIA's driver, that of amdgpu where it drives no others, and those of nodes_of_firmware().
 * Returns 0 or a negative errno. */
int nodes_of_functions(char *const *functions, char ***nodes);

/* Adds the device nodes of the firmware's frame buffer if that lies in the memory of one of the functions.
 * Returns 0 or a negative errno. */
int nodes_of_firmware(char *const *functions, char ***nodes);

/* Adds the nodes through which a VM holds the functions: the IOMMU groups' and the VFIO devices'. Returns 0
 * or a negative errno. */
int nodes_of_vfio(char *const *functions, char ***nodes);

/* Looks which processes have one of the nodes open or mapped, by whatever name they know it. PID 1, with what
 * it has just forked, and logind do not count on /dev/dri/card*, which they keep for the sessions and which no
 * driver minds, nor do the steps of a swap on the node of a group, which they open for a moment to see whether
 * a VM has it. Returns 0, with NULL for none, or a negative errno. */
int holders_find(char *const *names, Holder **ret, size_t *ret_n);

/* Returns "Xorg (pid 812, lightdm.service of root) on /dev/dri/card0, …" with what owner_describe() says, to
 * be freed, or NULL without memory. */
char *holders_describe(const Holder *holders, size_t n);

/* Describes who has the functions open through VFIO, as a VM does. Returns 1 with a string to be freed, 0 if
 * nobody has, or a negative errno. */
int vfio_holders_describe(char *const *functions, char **ret);

/* Sends a signal to each of them that still has its node open, and says so. A VM, which has a VFIO node
 * open, gets none. */
void holders_signal(const Holder *holders, size_t n, int sig);

/* Waits until a holder ends or closes one of the nodes, 'timeout_msec' at most (-1: for ever). Both can be
 * missed in the moment between looking and waiting, so callers look again after a while whatever comes.
 * Returns 0 or an errno. */
int holders_wait(char *const *nodes, const Holder *holders, size_t n, int timeout_msec);

/* Does the next thing about holders: waits for an event, for less than a second, or sends the signal if the
 * time is up. Returns whether it did, false when there is nothing left to do. */
bool holders_await(Patience *patience, char *const *nodes, const Holder *holders, size_t n);
