/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <getopt.h>
#include <poll.h>
#include <signal.h>

#include "journal.h"
#include "pci.h"
#include "step.h"
#include "strv.h"
#include "unit-name.h"

/* Between the attempts to undo what a step did. */
#define STOP_PAUSE_MSEC 100
#define STOP_PAUSE_MAX_MSEC 400

enum {
        ARG_VM = 0x100,
        ARG_STOP_UNIT,
        ARG_START_UNIT,
        ARG_STOP_USER_UNIT,
        ARG_SESSIONS,
        ARG_CONSOLES,
        ARG_INHIBITORS,
        ARG_HOLDERS,
        ARG_HOLDERS_TIMEOUT,
        ARG_UNLOAD_MODULES,
        ARG_RETURN,
        ARG_TIMEOUT,
        ARG_ALLOWED_CPUS,
        ARG_INHIBIT,
        ARG_CPU_GOVERNOR,
        ARG_HUGE_PAGES,
        ARG_ATTRIBUTE,
        ARG_RESIZE_BAR,
};

static const struct option options[] = {
        { "vm", required_argument, NULL, ARG_VM },
        { "stop-unit", required_argument, NULL, ARG_STOP_UNIT },
        { "start-unit", required_argument, NULL, ARG_START_UNIT },
        { "stop-user-unit", required_argument, NULL, ARG_STOP_USER_UNIT },
        { "sessions", required_argument, NULL, ARG_SESSIONS },
        { "consoles", required_argument, NULL, ARG_CONSOLES },
        { "inhibitors", required_argument, NULL, ARG_INHIBITORS },
        { "holders", required_argument, NULL, ARG_HOLDERS },
        { "holders-timeout", required_argument, NULL, ARG_HOLDERS_TIMEOUT },
        { "unload-modules", required_argument, NULL, ARG_UNLOAD_MODULES },
        { "return", required_argument, NULL, ARG_RETURN },
        { "timeout", required_argument, NULL, ARG_TIMEOUT },
        { "allowed-cpus", required_argument, NULL, ARG_ALLOWED_CPUS },
        { "inhibit", required_argument, NULL, ARG_INHIBIT },
        { "cpu-governor", required_argument, NULL, ARG_CPU_GOVERNOR },
        { "huge-pages", required_argument, NULL, ARG_HUGE_PAGES },
        { "attribute", required_argument, NULL, ARG_ATTRIBUTE },
        { "resize-bar", required_argument, NULL, ARG_RESIZE_BAR },
        { NULL },
};

/* Returns the index of 'word' in the list, or -EINVAL. */
static int parse_word(const char *word, char *const *words) {
        for (int i = 0; words[i]; i++)
                if (streq(word, words[i]))
                        return i;
        return -EINVAL;
}

static int parse_vm(const char *s, Task *task) {
        int r;

        r = vm_name_unescape(s, &task->vm_name);
        if (r < 0)
                return r;
        task->vm = s;
        return vm_name_problem(task->vm_name) ? -EINVAL : 0;
}

static int parse_seconds(const char *s, unsigned *ret) {
        unsigned long n;
        char *end;

        errno = 0;
        n = strtoul(s, &end, 10);
        if (errno || end == s || *end || *s < '0' || *s > '9' || n > UINT32_MAX / 1000)
                return -EINVAL;
        *ret = (unsigned) n;
        return 0;
}

static int parse_unload_modules(const char *s, Task *task) {
        task->unload_auto = streq(s, "auto");
        if (task->unload_auto || streq(s, "no"))
                return 0;
        return strv_split(s, ",", &task->unload_modules);
}

static int parse_option(int c, const char *value, Task *task) {
        int r;

        switch (c) {
        case ARG_VM:
                return parse_vm(value, task);
        case ARG_STOP_UNIT:
                return strv_extend(&task->stop_units, value);
        case ARG_START_UNIT:
                return strv_extend(&task->start_units, value);
        case ARG_STOP_USER_UNIT:
                return strv_extend(&task->stop_user_units, value);
        case ARG_SESSIONS:
                r = parse_word(value, STRV_MAKE("keep", "end"));
                task->end_sessions = r == 1;
                return r;
        case ARG_CONSOLES:
                r = parse_word(value, STRV_MAKE("auto", "keep"));
                task->keep_consoles = r == 1;
                return r;
        case ARG_INHIBITORS:
                r = parse_word(value, STRV_MAKE("respect", "ignore"));
                task->ignore_inhibitors = r == 1;
                return r;
        case ARG_HOLDERS:
                r = parse_word(value, STRV_MAKE("refuse", "terminate", "kill"));
                task->holders = r < 0 ? HOLDERS_POLICY_REFUSE : (HoldersPolicy) r;
                return r;
        case ARG_HOLDERS_TIMEOUT:
                return parse_seconds(value, &task->holders_timeout);
        case ARG_UNLOAD_MODULES:
                return parse_unload_modules(value, task);
        case ARG_RETURN:
                r = parse_word(value, STRV_MAKE("rebind", "rescan"));
                task->rescan = r == 1;
                return r;
        case ARG_TIMEOUT:
                return parse_seconds(value, &task->timeout);
        case ARG_ALLOWED_CPUS:
                task->allowed_cpus = value;
                return 0;
        case ARG_INHIBIT:
                task->inhibit = value;
                return 0;
        case ARG_CPU_GOVERNOR:
                task->cpu_governor = value;
                return 0;
        case ARG_HUGE_PAGES:
                return strv_split(value, ",", &task->huge_pages);
        case ARG_ATTRIBUTE:
                return strv_extend(&task->attributes, value);
        case ARG_RESIZE_BAR:
                return strv_extend(&task->resize_bars, value);
        default:
                return -EINVAL;
        }
}

static int parse_functions(char **words, Task *task) {
        int r = 0;

        STRV_FOREACH(word, words) {
                char *address = NULL;

                r = pci_address_parse(*word, &address);
                if (r < 0)
                        return log_error_errno(r, "'%s' is not the address of a PCI function", *word);
                r = strv_consume(&task->functions, address);
                if (r < 0)
                        return log_oom();
        }
        return r;
}

static int parse_command_line(int argc, char **argv, Task *task) {
        int c, r;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == '?')
                        return -EINVAL;
                r = parse_option(c, optarg, task);
                if (r == -ENOMEM)
                        return log_oom();
                if (r < 0)
                        return log_error_errno(r, "'%s' is not a value of that option", optarg);
        }
        if (!task->vm || optind >= argc) {
                (void) fprintf(stderr, "Usage: %s start|stop --vm=VM [OPTION...] [FUNCTION...]\n"
                               "Run by the units of vfio-gpu@.service(8), not by hand.\n",
                               program_invocation_short_name);
                return -EINVAL;
        }
        return parse_functions(argv + optind + 1, task);
}

/* What fails on the way back may have been busy for a moment only: everything that is undone already is
 * passed over. */
static int run_verb(StepVerb verb, const Task *task, bool again) {
        int r = verb(task);

        for (int pause = STOP_PAUSE_MSEC; r < 0 && again && pause <= STOP_PAUSE_MAX_MSEC; pause *= 4) {
                log_notice("trying once more");
                (void) poll(NULL, 0, pause);
                r = verb(task);
        }
        return r;
}

int task_signal(const Task *task) {
        switch (task->holders) {
        case HOLDERS_POLICY_TERMINATE:
                return SIGTERM;
        case HOLDERS_POLICY_KILL:
                return SIGKILL;
        case HOLDERS_POLICY_REFUSE:
                break;
        }
        return 0;
}

char *task_advice(const Task *task, const char *setting) {
        int sig = task_signal(task);
        char *advice = NULL;

        return asprintf(&advice, "stop it%s%s%s", setting ? ", or " : "", setting ?: "",
                        sig == 0 ? ", or set Holders=terminate" : sig == SIGTERM ? ", or set Holders=kill" : "") < 0 ?
                NULL : advice;
}

int step_main(int argc, char **argv, const StepVerbs *verbs) {
        Task task = {};
        StepVerb verb;
        int r;

        r = parse_command_line(argc, argv, &task);
        if (r >= 0) {
                journal_open(task.vm_name);
                r = parse_word(argv[optind], STRV_MAKE("start", "stop"));
                verb = r == 1 ? verbs->stop : verbs->start;
                if (r < 0)
                        log_error("'%s' is neither start nor stop", argv[optind]);
        }
        if (r >= 0)
                r = verb && run_verb(verb, &task, r == 1 && !verbs->stop_once) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        else
                r = 2;

        free(task.vm_name);
        strv_free(task.stop_units);
        strv_free(task.start_units);
        strv_free(task.stop_user_units);
        strv_free(task.unload_modules);
        strv_free(task.huge_pages);
        strv_free(task.attributes);
        strv_free(task.resize_bars);
        strv_free(task.functions);
        return r;
}
