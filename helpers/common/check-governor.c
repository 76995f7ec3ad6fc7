/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "cpu-policy.h"
#include "module.h"
#include "root.h"
#include "strv.h"

#define GOVERNORS_MAX 4096

/* The kernel loads a governor that it does not list if there is a module of it. Returns 1 if so, 0 if not,
 * or -ENOMEM. */
static int is_module(const char *governor) {
        _cleanup_kmod_ struct kmod_ctx *kmod = NULL;
        _cleanup_free_ char *module = NULL;

        if (asprintf(&module, "cpufreq_%s", governor) < 0) {
                module = NULL;
                return -ENOMEM;
        }
        return module_try_open(&kmod) >= 0 && module_exists(kmod, module) > 0;
}

/* Drivers that set the frequency themselves have two governors of their own and take no other:
 * cpufreq_parse_policy(). */
static bool has_own_governors(const char *policy) {
        _cleanup_free_ char *path = root_path(CPU_POLICIES "/%s/scaling_driver", policy), *driver = NULL;

        return path && read_text_file(path, GOVERNORS_MAX, &driver) >= 0 &&
                strv_contains(STRV_MAKE("intel_pstate", "amd-pstate-epp", "amd_pstate_epp"), driver);
}

static int check_policy(CheckContext *c, const char *policy, bool is_module) {
        _cleanup_free_ char *path = root_path(CPU_POLICIES "/%s/scaling_available_governors", policy), *text = NULL;
        _cleanup_strv_free_ char **governors = NULL;
        int r;

        r = path ? read_text_file(path, GOVERNORS_MAX, &text) : -ENOMEM;
        if (r >= 0)
                r = strv_split(text, " \n", &governors);
        if (r < 0 || strv_contains(governors, c->check->cpu_governor) || (is_module && !has_own_governors(policy)))
                return r;
        return findings_add(c->findings, FINDING_GOVERNOR_UNKNOWN, c->check->cpu_governor,
                            "CpuGovernor= names %s, which %s does not have: its governors are %s; correct it in "
                            "vfio-gpu.conf", c->check->cpu_governor, policy, isempty(text) ? "none" : text);
}

int check_governor(CheckContext *c) {
        _cleanup_strv_free_ char **policies = NULL;
        size_t before = c->findings->n;
        int r, module;

        if (!c->check->cpu_governor)
                return 0;
        r = cpu_policies(&policies);
        if (r >= 0 && !policies)
                return findings_add(c->findings, FINDING_GOVERNOR_UNSUPPORTED, CPU_POLICIES,
                                    "CpuGovernor= has no effect: no driver of the kernel's changes the frequency of "
                                    "this machine's CPUs (" CPU_POLICIES " has no policy); take it out");
        module = r < 0 ? r : is_module(c->check->cpu_governor);
        if (module < 0)
                return module;

        /* The first policy says it for all that are like it. */
        for (size_t i = 0; r >= 0 && policies[i] && c->findings->n == before; i++)
                r = check_policy(c, policies[i], module > 0);
        return r;
}
