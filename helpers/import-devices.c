/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-settle.h"
#include "pci.h"
#include "strv.h"

bool settle_takes(const Fact *f) {
        return f->action == ACTION_TAKE || f->action == ACTION_RELEASE || f->action == ACTION_TAKE_GROUP;
}

static bool has_fact(const Settle *s, Action action, const char *function) {
        FACT_FOREACH(f, s->vm)
                if (f->is_start && f->action == action && streq(f->object, function))
                        return true;
        return false;
}

/* A function that leaves its driver for another one than vfio-pci is not for the VM. */
static bool is_for_vm(const Settle *s, const Fact *f) {
        return f->action != ACTION_RELEASE || has_fact(s, ACTION_TAKE, f->object) ||
               !has_fact(s, ACTION_GIVE, f->object);
}

static int settle_taken(Settle *s, Strings *devices) {
        int r = 0;

        FACT_FOREACH(f, s->vm)
                if (r >= 0 && f->is_start && settle_takes(f) && is_for_vm(s, f)) {
                        r = settle_add_once(s, devices, f->object);
                        settle_mark(f, USE_LINE, "Devices");
                }
        return r;
}

/* Each function that is taken is to be given back. */
static int settle_given(Settle *s, const Strings *devices, Strings *given) {
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                bool gives = f->action == ACTION_GIVE || f->action == ACTION_RELEASE ||
                        (f->action == ACTION_REMOVE && !f->is_start);

                if (r < 0 || !gives || f->use != USE_OPEN)
                        continue;
                if (settle_has(devices, f->object)) {
                        settle_mark(f, USE_LINE, f->action == ACTION_REMOVE ? "Return" : "Devices");
                        if (!f->is_start)
                                r = settle_add_once(s, given, f->object);
                } else if (f->is_start)
                        settle_mark(
                                f, USE_LEFT,
                                "gives a function another driver while the VM runs: there is no setting for that");
                else
                        settle_mark(f, USE_LEFT, "gives back a function that nothing takes before the VM");
        }
        return r;
}

static int tell_forgotten_devices(Settle *s, Strings *given) {
        int r = 0;

        if (!s->vm->has_stop || settle_has_unknown(s->vm, false, UNKNOWN_FUNCTION) ||
            settle_has_unknown(s->vm, false, UNKNOWN_TAKEN))
                return 0;
        FACT_FOREACH(f, s->vm) {
                if (r < 0 || !f->is_start || f->use != USE_LINE || !settle_takes(f) || settle_has(given, f->object))
                        continue;
                if (given->n == 0)
                        return settle_remark(
                                s, f,
                                "functions are taken from the host from here on, and no script gives one back: "
                                "vfio-gpu gives all of them back");
                r = settle_remark(s, f,
                                  "%s is taken from the host here and given back nowhere: vfio-gpu gives it back",
                                  f->object);
                if (r >= 0)
                        r = settle_add_once(s, given, f->object);
        }
        return r;
}

static int settle_return(Settle *s) {
        bool removes = false, rescans = false;

        FACT_FOREACH(f, s->vm)
                if (!f->is_start) {
                        removes |= f->action == ACTION_REMOVE && f->use == USE_LINE;
                        rescans |= f->action == ACTION_RESCAN;
                }
        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_RESCAN && removes && !f->is_start)
                        settle_mark(f, USE_LINE, "Return");
        return removes && rescans ? settle_add_line(s, "Return", "rescan", NULL, NULL) : 0;
}

static int tell_no_devices(Settle *s) {
        char *text =
                arena_printf(s->arena,
                             "VM %s: its scripts name no PCI function, so it gets the boot GPU with its audio "
                             "function (Devices=auto); compare that with its host devices in libvirt",
                             s->vm->name ?: "NAME");
        int r = strings_add(s->arena, &s->vm->remarks, text);

        return r < 0 ? r :
                       settle_note(
                               s, "Devices=auto: the scripts name no function, and it means the boot GPU with its "
                                  "audio function");
}

static int settle_hostdevs(Settle *s) {
        Strings devices = { 0 };
        char *from;
        int r = 0;

        for (char **d = s->vm->hostdevs; d && *d && r >= 0; d++)
                r = settle_add_once(s, &devices, *d);
        if (r < 0)
                return r;
        if (devices.n == 0)
                return tell_no_devices(s);
        from = arena_printf(s->arena, "%s, since the scripts name no function", s->vm->hostdevs_file);
        return from ? settle_add_line(s, "Devices", settle_join(s, &devices, " "), NULL, from) : -ENOMEM;
}

static bool has_display(char *const *functions, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int class = pci_class(functions[i]);

                if (class >= 0 && pci_class_is_display(class))
                        return true;
        }
        return false;
}

/* Scripts may take a disk, say, and leave the GPU to libvirt. */
static int settle_named(Settle *s, Strings *devices) {
        size_t n = strv_length(s->vm->hostdevs);
        bool adds = !has_display(devices->list, devices->n) && has_display(s->vm->hostdevs, n);
        ImportLine *line;
        int r = 0;

        for (size_t i = 0; i < n && adds && r >= 0; i++)
                r = settle_add_once(s, devices, s->vm->hostdevs[i]);
        if (r >= 0)
                r = settle_add_line(s, "Devices", settle_join(s, devices, " "), NULL, NULL);
        if (r < 0 || !adds)
                return r;
        line = &s->vm->lines[s->vm->n_lines - 1];
        line->from = arena_printf(s->arena, "%s; %s, since the scripts name no GPU", line->from,
                                  s->vm->hostdevs_file);
        return line->from ? 0 : -ENOMEM;
}

int settle_devices(Settle *s) {
        Strings devices = { 0 }, given = { 0 };
        int r;

        r = settle_taken(s, &devices);
        if (r >= 0)
                r = settle_given(s, &devices, &given);
        if (r >= 0)
                r = devices.n > 0 ? settle_named(s, &devices) : settle_hostdevs(s);
        if (r >= 0)
                r = tell_forgotten_devices(s, &given);
        return r < 0 ? r : settle_return(s);
}
