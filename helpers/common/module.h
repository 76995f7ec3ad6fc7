/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libkmod.h>

#include "macros.h"

DEFINE_CLEANUP(struct kmod_ctx *, kmod_unref)
#define _cleanup_kmod_ _cleanup_(kmod_unrefp)

/* Opens the modules of the running kernel. Returns 0, or a negative errno after it logged why. */
int module_open(struct kmod_ctx **ret);

/* Loads a module and what it needs; builtin and already loaded ones are fine, blacklists do not apply to a module that is
 * asked for by name. Returns 0, -ENOENT where the running kernel has none of that name, or another negative errno. */
int module_load(struct kmod_ctx *kmod, const char *name);

/* Appends the module, after the modules that use it (the order to unload them in), to 'stack'; what is not loaded is left
 * out. Returns 0, -EPERM where it is built in, or another negative errno. */
int module_stack(struct kmod_ctx *kmod, const char *name, char ***stack);

/* Unloads exactly one module. Returns 0 also where it is gone already, -EAGAIN where it is in use, or another errno. */
int module_unload(struct kmod_ctx *kmod, const char *name);
