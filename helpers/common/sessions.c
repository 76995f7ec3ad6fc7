/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>

#include <systemd/sd-login.h>

#include "clock.h"
#include "log.h"
#include "sessions.h"
#include "strv.h"

#define LOGIND "org.freedesktop.login1"
#define SEAT "seat0"

/* How often is looked where nothing tells of a session's end. */
#define BLIND_MSEC 200

static bool is_on_seat(const char *session) {
        _cleanup_free_ char *seat = NULL;

        return sd_session_get_seat(session, &seat) >= 0 && streq(seat, SEAT);
}

static bool has_graphical_type(const char *session) {
        _cleanup_free_ char *type = NULL;

        return sd_session_get_type(session, &type) >= 0 &&
                (streq(type, "x11") || streq(type, "wayland") || streq(type, "mir"));
}

static bool is_drawn_by(const char *session, const Holder *holders, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (streq(holders[i].owner.session, session))
                        return true;
        return false;
}

/* A program that only computes, or plays sound, draws nothing. */
static int find_drawing(char *const *nodes, Holder **ret, size_t *ret_n) {
        _cleanup_strv_free_ char **screens = NULL;
        int r = 0;

        for (; nodes && *nodes && r >= 0; nodes++)
                if (startswith(*nodes, "/dev/dri/card") || startswith(*nodes, "/dev/fb") ||
                    streq(*nodes, "/dev/nvidia-modeset"))
                        r = strv_extend(&screens, *nodes);
        return r < 0 || !screens ? r : holders_find(screens, ret, ret_n);
}

/* startx and compositors that are started on a text console do not change the type of the session. */
static int add_drawn(char *const *textual, char *const *nodes, char ***sessions) {
        Holder *holders = NULL;
        size_t n = 0;
        int r;

        r = textual ? find_drawing(nodes, &holders, &n) : 0;
        for (; r >= 0 && textual && *textual; textual++)
                if (is_drawn_by(*textual, holders, n))
                        r = strv_extend(sessions, *textual);
        holders_free(holders, n);
        return r;
}

static int list_sessions(char *const *nodes, char ***ret) {
        _cleanup_strv_free_ char **all = NULL, **graphical = NULL, **textual = NULL;
        int r;

        r = sd_get_sessions(&all);
        STRV_FOREACH(session, all)
                if (r >= 0 && is_on_seat(*session))
                        r = strv_extend(has_graphical_type(*session) ? &graphical : &textual, *session);
        if (r >= 0)
                r = add_drawn(textual, nodes, &graphical);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(graphical);
        return 0;
}

/* A greeter comes back with the display manager. A getty may log in by itself, and cannot be told not to by
 * logind. */
static void tell_end(const char *session) {
        _cleanup_free_ char *class = NULL, *tty = NULL, *user = NULL;
        uid_t uid;

        if (sd_session_get_uid(session, &uid) >= 0)
                user = user_name(uid);
        if (sd_session_get_class(session, &class) >= 0 && streq(class, "greeter"))
                log_info("ending session %s of %s on " SEAT, session, user ?: "?");
        else if (sd_session_get_tty(session, &tty) >= 0 && startswith(tty, "tty"))
                log_notice("ending session %s of %s on " SEAT ", which is not started again after the swap; "
                           "if getty@%s.service logs in by itself, name it in StopUnits=", session, user ?: "?", tty);
        else
                log_notice("ending session %s of %s on " SEAT ", which is not started again after the swap", session,
                           user ?: "?");
}

static bool is_closing(const char *session) {
        _cleanup_free_ char *state = NULL;

        return sd_session_get_state(session, &state) >= 0 && streq(state, "closing");
}

/* logind leaves a session alone that was logged out of and has processes left, as GDM's may have. */
static int stop_scope(Manager *m, const char *session, sd_bus_error *error) {
        _cleanup_free_ char *scope = NULL;

        if (asprintf(&scope, "session-%s.scope", session) < 0)
                return -ENOMEM;
        return manager_queue(m, "StopUnit", scope, "replace", error);
}

static int terminate(Manager *m, const char *session, sd_bus_error *error) {
        int r;

        if (is_closing(session))
                return stop_scope(m, session, error);
        r = sd_bus_call_method(manager_bus(m), LOGIND, "/org/freedesktop/login1", LOGIND ".Manager",
                               "TerminateSession", error, NULL, "s", session);
        return sd_bus_error_has_name(error, LOGIND ".NoSuchSession") ? 0 : r;
}

/* Most swaps have nothing to ask for here: the display manager took its sessions with it. */
static int terminate_all(Manager **m, char **sessions) {
        int r = sessions ? manager_open_once(m) : 0;

        STRV_FOREACH(session, r >= 0 ? sessions : NULL) {
                _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;

                tell_end(*session);
                if (terminate(*m, *session, &error) < 0)
                        log_warning("cannot end session %s: %s", *session, error.message ?: "out of memory");
        }
        return r;
}

/* Takes those that are gone out of the list. */
static int keep_existing(char ***sessions) {
        _cleanup_strv_free_ char **all = NULL, **left = NULL;
        int r;

        r = sd_get_sessions(&all);
        STRV_FOREACH(session, *sessions)
                if (r >= 0 && strv_contains(all, *session))
                        r = strv_extend(&left, *session);
        if (r < 0)
                return r;

        strv_free(*sessions);
        *sessions = TAKE_PTR(left);
        return 0;
}

/* What inotify has for all of root's processes can be used up by containers: then there is no monitor. */
static int wait_for_end(char ***sessions, uint64_t deadline) {
        _cleanup_(sd_login_monitor_unrefp) sd_login_monitor *monitor = NULL;
        bool is_blind = sd_login_monitor_new("session", &monitor) < 0;
        int r;

        /* Some may have ended before it was there. */
        r = keep_existing(sessions);
        while (r >= 0 && *sessions && clock_left(deadline) > 0) {
                struct pollfd event = { .fd = is_blind ? -1 : sd_login_monitor_get_fd(monitor), .events = POLLIN };
                int left = clock_left(deadline);

                (void) poll(&event, 1, is_blind && left > BLIND_MSEC ? BLIND_MSEC : left);
                if (!is_blind)
                        (void) sd_login_monitor_flush(monitor);
                r = keep_existing(sessions);
        }
        return r;
}

int sessions_end(Manager **m, char *const *nodes, uint64_t deadline) {
        _cleanup_strv_free_ char **sessions = NULL;
        int r;

        r = list_sessions(nodes, &sessions);
        if (r >= 0)
                r = terminate_all(m, sessions);
        if (r >= 0 && sessions)
                r = wait_for_end(&sessions, deadline);
        if (r < 0)
                return log_error_errno(r, "cannot list or end the graphical sessions: %m; 'loginctl' shows what "
                                       "logind knows of them");

        /* A session without a process that has the GPU open does no harm. */
        STRV_FOREACH(session, sessions)
                log_warning("session %s has not ended in time", *session);
        return 0;
}

static bool has_no_session(uid_t uid) {
        _cleanup_free_ char *state = NULL;

        return sd_uid_get_state(uid, &state) >= 0 && streq(state, "closing");
}

static int stop_manager(Manager *m, const Holder *holder) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = manager_unit_runs(m, holder->owner.unit);
        if (r <= 0)
                return r < 0 ? log_error_errno(r, "cannot find out whether %s runs: %m", holder->owner.unit) : 0;

        log_info("stopping %s: %s has no session any more, and %s of it has %s open", holder->owner.unit,
                 holder->owner.user, holder->owner.user_unit, holder->node);
        r = manager_queue(m, "StopUnit", holder->owner.unit, "replace", &error);
        if (r < 0)
                log_warning("cannot stop %s: %s", holder->owner.unit, error.message);
        return 0;
}

int sessions_stop_managers(Manager **m, const Holder *holders, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r >= 0; i++)
                if (*holders[i].owner.user_unit && has_no_session(holders[i].owner.uid)) {
                        r = manager_open_once(m);
                        if (r >= 0)
                                r = stop_manager(*m, holders + i);
                }
        return r;
}
