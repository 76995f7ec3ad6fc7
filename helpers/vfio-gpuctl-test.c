/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bus.h"
#include "clock.h"
#include "log.h"
#include "root.h"
#include "strv.h"
#include "swap.h"
#include "text.h"
#include "unit-name.h"
#include "vfio-gpuctl.h"

typedef struct Test {
        const char *vm_name;
        char *entry, *timer, *service;
        unsigned seconds;
} Test;

static void test_done(Test *test) {
        free(test->entry);
        free(test->timer);
        free(test->service);
}

static int test_names(const char *vm_name, Test *test) {
        _cleanup_free_ char *vm = NULL;

        test->vm_name = vm_name;
        if (vm_name_escape(vm_name, &vm) < 0 ||
            asprintf(&test->entry, "vfio-gpu@%s.service", vm) < 0 ||
            asprintf(&test->timer, SWAP_TEST "@%s.timer", vm) < 0 ||
            asprintf(&test->service, SWAP_TEST "@%s.service", vm) < 0)
                return log_oom();
        return 0;
}

/* Appends what both units have; like the swap that they end, neither is stopped by "systemctl isolate". */
static int append_common(sd_bus_message *call, const Test *test) {
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "End of the test of VM %s after %us", test->vm_name, test->seconds) < 0)
                return -ENOMEM;
        return sd_bus_message_append(call, "(sv)(sv)(sv)",
                                     "Description", "s", text,
                                     "CollectMode", "s", "inactive-or-failed",
                                     "IgnoreOnIsolate", "b", true);
}

/* The timer runs before the swap begins, and goes when the swap goes, however that ends. */
static int append_timer(sd_bus_message *call, const Test *test) {
        int r;

        r = sd_bus_message_append(call, "ss", test->timer, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r >= 0)
                r = append_common(call, test);
        if (r >= 0)
                r = sd_bus_message_append(call, "(sv)(sv)(sv)(sv)",
                                          "BindsTo", "as", 1, test->entry,
                                          "Before", "as", 1, test->entry,
                                          "TimersMonotonic", "a(st)", 1, "OnActiveSec", test->seconds * USEC_PER_SEC,
                                          "AccuracyUSec", "t", USEC_PER_SEC);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static int append_service(sd_bus_message *call, const Test *test) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "(sa(sv))");
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'r', "sa(sv)");
        if (r >= 0)
                r = sd_bus_message_append(call, "s", test->service);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "(sv)");
        if (r >= 0)
                r = append_common(call, test);
        if (r >= 0)
                r = sd_bus_message_append(call, "(sv)(sv)",
                                          "Type", "s", "oneshot",
                                          "ExecStart", "a(sasb)", 1, "systemctl", 4,
                                          "systemctl", "--no-block", "stop", test->entry, false);
        for (int depth = 3; depth > 0 && r >= 0; depth--)
                r = sd_bus_message_close_container(call);
        return r;
}

static int begin(Manager *m, const Test *test) {
        _cleanup_bus_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_message_ sd_bus_message *call = NULL;
        int r;

        r = manager_new_call(m, "StartTransientUnit", &call);
        if (r >= 0)
                r = append_timer(call, test);
        if (r >= 0)
                r = append_service(call, test);
        if (r >= 0)
                r = sd_bus_call(manager_bus(m), call, 0, &error, NULL);
        if (r < 0)
                return log_error_errno(r, "cannot set the timer: %s.", error.message ?: strerror(-r));
        return 0;
}

/* Only for who is still there to read it: the service manager does all of it alone. */
static int wait_for_swap(Manager *m, const Test *test) {
        _cleanup_free_ char *active = NULL, *status = NULL;
        int r;

        r = manager_follow(m, test->entry);
        if (r >= 0)
                r = manager_wait(m, -1, UINT64_MAX);
        if (r >= 0)
                r = manager_unit_string(m, test->entry, "Unit", "ActiveState", &active);
        if (r < 0)
                return log_error_errno(r, "cannot wait for %s: %m.", test->entry);
        if (streq(active, "active"))
                return printf("VM %s has the GPU.\n", test->vm_name) < 0 ? -EIO : 0;

        (void) manager_unit_string(m, test->entry, "Service", "StatusText", &status);
        log_error("%s.", isempty(status) ? "the swap did not come about: see 'journalctl -xe'" : status);
        return -ECANCELED;
}

static int test_vm(const char *vm_name, unsigned seconds) {
        _cleanup_(test_done) Test test = { .seconds = seconds };
        _cleanup_manager_ Manager *m = NULL;
        int r;

        r = test_names(vm_name, &test);
        if (r >= 0)
                r = manager_open(NULL, &m);
        if (r < 0)
                return r;

        r = manager_unit_runs(m, test.entry);
        if (r < 0)
                return log_error_errno(r, "cannot look at %s: %m.", test.entry);
        if (r > 0)
                return log_error_errno(EBUSY, "VM %s has the GPU already: 'systemctl stop \"%s\"' first.", vm_name,
                                       test.entry);

        r = begin(m, &test);
        if (r < 0)
                return r;
        (void) printf("The GPU goes to VM %s now and comes back in %u s, whatever becomes of this terminal.\n"
                      "Sooner: systemctl stop \"%s\"\n", vm_name, seconds, test.entry);
        (void) fflush(stdout);
        return wait_for_swap(m, &test);
}

int verb_test(int argc, char *argv[]) {
        _cleanup_config_free_ Config *config = NULL;
        const char *name = NULL, *value = NULL;
        unsigned seconds = 0;
        const Vm *vm;

        for (int i = 1; i < argc; i++)
                if (startswith(argv[i], "--for=") && !value)
                        value = startswith(argv[i], "--for=");
                else if (argv[i][0] != '-' && !name)
                        name = argv[i];
                else
                        value = "";
        if (!name || !value || parse_seconds(value, &seconds) < 0 || seconds == 0) {
                log_error("expected: test VM --for=SECONDS, a day at most");
                return EXIT_USAGE;
        }

        if (geteuid() != 0 || root_is_set()) {
                log_error("test is for root, and for this machine: call it with sudo and without VFIO_GPU_ROOT.");
                return EXIT_REFUSED;
        }

        log_set_max_level(LOG_CRIT);
        if (config_load(&config) < 0)
                return log_oom(), EXIT_REFUSED;
        log_set_max_level(LOG_INFO);

        vm = find_vm(config, name);
        return vm && test_vm(vm->name, seconds) >= 0 ? EXIT_SUCCESS : EXIT_REFUSED;
}
