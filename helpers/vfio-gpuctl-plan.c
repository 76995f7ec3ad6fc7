/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>

#include "log.h"
#include "strv.h"
#include "vfio-gpuctl-plan.h"
#include "vfio-gpuctl.h"

/* Prints words behind a label, nothing for none. */
static int print_words(const char *label, char *const *words) {
        _cleanup_free_ char *joined = strv_join(words, " ");

        if (!joined)
                return -ENOMEM;
        if (words)
                (void) printf("%s%s\n", label, joined);
        return 0;
}

static const char *describe_order(const Step *step, const Step *before) {
        if (!before)
                return "first";
        if (step->early)
                return "before all that,";
        if (step->rank == before->rank)
                return "beside that,";
        return step->aside ? "after that," : "then";
}

static int print_step(const Plan *plan, const Step *step, const Step *before) {
        int r;

        (void) printf("  %s %s: %s", describe_order(step, before), step->name, step->title);
        (void) (step->waits ? printf(", however long that is\n") : printf(", within %us\n", plan->timeout));
        r = print_words("      stops  ", step->conflicts);
        if (r >= 0)
                r = print_words("      start  ", step->start);
        if (r >= 0)
                r = print_words("      undo   ", step->stop);
        return r;
}

static unsigned place_of(const Step *step) {
        return step->early ? UINT_MAX : 2 * step->rank + step->aside;
}

/* In the order in which they are begun, but for what is before all others, which is told last. */
static int compare_places(const void *a, const void *b) {
        const Step *left = *(const Step *const *) a, *right = *(const Step *const *) b;

        if (place_of(left) != place_of(right))
                return place_of(left) < place_of(right) ? -1 : 1;
        return left < right ? -1 : left > right;
}

static int print_steps(const Plan *plan) {
        const Step *steps[PLAN_STEPS_MAX];
        int r = 0;

        for (size_t i = 0; i < plan->n_steps; i++)
                steps[i] = &plan->steps[i];
        qsort(steps, plan->n_steps, sizeof(steps[0]), compare_places);
        for (size_t i = 0; i < plan->n_steps && r >= 0; i++)
                r = print_step(plan, steps[i], i > 0 ? steps[i - 1] : NULL);
        return r;
}

static int print_plan(const Plan *plan, const Vm *vm) {
        int r;

        (void) printf("VM %s, from %s:%u\n", plan->vm, vm->where.file, vm->where.line);
        if (plan->problems) {
                (void) printf("  systemctl start \"vfio-gpu@%s.service\" is refused:\n", plan->escaped);
                STRV_FOREACH(problem, plan->problems)
                        (void) printf("      %s\n", *problem);
                return 0;
        }

        r = print_words("  hands over ", plan->functions);
        (void) printf("  systemctl start \"vfio-gpu@%s.service\" checks, records, and starts the steps:\n",
                      plan->escaped);
        if (r >= 0)
                r = print_words("      start  ", plan->entry);
        if (r >= 0)
                r = print_steps(plan);
        if (r >= 0)
                (void) printf(
                        "  systemctl stop \"vfio-gpu@%s.service\", or a step that fails, undoes them in reverse\n",
                        plan->escaped);
        return r;
}

/* Returns 1 for a plan that would run, 0 for one that is refused, or a negative errno. */
static int plan_one(const Config *config, const Vm *vm) {
        _cleanup_plan_ Plan plan = { 0 };
        int r;

        r = plan_make(config, vm, &plan);
        if (r >= 0)
                r = print_plan(&plan, vm);
        return r < 0 ? r : !plan.problems;
}

static int plan_one_xml(const Config *config, const Vm *vm) {
        _cleanup_plan_ Plan plan = { 0 };

        if (plan_make(config, vm, &plan) < 0)
                return log_oom();
        STRV_FOREACH(problem, plan.problems)
                log_error("%s.", *problem);
        return plan.problems ? -EINVAL : plan_print_xml(&plan);
}

static int plan(const char *name, bool xml) {
        _cleanup_config_free_ Config *config = NULL;
        const Vm *vm = NULL;
        bool refused = false;

        if (config_load(&config) < 0)
                return log_oom(), EXIT_REFUSED;

        if (name) {
                vm = find_vm(config, name);
                if (!vm)
                        return EXIT_REFUSED;
        }
        if (xml)
                return plan_one_xml(config, vm) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;

        for (size_t i = 0; i < config->n_vms; i++) {
                int r = !vm || vm == config->vms[i] ? plan_one(config, config->vms[i]) : 1;

                if (r < 0)
                        return log_oom(), EXIT_REFUSED;
                refused = refused || r == 0;
        }
        return refused || (!vm && config->has_errors) ? EXIT_REFUSED : EXIT_SUCCESS;
}

int verb_plan(int argc, char *argv[]) {
        const char *name = NULL;
        bool xml = false;

        for (int i = 1; i < argc; i++)
                if (streq(argv[i], "--xml"))
                        xml = true;
                else if (argv[i][0] != '-' && !name)
                        name = argv[i];
                else
                        argc = 0;
        if (argc == 0 || (xml && !name)) {
                log_error("expected: plan [VM], or plan VM --xml");
                return EXIT_USAGE;
        }
        return plan(name, xml);
}
