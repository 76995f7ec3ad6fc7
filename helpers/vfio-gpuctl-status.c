/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>

#include "json.h"
#include "log.h"
#include "root.h"
#include "state.h"
#include "status.h"
#include "strv.h"
#include "text.h"
#include "unit-name.h"
#include "vfio-gpuctl.h"

/* Returns the end of a sentence that begins with the VM, to be freed, or NULL without memory. */
static char *describe_stage(const Status *s) {
        _cleanup_free_ char *units = strv_join(s->units, ", ");
        char *text = NULL;
        int n = -1;

        if (!units)
                return NULL;
        switch (s->stage) {
        case STAGE_NOT_BEGUN:
                n = asprintf(&text, "does not have the GPU%s%s", s->failure ? "; the last attempt failed: " : "",
                             s->failure ?: "");
                break;
        case STAGE_HANDING_OVER:
                n = asprintf(&text, "is being handed the GPU%s%s", *units ? ": " : "", units);
                break;
        case STAGE_HANDED_OVER:
                n = asprintf(&text, "has the GPU%s%s",
                             s->holder ? ": " : status_sees_holders() ? " and does not use it" : "",
                             s->holder ?: "");
                break;
        case STAGE_TAKING_BACK:
                n = asprintf(&text, "is losing the GPU%s%s", s->holder ? ", which waits for " : *units ? ": " : "",
                             s->holder ?: units);
                break;
        case STAGE_HALF_DONE:
                n = asprintf(&text, "had the GPU, and not everything is undone: run 'vfio-gpuctl recover'");
                break;
        }
        return n < 0 ? NULL : text;
}

/* Names and records are shown as they are, unless a terminal would take them for commands. */
static _printf_(1, 2) int print_line(const char *format, ...) {
        _cleanup_free_ char *line = NULL, *printable = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&line, format, ap);
        va_end(ap);
        if (n < 0) {
                line = NULL;
                return -ENOMEM;
        }
        printable = text_printable(line);
        if (!printable)
                return -ENOMEM;
        (void) puts(printable);
        return 0;
}

static int print_function(const FunctionStatus *f) {
        _cleanup_free_ char *who = holders_describe(f->holders, f->n_holders);
        int r;

        if (!who)
                return -ENOMEM;
        r = print_line("  %s %s", f->address, *f->name ? f->name : "is not on the bus");
        if (r >= 0 && *f->name)
                r = print_line("      driver %s, override %s, IOMMU group %s", f->driver ?: "none",
                               f->override ?: "none", f->group ?: "none");
        if (r >= 0 && *who)
                r = print_line("      held by %s", who);
        return r;
}

static int print_text(const Status *s) {
        _cleanup_free_ char *stage = describe_stage(s);
        int r;

        r = stage ? print_line("VM %s %s", s->vm_name, stage) : -ENOMEM;
        for (size_t i = 0; i < s->n_functions && r >= 0; i++)
                r = print_function(s->functions + i);
        for (size_t i = 0; i < s->n_tunings && r >= 0; i++)
                r = s->tunings[i].failed ?
                        print_line("  without %s: %s failed", s->tunings[i].setting, s->tunings[i].unit) :
                        print_line("  with %s", s->tunings[i].setting);
        STRV_FOREACH(left, s->left)
                if (r >= 0)
                        r = print_line("  left: %s", *left);
        if (r >= 0 && s->is_stale)
                r = print_line("  the configuration has changed since: it counts from the next swap on");
        return r;
}

static void print_holders(Json *j, const FunctionStatus *f) {
        if (!status_sees_holders()) {
                json_string(j, "holders", NULL);
                return;
        }
        json_begin(j, "holders", '[');
        for (size_t i = 0; i < f->n_holders; i++) {
                const Holder *h = f->holders + i;

                json_begin(j, NULL, '{');
                json_number(j, "pid", (unsigned long long) h->pid);
                json_string(j, "name", h->name);
                json_string(j, "unit", isempty(h->owner.unit) ? NULL : h->owner.unit);
                json_string(j, "user_unit", isempty(h->owner.user_unit) ? NULL : h->owner.user_unit);
                json_string(j, "session", isempty(h->owner.session) ? NULL : h->owner.session);
                json_string(j, "user", h->owner.user);
                json_string(j, "node", h->node);
                json_end(j, '}');
        }
        json_end(j, ']');
}

static void print_tunings(Json *j, const Status *s) {
        json_begin(j, "settings", '[');
        for (size_t i = 0; i < s->n_tunings; i++) {
                json_begin(j, NULL, '{');
                json_string(j, "setting", s->tunings[i].setting);
                json_string(j, "unit", s->tunings[i].unit);
                json_bool(j, "failed", s->tunings[i].failed);
                json_end(j, '}');
        }
        json_end(j, ']');
}

static void print_json(Json *j, const Status *s, bool has_error) {
        json_begin(j, NULL, '{');
        json_string(j, "vm", s->vm_name);
        json_string(j, "state", stage_name(s->stage));
        json_strv(j, "units", s->units);
        json_string(j, "failure", s->failure);
        json_strv(j, "left", s->left);
        json_bool(j, "configuration_changed", s->is_stale);
        json_bool(j, "configuration_error", has_error);
        print_tunings(j, s);
        json_begin(j, "functions", '[');
        for (size_t i = 0; i < s->n_functions; i++) {
                const FunctionStatus *f = s->functions + i;

                json_begin(j, NULL, '{');
                json_string(j, "address", f->address);
                json_string(j, "name", isempty(f->name) ? NULL : f->name);
                json_string(j, "driver", f->driver);
                json_string(j, "override", f->override);
                json_string(j, "group", f->group);
                print_holders(j, f);
                json_end(j, '}');
        }
        json_end(j, ']');
        json_end(j, '}');
}

/* Lists the VMs to tell about by their escaped names: the one that is named, or those of the configuration
 * and those that only have records. Returns 0, -ENOENT after it logged that there is no such VM, or -ENOMEM. */
static int list_vms(const Config *config, const char *name, char ***ret) {
        _cleanup_strv_free_ char **recorded = NULL;
        int r;

        r = state_list(&recorded);
        for (size_t i = 0; r >= 0 && i < config->n_vms; i++) {
                _cleanup_free_ char *escaped = NULL;

                r = vm_name_escape(config->vms[i]->name, &escaped);
                if (r >= 0 && (!name || streq(name, escaped) || streq(name, config->vms[i]->name)))
                        r = strv_extend(ret, escaped);
        }
        STRV_FOREACH(vm, recorded) {
                _cleanup_free_ char *plain = NULL;

                if (r >= 0)
                        r = vm_name_unescape(*vm, &plain);
                if (r >= 0 && !strv_contains(*ret, *vm) && (!name || streq(name, *vm) || streq(name, plain)))
                        r = strv_extend(ret, *vm);
        }
        if (r >= 0 && name && !*ret)
                return log_error_errno(ENOENT, NO_SECTION ".", name);
        return r;
}

static int status_of(Manager *m, const Config *config, const char *vm, Json *j) {
        _cleanup_(status_done) Status s = { 0 };
        _cleanup_strv_free_ char **problems = NULL;
        _cleanup_free_ char *plain = NULL;
        char *const *functions = NULL;
        const Vm *configured;
        int r;

        r = vm_name_unescape(vm, &plain);
        if (r < 0)
                return r;
        configured = config_find_vm(config, plain);
        r = configured ? config_problems(config, configured, &problems) : 0;
        /* With an error in there it may have fallen back to those of another section. */
        if (configured && !problems)
                functions = config_value(config, configured, KEY_DEVICES)->list;
        if (r >= 0)
                r = status_read(m, vm, functions, &s);
        if (r < 0)
                return log_error_errno(r, "cannot find out how VM %s stands: %m.", plain);
        if (!j) {
                r = print_text(&s);
                return r < 0 || !problems ? r :
                               print_line("  the configuration has an error: 'vfio-gpuctl check \"%s\"'", plain);
        }
        print_json(j, &s, problems != NULL);
        return 0;
}

static int status(const char *name, bool json) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_strv_free_ char **vms = NULL;
        _cleanup_manager_ Manager *m = NULL;
        Json j = { .f = stdout };
        int r;

        /* What is wrong with the configuration is for "check" to tell. */
        log_set_max_level(LOG_CRIT);
        r = config_load(&config);
        log_set_max_level(LOG_INFO);
        if (r >= 0)
                r = list_vms(config, name, &vms);
        if (r < 0)
                return r;
        if (!root_is_set() && manager_open(NULL, &m) < 0)
                log_warning("where a swap stands is told by its records alone.");

        if (json)
                json_begin(&j, NULL, '[');
        STRV_FOREACH(vm, vms)
                if (r >= 0)
                        r = status_of(m, config, *vm, json ? &j : NULL);
        if (json) {
                json_end(&j, ']');
                (void) fputc('\n', stdout);
        } else if (!vms)
                (void) printf("No VM is configured.\n");
        return r;
}

int verb_status(int argc, char *argv[]) {
        const char *name = NULL;
        bool json = false;

        for (int i = 1; i < argc; i++)
                if (streq(argv[i], "--json") && !json)
                        json = true;
                else if (argv[i][0] != '-' && !name)
                        name = argv[i];
                else {
                        log_error("expected: status [VM] [--json]");
                        return EXIT_USAGE;
                }
        return status(name, json) < 0 || fflush(stdout) != 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
