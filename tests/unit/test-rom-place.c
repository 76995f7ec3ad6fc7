/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/stat.h>
#include <sys/xattr.h>

#include "rom-place.h"
#include "root.h"
#include "strv.h"
#include "tap.h"

/* What 'vfio-gpuctl rom patch' cannot show where SELinux is not there: it is the kernel that labels a new
 * file. Modes and AppArmor are in rom-files. */

static char root[] = "/tmp/vfio-gpu-test-XXXXXX";

static char *write_file(const char *name, const char *text) {
        _cleanup_fclose_ FILE *f = NULL;
        char *path;

        if (asprintf(&path, "%s/%s", root, name) < 0 || !(f = fopen(path, "we")))
                abort();
        (void) fputs(text, f);
        return path;
}

static void make_directories(void) {
        static const char *const names[] = { "", "/sys", "/sys/fs", "/sys/fs/selinux" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path,
                             "%s%s",
                             root, names[i]) < 0 || (mkdir(path, 0755) < 0 && errno != EEXIST) || chmod(path, 0755) < 0)
                        abort();
        }
}

/* Returns whether the first sentence has that in it; with NULL, whether there is none. */
static bool says(const char *path, const char *what) {
        _cleanup_strv_free_ char **sentences = NULL;

        if (rom_place_check("", path, &sentences) < 0)
                return false;
        return what ? sentences && strstr(*sentences, what) : !sentences;
}

int main(void) {
        _cleanup_free_ char *rom = NULL, *enforce = NULL, *off = NULL;

        if (!mkdtemp(root))
                abort();
        make_directories();
        root_set(root);
        rom = write_file("gpu.rom", "");
        enforce = write_file("sys/fs/selinux/enforce", "1");

        ok(says(rom, NULL));
        if (setxattr(rom, "security.selinux", "system_u:object_r:user_home_t:s0", 33, 0) < 0)
                (void) printf("# no labels here: %s\n", strerror(errno));
        else {
                ok(says(rom, "type user_home_t"));
                ok(setxattr(rom, "security.selinux", "system_u:object_r:usr_t:s0", 27, 0) == 0 && says(rom, NULL));
                ok(setxattr(rom, "security.selinux", "unlabeled", 9, 0) == 0 && says(rom, NULL));
                ok(setxattr(rom, "security.selinux", "u:r:tmp_t", 9, 0) == 0 && says(rom, "type tmp_t"));
                off = write_file("sys/fs/selinux/enforce", "0");
                ok(says(rom, NULL));
        }

        (void) unlink(rom);
        (void) unlink(enforce);
        for (char *slash; (slash = strrchr(enforce, '/')) && strlen(enforce) > strlen(root);) {
                *slash = 0;
                (void) rmdir(enforce);
        }
        return tap_done();
}
