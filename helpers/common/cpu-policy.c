/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cpu-policy.h"
#include "root.h"
#include "strv.h"

int cpu_policies(char ***ret) {
        _cleanup_strv_free_ char **names = NULL, **policies = NULL;
        _cleanup_free_ char *path = root_path(CPU_POLICIES);
        int r;

        r = path ? list_directory(path, &names) : -ENOMEM;
        if (r == -ENOENT)
                r = 0;
        STRV_FOREACH(name, names)
                if (r >= 0 && startswith(*name, "policy"))
                        r = strv_extend(&policies, *name);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(policies);
        return 0;
}
