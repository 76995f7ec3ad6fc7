/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <poll.h>
#include <signal.h>

#include "bus.h"
#include "clock.h"
#include "log.h"
#include "strv.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"

/* How often the manager is asked whether there still is a job. One that loses its own connection to the bus
 * tells nobody meanwhile, and with older systemd has forgotten afterwards whom to tell. */
#define LOOK_AGAIN (10 * USEC_PER_SEC)

/* A reload is answered when all generators have run, which may take 90 seconds. */
#define RELOAD_TIMEOUT (180 * USEC_PER_SEC)

struct Manager {
        sd_bus *bus;
        char **jobs; /* object paths of those not ended yet */
        uint64_t look_at; /* when the first of them is asked about */
        char *asked; /* the one asked about last */
        sd_bus_slot *answer; /* to that, while it is awaited */
        char result[32]; /* how the last one ended that did not end with "done" */
};

static bool forget_job(Manager *m, const char *path) {
        for (char **job = m->jobs; job && *job; job++)
                if (streq(*job, path)) {
                        free(*job);
                        do
                                job[0] = job[1];
                        while (*job++);
                        return true;
                }
        return false;
}

/* A job can end before the answer to our own call has told which it is, so every one that ended is noted. */
static int on_job_removed(sd_bus_message *message, void *userdata, _unused_ sd_bus_error *error) {
        const char *path, *unit, *result;
        Manager *m = userdata;
        uint32_t id;

        if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
                return 0;

        if (forget_job(m, path) && !streq(result, "done"))
                (void) snprintf(m->result, sizeof(m->result), "%s", result);
        return 0;
}

static int connect_to(const char *address, sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        if (!address)
                return sd_bus_open_system(ret);

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(bus);
        return 0;
}

int manager_open(const char *address, Manager **ret) {
        _cleanup_manager_ Manager *m = NULL;
        int r;

        m = calloc(1, sizeof(Manager));
        if (!m)
                return log_oom();

        r = connect_to(address, &m->bus);
        if (r >= 0)
                r = sd_bus_match_signal(m->bus, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "JobRemoved",
                                        on_job_removed, m);
        if (r >= 0)
                r = sd_bus_call_method(m->bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe", NULL, NULL, NULL);
        if (r < 0 && address)
                return log_error_errno(r, "cannot reach the service manager at %s: %m", address);
        if (r < 0)
                return log_error_errno(r, "cannot reach the service manager over D-Bus: %m; is dbus.service running?");

        *ret = TAKE_PTR(m);
        return 0;
}

int manager_open_once(Manager **m) {
        return *m ? 0 : manager_open(NULL, m);
}

Manager *manager_close(Manager *m) {
        sd_bus_slot_unref(m->answer);
        sd_bus_flush_close_unref(m->bus);
        strv_free(m->jobs);
        free(m->asked);
        free(m);
        return NULL;
}

sd_bus *manager_bus(Manager *m) {
        return m->bus;
}

int manager_new_call(Manager *m, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(m->bus, ret, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, method);
}

/* The manager loads a unit when it is asked for the unit's object, so the path need not be asked for first. */
static int unit_path(const char *unit, char **ret) {
        return sd_bus_path_encode(SYSTEMD_PATH "/unit", unit, ret);
}

/* Reads a property of a basic type of the unit's interface: "Unit", or one for its type. */
static int read_property(Manager *m, const char *unit, const char *interface, const char *property,
                         char type, void *ret) {
        _cleanup_free_ char *path = NULL, *full = NULL;
        int r;

        r = unit_path(unit, &path);
        if (r < 0)
                return r;
        if (asprintf(&full, SYSTEMD ".%s", interface) < 0) {
                full = NULL;
                return -ENOMEM;
        }
        return type == 's' ? sd_bus_get_property_string(m->bus, SYSTEMD, path, full, property, NULL, ret) :
                             sd_bus_get_property_trivial(m->bus, SYSTEMD, path, full, property, NULL, type, ret);
}

int manager_unit_string(Manager *m, const char *unit, const char *interface, const char *property, char **ret) {
        return read_property(m, unit, interface, property, 's', ret);
}

int manager_unit_was_terminated(Manager *m, const char *unit) {
        _cleanup_free_ char *result = NULL;
        int32_t status = 0;
        int r;

        r = manager_unit_string(m, unit, "Service", "Result", &result);
        if (r < 0 || !streq(result, "signal"))
                return r < 0 ? r : 0;
        r = read_property(m, unit, "Service", "ExecMainStatus", 'i', &status);
        return r < 0 ? r : status == SIGTERM;
}

/* Returns 1 with the path of the job that the unit has, 0 if it has none, or a negative errno. */
static int find_job(Manager *m, const char *unit, char **ret) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *path = NULL;
        const char *job;
        uint32_t id;
        int r;

        r = unit_path(unit, &path);
        if (r >= 0)
                r = sd_bus_get_property(m->bus, SYSTEMD, path, SYSTEMD ".Unit", "Job", NULL, &reply, "(uo)");
        if (r >= 0)
                r = sd_bus_message_read(reply, "(uo)", &id, &job);
        if (r < 0 || id == 0)
                return r < 0 ? r : 0;

        *ret = strdup(job);
        return *ret ? 1 : -ENOMEM;
}

/* Returns whether the unit is to be started: at boot it may wait for others. */
static int is_to_start(Manager *m, const char *unit) {
        _cleanup_free_ char *job = NULL, *type = NULL;
        int r;

        r = find_job(m, unit, &job);
        /* A job that is done in this moment has no type any more. */
        if (r <= 0 || sd_bus_get_property_string(m->bus, SYSTEMD, job, SYSTEMD ".Job", "JobType", NULL, &type) < 0)
                return r < 0 ? r : 0;
        return streq(type, "start") || streq(type, "restart");
}

int manager_unit_runs(Manager *m, const char *unit) {
        _cleanup_free_ char *state = NULL;
        int r;

        r = manager_unit_string(m, unit, "Unit", "ActiveState", &state);
        if (r < 0)
                return r;
        return streq(state, "active") || streq(state, "activating") || streq(state, "reloading") ? 1 :
                                                                                            is_to_start(m, unit);
}

int manager_unit_can_start(Manager *m, const char *unit) {
        int can = 0, r;

        r = read_property(m, unit, "Unit", "CanStart", 'b', &can);
        return r < 0 ? r : can != 0;
}

int manager_unit_needs_reload(Manager *m, const char *unit) {
        int changed = 0, r;

        r = read_property(m, unit, "Unit", "NeedDaemonReload", 'b', &changed);
        return r < 0 ? r : changed != 0;
}

int manager_unit_left(Manager *m, const char *unit, uint64_t *ret) {
        return read_property(m, unit, "Unit", "ActiveExitTimestampMonotonic", 't', ret);
}

int manager_list_units(Manager *m, char *const *states, char *const *patterns, char ***ret) {
        _cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_strv_free_ char **units = NULL;
        const char *unit;
        int r;

        r = manager_new_call(m, "ListUnitsByPatterns", &call);
        if (r >= 0)
                r = sd_bus_message_append_strv(call, (char **) states);
        if (r >= 0)
                r = sd_bus_message_append_strv(call, (char **) patterns);
        if (r >= 0)
                r = sd_bus_call(m->bus, call, 0, NULL, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
        if (r < 0)
                return r;

        while ((r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                                        NULL)) > 0) {
                r = strv_extend(&units, unit);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(units);
        return 0;
}

int manager_list_unit_files(Manager *m, char ***ret) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_strv_free_ char **units = NULL;
        const char *path;
        int r;

        r = sd_bus_call_method(m->bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "ListUnitFiles", NULL, &reply, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(ss)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(ss)", &path, NULL)) > 0) {
                const char *slash = strrchr(path, '/');

                r = strv_extend(&units, slash ? slash + 1 : path);
        }
        if (r < 0)
                return r;

        *ret = TAKE_PTR(units);
        return 0;
}

/* A second request for the same can get the job of the first, which ends just once. */
static int remember_job(Manager *m, const char *job) {
        if (!m->jobs || !*m->jobs)
                m->look_at = clock_now() + LOOK_AGAIN;
        return strv_contains(m->jobs, job) ? 0 : strv_extend(&m->jobs, job);
}

/* Returns 1 with the job's path, which is the reply's, 0 or an errno as manager_queue(). */
static int ask(Manager *m, const char *method, const char *unit, const char *mode, sd_bus_error *error,
               sd_bus_message **reply, const char **ret) {
        int r;

        r = sd_bus_call_method(m->bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, method, error, reply, "ss", unit,
                               mode);
        if (r < 0)
                return sd_bus_error_has_name(error, "org.freedesktop.systemd1.TransactionIsDestructive") ||
                        sd_bus_error_has_name(error, BUS_ERROR_NO_SUCH_UNIT) ? 0 : r;

        r = sd_bus_message_read(*reply, "o", ret);
        return r < 0 ? r : 1;
}

int manager_ask(Manager *m, const char *method, const char *unit, const char *mode, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *job;

        return ask(m, method, unit, mode, error, &reply, &job);
}

int manager_queue(Manager *m, const char *method, const char *unit, const char *mode, sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *job;
        int r;

        r = ask(m, method, unit, mode, error, &reply, &job);
        if (r > 0 && remember_job(m, job) < 0)
                return -ENOMEM;
        return r;
}

int manager_follow(Manager *m, const char *unit) {
        _cleanup_free_ char *job = NULL;
        int r;

        r = find_job(m, unit, &job);
        return r <= 0 ? r : remember_job(m, job);
}

/* Anything else, an answer that does not come in time or a manager that is not on the bus, says nothing. */
static bool is_unknown(sd_bus_message *answer) {
        STRV_FOREACH(name, STRV_MAKE(SD_BUS_ERROR_UNKNOWN_OBJECT, SD_BUS_ERROR_UNKNOWN_INTERFACE,
                                     SD_BUS_ERROR_UNKNOWN_METHOD))
                if (sd_bus_message_is_method_error(answer, *name))
                        return true;
        return false;
}

/* The manager tells the end of a job before it answers that there is no such job: what it told has been
 * heard by now. The other jobs may have been lost with this one. */
static int on_answer(sd_bus_message *answer, void *userdata, _unused_ sd_bus_error *error) {
        Manager *m = userdata;

        m->answer = sd_bus_slot_unref(m->answer);
        if (!is_unknown(answer) || !forget_job(m, m->asked))
                return 0;

        if (isempty(m->result)) {
                (void) snprintf(m->result, sizeof(m->result), JOB_LOST);
                log_notice("the service manager did not tell how a job ended, which happens where it has "
                           "lost the bus: looking at the units instead");
        }
        m->look_at = 0;
        return 0;
}

/* Nobody waits for the answers here: a stop is to be seen meanwhile. Who is subscribed already, or cannot
 * be, need not know. */
static int look_after_jobs(Manager *m) {
        int r;

        m->look_at = clock_now() + LOOK_AGAIN;
        if (m->answer)
                return 0;
        free(m->asked);
        m->asked = strdup(*m->jobs);
        if (!m->asked)
                return -ENOMEM;

        r = sd_bus_call_method_async(m->bus, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "Subscribe",
                                     NULL, NULL, NULL);
        if (r >= 0)
                r = sd_bus_call_method_async(m->bus, &m->answer, SYSTEMD, m->asked,
                                             "org.freedesktop.DBus.Properties", "Get", on_answer, m, "ss",
                                             SYSTEMD ".Job", "State");
        return r < 0 ? r : 0;
}

/* Waits for the next message, or until it is time to look after the jobs. Returns 0, or a negative errno as
 * manager_wait() does. */
static int wait_for_message(Manager *m, int interrupt, uint64_t deadline) {
        struct pollfd fds[] = {
                { .fd = sd_bus_get_fd(m->bus), .events = POLLIN },
                { .fd = interrupt, .events = POLLIN },
        };
        int r;

        r = poll(fds, ELEMENTSOF(fds), clock_left(deadline < m->look_at ? deadline : m->look_at));
        if (r < 0)
                return errno == EINTR ? 0 : -errno;
        if (fds[1].revents)
                return -EINTR;
        return r == 0 && clock_now() >= deadline ? -ETIMEDOUT : 0;
}

int manager_wait(Manager *m, int interrupt, uint64_t deadline) {
        int r;

        m->result[0] = 0;
        while (m->jobs && *m->jobs) {
                r = sd_bus_process(m->bus, NULL);
                if (r == 0 && clock_now() >= m->look_at)
                        r = look_after_jobs(m);
                if (r == 0)
                        r = wait_for_message(m, interrupt, deadline);
                if (r < 0)
                        return r;
        }

        return m->result[0] != 0;
}

const char *manager_result(Manager *m) {
        return m->result;
}

int manager_wait_for_start(Manager *m, char *const *units, int interrupt, uint64_t deadline) {
        int r;

        r = manager_wait(m, interrupt, deadline);
        if (r <= 0 || !streq(m->result, JOB_LOST))
                return r;

        for (char *const *unit = units; unit && *unit; unit++) {
                _cleanup_free_ char *state = NULL;

                r = manager_unit_string(m, *unit, "Unit", "ActiveState", &state);
                if (r < 0 || !streq(state, "active"))
                        return r < 0 ? r : 1;
        }
        return 0;
}

int manager_reset_failed(Manager *m, const char *unit) {
        return sd_bus_call_method(m->bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "ResetFailedUnit", NULL, NULL, "s",
                                  unit);
}

bool manager_is_stopping(Manager *m) {
        _cleanup_free_ char *state = NULL;

        return sd_bus_get_property_string(m->bus, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER, "SystemState", NULL,
                                          &state) >= 0 && streq(state, "stopping");
}

int manager_reload(Manager *m) {
        _cleanup_message_ sd_bus_message *call = NULL;
        int r;

        r = manager_new_call(m, "Reload", &call);
        return r < 0 ? r : sd_bus_call(m->bus, call, RELOAD_TIMEOUT, NULL, NULL);
}
