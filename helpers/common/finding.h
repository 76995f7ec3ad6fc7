/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "macros.h"

/* What the checks before a swap have found. */

typedef enum Severity {
        SEVERITY_ERROR,   /* refuses the swap */
        SEVERITY_WARNING, /* is said, and the swap goes on */
        SEVERITY_HINT,    /* is said by those who ask, not at each swap: it may well be meant */
} Severity;

/* What the object of a finding is, if the journal has a field for it. */
typedef enum ObjectType {
        OBJECT_OTHER,
        OBJECT_FUNCTION,
        OBJECT_MODULE,
        OBJECT_UNIT,
} ObjectType;

/* In the order of vfio-gpuctl(1), which explains each. */
typedef enum FindingType {
        FINDING_CONFIGURATION,
        FINDING_UNITS_OUTDATED,
        FINDING_SWAP_IN_PROGRESS,
        FINDING_SWAP_UNFINISHED,
        FINDING_VM_RUNNING,
        FINDING_IOMMU_OFF,
        FINDING_DEVICE_ABSENT,
        FINDING_DEVICE_BRIDGE,
        FINDING_GROUP_MISSING,
        FINDING_GROUP_SHARED,
        FINDING_KERNEL_REPLACED,
        FINDING_VFIO_MISSING,
        FINDING_MODULES_LOCKED,
        FINDING_MODULE_UNKNOWN,
        FINDING_MODULE_SHARED,
        FINDING_MODULE_KEPT,
        FINDING_MODULE_GONE,
        FINDING_DISK_IN_USE,
        FINDING_UNIT_UNKNOWN,
        FINDING_UNIT_MASKED,
        FINDING_UNIT_CANNOT_START,
        FINDING_INHIBITED,
        FINDING_CPUS_OUTSIDE,
        FINDING_GOVERNOR_UNKNOWN,
        FINDING_HUGE_PAGES_SIZE,
        FINDING_HUGE_PAGES_MEMORY,
        FINDING_LIBVIRT_OTHER,
        FINDING_ROM_MISSING,
        FINDING_STATE_LEFT,
        FINDING_ALREADY_VFIO,
        FINDING_OVERRIDE_LEFT,
        FINDING_NETWORK_UP,
        FINDING_UNIT_CANNOT_RETURN,
        FINDING_GPU_HELD,
        FINDING_CPUS_UNSUPPORTED,
        FINDING_GOVERNOR_UNSUPPORTED,
        FINDING_RESET_METHOD,
        FINDING_ATTRIBUTE_MISSING,
        FINDING_BAR_SIZE,
        FINDING_LIBVIRT_UNUSED,
        FINDING_LIBVIRT_UNREADABLE,
        FINDING_ROM_UNREADABLE,
        FINDING_ROM_NOT_RUN,
        FINDING_HOOK_DISABLED,
        FINDING_HOOK_APPARMOR,
        FINDING_HOOK_DISPATCHER,
        FINDING_SCRIPT_WRITABLE,
        FINDING_SCRIPT_SWAPS,
        FINDING_HOOK_SELINUX,
        FINDING_LIBVIRT_TAKES,
        FINDING_DISPLAY_EMULATED,
        FINDING_FIRMWARE_BIOS,
        FINDING_MAX,
} FindingType;

typedef struct FindingInfo {
        const char *id; /* for programs; it never changes its meaning */
        Severity severity;
        ObjectType object;
} FindingInfo;

extern const FindingInfo finding_table[FINDING_MAX];

typedef struct Finding {
        const FindingInfo *info;
        char *object;   /* what it is about: a function, a unit, a module, a VM, a file; NULL: not known */
        char *sentence; /* what, where, why it matters and what to do, without the full stop */
} Finding;

typedef struct Findings {
        Finding *list;
        size_t n;
} Findings;

/* Adds a finding, with a sentence made as by printf(), unless it is there already. Returns 0, or -ENOMEM with the
 * findings as they were. */
int findings_add(Findings *findings, FindingType type, const char *object, const char *format, ...) _printf_(4, 5);

/* Returns whether there is one of that type. */
bool findings_have(const Findings *findings, FindingType type);

/* Returns how many there are of that severity. */
size_t findings_count(const Findings *findings, Severity severity);

/* Frees what is in there. */
void findings_done(Findings *findings);
#define _cleanup_findings_ _cleanup_(findings_done)
