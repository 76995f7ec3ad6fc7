/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A kernel as the step programs see it: what writes to its attributes and its module calls do to a tree of
 * files. All of its state is in that tree, so that programs can come and go. Beside what programs see, the
 * tree has kernel/: ids/DEVICE       the drivers that take the device unless it has an override needs/MODULE
 * the modules that this one uses adds/OWNER       what is there only together with its owner, which is
 * DRIVER@DEVICE, a module or a PCI function parked/          those of them that are not there now, with "%"
 * for "/" huge-KB          how many huge pages can be had: at once, after compaction, and after caches are
 * dropped Functions return 0 or a negative errno. */

/* Decides the tree, before any other call. */
void kernel_set_root(const char *root);

/* Writes the value to an attribute, which is given by its path in the tree: "/sys/…". */
int kernel_write(const char *attribute, const char *value);

/* Returns whether a function's ROM can be read now. Beside what programs see, a function has rom-is-shown. */
int kernel_read_rom(const char *attribute);

int kernel_load_module(const char *name);
int kernel_unload_module(const char *name);

/* Ends the program, and leaves word in kernel/fatal: what it did would hang or break a real machine. */
_Noreturn void kernel_fatal(const char *what, const char *object);
