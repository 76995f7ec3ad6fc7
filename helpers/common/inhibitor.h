/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Locks that keep logind from doing something. */
#define LOGIND "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_MANAGER LOGIND ".Manager"

/* Who has those that a VM wants, as "systemd-inhibit --list" shows it. */
#define INHIBITOR_WHO "vfio-gpu"
