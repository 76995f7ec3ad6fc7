/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "later-record.h"
#include "programs.h"
#include "root.h"
#include "state.h"
#include "strv.h"
#include "tap.h"

/* What lies in the place of records and is none: a link is not followed, and is in nobody's way. */

#define RECORD "governor"
#define LINE "/sys/a powersave performance"

static void make(const char *path) {
        _cleanup_free_ char *full = root_path("%s", path);

        if (!full || mkdir(full, 0755) < 0)
                abort();
}

static void put(const char *path) {
        _cleanup_free_ char *full = root_path("%s", path);
        _cleanup_fclose_ FILE *f = full ? fopen(full, "we") : NULL;

        if (!f || fputs(LINE, f) < 0)
                abort();
}

static void make_link(const char *path, const char *target) {
        _cleanup_free_ char *full = root_path("%s", path);

        if (!full || symlink(target, full) < 0)
                abort();
}

/* A record that is newer than all before it. */
static void put_record(const char *vm, const char *line) {
        static time_t last;
        const time_t now = ++last;
        const struct timespec times[] = { { .tv_sec = now }, { .tv_sec = now } };
        _cleanup_close_ int state = state_open(vm, true);

        if (state < 0 || state_write(state, RECORD, STRV_MAKE(line)) < 0 || utimensat(state, RECORD, times, 0) < 0)
                abort();
}

static void lists(const char *expected) {
        _cleanup_strv_free_ char **vms = NULL;
        _cleanup_free_ char *joined = NULL;

        ok(state_list(&vms) == 0);
        joined = strv_join(vms, " ");
        is(joined, expected);
}

static void finds_later(const char *expected) {
        _cleanup_later_record_ LaterRecord later = { 0 };

        ok(later_record_find("first", RECORD, "/sys/a", &later) == (expected ? 1 : 0));
        is(later.vm, expected);
}

/* Everything that another VM may have in the place of its record, the records of others outside included. */
static void plant(void) {
        make("/run/vfio-gpu/link-as-record");
        make_link("/run/vfio-gpu/link-as-record/" RECORD, "../../outside/" RECORD);
        make_link("/run/vfio-gpu/directory-link", "../outside");
        make_link("/run/vfio-gpu/file-link", "../outside/" RECORD);
        make_link("/run/vfio-gpu/nowhere", "nothing");
        make("/run/vfio-gpu/empty");
        put("/run/vfio-gpu/file");
}

static void test_links(void) {
        lists("");
        put_record("first", LINE);
        lists("first");
        finds_later(NULL);

        plant();
        lists("first link-as-record");
        STRV_FOREACH(name, STRV_MAKE("directory-link", "file-link", "nowhere", "file", "empty")) {
                ok(!state_exists(*name));
                ok(state_open(*name, false) < 0 || streq(*name, "empty"));
        }
        finds_later(NULL);
        put_record("second", LINE);
        finds_later("second");
}

static void test_programs(void) {
        make("/run/outside/programs");
        make_link("/run/vfio-gpu/.programs-linked", "../outside/programs");
        make("/run/vfio-gpu/.programs-own");
        ok(programs_open("linked") == -ENOTDIR || programs_open("linked") == -ELOOP);
        ok(programs_open("none") == -ENOENT);
        ok(close(programs_open("own")) == 0);
}

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        return remove(path);
}

int main(void) {
        char directory[] = "/tmp/test-state-XXXXXX";

        if (!mkdtemp(directory))
                return EXIT_FAILURE;
        root_set(directory);
        make("/run");
        make("/run/outside");
        put("/run/outside/" RECORD);
        test_links();
        test_programs();
        (void) nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        return tap_done();
}
