/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "device-name.h"
#include "function.h"
#include "pci.h"
#include "pin.h"
#include "record.h"
#include "root.h"
#include "state.h"
#include "status.h"
#include "strv.h"
#include "swap.h"
#include "unit-name.h"

void status_done(Status *s) {
        for (size_t i = 0; i < s->n_functions; i++) {
                FunctionStatus *f = s->functions + i;

                free(f->address);
                free(f->name);
                free(f->driver);
                free(f->override);
                free(f->group);
                holders_free(f->holders, f->n_holders);
        }
        free(s->functions);
        for (size_t i = 0; i < s->n_tunings; i++) {
                free(s->tunings[i].unit);
                free(s->tunings[i].setting);
        }
        free(s->tunings);
        free(s->vm_name);
        strv_free(s->units);
        free(s->failure);
        free(s->holder);
        strv_free(s->left);
}

bool status_sees_holders(void) {
        return geteuid() == 0 && !root_is_set();
}

static int read_function(const char *address, FunctionStatus *f) {
        _cleanup_strv_free_ char **nodes = NULL;
        char **one = STRV_MAKE(address);
        int r;

        f->address = strdup(address);
        f->name = device_name(address);
        if (!f->address || !f->name)
                return -ENOMEM;

        /* A function that has left the bus is shown without any of it. */
        (void) pci_read_link(address, "driver", &f->driver);
        (void) pci_read_link(address, "iommu_group", &f->group);
        if (pci_read_override(address, &f->override) >= 0 && isempty(f->override)) {
                free(f->override);
                f->override = NULL;
        }
        if (!status_sees_holders())
                return 0;

        r = nodes_of_functions(one, &nodes);
        if (r >= 0)
                r = nodes_of_vfio(one, &nodes);
        if (r >= 0)
                r = holders_find(nodes, &f->holders, &f->n_holders);
        return r;
}

static int read_functions(char *const *addresses, Status *s) {
        int r = 0;

        s->functions = calloc(strv_length(addresses) + 1, sizeof(FunctionStatus));
        if (!s->functions)
                return -ENOMEM;
        for (char *const *address = addresses; address && *address && r >= 0; address++)
                r = read_function(*address, s->functions + s->n_functions++);
        if (r >= 0 && status_sees_holders())
                r = vfio_holders_describe(addresses, &s->holder);
        return r < 0 ? r : 0;
}

/* The last words of an attempt that failed and that nothing is left of; where it had none, what the service
 * manager knows. */
static int read_failure(Manager *m, const char *entry, Status *s) {
        _cleanup_free_ char *text = NULL, *result = NULL;
        int r;

        r = manager_unit_string(m, entry, "Service", "StatusText", &text);
        if (r >= 0 && !swap_is_reason(text))
                r = manager_unit_string(m, entry, "Service", "Result", &result);
        if (r < 0)
                return r;
        s->failure = result ? strdup(swap_result(result)) : TAKE_PTR(text);
        return s->failure ? 0 : -ENOMEM;
}

static int read_units(Manager *m, bool has_records, Status *s) {
        _cleanup_strv_free_ char **down = NULL, **up = NULL, **there = NULL;
        _cleanup_free_ char *entry = NULL, *target = NULL, *recover = NULL, *active = NULL, *recovering = NULL;
        int r;

        if (asprintf(&entry, "vfio-gpu@%s.service", s->vm) < 0 || asprintf(&target, "vfio-gpu@%s.target", s->vm) < 0 ||
            asprintf(&recover, SWAP_RECOVER "@%s.service", s->vm) < 0)
                return -ENOMEM;

        r = manager_unit_string(m, entry, "Unit", "ActiveState", &active);
        if (r >= 0)
                r = manager_unit_string(m, recover, "Unit", "ActiveState", &recovering);
        if (r >= 0)
                r = swap_units(m, s->vm, STRV_MAKE("deactivating"), &down);
        if (r >= 0)
                r = swap_units(m, s->vm, STRV_MAKE("activating"), &up);
        if (r >= 0)
                r = swap_units(m, s->vm, STRV_MAKE("active"), &there);
        if (r >= 0 && streq(recovering, "activating"))
                r = strv_extend(&down, recover);
        if (r < 0)
                return r;

        if (down || streq(active, "deactivating")) {
                s->stage = STAGE_TAKING_BACK;
                s->units = TAKE_PTR(down);
        } else if (up || streq(active, "activating")) {
                s->stage = STAGE_HANDING_OVER;
                s->units = TAKE_PTR(up);
        } else if (streq(active, "active") || strv_contains(there, target))
                s->stage = STAGE_HANDED_OVER;
        else
                s->stage = has_records ? STAGE_HALF_DONE : STAGE_NOT_BEGUN;

        if (s->stage != STAGE_NOT_BEGUN)
                s->is_stale = manager_unit_needs_reload(m, target) > 0;
        return streq(active, "failed") ? read_failure(m, entry, s) : 0;
}

/* The description of the unit ends with the setting. */
static int read_tuning(Manager *m, const char *vm_name, const char *unit, TuningStatus *t) {
        _cleanup_free_ char *active = NULL, *description = NULL;
        size_t prefix = strlen("GPU for VM : ") + strlen(vm_name);
        int r;

        r = manager_unit_string(m, unit, "Unit", "ActiveState", &active);
        if (r >= 0)
                r = manager_unit_string(m, unit, "Unit", "Description", &description);
        if (r < 0)
                return r;

        t->unit = strdup(unit);
        t->setting = strdup(strlen(description) > prefix ? description + prefix : description);
        t->failed = streq(active, "failed");
        return t->unit && t->setting ? 0 : -ENOMEM;
}

static int read_tunings(Manager *m, Status *s) {
        _cleanup_strv_free_ char **units = NULL;
        int r;

        r = swap_units(m, s->vm, STRV_MAKE("active", "activating", "failed"), &units);
        if (r < 0)
                return r;
        s->tunings = calloc(strv_length(units) + 1, sizeof(TuningStatus));
        if (!s->tunings)
                return -ENOMEM;
        STRV_FOREACH(unit, units)
                if (r >= 0 && swap_is_tuning(*unit))
                        r = read_tuning(m, s->vm_name, *unit, s->tunings + s->n_tunings++);
        return r;
}

/* Without the service manager the drivers have to tell. */
static void guess_stage(bool has_records, const Function *before, Status *s) {
        s->stage = has_records ? STAGE_HANDED_OVER : STAGE_NOT_BEGUN;
        if (has_records && !before)
                s->stage = STAGE_HALF_DONE;
        for (const Function *f = before; f && f->address; f++)
                if (function_is_driven_by(f->address, VFIO_DRIVER) <= 0)
                        s->stage = STAGE_HALF_DONE;
}

static int add_left_functions(const Function *before, Status *s) {
        int r = 0;

        for (const Function *f = before; f && f->address && r >= 0; f++) {
                _cleanup_free_ char *override = NULL;

                if (function_is_driven_by(f->address, f->driver) == !isempty(f->driver) &&
                    pci_read_override(f->address, &override) >= 0 && streq(override, f->override))
                        continue;
                r = *f->driver ? strv_extendf(&s->left, "%s is to go back to driver %s", f->address, f->driver) :
                                 strv_extendf(&s->left, "%s is to have no driver", f->address);
        }
        return r;
}

static int add_left_records(int state, Status *s) {
        static const struct {
                const char *record, *what;
        } records[] = {
                { "modules", "modules to be loaded again" },
                { "consoles", "to be bound again" },
                { "cpus", "units that are to have these CPUs again" },
                { "device", "to be set again" },
                { "governor", "to be set again" },
                { "hugepages", "huge pages (KiB each, before, during the swap)" },
                { RECORD_STOPPED, "units to be started again" },
                { RECORD_STARTED, "units to be stopped again" },
                { "pinned", "copies of units to be removed" },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(records) && r >= 0; i++) {
                _cleanup_strv_free_ char **lines = NULL;
                _cleanup_free_ char *joined = NULL;

                if (state_read(state, records[i].record, &lines) < 0 || !lines)
                        continue;
                joined = strv_join(lines, ", ");
                r = joined ? strv_extendf(&s->left, "%s: %s", records[i].what, joined) : -ENOMEM;
        }
        return r;
}

int status_read(Manager *m, const char *vm, char *const *configured, Status *s) {
        _cleanup_functions_free_ Function *before = NULL;
        _cleanup_strv_free_ char **addresses = NULL;
        _cleanup_close_ int state = -1;
        int r;

        s->vm = vm;
        state = state_open(vm, false);
        r = vm_name_unescape(vm, &s->vm_name);
        if (r >= 0 && state >= 0 && functions_load(state, &before) >= 0)
                r = functions_addresses(before, &addresses);
        if (r >= 0)
                r = read_functions(addresses ?: configured, s);
        if (r >= 0 && m)
                r = read_units(m, state_exists(vm), s);
        else if (r >= 0)
                guess_stage(state_exists(vm), before, s);

        if (state >= 0 && pin_is_current(vm, state) == 0)
                s->is_stale = true;
        if (r >= 0 && m && (s->stage == STAGE_HANDED_OVER || s->stage == STAGE_HANDING_OVER))
                r = read_tunings(m, s);
        if (r >= 0 && s->stage == STAGE_HALF_DONE)
                r = add_left_functions(before, s);
        if (r >= 0 && s->stage == STAGE_HALF_DONE)
                r = add_left_records(state, s);
        return r;
}

const char *stage_name(Stage stage) {
        static const char *const names[] = {
                [STAGE_NOT_BEGUN] = "not-begun",
                [STAGE_HANDING_OVER] = "handing-over",
                [STAGE_HANDED_OVER] = "handed-over",
                [STAGE_TAKING_BACK] = "taking-back",
                [STAGE_HALF_DONE] = "half-done",
        };

        return names[stage];
}
