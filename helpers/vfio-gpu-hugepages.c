/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Has huge pages free for the VM, and gives back those that it added. */

#include "clock.h"
#include "huge-pool.h"
#include "later-record.h"
#include "log.h"
#include "root.h"
#include "state.h"
#include "step.h"
#include "strv.h"

/* For each size in KiB how many persistent pages there were, and how many there are to be. */
#define RECORD "hugepages"

/* What an attempt may take that goes on getting pages, a few at a time. */
#define PATIENCE (30 * USEC_PER_SEC)

typedef struct Wanted {
        const char *word; /* as in the configuration */
        HugePages pages;
        unsigned long goal; /* persistent pages of that size, 0 if enough are free */
} Wanted;

/* Either may not be there, and neither can do harm. */
static void ask_kernel(const char *path, const char *value) {
        _cleanup_free_ char *full = root_path("%s", path);

        if (full)
                (void) write_attribute(full, value);
}

/* The kernel itself moves pages aside and drops caches for each huge page, and gives up soon. More can be
 * had after all of memory was compacted. What is in the way then are objects of the kernel's own, which it
 * frees together with its caches: the price is that the desktop reads its files again. Returns whether there
 * is anything left to try. */
static bool make_room(unsigned effort) {
        if (effort > 2)
                return false;
        if (effort == 2)
                ask_kernel("/proc/sys/vm/drop_caches", "3");
        ask_kernel("/proc/sys/vm/compact_memory", "1");
        return true;
}

static int refuse(const Wanted *wanted, const HugePool *pool) {
        unsigned long available = 0;

        (void) memory_read("MemAvailable", &available);
        return log_error_errno(ENOMEM,
                               "cannot have %s huge pages: %lu of them are free after the kernel moved together what "
                               "it can (" HUGE_POOLS "/hugepages-%lukB), with %lu MiB of memory available; end what "
                               "uses memory, have fewer in HugePages=, or have them reserved at boot", wanted->word,
                               pool->unclaimed, wanted->pages.kb, available / 1024);
}

static int raise_pool(const Wanted *wanted) {
        uint64_t deadline = clock_now() + PATIENCE;
        unsigned long best = 0;
        unsigned effort = 0;
        HugePool pool;
        int r;

        for (;;) {
                r = huge_pool_resize(wanted->pages.kb, wanted->goal);
                if (r >= 0)
                        r = huge_pool_read(wanted->pages.kb, &pool);
                if (r < 0)
                        return log_error_errno(r, "cannot have %s huge pages (" HUGE_POOLS "/hugepages-%lukB): %m",
                                               wanted->word, wanted->pages.kb);
                if (huge_pool_missing(&pool, wanted->pages.count) == 0)
                        return 0;

                /* As long as that helps it is gone on with. */
                if (pool.pages <= best || effort == 0)
                        effort++;
                best = pool.pages;
                if (clock_left(deadline) == 0 || !make_room(effort))
                        return refuse(wanted, &pool);
        }
}

/* Returns the line of an earlier swap, whose way back was not finished: how many pages there were before
 * that counts. */
static char **find_line(char **record, unsigned long kb) {
        unsigned long size;

        STRV_FOREACH(line, record)
                if (sscanf(*line, "%lu ", &size) == 1 && size == kb)
                        return line;
        return NULL;
}

static int note_one(Wanted *wanted, char ***record) {
        char **earlier = find_line(*record, wanted->pages.kb), *line;
        unsigned long missing, before;
        HugePool pool;
        int r;

        r = huge_pool_read(wanted->pages.kb, &pool);
        if (r < 0)
                return log_error_errno(r, "cannot read " HUGE_POOLS "/hugepages-%lukB: %m", wanted->pages.kb);
        missing = huge_pool_missing(&pool, wanted->pages.count);
        if (missing == 0)
                return 0;

        wanted->goal = pool.pages + missing;
        if (!earlier || sscanf(*earlier, "%*u %lu ", &before) != 1)
                before = pool.persistent;
        if (asprintf(&line, "%lu %lu %lu", wanted->pages.kb, before, wanted->goal) < 0)
                return log_oom();
        if (!earlier)
                return strv_consume(record, line) < 0 ? log_oom() : 0;
        free(*earlier);
        *earlier = line;
        return 0;
}

static int note(const char *vm, int state, Wanted *wanted, size_t n) {
        _cleanup_strv_free_ char **record = NULL;
        int r;

        r = state_read(state, RECORD, &record);
        if (r < 0 && r != -ENOENT)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY "/%s/" RECORD ": %m", vm);

        for (size_t i = 0; i < n; i++) {
                r = note_one(wanted + i, &record);
                if (r < 0)
                        return r;
        }
        r = record ? state_write(state, RECORD, record) : 0;
        return r < 0 ? log_error_errno(r, "cannot write " STATE_DIRECTORY "/%s/" RECORD ": %m", vm) : 0;
}

static int start(const Task *task) {
        size_t n = strv_length(task->huge_pages);
        _cleanup_free_ Wanted *wanted = calloc(n + 1, sizeof(Wanted));
        _cleanup_close_ int lock = -1, state = -1;
        int r;

        if (!wanted)
                return log_oom();
        for (size_t i = 0; i < n; i++) {
                wanted[i].word = task->huge_pages[i];
                r = huge_pages_parse(wanted[i].word, &wanted[i].pages);
                if (r < 0)
                        return log_error_errno(r, "'%s' is no number of huge pages", wanted[i].word);
        }

        state = state_open(task->vm, true);
        lock = state < 0 ? state : state_lock();
        if (lock < 0)
                return log_error_errno(lock, "cannot lock " STATE_DIRECTORY ": %m");
        r = note(task->vm, state, wanted, n);
        for (size_t i = 0; i < n && r >= 0; i++) {
                r = wanted[i].goal > 0 ? raise_pool(wanted + i) : 0;
                if (r >= 0)
                        log_info("%s huge pages are free", wanted[i].word);
        }
        return r;
}

/* To a VM that has added pages since, there were fewer before. */
static int tell_later(const char *vm, unsigned long kb, unsigned long added) {
        _cleanup_later_record_ LaterRecord later = { 0 };
        _cleanup_free_ char *key = NULL, *line = NULL;
        unsigned long before, goal;
        int r;

        if (asprintf(&key, "%lu", kb) < 0) {
                key = NULL;
                return -ENOMEM;
        }
        r = later_record_find(vm, RECORD, key, &later);
        if (r <= 0)
                return r;
        if (sscanf(later.lines[later.index], "%*u %lu %lu", &before, &goal) != 2 || before < added)
                return 0;
        if (asprintf(&line, "%lu %lu %lu", kb, before - added, goal - added) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        return later_record_replace(&later, RECORD, line);
}

/* What others have added meanwhile stays. */
static int give_back(const char *vm, const char *line) {
        unsigned long kb, before, goal, back;
        HugePool pool;
        int r;

        if (sscanf(line, "%lu %lu %lu", &kb, &before, &goal) != 3 || before > goal)
                return log_error_errno(EBADMSG, "the record of huge pages has '%s': %m", line);

        r = huge_pool_read(kb, &pool);
        back = r >= 0 && pool.persistent > goal ? pool.persistent - (goal - before) : before;
        if (r >= 0 && pool.persistent != back) {
                r = huge_pool_resize(kb, back);
                if (r >= 0)
                        log_info("the host has its memory back: %lu huge pages of %lukB instead of %lu", back, kb,
                                 pool.persistent);
        }
        if (r >= 0)
                r = tell_later(vm, kb, goal - before);
        return r < 0 ? log_error_errno(r, "cannot give back huge pages (" HUGE_POOLS "/hugepages-%lukB): %m", kb) : 0;
}

static int stop(const Task *task) {
        _cleanup_strv_free_ char **record = NULL;
        _cleanup_close_ int lock = -1, state = -1;
        int r;

        lock = state_lock();
        state = lock < 0 ? lock : state_open(task->vm, false);
        r = state < 0 ? state : state_read(state, RECORD, &record);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return log_error_errno(r, "cannot read " STATE_DIRECTORY "/%s/" RECORD ": %m", task->vm);

        STRV_FOREACH(line, record) {
                int k = give_back(task->vm, *line);

                r = k < 0 ? k : r;
        }
        if (r < 0)
                return r;
        r = state_remove(state, RECORD);
        return r < 0 ? log_error_errno(r, "cannot remove " STATE_DIRECTORY "/%s/" RECORD ": %m", task->vm) : 0;
}

int main(int argc, char **argv) {
        return step_main(argc, argv, &(StepVerbs) { .start = start, .stop = stop });
}
