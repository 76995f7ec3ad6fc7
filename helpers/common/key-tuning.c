/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bar-size.h"
#include "cpu-set.h"
#include "huge-pages.h"
#include "key-tuning.h"
#include "strv.h"
#include "text.h"

/* The kernel's CPUFREQ_NAME_LEN. */
#define GOVERNOR_NAME_MAX 16

int parse_cpus(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        CpuSet set = { 0 };
        int r;

        r = strv_split(text, " \t,", &words);
        STRV_FOREACH(word, words) {
                if (r >= 0 && cpu_set_add(&set, *word) < 0)
                        return refusal(ret_problem,
                                       "\"%s\" is no CPU and no range of CPUs: expected a list like 0-3,8", *word);
                if (r >= 0)
                        r = strv_extend(&value->list, *word);
        }
        return r;
}

/* The words of logind. */
#define INHIBIT_WORDS                                                                                                 \
        STRV_MAKE("shutdown", "sleep", "idle", "handle-power-key", "handle-suspend-key", "handle-hibernate-key",      \
                  "handle-reboot-key", "handle-lid-switch")

int parse_inhibit(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        _cleanup_free_ char *known = NULL;
        int r;

        r = strv_split(text, " \t:", &words);
        STRV_FOREACH(word, words) {
                if (r >= 0 && !strv_contains(INHIBIT_WORDS, *word)) {
                        known = strv_join(INHIBIT_WORDS, ", ");
                        if (!known)
                                return -ENOMEM;
                        return refusal(ret_problem, "\"%s\" cannot be inhibited: expected some of %s", *word, known);
                }
                if (r >= 0 && !strv_contains(value->list, *word))
                        r = strv_extend(&value->list, *word);
        }
        return r;
}

/* A list of one, of which each further assignment takes the place: which ones there are, only the machine
 * knows. */
int parse_governor(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_")] || strlen(text) >= GOVERNOR_NAME_MAX)
                return refusal(ret_problem,
                               "\"%s\" is no name of a governor: expected one like performance or schedutil", text);
        value->list = strv_free(value->list);
        return *text ? strv_extend(&value->list, text) : 0;
}

static bool has_size(char *const *list, unsigned long kb) {
        HugePages other;

        for (; list && *list; list++)
                if (huge_pages_parse(*list, &other) >= 0 && other.kb == kb)
                        return true;
        return false;
}

int parse_huge_pages(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        HugePages pages;
        int r;

        r = strv_split(text, " \t", &words);
        STRV_FOREACH(word, words) {
                if (r >= 0 && huge_pages_parse(*word, &pages) < 0)
                        return refusal(ret_problem,
                                       "\"%s\" is no number of huge pages: expected one like 8192x2M or 16x1G", *word);
                if (r >= 0 && has_size(value->list, pages.kb))
                        return refusal(ret_problem, "\"%s\" has a size that is there already: expected each size once",
                                       *word);
                if (r >= 0)
                        r = strv_extend(&value->list, *word);
        }
        return r;
}

/* Which ones there are depends on the kernel, and which of them a function has on the function. */
int parse_reset_methods(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = strv_split(text, " \t", &words);
        STRV_FOREACH(word, words) {
                if (r >= 0 && (*word)[strspn(*word, "abcdefghijklmnopqrstuvwxyz0123456789_")])
                        return refusal(ret_problem,
                                       "\"%s\" is no method to reset a function: expected words like flr, bus or "
                                       "device_specific", *word);
                if (r >= 0 && !strv_contains(value->list, *word))
                        r = strv_extend(&value->list, *word);
        }
        return r;
}

static bool has_bar(char *const *list, unsigned bar) {
        BarSize other;

        for (; list && *list; list++)
                if (bar_size_parse(*list, &other) >= 0 && other.bar == bar)
                        return true;
        return false;
}

int parse_bars(_unused_ const KeyInfo *info, const char *text, Value *value, char **ret_problem) {
        _cleanup_strv_free_ char **words = NULL;
        BarSize size;
        int r;

        r = strv_split(text, " \t", &words);
        STRV_FOREACH(word, words) {
                if (r >= 0 && bar_size_parse(*word, &size) < 0)
                        return refusal(ret_problem,
                                       "\"%s\" is no region and its size: expected one like 0:256M, with a number "
                                       "from 0 to 5 and a power of two", *word);
                if (r >= 0 && has_bar(value->list, size.bar))
                        return refusal(ret_problem, "\"%s\" has a region that is there already: expected each once",
                                       *word);
                if (r >= 0)
                        r = strv_extend(&value->list, *word);
        }
        return r;
}
