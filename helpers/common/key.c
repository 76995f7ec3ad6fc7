/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <strings.h>

#include "key.h"
#include "key-tuning.h"
#include "module-name.h"
#include "pci.h"
#include "strv.h"
#include "text.h"
#include "unit-name.h"

#define BLANKS " \t"

static bool is_choice(const KeyInfo *info, const char *word) {
        for (const char *const *choice = info->choices; *choice; choice++)
                if (streq(*choice, word))
                        return true;
        return false;
}

static int parse_choice(const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        for (const char *const *choice = info->choices; *choice; choice++)
                if (streq(*choice, text)) {
                        value->choice = *choice;
                        return 0;
                }

        return refusal(ret_problem, "\"%s\" is not known: expected %s%s%s%s%s", text, info->choices[0],
                      info->choices[2] ? ", " : " or ", info->choices[1],
                      info->choices[2] ? " or " : "", info->choices[2] ?: "");
}

static int parse_timeout(const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        unsigned seconds;
        int r;

        r = parse_seconds(text, &seconds);
        if (r == -ERANGE)
                return refusal(ret_problem, "\"%s\" is too long: expected at most one day", text);
        if (r < 0)
                return refusal(ret_problem,
                               "\"%s\" is no time span: expected one like 90, 90s or 1min 30s%s", text,
                               strcasecmp(text, "infinity") == 0 ? ", since every step has an end" : "");
        if (seconds < info->least)
                return refusal(ret_problem, "\"%s\" is too short: expected at least %u second", text,
                               info->least);

        value->seconds = seconds;
        return 0;
}

static int add_device(const char *word, Value *value, char **ret_problem) {
        char *address = NULL;
        int r;

        if (streq(word, "auto"))
                return strv_extend(&value->list, word);

        r = pci_address_parse(word, &address);
        if (r == -EINVAL)
                return refusal(ret_problem,
                               "\"%s\" is no PCI address: expected one like 0000:01:00.0 or 01:00.0, or auto",
                               word);
        return r < 0 ? r : strv_consume(&value->list, address);
}

static int parse_devices(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = strv_split(text, BLANKS, &words);
        STRV_FOREACH(word, words)
                if (r >= 0)
                        r = add_device(*word, value, ret_problem);
        return r;
}

static int add_unit(const KeyInfo *info, const char *word, Value *value, char **ret_problem) {
        const char *problem = info->check(word);

        if (problem)
                return refusal(ret_problem, "\"%s\" %s: expected names like display-manager.service", word,
                               problem);
        if (startswith(word, "vfio-gpu@") || startswith(word, "vfio-gpu-"))
                return refusal(ret_problem, "\"%s\" is a unit of the swap itself: expected other ones", word);
        return strv_contains(value->list, word) ? 0 : strv_extend(&value->list, word);
}

static int parse_units(const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = strv_split(text, BLANKS, &words);
        STRV_FOREACH(word, words)
                if (r >= 0)
                        r = add_unit(info, *word, value, ret_problem);
        return r;
}

static int add_module(const KeyInfo *info, const char *word, Value *value, char **ret_problem) {
        if (!module_name_is_valid(word) || is_choice(info, word))
                return refusal(ret_problem,
                               "\"%s\" is no name of a module: expected names like nvidia_drm, or auto or no alone",
                               word);
        if (module_is_shared(word))
                return refusal(ret_problem,
                               "\"%s\" serves other devices as well and stays: expected the GPU's own driver, "
                               "or auto or no alone",
                               word);
        return strv_contains(value->list, word) ? 0 : strv_extend(&value->list, word);
}

/* "auto" and "no" stand for a whole list, so that each side replaces the other. */
static int parse_modules(const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = strv_split(text, BLANKS, &words);
        if (r < 0)
                return r;

        if (strv_length(words) == 1 && is_choice(info, words[0])) {
                strv_free(value->list);
                value->list = TAKE_PTR(words);
                return 0;
        }

        if (value->list && is_choice(info, value->list[0]))
                value->list = strv_free(value->list);
        STRV_FOREACH(word, words)
                if (r >= 0)
                        r = add_module(info, *word, value, ret_problem);
        return r;
}

const KeyInfo key_table[KEY_MAX] = {
        [KEY_DEVICES] = {
                .name = "Devices", .section = "GPU", .parse = parse_devices, .is_list = true,
                .fallback = "auto",
        },
        [KEY_UNLOAD_MODULES] = {
                .name = "UnloadModules", .section = "GPU", .parse = parse_modules, .is_list = true,
                .fallback = "auto", .choices = { "auto", "no" },
        },
        [KEY_RETURN] = {
                .name = "Return", .section = "GPU", .parse = parse_choice, .fallback = "rebind",
                .choices = { "rebind", "rescan" },
        },
        [KEY_STOP_UNITS] = {
                .name = "StopUnits", .section = "Host", .parse = parse_units, .is_list = true,
                .fallback = "display-manager.service", .check = unit_name_problem,
        },
        [KEY_START_UNITS] = {
                .name = "StartUnits", .section = "Host", .parse = parse_units, .is_list = true,
                .fallback = "", .check = unit_name_problem,
        },
        [KEY_STOP_USER_UNITS] = {
                .name = "StopUserUnits", .section = "Host", .parse = parse_units, .is_list = true,
                .fallback = "", .check = unit_glob_problem,
        },
        [KEY_SESSIONS] = {
                .name = "Sessions", .section = "Host", .parse = parse_choice, .fallback = "end",
                .choices = { "end", "keep" },
        },
        [KEY_INHIBITORS] = {
                .name = "Inhibitors", .section = "Host", .parse = parse_choice, .fallback = "respect",
                .choices = { "respect", "ignore" },
        },
        [KEY_HOLDERS] = {
                .name = "Holders", .section = "Host", .parse = parse_choice, .fallback = "refuse",
                .choices = { "refuse", "terminate", "kill" },
        },
        [KEY_HOLDERS_TIMEOUT] = {
                .name = "HoldersTimeoutSec", .section = "Host", .parse = parse_timeout, .fallback = "15",
        },
        [KEY_CONSOLES] = {
                .name = "Consoles", .section = "Host", .parse = parse_choice, .fallback = "auto",
                .choices = { "auto", "keep" },
        },
        [KEY_ALLOWED_CPUS] = {
                .name = "AllowedCPUs", .section = "Host", .parse = parse_cpus, .is_list = true, .fallback = "",
        },
        [KEY_INHIBIT] = {
                .name = "Inhibit", .section = "Host", .parse = parse_inhibit, .is_list = true, .fallback = "",
        },
        [KEY_CPU_GOVERNOR] = {
                .name = "CpuGovernor", .section = "Host", .parse = parse_governor, .is_list = true, .fallback = "",
        },
        [KEY_HUGE_PAGES] = {
                .name = "HugePages", .section = "Host", .parse = parse_huge_pages, .is_list = true, .fallback = "",
        },
        [KEY_TIMEOUT] = {
                .name = "TimeoutSec", .section = "Host", .parse = parse_timeout, .fallback = "90", .least = 1,
        },
        [KEY_RESET_METHOD] = {
                .name = "ResetMethod", .section = "Device", .parse = parse_reset_methods, .is_list = true,
        },
        [KEY_POWER_CONTROL] = {
                .name = "PowerControl", .section = "Device", .parse = parse_choice, .choices = { "on", "auto" },
        },
        [KEY_D3COLD] = {
                .name = "D3cold", .section = "Device", .parse = parse_choice, .choices = { "yes", "no" },
        },
        [KEY_RESIZE_BAR] = {
                .name = "ResizeBar", .section = "Device", .parse = parse_bars, .is_list = true,
        },
};

bool key_is_for_device(int key) {
        return streq(key_table[key].section, "Device");
}

int key_from_name(const char *name) {
        for (int key = 0; key < KEY_MAX; key++)
                if (streq(key_table[key].name, name))
                        return key;
        return -1;
}
