/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-settle.h"
#include "strv.h"

/* What else there is to say, each by a key of its own. */
typedef struct Plain {
        Action action;
        Unknown unknown; /* the kind that its value is of if it is not known, UNKNOWN_OTHER for none */
        const char *key;
        bool (*is_valid)(const char *word);
        const char *separator; /* between the words of a value that has several, else NULL */
        size_t identity; /* so many first characters say what a word is about: of two about the same one counts */
        const char *forgotten; /* what there is to be said if nothing undoes it, NULL for nothing */
} Plain;

#define ONE_VALUE 0
#define EACH_WORD 64

/* "3" or "0-3". */
static bool is_cpu_range(const char *word, size_t n) {
        char *end;
        unsigned long first = strtoul(word, &end, 10), last = first;

        if (*word < '0' || *word > '9')
                return false;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9')
                last = strtoul(end + 1, &end, 10);
        return (size_t) (end - word) == n && first <= last && last < 8192;
}

static bool is_cpu_list(const char *value) {
        while (*value) {
                size_t n = strcspn(value, ", ");

                if (!is_cpu_range(value, n))
                        return false;
                value += n;
                value += strspn(value, ", ");
        }
        return true;
}

static bool is_governor(const char *word) {
        return strlen(word) < 16 && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

static bool is_inhibit_word(const char *word) {
        return shell_word_in(
                "shutdown sleep idle handle-power-key handle-suspend-key handle-hibernate-key handle-reboot-key "
                "handle-lid-switch",
                word);
}

static bool is_reset_method(const char *word) {
        return !word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_")];
}

/* Was looked at when it was recorded. */
static bool is_any(_unused_ const char *word) {
        return true;
}

static const Plain plains[] = {
        { ACTION_CPUS, UNKNOWN_CPUS, "AllowedCPUs", is_cpu_list, NULL, ONE_VALUE,
          "the host is kept from CPUs here and given them back nowhere: vfio-gpu gives them back" },
        { ACTION_GOVERNOR, UNKNOWN_GOVERNOR, "CpuGovernor", is_governor, NULL, ONE_VALUE,
          "the CPUs' governor is set here and set back nowhere: vfio-gpu sets it back" },
        { ACTION_INHIBIT, UNKNOWN_INHIBIT, "Inhibit", is_inhibit_word, ":", EACH_WORD, NULL },
};

static const Plain device_plains[] = {
        { ACTION_RESET_METHOD, UNKNOWN_OTHER, "ResetMethod", is_reset_method, " ", EACH_WORD, NULL },
        { ACTION_POWER_CONTROL, UNKNOWN_OTHER, "PowerControl", is_any, NULL, ONE_VALUE, NULL },
        { ACTION_D3COLD, UNKNOWN_OTHER, "D3cold", is_any, NULL, ONE_VALUE, NULL },
        { ACTION_RESIZE_BAR, UNKNOWN_OTHER, "ResizeBar", is_any, " ", strlen("0:"), NULL },
};

/* Returns why a word cannot be added to the values, or NULL if it can. */
static const char *refused(const Plain *p, const Strings *values, const char *word) {
        if (!*word || !p->is_valid(word))
                return "its value is none that the setting takes";
        for (size_t i = 0; i < values->n; i++)
                if (!streq(values->list[i], word) && strncmp(values->list[i], word, p->identity) == 0)
                        return "another value than the one before it: a setting has one";
        return NULL;
}

static int add_words(Settle *s, const Plain *p, Fact *f, Strings *values) {
        _cleanup_strv_free_ char **words = NULL;
        int r;

        r = p->separator ? strv_split(f->value, p->separator, &words) : strv_extend(&words, f->value);
        STRV_FOREACH(word, words) {
                const char *reason = r < 0 ? NULL : refused(p, values, *word);

                if (reason) {
                        settle_mark(f, USE_LEFT, reason);
                        return 0;
                }
        }
        STRV_FOREACH(word, words)
                if (r >= 0)
                        r = settle_add_once(s, values, *word);
        settle_mark(f, USE_LINE, p->key);
        return r;
}

/* Collects what is said before the VM, of one object or of any. */
static int collect(Settle *s, const Plain *p, const char *object, Strings *values, const Fact **ret_first,
                   bool *ret_undone) {
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                if (r < 0 || f->action != p->action || (object && !streq(f->object, object)))
                        continue;
                if (f->is_start) {
                        r = add_words(s, p, f, values);
                        *ret_first = *ret_first ?: f;
                } else {
                        *ret_undone = true;
                        settle_mark(f, USE_LINE, p->key);
                }
        }
        return r;
}

/* Nothing that is known is set before the VM. */
static void mark_undone(Settle *s, const char *key, Unknown unknown) {
        bool is_unknown = settle_has_unknown(s->vm, true, unknown);

        FACT_FOREACH(f, s->vm)
                if (f->use == USE_LINE && streq(f->reason, key) && is_unknown)
                        settle_mark(f, USE_NEEDLESS, settle_way_back);
                else if (f->use == USE_LINE && streq(f->reason, key))
                        settle_mark(f, USE_LEFT, "sets after the VM what is not set before it");
}

static int settle_plain(Settle *s, const Plain *p) {
        const Fact *first = NULL;
        Strings values = { 0 };
        bool undone = false;
        int r;

        r = collect(s, p, NULL, &values, &first, &undone);
        if (r < 0)
                return r;
        if (values.n == 0) {
                mark_undone(s, p->key, p->unknown);
                return 0;
        }
        r = settle_add_line(s, p->key, settle_join(s, &values, p->separator ?: ""), NULL, NULL);
        if (r >= 0 && !undone && p->forgotten && s->vm->has_stop)
                r = settle_remark(s, first, "%s", p->forgotten);
        return r;
}

int settle_values(Settle *s) {
        int r = 0;

        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_UNINHIBIT)
                        settle_mark(f, USE_LINE, "Inhibit");
        for (size_t i = 0; i < ELEMENTSOF(plains) && r >= 0; i++)
                r = settle_plain(s, &plains[i]);
        return r;
}

static bool is_handed_over(const Settle *s, const char *function) {
        FACT_FOREACH(f, s->vm)
                if (f->use == USE_LINE && streq(f->reason, "Devices") && f->is_start && streq(f->object, function))
                        return true;
        return false;
}

static int settle_function(Settle *s, const char *function) {
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(device_plains) && r >= 0; i++) {
                const Plain *p = &device_plains[i];
                const Fact *first = NULL;
                Strings values = { 0 };
                bool undone = false;

                r = collect(s, p, function, &values, &first, &undone);
                if (r >= 0 && values.n > 0)
                        r = settle_add_line(s, p->key, settle_join(s, &values, " "), function, NULL);
        }
        return r;
}

/* The settings of a function are for all VMs that get it. */
int settle_functions(Settle *s) {
        Strings functions = { 0 };
        int r = 0;

        FACT_FOREACH(f, s->vm)
                for (size_t i = 0; i < ELEMENTSOF(device_plains) && r >= 0; i++) {
                        if (f->action != device_plains[i].action)
                                continue;
                        if (is_handed_over(s, f->object))
                                r = settle_add_once(s, &functions, f->object);
                        else
                                settle_mark(f, USE_LEFT, "is about a function that the scripts do not hand over");
                }
        for (size_t i = 0; i < functions.n && r >= 0; i++)
                r = settle_function(s, functions.list[i]);
        return r;
}

/* Returns "8192x2M" for a fact, or NULL without memory. */
static char *pages_text(Settle *s, const Fact *f) {
        return arena_printf(s->arena, "%lux%s", strtoul(f->value, NULL, 10),
                            *f->object ? f->object : s->machine->page_size);
}

/* Returns whether huge pages of another number, but of the same size, are there. */
static bool has_size(const Strings *values, const char *text) {
        for (size_t i = 0; i < values->n; i++)
                if (streq(strchr(values->list[i], 'x'), strchr(text, 'x')) && !streq(values->list[i], text))
                        return true;
        return false;
}

static int add_pages(Settle *s, Fact *f, Strings *values, const Fact **ret_first) {
        char *text = pages_text(s, f);

        if (!text)
                return -ENOMEM;
        if (has_size(values, text)) {
                settle_mark(f, USE_LEFT,
                            "another number of huge pages than the one before it: there is one of each size");
                return 0;
        }
        *ret_first = *ret_first ?: f;
        return settle_add_once(s, values, text);
}

int settle_huge_pages(Settle *s) {
        const Fact *first = NULL;
        Strings values = { 0 };
        bool undone = false;
        int r = 0;

        FACT_FOREACH(f, s->vm) {
                if (r < 0 || f->action != ACTION_HUGE_PAGES)
                        continue;
                settle_mark(f, USE_LINE, "HugePages");
                undone |= !f->is_start;
                if (f->is_start && strtoul(f->value, NULL, 10) > 0)
                        r = add_pages(s, f, &values, &first);
        }
        if (r < 0)
                return r;
        if (!first) {
                mark_undone(s, "HugePages", UNKNOWN_HUGE_PAGES);
                return 0;
        }
        r = settle_add_line(s, "HugePages", settle_join(s, &values, " "), NULL, NULL);
        if (r >= 0 && !undone && s->vm->has_stop)
                r = settle_remark(s, first,
                                  "huge pages are taken here and given back nowhere: vfio-gpu gives them back");
        return r;
}

int settle_holders(Settle *s) {
        if (!settle_has_action(s->vm, ACTION_KILL_HOLDERS, true))
                return 0;
        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_KILL_HOLDERS)
                        settle_mark(f, USE_LINE, "Holders");
        return settle_add_line(s, "Holders", "kill", NULL, NULL);
}

int settle_consoles(Settle *s) {
        const Fact *off = NULL;
        bool on = false;

        FACT_FOREACH(f, s->vm)
                if (f->action == ACTION_CONSOLE_OFF || f->action == ACTION_CONSOLE_ON) {
                        settle_mark(f, USE_NEEDLESS,
                                    "text consoles: Consoles=auto unbinds those that are on this GPU, and binds "
                                    "these again");
                        off = f->action == ACTION_CONSOLE_OFF && f->is_start && !off ? f : off;
                        on |= f->action == ACTION_CONSOLE_ON;
                } else if (f->action == ACTION_FRAMEBUFFER_OFF || f->action == ACTION_FRAMEBUFFER_ON)
                        settle_mark(f, USE_NEEDLESS,
                                    "the firmware's frame buffer: Consoles=auto unbinds it if it is there and on "
                                    "this GPU");
        if (!off || on || !s->vm->has_stop)
                return 0;
        return settle_remark(
                s, off, "the text consoles are unbound here and bound again nowhere: vfio-gpu binds them again");
}
