/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Undo what the VM's record of that name says. Return 0 if all of it is undone, or a negative errno. */
int record_cpus(const char *vm);
int record_hugepages(const char *vm);
