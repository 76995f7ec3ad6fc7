/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-settle.h"
#include "strv.h"

typedef struct Unit {
        const char *name;
        bool was_stopped, was_started, runs; /* before the VM */
        bool is_undone;
} Unit;

#define UNITS_MAX 128

typedef struct Units {
        Unit list[UNITS_MAX];
        size_t n;
} Units;

static bool is_unit_action(const Fact *f) {
        return f->action == ACTION_STOP || f->action == ACTION_START || f->action == ACTION_RESTART;
}

bool unit_is_display_manager(const char *unit) {
        return shell_word_in(
                "lightdm.service gdm.service gdm3.service sddm.service lxdm.service xdm.service mdm.service "
                "kdm.service slim.service ly.service greetd.service lemurs.service nodm.service wdm.service "
                "entrance.service cosmic-greeter.service emptty.service plasmalogin.service",
                unit);
}

/* Returns the name to write: the alias lets the display manager be exchanged. */
static const char *unit_name(const Settle *s, const Fact *f) {
        const char *ours = s->machine->display_manager;

        if (ours && streq(ours, f->object))
                return DISPLAY_MANAGER;
        /* Scripts for everybody stop whichever there is. */
        if (unit_is_display_manager(f->object) && (!ours || f->condition > 0))
                return DISPLAY_MANAGER;
        return f->object;
}

static Unit *find_unit(Units *units, const char *name, bool add) {
        for (size_t i = 0; i < units->n; i++)
                if (streq(units->list[i].name, name))
                        return &units->list[i];
        if (!add || units->n == UNITS_MAX)
                return NULL;
        units->list[units->n] = (Unit) { .name = name };
        return &units->list[units->n++];
}

static void note_units(Settle *s, Units *units) {
        FACT_FOREACH(f, s->vm) {
                Unit *u = is_unit_action(f) && f->is_start ? find_unit(units, unit_name(s, f), true) : NULL;

                if (!u)
                        continue;
                u->was_stopped |= f->action == ACTION_STOP;
                u->was_started |= f->action == ACTION_START && !u->was_stopped;
                u->runs = f->action != ACTION_STOP;
        }
}

static bool is_desktop(const char *unit) {
        return streq(unit, DISPLAY_MANAGER) || unit_is_display_manager(unit);
}

static const char *unit_key(const Unit *u) {
        if (u->was_stopped)
                return u->runs ? NULL : "StopUnits";
        return u->was_started && u->runs && !is_desktop(u->name) ? "StartUnits" : NULL;
}

static const char *const unit_moves =
        "stopped and started again before the VM, for a desktop on another card perhaps: there is no setting for that";

static void mark_units_before(Settle *s, Units *units) {
        FACT_FOREACH(f, s->vm) {
                const Unit *u = is_unit_action(f) && f->is_start ? find_unit(units, unit_name(s, f), false) : NULL;

                if (u && unit_key(u))
                        settle_mark(f, USE_LINE, unit_key(u));
                else if (u)
                        settle_mark(f, USE_LEFT, u->was_stopped || u->was_started ? unit_moves :
                                    "restarts a unit: there is no setting for that");
        }
}

static void mark_unit_after(Settle *s, Fact *f, Units *units) {
        Unit *u = find_unit(units, unit_name(s, f), false);
        const char *key = u ? unit_key(u) : NULL;

        if (key) {
                u->is_undone |= (f->action == ACTION_STOP) == streq(key, "StartUnits");
                settle_mark(f, USE_LINE, key);
        } else if (f->action != ACTION_STOP && settle_has_unknown(s->vm, true, UNKNOWN_UNIT))
                settle_mark(f, USE_NEEDLESS, settle_way_back);
        else if (f->action == ACTION_STOP)
                settle_mark(f, USE_LEFT,
                            "stops a unit after the VM: it can be kept from running only while the VM runs");
        else
                settle_mark(f, USE_LEFT, "starts a unit after the VM that no script stops before it");
}

static int add_units(Settle *s, Units *units, const char *key) {
        Strings names = { 0 };
        int r = 0;

        for (size_t i = 0; i < units->n && r >= 0; i++)
                if (unit_key(&units->list[i]) && streq(unit_key(&units->list[i]), key))
                        r = settle_add_once(s, &names, units->list[i].name);
        if (r < 0 || names.n == 0)
                return r;
        return settle_add_line(s, key, settle_join(s, &names, " "), NULL, NULL);
}

static int tell_forgotten_units(Settle *s, Units *units) {
        int r = 0;

        if (!s->vm->has_stop || settle_has_action(s->vm, ACTION_START_SOME, false))
                return 0;
        FACT_FOREACH(f, s->vm) {
                Unit *u = is_unit_action(f) && f->is_start ? find_unit(units, unit_name(s, f), false) : NULL;
                const char *key = u ? unit_key(u) : NULL;

                if (r < 0 || !key || u->is_undone)
                        continue;
                u->is_undone = true;
                r = settle_remark(s, f, "%s is %s", f->object, streq(key, "StopUnits") ?
                                  "stopped here and started again nowhere: vfio-gpu starts it again if it ran" :
                                  "started here and stopped nowhere: vfio-gpu stops it after the VM");
        }
        return r;
}

/* That no unit is stopped has to be said: the default is another one. */
static int settle_no_units(Settle *s) {
        for (size_t i = 0; i < s->vm->n_lines; i++)
                if (streq(s->vm->lines[i].key, "StopUnits"))
                        return 0;
        if (settle_has_unknown(s->vm, true, UNKNOWN_UNIT))
                return settle_note(s, "StopUnits=display-manager.service, the default: which unit the scripts "
                                      "stop is not known");
        if (settle_has_action(s->vm, ACTION_END_SESSION, true))
                return settle_note(s, "StopUnits=display-manager.service, the default: without a unit there "
                                      "sessions would go on");
        return settle_add_line(s, "StopUnits", "", NULL, "the scripts keep no unit from running");
}

int settle_units(Settle *s) {
        Units units = { 0 };
        int r = 0;

        note_units(s, &units);
        mark_units_before(s, &units);
        FACT_FOREACH(f, s->vm)
                if (is_unit_action(f) && !f->is_start)
                        mark_unit_after(s, f, &units);
        STRV_FOREACH(key, STRV_MAKE("StopUnits", "StartUnits"))
                if (r >= 0)
                        r = add_units(s, &units, *key);
        if (r >= 0)
                r = settle_no_units(s);
        return r < 0 ? r : tell_forgotten_units(s, &units);
}

int settle_user_units(Settle *s) {
        Strings names = { 0 };
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                if (r >= 0 && f->action == ACTION_STOP_USER && f->is_start) {
                        settle_mark(f, USE_LINE, "StopUserUnits");
                        r = settle_add_once(s, &names, f->object);
                }
        }
        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_START_USER && f->is_start)
                        settle_mark(f, USE_LEFT,
                                    "starts a unit of a user's before the VM: StartUnits= takes those of the system");
                else if (f->action == ACTION_START_USER)
                        settle_mark(f, USE_NEEDLESS, "users' units started again: they come with the next session");
                else if (f->action == ACTION_STOP_USER && !f->is_start)
                        settle_mark(f, USE_LEFT, "stops a unit of a user's after the VM");
        if (r >= 0 && names.n > 0)
                r = settle_add_line(s, "StopUserUnits", settle_join(s, &names, " "), NULL, NULL);
        return r;
}
