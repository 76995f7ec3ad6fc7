/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <pwd.h>
#include <sys/stat.h>

#include <systemd/sd-login.h>

#include "owner.h"

char *user_name(uid_t uid) {
        const struct passwd *entry = getpwuid(uid);
        char *name = NULL;

        if (entry)
                return strdup(entry->pw_name);
        return asprintf(&name, "%u", uid) < 0 ? NULL : name;
}

void owner_done(Owner *owner) {
        free(owner->unit);
        free(owner->user_unit);
        free(owner->session);
        free(owner->seat);
        free(owner->user);
}

/* A program with the rights of another user, as the X server may be, is still its session's. */
static uid_t find_user(pid_t pid) {
        char path[sizeof("/proc/") + 3 * sizeof(pid_t)];
        struct stat st = {};
        uid_t uid;

        if (sd_pid_get_owner_uid(pid, &uid) >= 0)
                return uid;
        (void) snprintf(path, sizeof(path), "/proc/%i", pid);
        (void) stat(path, &st);
        return st.st_uid;
}

int owner_find(pid_t pid, Owner *ret) {
        (void) sd_pid_get_unit(pid, &ret->unit);
        (void) sd_pid_get_user_unit(pid, &ret->user_unit);
        if (sd_pid_get_session(pid, &ret->session) >= 0)
                (void) sd_session_get_seat(ret->session, &ret->seat);
        ret->uid = find_user(pid);
        ret->user = user_name(ret->uid);

        ret->unit = ret->unit ?: strdup("");
        ret->user_unit = ret->user_unit ?: strdup("");
        ret->session = ret->session ?: strdup("");
        ret->seat = ret->seat ?: strdup("");
        return ret->unit && ret->user_unit && ret->session && ret->seat && ret->user ? 0 : -ENOMEM;
}

char *owner_describe(const Owner *owner) {
        char *text = NULL;
        int n;

        if (*owner->session)
                n = asprintf(&text, "session %s of %s%s%s", owner->session, owner->user, *owner->seat ? " on " : "",
                             owner->seat);
        else if (*owner->user_unit)
                n = asprintf(&text, "user unit %s of %s", owner->user_unit, owner->user);
        else
                n = asprintf(&text, "%s%sof %s", owner->unit, *owner->unit ? " " : "", owner->user);
        return n < 0 ? NULL : text;
}

char *owner_setting(const Owner *owner) {
        _cleanup_free_ char *tty = NULL;
        char *setting = NULL;

        /* What logs in by itself has done so again when its session was ended. */
        if (*owner->session && sd_session_get_tty(owner->session, &tty) >= 0 && startswith(tty, "tty"))
                return asprintf(&setting, "name getty@%s.service in StopUnits= if that logs in by itself", tty) < 0 ?
                        NULL : setting;
        if (*owner->session)
                return NULL;
        if (*owner->user_unit)
                return endswith(owner->user_unit, ".scope") ? NULL : strdup("name its unit in StopUserUnits=");
        return endswith(owner->unit, ".service") ? strdup("name its unit in StopUnits=") : NULL;
}
