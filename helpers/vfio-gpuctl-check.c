/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fts.h>

#include "check.h"
#include "device-setting.h"
#include "emit.h"
#include "function.h"
#include "json.h"
#include "log.h"
#include "root.h"
#include "strv.h"
#include "unit-name.h"
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

/* Returns whether the generator's directory has each of the files as it is in 'scratch', which is removed. */
static bool compare_and_clear(char *scratch) {
        FTS *files = fts_open((char *[]) { scratch, NULL }, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
        bool same = files != NULL;
        const FTSENT *file;

        while (files && (file = fts_read(files)))
                if (file->fts_info == FTS_F) {
                        _cleanup_free_ char *generated = root_path(GENERATED "%s", file->fts_path + strlen(scratch));

                        same = same && generated && is_same_file(file->fts_path, generated);
                        (void) unlink(file->fts_path);
                } else if (file->fts_info == FTS_DP)
                        (void) rmdir(file->fts_path);
        if (files)
                (void) fts_close(files);
        return same;
}

/* Does the generator's work once more and compares it with what the service manager was given. Returns 1 if
 * that is the same, 0 if not, or a negative errno after it logged why. */
static int units_are_current(const Plan *plan) {
        char scratch[] = "/tmp/vfio-gpuctl-XXXXXX";
        bool same;
        int r;

        if (!mkdtemp(scratch))
                return log_error_errno(errno, "cannot make a directory in /tmp: %m");

        r = emit_plan(scratch, plan);
        same = compare_and_clear(scratch);
        return r < 0 ? r : same;
}

/* All of these return 0, or a negative errno after they logged why. */
static int check_generated(const Plan *plan, Findings *findings) {
        _cleanup_free_ char *target = NULL, *path = NULL;
        const char *what = "do not exist yet";
        int r;

        if (asprintf(&target, "vfio-gpu@%s.target", plan->escaped) < 0)
                return log_oom();
        path = root_path(GENERATED "/%s", target);
        if (!path)
                return log_oom();
        if (path_exists(path)) {
                r = units_are_current(plan);
                if (r != 0)
                        return r < 0 ? r : 0;
                what = "are from an earlier configuration";
        }
        return findings_add(findings, FINDING_UNITS_OUTDATED, target, "the units of this VM %s: run 'systemctl "
                            "daemon-reload'; if that changes nothing, 'journalctl -b -t vfio-gpu-generator' may say "
                            "why, or the generator is masked", what) < 0 ? log_oom() : 0;
}

static int check_machine(const Config *config, const Vm *vm, const Plan *plan, Findings *findings) {
        char *const *modules = config_value(config, vm, KEY_UNLOAD_MODULES)->list;
        bool is_word = modules && (streq(*modules, "auto") || streq(*modules, "no"));
        Check check = {
                .vm = plan->escaped,
                .vm_name = plan->vm,
                .functions = plan->functions,
                .stop_units = config_value(config, vm, KEY_STOP_UNITS)->list,
                .start_units = config_value(config, vm, KEY_START_UNITS)->list,
                .unload_auto = is_word && streq(*modules, "auto"),
                .unload_modules = is_word ? NULL : modules,
                .huge_pages = config_value(config, vm, KEY_HUGE_PAGES)->list,
                .ignore_inhibitors = streq(config_value(config, vm, KEY_INHIBITORS)->choice, "ignore"),
                .ends_holders = !streq(config_value(config, vm, KEY_HOLDERS)->choice, "refuse"),
        };
        char *const *governor = config_value(config, vm, KEY_CPU_GOVERNOR)->list;
        _cleanup_free_ char *cpus = strv_join(config_value(config, vm, KEY_ALLOWED_CPUS)->list, ",");
        _cleanup_strv_free_ char **attributes = NULL, **bars = NULL;
        _cleanup_manager_ Manager *m = NULL;
        int r;

        if (!cpus || device_attributes(config, plan->functions, &attributes) < 0 ||
            device_bars(config, plan->functions, &bars) < 0)
                return log_oom();
        check.attributes = attributes;
        check.resize_bars = bars;
        check.allowed_cpus = isempty(cpus) ? NULL : cpus;
        check.cpu_governor = governor ? *governor : NULL;
        r = root_is_set() ? 0 : manager_open(NULL, &m);
        if (r < 0)
                return r;
        r = check_run(m, &check, findings);
        return r < 0 ? log_error_errno(r, "cannot check whether the swap can be made: %m.") : 0;
}

static int check_configuration(const Plan *plan, Findings *findings) {
        STRV_FOREACH(problem, plan->problems)
                if (findings_add(findings, FINDING_CONFIGURATION, plan->source, "%s", *problem) < 0)
                        return log_oom();
        return 0;
}

static int check_vm(const Config *config, const Vm *vm, const Plan *plan, Findings *findings) {
        int r;

        r = check_configuration(plan, findings);
        if (r < 0 || plan->problems)
                return r;
        r = check_generated(plan, findings);
        return r < 0 ? r : check_machine(config, vm, plan, findings);
}

/* What is left of a swap is no swap. */
static void agree(const Plan *plan, const Findings *findings) {
        _cleanup_strv_free_ char **owners = NULL, **others = NULL;
        _cleanup_free_ char *loser = NULL;

        (void) functions_owners(plan->functions, NULL, &owners);
        (void) functions_owners(plan->functions, plan->escaped, &others);
        if (others)
                (void) vm_name_unescape(*others, &loser);
        if (strv_contains(owners, plan->escaped) && !findings_have(findings, FINDING_STATE_LEFT))
                (void) printf("VM %s has the GPU.\n", plan->vm);
        else if (others)
                (void) printf("VM %s can be swapped for; VM %s, which was handed the GPU and does not use it, "
                              "loses it.\n",
                              plan->vm, loser ?: *others);
        else
                (void) printf("VM %s can be swapped for.\n", plan->vm);
}

static void print_finding(const Finding *finding) {
        switch (finding->info->severity) {
        case SEVERITY_ERROR:
                log_error("%s.", finding->sentence);
                break;
        case SEVERITY_WARNING:
                log_warning("warning: %s.", finding->sentence);
                break;
        case SEVERITY_HINT:
                log_info("hint: %s.", finding->sentence);
        }
}

static void print_json(const char *vm, const Findings *findings) {
        static const char *const severities[] = {
                [SEVERITY_ERROR] = "error",
                [SEVERITY_WARNING] = "warning",
                [SEVERITY_HINT] = "hint",
        };
        Json j = { .f = stdout };

        json_begin(&j, NULL, '{');
        json_string(&j, "vm", vm);
        json_string(&j, "verdict", findings_count(findings, SEVERITY_ERROR) > 0 ? "refused" :
                    findings_count(findings, SEVERITY_WARNING) > 0 ? "warnings" : "ok");
        json_begin(&j, "findings", '[');
        for (size_t i = 0; i < findings->n; i++) {
                const Finding *finding = &findings->list[i];

                json_begin(&j, NULL, '{');
                json_string(&j, "id", finding->info->id);
                json_string(&j, "severity", severities[finding->info->severity]);
                json_string(&j, "object", finding->object);
                json_string(&j, "message", finding->sentence);
                json_end(&j, '}');
        }
        json_end(&j, ']');
        json_end(&j, '}');
        (void) putchar('\n');
}

static void print_findings(const char *vm, const Findings *findings, bool json) {
        if (json)
                print_json(vm, findings);
        for (size_t i = 0; !json && i < findings->n; i++)
                print_finding(&findings->list[i]);
}

/* A file that could not be read may be the one with the section. */
static int refuse_unknown(const Config *config, const char *name, bool json) {
        _cleanup_findings_ Findings findings = { 0 };
        int r;

        r = findings_add(&findings, FINDING_CONFIGURATION, NULL, NO_SECTION, name);
        STRV_FOREACH(problem, config->problems)
                if (r >= 0)
                        r = findings_add(&findings, FINDING_CONFIGURATION, NULL, "%s", *problem);
        if (r < 0)
                return log_oom(), EXIT_REFUSED;

        print_findings(name, &findings, json);
        return EXIT_REFUSED;
}

static int check_and_print(const Config *config, const Vm *vm, bool json) {
        _cleanup_findings_ Findings findings = { 0 };
        _cleanup_plan_ Plan plan = { 0 };

        if (plan_make(config, vm, &plan) < 0)
                return log_oom(), EXIT_REFUSED;
        if (check_vm(config, vm, &plan, &findings) < 0)
                return EXIT_REFUSED;

        print_findings(plan.vm, &findings, json);
        if (findings_count(&findings, SEVERITY_ERROR) > 0)
                return EXIT_REFUSED;
        if (!json)
                agree(&plan, &findings);
        return EXIT_SUCCESS;
}

int verb_check(int argc, char *argv[]) {
        _cleanup_config_free_ Config *config = NULL;
        const char *name = NULL;
        bool json = false;
        const Vm *vm;
        int r;

        for (int i = 1; i < argc; i++)
                if (streq(argv[i], "--json"))
                        json = true;
                else if (argv[i][0] != '-' && !name)
                        name = argv[i];
                else
                        argc = 0;
        if (!name || argc == 0) {
                log_error("expected: check VM [--json]");
                return EXIT_USAGE;
        }

        log_set_sink(log_sink_warnings);
        r = config_load(&config);
        log_set_sink(log_sink_stderr);
        if (r < 0)
                return log_oom(), EXIT_REFUSED;

        vm = look_up_vm(config, name);
        return vm ? check_and_print(config, vm, json) : refuse_unknown(config, name, json);
}
