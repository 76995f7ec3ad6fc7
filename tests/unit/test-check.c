/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ftw.h>
#include <sys/stat.h>

#include "check.h"
#include "root.h"
#include "strv.h"
#include "tap.h"

/* What vfio-gpuctl cannot be led to: it refuses such a configuration before, and only a machine that changes
 * after that, and before a swap, comes as far as here. The other findings are in tests/fake/check. */

static void put(const char *path, const char *text) {
        _cleanup_free_ char *full = root_path("%s", path);
        _cleanup_fclose_ FILE *f = NULL;

        for (char *slash = full ? strchr(full + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
                *slash = 0;
                (void) mkdir(full, 0755);
                *slash = '/';
        }
        f = full ? fopen(full, "we") : NULL;
        if (!f || fprintf(f, "%s\n", text) < 0)
                abort();
}

static void test_bridges(void) {
        const Check check = {
                .vm = "a",
                .vm_name = "a",
                .functions = STRV_MAKE("0000:00:00.0", "0000:00:01.0"),
        };
        _cleanup_findings_ Findings findings = { 0 };

        put("/sys/bus/pci/drivers/vfio-pci/bind", "");
        put("/sys/kernel/iommu_groups/1/type", "DMA");
        put("/sys/bus/pci/devices/0000:00:00.0/class", "0x060000");
        put("/sys/bus/pci/devices/0000:00:00.0/driver_override", "(null)");
        put("/sys/bus/pci/devices/0000:00:01.0/class", "0x060400");
        put("/sys/bus/pci/devices/0000:00:01.0/driver_override", "(null)");

        ok(check_run(NULL, &check, &findings) == 0);
        if (!ok(findings.n == 2 && findings_count(&findings, SEVERITY_ERROR) == 2))
                return;
        is(findings.list[0].info->id, "device-bridge");
        is(findings.list[0].object, "0000:00:00.0");
        ok(strstr(findings.list[0].sentence, "0000:00:00.0 is a host bridge"));
        is(findings.list[1].info->id, "device-bridge");
        ok(strstr(findings.list[1].sentence, "0000:00:01.0 is a bridge"));

        /* A second look finds only what is new. */
        put("/sys/bus/pci/devices/0000:00:01.0/class", "0x060000");
        ok(check_run(NULL, &check, &findings) == 0);
        if (ok(findings.n == 3))
                ok(strstr(findings.list[2].sentence, "0000:00:01.0 is a host bridge"));
}

static bool every_id_is_there_once(void) {
        for (size_t i = 0; i < FINDING_MAX; i++) {
                if (!finding_table[i].id)
                        return false;
                for (size_t k = 0; k < i; k++)
                        if (streq(finding_table[i].id, finding_table[k].id))
                                return false;
        }
        return true;
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

int main(void) {
        char directory[] = "/tmp/test-check-XXXXXX";

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        root_set(directory);
        test_bridges();
        ok(every_id_is_there_once());
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return tap_done();
}
