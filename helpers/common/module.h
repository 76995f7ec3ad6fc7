/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libkmod.h>

#include "macros.h"

DEFINE_CLEANUP(struct kmod_ctx *, kmod_unref)
#define _cleanup_kmod_ _cleanup_(kmod_unrefp)

/* Gives the directory in which the modules of the running kernel should be, to be freed. Returns 0 or a
 * negative errno. */
int module_directory(char **ret);

/* Opens the modules of the running kernel. Returns 0 or a negative errno; the second one logs why. */
int module_try_open(struct kmod_ctx **ret);
int module_open(struct kmod_ctx **ret);

/* Returns 1 if the running kernel has a module, loaded or not, or something built in of that name, or modprobe.d
 * a command for it that may load another one that there is, or is a script; 0 if not, or a negative errno. */
int module_exists(struct kmod_ctx *kmod, const char *name);

/* Finds the module whose name is nearest to one that does not exist. Returns 1 with a string to be freed, 0
 * if none is near, or -ENOMEM. */
int module_nearest(struct kmod_ctx *kmod, const char *name, char **ret);

/* Loads a module and what it needs, in the way that modprobe.d tells; builtin and already loaded ones are
 * fine, blacklists do not apply to a module that is asked for by name. Returns 0, -ENOENT where the running
 * kernel has none of that name, -ECHILD where a command of modprobe.d failed, or another negative errno. */
int module_load(struct kmod_ctx *kmod, const char *name);

/* Returns in words what went wrong when module_load() returned 'error'. */
const char *module_load_error(int error);

/* Appends the module, after the modules that use it (the order to unload them in), to 'stack'; what is not
 * loaded is left out. Returns 0, -EPERM where it is built in, or another negative errno. */
int module_stack(struct kmod_ctx *kmod, const char *name, char ***stack);

/* Appends the modules that modprobe.d has loaded after this one ("softdep NAME post:") and that nothing
 * uses. Returns 0 or a negative errno. */
int module_followers(struct kmod_ctx *kmod, const char *name, char ***followers);

/* Returns 1 if the module's drivers have a device that hangs on none of the functions, 0 if not, or a
 * negative errno. Such devices are not in the module's use count. */
int module_drives_others(const char *name, char *const *functions);

/* Unloads exactly one module. Returns 0 also where it is gone already, -EAGAIN where it is in use, or
 * another errno. */
int module_unload(struct kmod_ctx *kmod, const char *name);
