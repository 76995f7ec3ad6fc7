/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "finding.h"

const FindingInfo finding_table[FINDING_MAX] = {
        [FINDING_CONFIGURATION] = { "configuration", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_UNITS_OUTDATED] = { "units-outdated", SEVERITY_ERROR, OBJECT_UNIT },
        [FINDING_SWAP_IN_PROGRESS] = { "swap-in-progress", SEVERITY_ERROR, OBJECT_UNIT },
        [FINDING_SWAP_UNFINISHED] = { "swap-unfinished", SEVERITY_ERROR, OBJECT_UNIT },
        [FINDING_VM_RUNNING] = { "vm-running", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_IOMMU_OFF] = { "iommu-off", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_DEVICE_ABSENT] = { "device-absent", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_DEVICE_BRIDGE] = { "device-bridge", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_GROUP_MISSING] = { "group-missing", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_GROUP_SHARED] = { "group-shared", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_KERNEL_REPLACED] = { "kernel-replaced", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_VFIO_MISSING] = { "vfio-missing", SEVERITY_ERROR, OBJECT_MODULE },
        [FINDING_MODULES_LOCKED] = { "modules-locked", SEVERITY_ERROR, OBJECT_MODULE },
        [FINDING_MODULE_UNKNOWN] = { "module-unknown", SEVERITY_ERROR, OBJECT_MODULE },
        [FINDING_MODULE_SHARED] = { "module-shared", SEVERITY_ERROR, OBJECT_MODULE },
        [FINDING_MODULE_KEPT] = { "module-kept", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_MODULE_GONE] = { "module-gone", SEVERITY_ERROR, OBJECT_MODULE },
        [FINDING_DISK_IN_USE] = { "disk-in-use", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_UNIT_UNKNOWN] = { "unit-unknown", SEVERITY_ERROR, OBJECT_UNIT },
        [FINDING_UNIT_MASKED] = { "unit-masked", SEVERITY_ERROR, OBJECT_UNIT },
        [FINDING_UNIT_CANNOT_START] = { "unit-cannot-start", SEVERITY_ERROR, OBJECT_UNIT },
        [FINDING_INHIBITED] = { "inhibited", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_CPUS_OUTSIDE] = { "cpus-outside", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_GOVERNOR_UNKNOWN] = { "governor-unknown", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_HUGE_PAGES_SIZE] = { "huge-pages-size", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_HUGE_PAGES_MEMORY] = { "huge-pages-memory", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_LIBVIRT_OTHER] = { "libvirt-other", SEVERITY_ERROR, OBJECT_FUNCTION },
        [FINDING_ROM_MISSING] = { "rom-missing", SEVERITY_ERROR, OBJECT_OTHER },
        [FINDING_STATE_LEFT] = { "state-left", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_ALREADY_VFIO] = { "already-vfio", SEVERITY_WARNING, OBJECT_FUNCTION },
        [FINDING_OVERRIDE_LEFT] = { "override-left", SEVERITY_WARNING, OBJECT_FUNCTION },
        [FINDING_NETWORK_UP] = { "network-up", SEVERITY_WARNING, OBJECT_FUNCTION },
        [FINDING_UNIT_CANNOT_RETURN] = { "unit-cannot-return", SEVERITY_WARNING, OBJECT_UNIT },
        [FINDING_GPU_HELD] = { "gpu-held", SEVERITY_WARNING, OBJECT_UNIT },
        [FINDING_CPUS_UNSUPPORTED] = { "cpus-unsupported", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_GOVERNOR_UNSUPPORTED] = { "governor-unsupported", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_RESET_METHOD] = { "reset-method", SEVERITY_WARNING, OBJECT_FUNCTION },
        [FINDING_ATTRIBUTE_MISSING] = { "attribute-missing", SEVERITY_WARNING, OBJECT_FUNCTION },
        [FINDING_BAR_SIZE] = { "bar-size", SEVERITY_WARNING, OBJECT_FUNCTION },
        [FINDING_LIBVIRT_UNUSED] = { "libvirt-unused", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_LIBVIRT_UNREADABLE] = { "libvirt-unreadable", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_ROM_UNREADABLE] = { "rom-unreadable", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_ROM_NOT_RUN] = { "rom-not-run", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_HOOK_DISABLED] = { "hook-disabled", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_HOOK_APPARMOR] = { "hook-apparmor", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_HOOK_DISPATCHER] = { "hook-dispatcher", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_SCRIPT_WRITABLE] = { "script-writable", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_SCRIPT_SWAPS] = { "script-swaps", SEVERITY_WARNING, OBJECT_OTHER },
        [FINDING_HOOK_SELINUX] = { "hook-selinux", SEVERITY_HINT, OBJECT_OTHER },
        [FINDING_LIBVIRT_TAKES] = { "libvirt-takes", SEVERITY_HINT, OBJECT_FUNCTION },
        [FINDING_DISPLAY_EMULATED] = { "display-emulated", SEVERITY_HINT, OBJECT_OTHER },
        [FINDING_FIRMWARE_BIOS] = { "firmware-bios", SEVERITY_HINT, OBJECT_OTHER },
};

static void finding_done(Finding *finding) {
        free(finding->object);
        free(finding->sentence);
}

static bool is_known(const Findings *findings, const Finding *finding) {
        for (size_t i = 0; i < findings->n; i++)
                if (findings->list[i].info == finding->info && streq(findings->list[i].sentence, finding->sentence))
                        return true;
        return false;
}

int findings_add(Findings *findings, FindingType type, const char *object, const char *format, ...) {
        Finding finding = { .info = &finding_table[type], .object = object ? strdup(object) : NULL }, *grown;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&finding.sentence, format, ap);
        va_end(ap);
        if (n < 0)
                finding.sentence = NULL;

        if (finding.sentence && is_known(findings, &finding)) {
                finding_done(&finding);
                return 0;
        }

        grown = reallocarray(findings->list, findings->n + 1, sizeof(Finding));
        if (grown)
                findings->list = grown;
        if (!grown || (object && !finding.object) || !finding.sentence) {
                finding_done(&finding);
                return -ENOMEM;
        }

        findings->list[findings->n++] = finding;
        return 0;
}

bool findings_have(const Findings *findings, FindingType type) {
        for (size_t i = 0; i < findings->n; i++)
                if (findings->list[i].info == &finding_table[type])
                        return true;
        return false;
}

size_t findings_count(const Findings *findings, Severity severity) {
        size_t n = 0;

        for (size_t i = 0; i < findings->n; i++)
                n += findings->list[i].info->severity == severity;
        return n;
}

void findings_done(Findings *findings) {
        for (size_t i = 0; i < findings->n; i++)
                finding_done(&findings->list[i]);
        free(findings->list);
}
