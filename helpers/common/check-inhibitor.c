/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "clock.h"
#include "inhibitor.h"
#include "text.h"

/* Nobody can wait for long at a question that most often has no answer. */
#define ANSWER_TIMEOUT (5 * USEC_PER_SEC)

/* Returns whether 'word' is one of those that are separated by colons. */
static bool has_word(const char *words, const char *word) {
        size_t n = strlen(word);

        for (const char *p = words; (p = strstr(p, word)); p += n)
                if ((p == words || p[-1] == ':') && (!p[n] || p[n] == ':'))
                        return true;
        return false;
}

/* With systemd 257 came locks that let root, and the user who has them, shut down: what they say of unsaved
 * work is as true. */
static bool is_block(const char *mode) {
        return streq(mode, "block") || streq(mode, "block-weak");
}

/* What another swap holds is about the machine, not about the desktop. */
static bool is_ours(const char *who, uint32_t uid) {
        return streq(who, INHIBITOR_WHO) && uid == 0;
}

static int add_inhibitor(CheckContext *c, const char *who, const char *why, uint32_t uid, uint32_t pid) {
        _cleanup_free_ char *name = text_printable(who), *reason = text_printable(why);

        return !name || !reason ? -ENOMEM :
                findings_add(c->findings, FINDING_INHIBITED, name,
                             "%s (pid %u of user %u) blocks a shutdown, and a swap ends the desktop as one "
                             "does; its reason: %s; let it finish, or set Inhibitors=ignore",
                             name, pid, uid, reason);
}

static int ask(sd_bus *bus, sd_bus_message **ret) {
        _cleanup_message_ sd_bus_message *call = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &call, LOGIND, LOGIND_PATH, LOGIND_MANAGER, "ListInhibitors");
        return r < 0 ? r : sd_bus_call(bus, call, ANSWER_TIMEOUT, NULL, ret);
}

int check_inhibitors(CheckContext *c) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *what, *who, *why, *mode;
        uint32_t uid, pid;
        int r;

        /* Who stops nothing keeps a desktop, on another GPU. */
        if (!c->manager || c->check->ignore_inhibitors || !c->check->stop_units)
                return 0;
        /* Without logind there is nobody to ask. */
        if (ask(manager_bus(c->manager), &reply) < 0)
                return 0;

        r = sd_bus_message_enter_container(reply, 'a', "(ssssuu)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssuu)", &what, &who, &why, &mode, &uid, &pid)) > 0)
                if (is_block(mode) && has_word(what, "shutdown") && !is_ours(who, uid))
                        r = add_inhibitor(c, who, why, uid, pid);
        return r;
}
