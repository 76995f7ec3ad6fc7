/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-command.h"
#include "unit-name.h"

#define DISPLAY_MANAGER "display-manager.service"

/* With a key before it, it is still a line of vfio-gpu.conf(5). */
#define UNIT_LENGTH_MAX 160

static bool is_session_unit(const char *unit) {
        return shell_word_in("user@* user-* session-*", unit);
}

/* Returns the full name of a unit, or NULL for what can be none. */
static char *full_unit_name(Recorder *recorder, const char *unit, bool is_user) {
        const char *(*check)(const char *) = is_user ? unit_glob_problem : unit_name_problem;
        char *name;

        if (!shell_is_known(unit))
                return NULL;
        if (!check(unit))
                return arena_strndup(recorder->facts->arena, unit, strlen(unit));
        name = arena_printf(recorder->facts->arena, "%s.service", unit);
        return name && !check(name) ? name : NULL;
}

static int add_unit(Recorder *recorder, const ShellCall *call, Action action, const char *unit, bool is_user) {
        char *name;

        /* Holds an inhibitor lock while it runs, and comes with one family of scripts. */
        if (startswith(unit, "libvirt-nosleep@"))
                return command_adds(recorder, call, action == ACTION_STOP ? ACTION_UNINHIBIT : ACTION_INHIBIT, "",
                                    "sleep");
        if (!is_user && is_session_unit(unit) && action == ACTION_STOP)
                return command_adds(recorder, call, ACTION_END_SESSION, "", "");
        name = full_unit_name(recorder, unit, is_user);
        if (!name && action != ACTION_STOP && !recorder->is_start && !shell_is_known(unit))
                return command_adds(recorder, call, ACTION_START_SOME, "", "");
        if (!name)
                return command_unknown(recorder, call, UNKNOWN_UNIT, action == ACTION_STOP && recorder->is_start ?
                                       "the name of the unit is not known: add it to StopUnits= if it is not there" :
                                       "the name of the unit is not known");
        if (strlen(name) > UNIT_LENGTH_MAX)
                return command_unknown(recorder, call, UNKNOWN_UNIT,
                                       "the name of the unit is too long for a line of the configuration");
        if (startswith(name, "vfio-gpu@") || startswith(name, "vfio-gpu-"))
                return command_needless(recorder, call,
                                        "a unit of this package's: libvirt's hook vfio-gpu starts and stops it");
        if (!is_user)
                return command_adds(recorder, call, action, name, "");
        return command_adds(recorder, call, action == ACTION_STOP ? ACTION_STOP_USER : ACTION_START_USER, name, "");
}

static int isolate(Recorder *recorder, const ShellCall *call, const char *target) {
        if (shell_word_in("multi-user* runlevel3* rescue* emergency* runlevel1*", target))
                return command_adds(recorder, call, ACTION_STOP, DISPLAY_MANAGER, "isolate");
        if (shell_word_in("graphical* runlevel5* default*", target))
                return command_adds(recorder, call, ACTION_START, DISPLAY_MANAGER, "isolate");
        return command_leaves(recorder, call, "stops what is not part of this target: name the units in StopUnits=");
}

static bool is_sleep_unit(const char *unit) {
        return shell_word_in("sleep.target suspend.target hibernate.target hybrid-sleep.target "
                             "suspend-then-hibernate.target systemd-suspend* systemd-hibernate* systemd-hybrid-sleep*",
                             unit);
}

/* To mask a unit of sleeping is one way to keep the machine awake. */
static int mask(Recorder *recorder, const ShellCall *call, const char *unit, bool on) {
        if (!is_sleep_unit(unit))
                return command_leaves(recorder, call, "masks units: name those that are not to run in StopUnits=");
        return command_adds(recorder, call, on ? ACTION_INHIBIT : ACTION_UNINHIBIT, "", "sleep");
}

static int set_one_property(Recorder *recorder, const ShellCall *call, const char *unit, const char *property) {
        const char *cpus = startswith(property, "AllowedCPUs=");

        if (!cpus)
                return command_leaves(recorder, call, "there is no setting for this property");
        if (shell_is_known(unit) && !shell_word_in("user.slice system.slice init.scope -.slice", unit))
                return command_leaves(recorder, call, "this is none of the host's slices, which AllowedCPUs= is for");
        if (!shell_is_known(cpus) && !recorder->is_start)
                return command_adds(recorder, call, ACTION_CPUS, unit, "");
        if (!shell_is_known(cpus))
                return command_unknown(recorder, call, UNKNOWN_CPUS,
                                       "which CPUs the host is to use is not known: set AllowedCPUs=");
        return command_adds(recorder, call, ACTION_CPUS, unit, cpus);
}

static int set_properties(Recorder *recorder, const ShellCall *call, size_t i, const char *unit) {
        const char *property = command_operand(call, &i, NULL);
        int r = property ? 1 : command_leaves(recorder, call, "there is no setting for this");

        for (; property && r > 0; property = command_operand(call, &i, NULL))
                r = set_one_property(recorder, call, unit, property);
        return r;
}

static int systemctl_unit(Recorder *recorder, const ShellCall *call, const char *verb, const char *unit,
                          bool is_user) {
        static const char restarts[] = "restart try-restart reload-or-restart try-reload-or-restart condrestart";

        if (streq(verb, "stop"))
                return add_unit(recorder, call, ACTION_STOP, unit, is_user);
        if (streq(verb, "start") && startswith(unit, "graphical.target"))
                return isolate(recorder, call, unit);
        if (streq(verb, "start"))
                return add_unit(recorder, call, ACTION_START, unit, is_user);
        if (shell_word_in(restarts, verb))
                return add_unit(recorder, call, ACTION_RESTART, unit, is_user);
        if (streq(verb, "isolate"))
                return isolate(recorder, call, unit);
        if (streq(verb, "mask") || streq(verb, "unmask"))
                return mask(recorder, call, unit, *verb == 'm');
        if (streq(verb, "kill") && is_session_unit(unit))
                return command_adds(recorder, call, ACTION_END_SESSION, "", "");
        return command_leaves(recorder, call, "there is no setting for what this does to a unit");
}

int run_systemctl(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char with_value[] =
                "-M --machine -H --host -t --type -p --property -n -o -s --signal --kill-whom";
        static const char questions[] =
                "is-active is-enabled is-failed is-system-running status show list-units list-unit-files cat "
                "list-jobs list-dependencies get-default list-sockets list-timers";
        static const char silent[] = "daemon-reload daemon-reexec reset-failed import-environment";
        bool is_user = command_has_option(call, "--user") || call->is_user;
        size_t i = 1;
        const char *verb = command_operand(call, &i, with_value), *unit;
        int r = 1;

        *ret = SHELL_EXPECTED;
        if (!verb || shell_word_in(questions, verb)) {
                *ret = SHELL_MAYBE;
                return 1;
        }
        if (shell_word_in(silent, verb))
                return 1;
        unit = command_operand(call, &i, with_value);
        if (!unit)
                return command_leaves(recorder, call, "there is no setting for this");
        if (streq(verb, "set-property"))
                return set_properties(recorder, call, i, unit);
        for (; unit && r > 0; unit = command_operand(call, &i, with_value))
                r = systemctl_unit(recorder, call, verb, unit, is_user);
        return r;
}

int command_service(Recorder *recorder, const ShellCall *call, const char *unit, const char *verb) {
        if (!verb || !unit)
                return command_leaves(recorder, call, "there is no setting for this");
        if (streq(verb, "status"))
                return 1;
        return systemctl_unit(recorder, call, verb, unit, false);
}

int run_service(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_service(recorder, call, call->n_words > 1 ? call->words[1] : NULL,
                               call->n_words > 2 ? call->words[2] : NULL);
}

int run_init(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        const char *level = call->n_words > 1 ? call->words[1] : "";

        *ret = SHELL_EXPECTED;
        if (streq(level, "3") || streq(level, "1"))
                return isolate(recorder, call, "multi-user.target");
        return streq(level, "5") ? isolate(recorder, call, "graphical.target") :
                                   command_leaves(recorder, call, "there is no setting for this");
}
