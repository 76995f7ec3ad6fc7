/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>

#include "check.h"
#include "emit.h"
#include "function.h"
#include "log.h"
#include "root.h"
#include "strv.h"
#include "vfio-gpuctl.h"

#define GENERATED "/run/systemd/generator"
#define UNIT_FILE_MAX (1024 * 1024)

/* Errors may be another VM's; this one's are said once it is known. */
static void log_sink_warnings(int level, int error, const LogSubject *subject, const char *text) {
        if (level > LOG_ERR)
                log_sink_stderr(level, error, subject, text);
}

static bool is_same_file(const char *a, const char *b) {
        _cleanup_free_ char *left = NULL, *right = NULL;

        return read_text_file(a, UNIT_FILE_MAX, &left) >= 0 && read_text_file(b, UNIT_FILE_MAX, &right) >= 0 &&
                streq(left, right);
}

/* Lists the files that emit_plan() makes. */
static int list_files(const Plan *plan, char ***ret) {
        _cleanup_strv_free_ char **files = NULL;
        int r;

        r = strv_extendf(&files, "vfio-gpu@%s.service.d/50-vfio-gpu.conf", plan->escaped);
        if (r >= 0)
                r = strv_extendf(&files, "vfio-gpu@%s.target", plan->escaped);
        for (size_t i = 0; r >= 0 && i < plan->n_steps; i++)
                r = strv_extend(&files, plan->steps[i].unit);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(files);
        return 0;
}

/* Returns whether the generator's directory has each of the files as it is in 'scratch', which is cleared. */
static bool compare_and_clear(const char *scratch, char *const *files) {
        bool same = true;

        for (; *files; files++) {
                char fresh[PATH_MAX], *slash = strchr(*files, '/');
                _cleanup_free_ char *generated = root_path(GENERATED "/%s", *files);

                (void) snprintf(fresh, sizeof(fresh), "%s/%s", scratch, *files);
                same = same && generated && is_same_file(fresh, generated);
                (void) unlink(fresh);
                if (slash) {
                        *strrchr(fresh, '/') = 0;
                        (void) rmdir(fresh);
                }
        }
        (void) rmdir(scratch);
        return same;
}

/* Does the generator's work once more and compares it with what the service manager was given. Returns 1 if that is the
 * same, 0 if not, or a negative errno after it logged why. */
static int units_are_current(const Plan *plan) {
        char scratch[] = "/tmp/vfio-gpuctl-XXXXXX";
        _cleanup_strv_free_ char **files = NULL;
        bool same;
        int r;

        if (list_files(plan, &files) < 0)
                return log_oom();
        if (!mkdtemp(scratch))
                return log_error_errno(errno, "cannot make a directory in /tmp: %m");

        r = emit_plan(scratch, plan);
        same = compare_and_clear(scratch, files);
        return r < 0 ? r : same;
}

/* Both add a sentence for each finding, and return 0, or a negative errno after they logged why. */
static int check_generated(const Plan *plan, char ***findings) {
        _cleanup_free_ char *target = root_path(GENERATED "/vfio-gpu@%s.target", plan->escaped);
        const char *finding = "the units of this VM do not exist yet: run 'systemctl daemon-reload'";
        int r;

        if (!target)
                return log_oom();
        if (path_exists(target)) {
                r = units_are_current(plan);
                if (r != 0)
                        return r < 0 ? r : 0;
                finding = "the units of this VM are from an earlier configuration: run 'systemctl daemon-reload'";
        }
        return strv_extend(findings, finding) < 0 ? log_oom() : 0;
}

static int check_machine(const Config *config, const Vm *vm, const Plan *plan, char ***findings) {
        _cleanup_strv_free_ char **units = NULL, **found = NULL;
        _cleanup_manager_ Manager *m = NULL;
        int r;

        r = manager_open(NULL, &m);
        if (r < 0)
                return r;

        r = strv_copy(config_value(config, vm, KEY_STOP_UNITS)->list, &units);
        STRV_FOREACH(unit, config_value(config, vm, KEY_START_UNITS)->list)
                if (r >= 0)
                        r = strv_extend(&units, *unit);
        if (r >= 0)
                r = check_run(m, &(Check) { .vm = plan->escaped, .functions = plan->functions, .units = units }, &found);
        STRV_FOREACH(finding, found)
                if (r >= 0)
                        r = strv_extend(findings, *finding);
        return r < 0 ? log_error_errno(r, "cannot check whether the swap can be made: %m.") : 0;
}

static int refuse(char *const *findings) {
        for (; findings && *findings; findings++)
                log_error("%s.", *findings);
        return EXIT_REFUSED;
}

static int agree(const Plan *plan) {
        _cleanup_strv_free_ char **owners = NULL;

        (void) functions_owners(plan->functions, &owners);
        if (strv_contains(owners, plan->escaped))
                (void) printf("VM %s has the GPU.\n", plan->vm);
        else if (owners)
                (void) printf("VM %s can be swapped for; %s, which was handed the GPU and does not use it, loses it.\n",
                              plan->vm, *owners);
        else
                (void) printf("VM %s can be swapped for.\n", plan->vm);
        return EXIT_SUCCESS;
}

static int check_vm(const Config *config, const Vm *vm) {
        _cleanup_strv_free_ char **findings = NULL;
        _cleanup_plan_ Plan plan = { 0 };
        int r, k;

        if (plan_make(config, vm, &plan) < 0)
                return log_oom(), EXIT_REFUSED;
        if (plan.problems)
                return refuse(plan.problems);

        r = check_generated(&plan, &findings);
        k = check_machine(config, vm, &plan, &findings);
        return r < 0 || k < 0 || findings ? refuse(findings) : agree(&plan);
}

int verb_check(int argc, char *argv[]) {
        _cleanup_config_free_ Config *config = NULL;
        const Vm *vm;
        int r;

        if (argc != 2 || argv[1][0] == '-') {
                log_error("expected: check VM");
                return EXIT_USAGE;
        }

        log_set_sink(log_sink_warnings);
        r = config_load(&config);
        log_set_sink(log_sink_stderr);
        if (r < 0)
                return log_oom(), EXIT_REFUSED;

        vm = find_vm(config, argv[1]);
        return vm ? check_vm(config, vm) : EXIT_REFUSED;
}
