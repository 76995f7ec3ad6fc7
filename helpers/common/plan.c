/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "device-setting.h"
#include "key.h"
#include "plan.h"
#include "strv.h"
#include "unit-name.h"

/* How many complaints a refusal repeats; all of them are in the journal of the boot. */
#define REFUSAL_PROBLEMS_MAX 16

void plan_done(Plan *plan) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                strv_free(plan->steps[i].start);
                strv_free(plan->steps[i].stop);
                free(plan->steps[i].title);
                free(plan->steps[i].unit);
        }
        strv_free(plan->problems);
        strv_free(plan->entry);
        free(plan->escaped);
}

static int add_each(char ***command, const char *option, char *const *list) {
        int r = 0;

        for (; list && *list && r >= 0; list++)
                r = strv_extend_joined(command, option, *list);
        return r;
}

/* Begins a command of one of our programs. */
static int begin(char ***command, const Plan *plan, const char *program, const char *verb) {
        int r;

        r = strv_extend_joined(command, LIBEXECDIR "/vfio-gpu-", program);
        if (r >= 0)
                r = strv_extend(command, verb);
        if (r >= 0)
                r = strv_extend_joined(command, "--vm=", plan->escaped);
        return r;
}

static int add_holders(char ***command, const Config *config, const Vm *vm) {
        int r;

        r = strv_extend_joined(command, "--holders=", config_value(config, vm, KEY_HOLDERS)->choice);
        if (r >= 0)
                r = strv_extendf(command, "--holders-timeout=%u",
                                 config_value(config, vm, KEY_HOLDERS_TIMEOUT)->seconds);
        return r;
}

static int add_units(char ***command, const Config *config, const Vm *vm) {
        int r;

        r = add_each(command, "--stop-unit=", config_value(config, vm, KEY_STOP_UNITS)->list);
        if (r >= 0)
                r = add_each(command, "--start-unit=", config_value(config, vm, KEY_START_UNITS)->list);
        return r;
}

static int desktop_options(const Config *config, const Vm *vm, Step *step) {
        int r;

        step->conflicts = config_value(config, vm, KEY_STOP_UNITS)->list;
        r = add_units(&step->start, config, vm);
        if (r >= 0)
                r = strv_extend_joined(&step->start,
                                       "--sessions=", config_value(config, vm, KEY_SESSIONS)->choice);
        if (r >= 0)
                r = add_holders(&step->start, config, vm);
        if (r >= 0)
                r = strv_extendf(&step->start, "--timeout=%u", config_value(config, vm, KEY_TIMEOUT)->seconds);
        return r;
}

static int add_modules(char ***command, const Config *config, const Vm *vm) {
        _cleanup_free_ char *joined = strv_join(config_value(config, vm, KEY_UNLOAD_MODULES)->list, ",");

        return joined ? strv_extend_joined(command, "--unload-modules=", *joined ? joined : "no") : -ENOMEM;
}

/* Between one driver and the next is the only moment for it. */
static int add_bars(const Config *config, const Vm *vm, Step *step) {
        _cleanup_strv_free_ char **bars = NULL;
        int r;

        r = device_bars(config, config_value(config, vm, KEY_DEVICES)->list, &bars);
        return r < 0 ? r : add_each(&step->start, "--resize-bar=", bars);
}

static int bind_options(const Config *config, const Vm *vm, Step *step) {
        int r;

        /* A display manager that begins while a console is given back would have it drawn over. */
        step->after = config_value(config, vm, KEY_STOP_UNITS)->list;
        r = strv_extend_joined(&step->start, "--consoles=", config_value(config, vm, KEY_CONSOLES)->choice);
        if (r >= 0)
                r = add_modules(&step->start, config, vm);
        if (r >= 0)
                r = add_holders(&step->start, config, vm);
        if (r >= 0)
                r = strv_extend_joined(&step->start,
                                       "--return=", config_value(config, vm, KEY_RETURN)->choice);
        return r < 0 ? r : add_bars(config, vm, step);
}

static const struct {
        const char *name, *title;
        unsigned rank;
        bool undone;    /* has something to undo */
        bool functions; /* is told them */
        bool waits;     /* and nothing to do */
        const char *capabilities, *calls;
        int (*options)(const Config *config, const Vm *vm, Step *step);
} step_table[] = {
        /* To find who has the GPU open, in /proc/PID/map_files too, and to end them; to unmount the copies
         * of the programs, if nobody else does. */
        { "desktop", "the desktop lets go of it", 0, true, true, false,
          "CAP_DAC_READ_SEARCH CAP_KILL CAP_SYS_ADMIN CAP_SYS_PTRACE", "@system-service @mount",
          desktop_options },
        { "modules", "vfio-pci is loaded", 0, false, false, false, NULL, NULL, NULL },
        { "bind", "vfio-pci takes it from consoles and drivers", 1, true, true, false, NULL, NULL, bind_options },
        /* By itself, since no time limit is right for it, and those of the others have to hold: the service
         * manager forgets at each reload that one was extended (systemd issue 43000). It opens the groups, whose
         * nodes may be another user's. */
        { "vm", "the VM has it until it ends", 2, true, false, true,
          "CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_SYS_ADMIN CAP_SYS_PTRACE", "@system-service", NULL },
};

/* What else the VM wants of the host, and of its devices, each in a unit of its own where it is set. */
static const struct {
        const char *name;
        Key key;                        /* the setting, if it is the VM's, or how to find those of its devices */
        int (*devices)(const Config *config, char *const *functions, char ***ret);
        const char *option, *separator; /* as its program is told; without a separator each by itself */
        bool checked;                   /* there is something to check before the swap */
        bool early, lives, undone;
        unsigned rank;
} tuning_table[] = {
        { "cpus", KEY_ALLOWED_CPUS, NULL, "--allowed-cpus=", ",", .checked = true, .undone = true },
        { "inhibit", KEY_INHIBIT, NULL, "--inhibit=", ":", .lives = true },
        { "governor", KEY_CPU_GOVERNOR, NULL, "--cpu-governor=", " ", .checked = true, .undone = true },
        { "hugepages", KEY_HUGE_PAGES, NULL, "--huge-pages=", ",", .checked = true, .early = true, .undone = true },
        { "device", KEY_MAX, device_attributes, "--attribute=", NULL, .checked = true, .undone = true },
        /* Only once vfio-pci has the functions. */
        { "power", KEY_MAX, device_power, "--attribute=", NULL, .rank = 2 },
        { "bar", KEY_MAX, device_bars, "--resize-bar=", NULL, .checked = true, .rank = 2 },
};

static int name_step(Plan *plan, const char *name, Step *step) {
        step->name = name;
        if (asprintf(&step->unit, "vfio-gpu-%s@%s.service", name, plan->escaped) >= 0)
                return 0;
        step->unit = NULL;
        return -ENOMEM;
}

static int add_step(const Config *config, const Vm *vm, Plan *plan, size_t i) {
        Step *step = &plan->steps[plan->n_steps++];
        int r;

        step->title = strdup(step_table[i].title);
        step->rank = step_table[i].rank;
        step->capabilities = step_table[i].capabilities;
        step->calls = step_table[i].calls;
        step->waits = step_table[i].waits;
        r = step->title ? name_step(plan, step_table[i].name, step) : -ENOMEM;

        if (r >= 0 && !step->waits)
                r = begin(&step->start, plan, step->name, "start");
        if (r >= 0 && step_table[i].undone)
                r = begin(&step->stop, plan, step->name, "stop");
        /* What waits for a VM has all of its time after that. */
        if (r >= 0 && step_table[i].undone && step->rank > 0 && !step->waits)
                r = strv_extendf(&step->stop, "--timeout=%u", plan->timeout);
        if (r >= 0 && step_table[i].options)
                r = step_table[i].options(config, vm, step);
        if (r >= 0 && step_table[i].functions)
                r = add_each(&step->start, "", plan->functions);
        return r;
}

/* Lists what the VM wants, in the words that the program is told. */
static int find_tuning(const Config *config, const Vm *vm, size_t i, char ***ret) {
        _cleanup_free_ char *joined = NULL;
        char *const *list;

        if (tuning_table[i].devices)
                return tuning_table[i].devices(config, config_value(config, vm, KEY_DEVICES)->list, ret);
        list = config_value(config, vm, tuning_table[i].key)->list;
        joined = strv_join(list, tuning_table[i].separator);
        if (!joined)
                return -ENOMEM;
        return list ? strv_extend(ret, joined) : 0;
}

static int title_aside(char *const *words, size_t i, Step *step) {
        _cleanup_free_ char *joined = strv_join(words, ", ");
        const char *key = tuning_table[i].devices ? "" : key_table[tuning_table[i].key].name;

        if (joined && asprintf(&step->title, "%s%s%s", key, *key ? "=" : "", joined) >= 0)
                return 0;
        step->title = NULL;
        return -ENOMEM;
}

static int add_aside(Plan *plan, size_t i, char *const *words) {
        Step *step = &plan->steps[plan->n_steps++];
        int r;

        step->aside = true;
        step->early = tuning_table[i].early;
        step->lives = tuning_table[i].lives;
        step->rank = tuning_table[i].rank;
        step->capabilities = "";
        step->calls = "@system-service";

        r = title_aside(words, i, step);
        if (r >= 0)
                r = name_step(plan, tuning_table[i].name, step);
        if (r >= 0)
                r = begin(&step->start, plan, step->name, "start");
        if (r >= 0)
                r = add_each(&step->start, tuning_table[i].option, words);
        return r < 0 || !tuning_table[i].undone ? r : begin(&step->stop, plan, step->name, "stop");
}

static int plan_asides(const Config *config, const Vm *vm, Plan *plan) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(tuning_table) && r >= 0; i++) {
                _cleanup_strv_free_ char **words = NULL;

                r = find_tuning(config, vm, i, &words);
                if (r >= 0 && words)
                        r = add_aside(plan, i, words);
        }
        return r;
}

static int add_checked(const Config *config, const Vm *vm, Plan *plan) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(tuning_table) && r >= 0; i++) {
                _cleanup_strv_free_ char **words = NULL;

                r = tuning_table[i].checked ? find_tuning(config, vm, i, &words) : 0;
                if (r >= 0)
                        r = add_each(&plan->entry, tuning_table[i].option, words);
        }
        return r;
}

static int plan_entry(const Config *config, const Vm *vm, Plan *plan) {
        int r;

        r = begin(&plan->entry, plan, "swap", "start");
        if (r >= 0)
                r = add_units(&plan->entry, config, vm);
        if (r >= 0)
                r = add_each(&plan->entry,
                             "--stop-user-unit=", config_value(config, vm, KEY_STOP_USER_UNITS)->list);
        if (r >= 0)
                r = strv_extend_joined(&plan->entry,
                                       "--inhibitors=", config_value(config, vm, KEY_INHIBITORS)->choice);
        if (r >= 0)
                r = add_modules(&plan->entry, config, vm);
        if (r >= 0)
                r = add_checked(config, vm, plan);
        return r < 0 ? r : add_each(&plan->entry, "", plan->functions);
}

static int plan_steps(const Config *config, const Vm *vm, Plan *plan) {
        int r;

        r = plan_entry(config, vm, plan);
        for (size_t i = 0; i < ELEMENTSOF(step_table) && r >= 0; i++)
                r = add_step(config, vm, plan, i);
        return r < 0 ? r : plan_asides(config, vm, plan);
}

int plan_add_problems(char ***command, char *const *problems) {
        size_t n = strv_length(problems);
        int r = 0;

        for (size_t i = 0; i < n && i < REFUSAL_PROBLEMS_MAX && r >= 0; i++)
                r = strv_extend(command, problems[i]);
        if (r >= 0 && n > REFUSAL_PROBLEMS_MAX)
                r = strv_extendf(command, "(and %zu more)", n - REFUSAL_PROBLEMS_MAX);
        return r;
}

static int plan_refusal(Plan *plan) {
        int r;

        r = strv_extend(&plan->entry, LIBEXECDIR "/vfio-gpu-swap");
        if (r >= 0)
                r = strv_extend(&plan->entry, "refuse");
        if (r >= 0)
                r = strv_extend(&plan->entry, plan->vm);
        return r < 0 ? r : plan_add_problems(&plan->entry, plan->problems);
}

int plan_make(const Config *config, const Vm *vm, Plan *ret) {
        Plan plan = {
                .vm = vm->name,
                .source = vm->where.file,
                .functions = config_value(config, vm, KEY_DEVICES)->list,
                .timeout = config_value(config, vm, KEY_TIMEOUT)->seconds,
        };
        int r;

        r = vm_name_escape(vm->name, &plan.escaped);
        if (r >= 0)
                r = config_problems(config, vm, &plan.problems);
        if (r >= 0)
                r = plan.problems ? plan_refusal(&plan) : plan_steps(config, vm, &plan);
        if (r < 0) {
                plan_done(&plan);
                return r;
        }

        *ret = plan;
        return 0;
}
