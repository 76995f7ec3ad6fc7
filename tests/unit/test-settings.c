/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ftw.h>
#include <sys/stat.h>

#include "device-setting.h"
#include "log.h"
#include "plan.h"
#include "root.h"
#include "settings.h"
#include "strv.h"
#include "tap.h"

/* The last line that was logged. */
static char *logged;

static void remember(_unused_ int level, _unused_ int error, _unused_ const LogSubject *subject,
                     const char *text) {
        free(logged);
        logged = strdup(text);
}

static Config *parse(const char *text) {
        _cleanup_fclose_ FILE *f = fmemopen((void *) text, strlen(text), "r");
        Config *config = NULL;

        free(logged);
        logged = NULL;
        ok(config_new(&config) == 0);
        ok(f && config_read(config, f, "f") == 0);
        ok(config_finish(config) == 0);
        return config;
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type,
                      _unused_ struct FTW *ftw) {
        return remove(path);
}

/* Reads the main file and one drop-in from a machine that has them with these modes; a directory for mode 0. */
static Config *load(const char *text, mode_t mode, const char *drop_in, mode_t drop_in_mode) {
        char root[] = "/tmp/test-settings-XXXXXX";
        const struct { const char *name, *text; mode_t mode; } files[] = {
                { "etc/vfio-gpu.conf", text, mode },
                { "etc/vfio-gpu.conf.d/a.conf", drop_in, drop_in_mode },
        };
        Config *config = NULL;

        if (!ok(mkdtemp(root) && chdir(root) == 0 && mkdir("etc", 0755) == 0 &&
                mkdir("etc/vfio-gpu.conf.d", 0755) == 0))
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                FILE *f = files[i].mode == 0 ? NULL : fopen(files[i].name, "we");

                ok(f ? fputs(files[i].text, f) >= 0 && fchmod(fileno(f), files[i].mode) == 0 && fclose(f) == 0 :
                       mkdir(files[i].name, 0755) == 0);
        }

        root_set(root);
        ok(config_load(&config) == 0);
        root_set("/nonexistent");
        ok(chdir("/") == 0 && nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
        return config;
}

static void list_is(const Config *config, const char *vm, Key key, const char *expected) {
        const Vm *found = config_find_vm(config, vm);
        _cleanup_free_ char *joined = NULL;

        if (!ok(found != NULL))
                return;
        joined = strv_join(config_value(config, found, key)->list, " ");
        is(joined, expected);
}

static size_t n_problems(const Config *config, const char *vm) {
        const Vm *found = config_find_vm(config, vm);
        _cleanup_strv_free_ char **problems = NULL;

        return found && config_problems(config, found, &problems) == 0 ? strv_length(problems) : SIZE_MAX;
}

static void test_defaults(void) {
        _cleanup_config_free_ Config *config = parse("[VM a]\nDevices=01:00.0\n");
        const Vm *vm = config_find_vm(config, "a");

        ok(!logged && !config->has_errors);
        if (!ok(vm && config->n_vms == 1))
                return;
        list_is(config, "a", KEY_DEVICES, "0000:01:00.0");
        list_is(config, "a", KEY_STOP_UNITS, "display-manager.service");
        list_is(config, "a", KEY_START_UNITS, "");
        list_is(config, "a", KEY_UNLOAD_MODULES, "auto");
        list_is(config, "a", KEY_ALLOWED_CPUS, "");
        list_is(config, "a", KEY_INHIBIT, "");
        list_is(config, "a", KEY_CPU_GOVERNOR, "");
        list_is(config, "a", KEY_HUGE_PAGES, "");
        is(config_value(config, vm, KEY_RETURN)->choice, "rebind");
        is(config_value(config, vm, KEY_SESSIONS)->choice, "end");
        is(config_value(config, vm, KEY_HOLDERS)->choice, "refuse");
        is(config_value(config, vm, KEY_CONSOLES)->choice, "auto");
        ok(config_value(config, vm, KEY_HOLDERS_TIMEOUT)->seconds == 15);
        ok(config_value(config, vm, KEY_TIMEOUT)->seconds == 90);
        ok(!config_find_vm(config, "b"));
}

static void test_lists(void) {
        _cleanup_config_free_ Config *config = parse(
                "[VM a]\nDevices=01:00.0\nDevices=01:00.1\n"
                "[VM b]\nStopUnits=\n"
                "[VM c]\nStopUnits=x.service\nStopUnits=\nStopUnits=y.service z.service\n"
                "StopUnits=y.service\n"
                "[VM d]\nUnloadModules=nvidia nvidia_drm\nUnloadModules=i2c-nvidia-gpu\n"
                "[VM e]\nUnloadModules=nvidia\nUnloadModules=no\n"
                "[VM f]\nUnloadModules=no\nUnloadModules=nvidia\n"
                "[VM a]\nStartUnits=sshd.service\n"
                "[GPU]\nDevices=02:00.0\n[Host]\nStopUnits=a.service\nStopUnits=b.service\n");

        ok(!config->has_errors && config->n_vms == 6);
        list_is(config, "a", KEY_DEVICES, "0000:01:00.0 0000:01:00.1");
        list_is(config, "a", KEY_STOP_UNITS, "a.service b.service");
        list_is(config, "a", KEY_START_UNITS, "sshd.service");
        list_is(config, "b", KEY_DEVICES, "0000:02:00.0");
        list_is(config, "b", KEY_STOP_UNITS, "");
        list_is(config, "c", KEY_STOP_UNITS, "y.service z.service");
        list_is(config, "d", KEY_UNLOAD_MODULES, "nvidia nvidia_drm i2c-nvidia-gpu");
        list_is(config, "e", KEY_UNLOAD_MODULES, "no");
        list_is(config, "f", KEY_UNLOAD_MODULES, "nvidia");
}

static void test_tunings(void) {
        _cleanup_config_free_ Config *config = parse(
                "[VM a]\nDevices=01:00.0\nAllowedCPUs=0-3,8\nAllowedCPUs=9\nInhibit=idle:sleep\nInhibit=sleep\n"
                "CpuGovernor=powersave\nCpuGovernor=performance\nHugePages=1x2M\nHugePages=2x1G\n"
                "[VM b]\nDevices=01:00.0\n[Host]\nCpuGovernor=schedutil\nHugePages=1x2M\nHugePages=\n");

        ok(!logged && !config->has_errors);
        list_is(config, "a", KEY_ALLOWED_CPUS, "0-3 8 9");
        list_is(config, "a", KEY_INHIBIT, "idle sleep");
        list_is(config, "a", KEY_CPU_GOVERNOR, "performance");
        list_is(config, "a", KEY_HUGE_PAGES, "1x2M 2x1G");
        list_is(config, "b", KEY_CPU_GOVERNOR, "schedutil");
        list_is(config, "b", KEY_HUGE_PAGES, "");
}

static void test_devices(void) {
        _cleanup_config_free_ Config *config =
                parse("[Device 01:00.0]\nResetMethod=flr bus\nPowerControl=on\nResizeBar=0:1G\n"
                      "[VM a]\nDevices=0000:01:00.0 01:00.1\n[VM b]\nDevices=02:00.0\n"
                      "[Device 01:00.1]\nD3cold=yes\nD3cold=\n"
                      "[Device 0000:01:00.0]\nD3cold=no\nPowerControl=\nPowerControl=auto\n");
        _cleanup_strv_free_ char **attributes = NULL, **power = NULL, **bars = NULL;
        char **functions = STRV_MAKE("0000:01:00.1", "0000:01:00.0", "0000:02:00.0");

        ok(!logged && !config->has_errors);
        ok(device_attributes(config, functions, &attributes) == 0 && device_power(config, functions, &power) == 0 &&
           device_bars(config, functions, &bars) == 0);
        ok(strv_length(attributes) == 3 && strv_length(power) == 1 && strv_length(bars) == 1);
        ok(strv_contains(attributes, "0000:01:00.0/reset_method=flr bus"));
        ok(strv_contains(attributes, "0000:01:00.0/d3cold_allowed=0"));
        ok(strv_contains(attributes, "0000:01:00.0/power/control=auto"));
        ok(strv_contains(power, "0000:01:00.0/power/control=auto") && strv_contains(bars, "0000:01:00.0/resource0_resize=1G"));
}

static void test_device_complaints(void) {
        _cleanup_config_free_ Config
                *bad = parse("[VM a]\nDevices=01:00.0\n[VM b]\nDevices=02:00.0\n[Device 01:00.0]\nD3cold=maybe\n"),
                *lost = parse("[VM a]\nDevices=01:00.0\n[Device x]\n[Device 02:00.0]\n"),
                *unknown = parse("[VM a]\nDevices=x\n[Device 02:00.0]\nD3cold=no\n");

        ok(n_problems(bad, "a") == 1 && n_problems(bad, "b") == 0);
        ok(n_problems(lost, "a") == 1);
        ok(n_problems(unknown, "a") == 1);
}

static void test_words(void) {
        _cleanup_config_free_ Config *config = parse(
                "[GPU]\nDevices=01:00.0\nReturn=rescan\n[VM a]\nReturn=rebind\n"
                "[VM b]\nReturn=rebind\nReturn=\nHoldersTimeoutSec=1500ms\nTimeoutSec=2min\n");

        is(config_value(config, config_find_vm(config, "a"), KEY_RETURN)->choice, "rebind");
        is(config_value(config, config_find_vm(config, "b"), KEY_RETURN)->choice, "rescan");
        ok(config_value(config, config_find_vm(config, "b"), KEY_HOLDERS_TIMEOUT)->seconds == 2);
        ok(config_value(config, config_find_vm(config, "b"), KEY_TIMEOUT)->seconds == 120);
}

/* A complaint about VM "bad" leaves VM "good" alone. */
static void complains(const char *assignment, const char *expected) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_free_ char *text = NULL;

        if (asprintf(&text, "[VM good]\nDevices=01:00.0\n[VM bad]\nDevices=01:00.0\n%s\n", assignment) < 0)
                return;
        config = parse(text);
        is(logged, expected);
        ok(config->has_errors);
        ok(n_problems(config, "good") == 0);
        ok(n_problems(config, "bad") == 1);
}

static void test_complaints(void) {
        complains("Devices=01:00.9",
                  "f:5: Devices=: \"01:00.9\" is no PCI address: expected one like 0000:01:00.0 or "
                  "01:00.0, or auto.");
        complains("Devices=01:00.0", "f:5: Devices=: 0000:01:00.0 is listed twice.");
        complains("Devices=",
                  "f:5: Devices=: no function to hand over is left, expected auto or addresses.");
        complains("StopUnits=gdm",
                  "f:5: StopUnits=: \"gdm\" does not end like a unit's name (.service, .socket, .timer, "
                  "…): expected names like display-manager.service.");
        complains("StopUnits=vfio-gpu@a.service", "f:5: StopUnits=: \"vfio-gpu@a.service\" is a unit of the "
                                                  "swap itself: expected other ones.");
        complains("UnloadModules=auto nvidia",
                  "f:5: UnloadModules=: \"auto\" is no name of a module: expected names like "
                  "nvidia_drm, or auto or no alone.");
        complains("UnloadModules=../x",
                  "f:5: UnloadModules=: \"../x\" is no name of a module: expected names like "
                  "nvidia_drm, or auto or no alone.");
        complains("UnloadModules=amdgpu drm-kms-helper",
                  "f:5: UnloadModules=: \"drm-kms-helper\" serves other devices as well and stays: expected the "
                  "GPU's own driver, or auto or no alone.");
        complains("UnloadModules=snd_hda_intel",
                  "f:5: UnloadModules=: \"snd_hda_intel\" serves other devices as well and stays: expected the "
                  "GPU's own driver, or auto or no alone.");
        complains("Return=Rebind", "f:5: Return=: \"Rebind\" is not known: expected rebind or rescan.");
        complains("Holders=ask", "f:5: Holders=: \"ask\" is not known: expected refuse, terminate or kill.");
        complains("TimeoutSec=infinity",
                  "f:5: TimeoutSec=: \"infinity\" is no time span: expected one like 90, 90s or "
                  "1min 30s, since every step has an end.");
        complains("TimeoutSec=0", "f:5: TimeoutSec=: \"0\" is too short: expected at least 1 second.");
        complains("TimeoutSec=2d", "f:5: TimeoutSec=: \"2d\" is too long: expected at most one day.");
        complains("HoldersTimeoutSec=45",
                  "f:5: VM \"bad\": HoldersTimeoutSec= is 45s, which a step may wait three times, but TimeoutSec= "
                  "ends it after 90s: expected a TimeoutSec= of at least 136s.");
        complains("StartUnits=display-manager.service",
                  "f:5: VM \"bad\": display-manager.service is in StopUnits= and in StartUnits=: expected "
                  "one of them.");
        complains("nonsense", "f:5: \"nonsense\" is no assignment: expected Key=Value.");
        complains("Return=\x1b[31m", "f:5: Return=: \"\\x1b[31m\" is not known: expected rebind or rescan.");
}

/* The line that is at fault is named, of several that add to a value as well. */
static void test_lines(void) {
        static const struct { const char *text, *where; } cases[] = {
                { "[VM a]\nDevices=01:00.0\nDevices=01:00.1 01:00.0\nDevices=01:00.2\n",
                  "f:3: Devices=: 0000:01:00.0" },
                { "[VM a]\nDevices=x\nDevices=\nDevices=01:00.0\nDevices=01:00.0\n\n", "f:2: Devices=: \"x\" is no" },
                { "[VM a]\nDevices=01:00.1\nDevices=\nDevices=01:00.0\nDevices=01:00.0\nDevices=01:00.1\n",
                  "f:5: Devices=: 0000:01:00.0" },
                { "[GPU]\nDevices=01:00.0\nDevices=01:00.0\nDevices=01:00.1\n[VM a]\n",
                  "f:3: Devices=: 0000:01:00.0" },
                { "[GPU]\nDevices=01:00.0\nDevices=\n[VM a]\n", "f:3: Devices=: no function" },
                { "[VM a]\n", "f:1: Devices=: auto finds" },
                { "[VM a]\nDevices=01:00.0\nStartUnits=a.service\nStartUnits=b.service\nStopUnits=a.service\n",
                  "f:3: VM \"a\": a.service" },
                { "[VM a]\nDevices=01:00.0\nStopUnits=b.service\nStopUnits=a.service\n[Host]\nStartUnits=b.service\n",
                  "f:3: VM \"a\": b.service" },
                { "[VM a]\nDevices=01:00.0\nStartUnits=a.service x\nStartUnits=b.service\nStopUnits=a.service\n",
                  "f:3: VM \"a\": a.service" },
                { "[Host]\nStartUnits=display-manager.service\n[VM a]\nDevices=01:00.0\n", "f:2: VM \"a\": display" },
                { "[VM a]\nDevices=01:00.0\nTimeoutSec=30\n", "f:3: VM \"a\": HoldersTimeoutSec=" },
                { "[VM a]\nDevices=01:00.0\nTimeoutSec=30\n[Host]\nHoldersTimeoutSec=16\n", "f:3: VM \"a\": Hold" },
                { "[Host]\nHoldersTimeoutSec=46\n[VM a]\nDevices=01:00.0\n", "f:2: VM \"a\": Hold" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_config_free_ Config *config = parse(cases[i].text);

                if (!ok(config->has_errors && logged && startswith(logged, cases[i].where)))
                        (void) printf("# %s\n", logged);
        }
}

/* The VM may wait so long and no longer within the 90 seconds of a step. */
static void waits(const char *settings, unsigned seconds) {
        for (unsigned more = 0; more <= 1; more++) {
                _cleanup_config_free_ Config *config = NULL;
                _cleanup_free_ char *text = NULL;

                if (asprintf(&text, "[VM a]\nDevices=01:00.0\n%sHoldersTimeoutSec=%u\n", settings, seconds + more) < 0)
                        return;
                config = parse(text);
                ok(n_problems(config, "a") == more);
        }
}

/* Who gets a signal is waited for once more. */
static void test_waits(void) {
        waits("", 29);
        waits("Holders=terminate\n", 22);
        waits("Holders=kill\n", 22);
}

static void warns(const char *text, const char *expected) {
        _cleanup_config_free_ Config *config = parse(text);

        is(logged, expected);
        ok(!config->has_errors);
}

static void test_warnings(void) {
        warns("[GPU]\nDevice=auto\n",
              "f:2: unknown key Device= in [GPU] (did you mean Devices=?), ignoring.");
        warns("[GPU]\nStopUnits=\n",
              "f:2: StopUnits= does not belong into [GPU] but into [Host] or [VM NAME], ignoring.");
        warns("[Host]\nColour=red\n",
              "f:2: unknown key Colour= in [Host] (see vfio-gpu.conf(5)), ignoring.");
        warns("[Hots]\nStopUnits=\n", "f:1: unknown section [Hots] (did you mean [Host]?), ignoring.");
        warns("[vm Win 10]\nDevices=x\n",
              "f:1: unknown section [vm Win 10] (did you mean [VM Win 10]?), ignoring.");
        warns("[Vm]\n", "f:1: unknown section [Vm] (did you mean [VM NAME]?), ignoring.");
        warns("[VM a]\nDevices=01:00.0\n[Device 02:00.0]\nD3cold=no\n",
              "f:3: [Device 0000:02:00.0] is handed over to no VM (see Devices=), ignoring.");
        warns("[VM a]\nDevices=01:00.0\nD3cold=no\n",
              "f:3: D3cold= does not belong into [VM a] but into [Device ADDRESS], ignoring.");
        warns("[VM a]\nDevices=01:00.0\n[Device 01:00.0]\nTimeoutSec=1\n",
              "f:4: TimeoutSec= does not belong into [Device 01:00.0] but into [Host] or [VM NAME], ignoring.");
        warns("[VM a]\nDevices=01:00.0\n[Device 01:00.0]\nD3Cold=no\n",
              "f:4: unknown key D3Cold= in [Device 01:00.0] (did you mean D3cold=?), ignoring.");
        warns("[device 01:00.0]\n",
              "f:1: unknown section [device 01:00.0] (did you mean [Device 01:00.0]?), ignoring.");
        warns("[Device 02:00.0]\nD3cold=no\n", NULL);
        warns("[Windows10]\nnonsense\n",
              "f:2: \"nonsense\" is no assignment: expected Key=Value, ignoring.");
}

static void test_scopes(void) {
        _cleanup_config_free_ Config
                *shared = parse("[GPU]\nDevices=x\n[VM a]\n[VM b]\nDevices=01:00.0\n"),
                *nameless = parse("A=b\n[VM a]\nDevices=01:00.0\n"),
                *torn = parse("[VM a\nDevices=01:00.0\n[VM b]\nDevices=01:00.0\n"),
                *torn_before_comment = parse("[VM a#1 # the first\nDevices=01:00.0\n"),
                *torn_host = parse("[Host\nStopUnits=\n[VM b]\nDevices=01:00.0\n"),
                *bad_names = parse("[VM]\n[VM ..]\n[VM a/b]\nDevices=x\n[VM c]\nDevices=01:00.0\n");

        ok(n_problems(shared, "a") == 1 && n_problems(shared, "b") == 0);
        ok(n_problems(nameless, "a") == 1);
        ok(config_find_vm(torn, "a") && n_problems(torn, "a") >= 1 && n_problems(torn, "b") == 0);
        ok(config_find_vm(torn_before_comment, "a#1") && n_problems(torn_before_comment, "a#1") >= 1);
        ok(n_problems(torn_host, "b") == 1);
        ok(bad_names->has_errors && bad_names->n_vms == 1 && n_problems(bad_names, "c") == 0);
}

/* Their VMs are known by their names, and what else they say counts for nothing. */
static void test_refused_files(void) {
        static const char bad[] = "[GPU]\nDevices=x\n[VM a]\nDevices=x\n[VM b\nx\n[VM a/b]\n[VM a]\n",
                          good[] = "[VM g]\nDevices=01:00.0\n";
        _cleanup_config_free_ Config
                *first = load(bad, 0666, good, 0644),
                *drop_in = load(good, 0644, bad, 0664),
                *both = load("[VM a]\n", 0646, "[VM a]\nDevices=01:00.0\nDevices=01:00.0\n", 0600);

        ok(first->n_vms == 3 && drop_in->n_vms == 3 && !first->is_incomplete && !drop_in->is_incomplete);
        STRV_FOREACH(vm, STRV_MAKE("a", "b", "g"))
                ok(n_problems(first, *vm) == 1 && n_problems(drop_in, *vm) == 1);
        list_is(first, "g", KEY_DEVICES, "0000:01:00.0");
        list_is(first, "a", KEY_DEVICES, "");
        ok(both->n_vms == 1 && n_problems(both, "a") == 2);
}

/* How many names there may be of which anybody could have written any number. */
static void test_refused_names(void) {
        _cleanup_config_free_ Config *config = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        for (int i = 0; f && i < 300; i++)
                (void) fprintf(f, "[VM %d]\n", i);
        if (!ok(f && fclose(f) == 0))
                return;
        config = load(text, 0666, "[VM 299]\nDevices=01:00.0\n", 0644);
        ok(config->n_vms == 257 && config->is_incomplete);
        ok(n_problems(config, "255") == 1 && !config_find_vm(config, "256") && n_problems(config, "299") == 1);
}

static void test_unreadable_files(void) {
        _cleanup_config_free_ Config *config = load(NULL, 0, "[VM a]\nDevices=01:00.0\n", 0644);

        ok(config->is_incomplete && config->n_vms == 1 && n_problems(config, "a") == 1);
        is(*config->problems,
           "/etc/vfio-gpu.conf: refused, it is a directory: expected a regular file, or a link to /dev/null");
}

static void test_plan(void) {
        _cleanup_config_free_ Config *config = parse(
                "[VM My VM]\nDevices=01:00.0\nStopUserUnits=plasma*\nUnloadModules=a b\nReturn=rescan\n"
                "[VM keep]\nDevices=01:00.0\nConsoles=keep\n[VM bad]\nSessions=x\n");
        _cleanup_plan_ Plan plan = { 0 }, keep = { 0 }, bad = { 0 };
        _cleanup_free_ char *entry = NULL, *bind = NULL, *back = NULL;

        ok(plan_make(config, config->vms[0], &plan) == 0);
        ok(plan_make(config, config->vms[1], &keep) == 0);
        ok(plan_make(config, config->vms[2], &bad) == 0);
        if (!ok(plan.n_steps == 4 && keep.n_steps == 4 && bad.n_steps == 0))
                return;

        is(plan.escaped, "My\\x20VM");
        entry = strv_join(plan.entry + 1, " ");
        is(entry,
           "start --vm=My\\x20VM --stop-unit=display-manager.service --stop-user-unit=plasma* "
           "--inhibitors=respect --unload-modules=a,b 0000:01:00.0");
        is(plan.steps[2].unit, "vfio-gpu-bind@My\\x20VM.service");
        bind = strv_join(plan.steps[2].start + 1, " ");
        is(bind,
           "start --vm=My\\x20VM --consoles=auto --unload-modules=a,b --holders=refuse --holders-timeout=15 "
           "--return=rescan 0000:01:00.0");
        back = strv_join(plan.steps[2].stop + 1, " ");
        is(back, "stop --vm=My\\x20VM --timeout=90");
        ok(!plan.steps[1].stop);
        ok(!plan.steps[3].start && plan.steps[3].waits);
        is(plan.steps[3].stop[1], "stop");
        is(keep.steps[2].name, "bind");
        is(keep.steps[2].start[3], "--consoles=keep");
        is(bad.entry[1], "refuse");
        is(bad.entry[2], bad.vm);
        ok(strv_length(bad.entry) == 3 + strv_length(bad.problems));
}

int main(void) {
        log_set_sink(remember);
        root_set("/nonexistent");
        test_defaults();
        test_lists();
        test_tunings();
        test_devices();
        test_device_complaints();
        test_words();
        test_complaints();
        test_lines();
        test_waits();
        test_warnings();
        test_scopes();
        test_refused_files();
        test_refused_names();
        test_unreadable_files();
        test_plan();
        free(logged);
        return tap_done();
}
