/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cpu-policy.h"
#include "root.h"
#include "strv.h"

#define CPUS_MAX (64 * 1024)

bool cpu_policy_is_offline(const char *policy) {
        _cleanup_free_ char *path = root_path("%s/affected_cpus", policy), *cpus = NULL;
        int r = path ? read_text_file(path, CPUS_MAX, &cpus) : -ENOMEM;

        return r == -EBUSY || (r >= 0 && isempty(cpus));
}

static int add_policy(char ***policies, const char *name) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, CPU_POLICIES "/%s", name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        return cpu_policy_is_offline(path) ? 0 : strv_extend(policies, name);
}

int cpu_policies(char ***ret) {
        _cleanup_strv_free_ char **names = NULL, **policies = NULL;
        _cleanup_free_ char *path = root_path(CPU_POLICIES);
        int r;

        r = path ? list_directory(path, &names) : -ENOMEM;
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(name, names)
                if (r >= 0 && startswith(*name, "policy"))
                        r = add_policy(&policies, *name);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(policies);
        return 0;
}
