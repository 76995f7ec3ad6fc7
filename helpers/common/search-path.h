/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* Lists the configuration files in the order in which they are read: vfio-gpu.conf of the first of the four
 * directories that has one, then the *.conf files of vfio-gpu.conf.d of all of them by name, a name in an
 * earlier directory hiding the same name in later ones. Files that mask are in the list as well. Paths are
 * without the root's prefix. 'ret_unreadable' gets the directories that exist and cannot be listed. Returns
 * 0 or -ENOMEM. */
int search_path_list(char ***ret_files, char ***ret_unreadable);
