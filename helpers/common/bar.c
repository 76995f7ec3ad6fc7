/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bar.h"
#include "log.h"
#include "pci.h"
#include "state.h"
#include "strv.h"

/* Functions, the numbers of their regions, and the orders of their sizes. */
#define RECORD "bars"

#define MIB (1ULL << 20)

int bar_read(const char *address, unsigned bar, unsigned *ret_order) {
        _cleanup_free_ char *resource = NULL;
        unsigned long long begin = 0, end = 0;
        const char *line;
        unsigned order = 0;
        int r;

        r = pci_read(address, "resource", &resource);
        if (r < 0)
                return r;
        for (line = resource; line && bar > 0; bar--)
                line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL;
        if (!line || sscanf(line, "%llx %llx", &begin, &end) != 2 || end <= begin)
                return -ENXIO;

        while (order < BAR_ORDER_MAX && MIB << order < end - begin + 1)
                order++;
        *ret_order = order;
        return 0;
}

int bar_can_be(const char *address, const BarSize *size) {
        _cleanup_free_ char *attribute = NULL, *text = NULL;
        unsigned long long sizes;
        char *end;
        int r;

        if (asprintf(&attribute, "resource%u_resize", size->bar) < 0) {
                attribute = NULL;
                return -ENOMEM;
        }
        r = pci_read(address, attribute, &text);
        if (r < 0)
                return r;
        sizes = strtoull(text, &end, 16);
        if (*end || end == text)
                return -EBADMSG;
        return (sizes >> size->order) & 1;
}

int bar_parse(const char *word, char **ret_address, BarSize *ret_size) {
        _cleanup_free_ char *address = NULL, *size = NULL;
        const char *slash = strchr(word, '/');
        unsigned bar;
        int n = 0;

        if (!slash || sscanf(slash, "/resource%1u_resize=%n", &bar, &n) != 1 || n == 0)
                return -EINVAL;
        if (asprintf(&size, "%u:%s", bar, slash + n) < 0) {
                size = NULL;
                return -ENOMEM;
        }
        if (bar_size_parse(size, ret_size) < 0)
                return -EINVAL;
        address = strndup(word, (size_t) (slash - word));
        return address ? pci_address_parse(address, ret_address) : -ENOMEM;
}

static int resize(const char *address, const BarSize *size) {
        _cleanup_free_ char *attribute = NULL, *value = NULL;
        unsigned now;
        int r;

        r = bar_read(address, size->bar, &now);
        if (r < 0 || now == size->order)
                return r;
        if (asprintf(&attribute, "resource%u_resize", size->bar) < 0) {
                attribute = NULL;
                return -ENOMEM;
        }
        if (asprintf(&value, "%u", size->order) < 0) {
                value = NULL;
                return -ENOMEM;
        }
        return pci_write(address, attribute, value);
}

/* What is on record of an earlier swap, whose way back was not finished, counts. */
static int note(const char *word, char ***record) {
        _cleanup_free_ char *address = NULL, *line = NULL;
        BarSize size;
        unsigned now;
        int r;

        r = bar_parse(word, &address, &size);
        if (r >= 0)
                r = bar_read(address, size.bar, &now);
        if (r < 0)
                return r;
        if (asprintf(&line, "%s %u ", address, size.bar) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        STRV_FOREACH(known, *record)
                if (startswith(*known, line))
                        return 0;
        return strv_extendf(record, "%s%u", line, now);
}

static void change(const char *address, const BarSize *size, const char *what) {
        _cleanup_free_ char *text = bar_size_text(size->order);
        int r;

        r = text ? resize(address, size) : -ENOMEM;
        if (r < 0)
                (void) log_full(LOG_WARNING, r, &(LogSubject) { .function = address },
                                "cannot %s region %u of %s %s: %m; the kernel's log may say why (journalctl -k)", what,
                                size->bar, address, text);
}

static int note_all(int state, char *const *wanted) {
        _cleanup_strv_free_ char **record = NULL;
        int r;

        r = state_read(state, RECORD, &record);
        if (r < 0 && r != -ENOENT)
                return log_warning_errno(r, "cannot read the record of memory regions: %m; none is resized");
        for (; *wanted; wanted++) {
                r = note(*wanted, &record);
                if (r < 0)
                        return log_warning_errno(r, "cannot read the size of region %s: %m; none is resized", *wanted);
        }
        r = state_write(state, RECORD, record);
        return r < 0 ? log_warning_errno(r, "cannot note the sizes of memory regions: %m; none is resized") : 0;
}

void bars_resize(int state, char *const *wanted) {
        if (!wanted || note_all(state, wanted) < 0)
                return;
        for (; *wanted; wanted++) {
                _cleanup_free_ char *address = NULL;
                BarSize size;

                if (bar_parse(*wanted, &address, &size) >= 0)
                        change(address, &size, "make");
        }
}

static int restore_all(int state) {
        _cleanup_strv_free_ char **record = NULL;
        bool left = false;
        int r;

        r = state_read(state, RECORD, &record);
        if (r < 0)
                return r == -ENOENT ? 0 : log_warning_errno(r, "cannot read the record of memory regions: %m");
        STRV_FOREACH(line, record) {
                char address[sizeof("00000000:00:00.0")];
                BarSize size;
                unsigned now;

                if (sscanf(*line, "%16s %u %u", address, &size.bar, &size.order) != 3 || size.order > BAR_ORDER_MAX)
                        continue;
                change(address, &size, "make again");
                left = left || (bar_read(address, size.bar, &now) >= 0 && now != size.order);
        }
        if (left)
                return -EBUSY;
        r = state_remove(state, RECORD);
        return r < 0 ? log_warning_errno(r, "cannot remove the record of memory regions: %m") : 0;
}

void bars_restore(int state) {
        /* Once the host's driver has the function it is too late. */
        if (restore_all(state) < 0)
                (void) restore_all(state);
}
