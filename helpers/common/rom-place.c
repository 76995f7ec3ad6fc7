/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fnmatch.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "lsm.h"
#include "rom-place.h"
#include "root.h"
#include "strv.h"

#define GOOD_PLACE "/usr/share/vgabios/"

/* The rules that are the same for every VM; libvirt adds none for a ROM file. */
#define PROFILES "/etc/apparmor.d/"
#define ABSTRACTION "abstractions/libvirt-qemu"
#define PROFILE_MAX (1024 * 1024)

#define LABEL_MAX 256

/* Returns whether somebody who is neither the owner nor in the group is let in, which can also be by a list. */
static bool lets_in(const char *path, mode_t mode, struct stat *ret) {
        return stat(path, ret) < 0 || (ret->st_mode & mode) || getxattr(path, "system.posix_acl_access", NULL, 0) >= 0;
}

/* Whoever gave it to a group, other than root's, has thought of QEMU's. */
static int check_mode(const char *file, const char *path, char ***sentences) {
        struct stat st;

        if (lets_in(file, S_IROTH, &st) || ((st.st_mode & S_IRGRP) && st.st_gid != 0))
                return 0;
        return strv_extendf(sentences, "QEMU runs as a user who may not read it (mode %04o), if it does not run as "
                            "root: 'chmod 0644 %s'", st.st_mode & 07777, path);
}

static int check_directories(char *file, size_t above, char ***sentences) {
        struct stat st;

        for (char *slash; (slash = strrchr(file + above, '/')) && slash > file + above;) {
                *slash = 0;
                if (!lets_in(file, S_IXOTH, &st))
                        return strv_extendf(sentences, "QEMU runs as a user who may not enter %s, if it does not run "
                                            "as root: put the file into " GOOD_PLACE, file + above);
        }
        return 0;
}

/* Brings a pattern of AppArmor's into the form of fnmatch(). */
static char *translate(const char *pattern, size_t n) {
        char *translated = malloc(2 * n + 1), *p = translated;
        bool braces = false;

        for (size_t i = 0; p && i < n; i++)
                if (pattern[i] == '{') {
                        p = stpcpy(p, "@(");
                        braces = true;
                } else if (pattern[i] == '}') {
                        *p++ = ')';
                        braces = false;
                } else
                        *p++ = braces && pattern[i] == ',' ? '|' : pattern[i];
        if (p)
                *p = 0;
        return translated;
}

/* Returns 1 if the line is a rule by which the file can be read, 0 if not, or -ENOMEM. */
static int rule_allows(const char *line, const char *path) {
        const char *rule = line + strspn(line, " \t"), *permissions;
        _cleanup_free_ char *pattern = NULL;
        bool quoted = *rule == '"';
        size_t n;

        rule += quoted;
        n = strcspn(rule, quoted ? "\"" : " \t");
        if (*rule != '/' || !rule[n])
                return 0;
        permissions = rule + n + 1;
        permissions += strspn(permissions, " \t");
        if (!memchr(permissions, 'r', strcspn(permissions, ", \t")))
                return 0;

        pattern = translate(rule, n);
        if (!pattern)
                return -ENOMEM;
        return fnmatch(pattern, path, FNM_EXTMATCH | (strstr(pattern, "**") ? 0 : FNM_PATHNAME)) == 0;
}

static int profile_allows(const char *name, const char *path) {
        _cleanup_free_ char *file = root_path(PROFILES "%s", name), *text = NULL;
        _cleanup_strv_free_ char **lines = NULL;
        int r;

        if (!file)
                return -ENOMEM;
        if (read_text_file(file, PROFILE_MAX, &text) < 0)
                return 0;
        r = strv_split(text, "\n", &lines);
        STRV_FOREACH(line, lines)
                if (r == 0)
                        r = rule_allows(*line, path);
        return r;
}

static int apparmor_allows(const char *path) {
        _cleanup_free_ char *directory = root_path(PROFILES ABSTRACTION ".d");
        _cleanup_strv_free_ char **names = NULL;
        int r = 0;

        if (!directory)
                return -ENOMEM;
        (void) list_directory(directory, &names);
        STRV_FOREACH(name, STRV_MAKE(ABSTRACTION, "local/" ABSTRACTION, "libvirt/TEMPLATE.qemu"))
                if (r == 0)
                        r = profile_allows(*name, path);
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *profile = NULL;

                if (r == 0)
                        r = asprintf(&profile, ABSTRACTION ".d/%s", *name) < 0 ? -ENOMEM :
                                profile_allows(profile, path);
        }
        return r;
}

static int check_apparmor(const char *path, char ***sentences) {
        _cleanup_free_ char *abstraction = root_path(PROFILES ABSTRACTION);
        int r;

        if (!abstraction)
                return -ENOMEM;
        if (!apparmor_is_on() || !path_exists(abstraction))
                return 0;
        r = apparmor_allows(path);
        if (r != 0)
                return r < 0 ? r : 0;
        return strv_extendf(sentences,
                            "AppArmor has no rule by which libvirt's VMs may read the file: put it into "
                            GOOD_PLACE ", or add '\"%s\" r,' to " PROFILES "local/" ABSTRACTION,
                            path);
}

/* That the file is in one of these is known to be enough; what else may be is not known. */
static bool is_readable_type(const char *type) {
        return strv_contains(STRV_MAKE("usr_t", "virt_image_t", "virt_content_t", "svirt_image_t"), type);
}

static int check_selinux(const char *file, char ***sentences) {
        _cleanup_strv_free_ char **fields = NULL;
        char label[LABEL_MAX];
        ssize_t n;
        int r;

        n = selinux_is_enforcing() ? getxattr(file, "security.selinux", label, sizeof(label) - 1) : -1;
        if (n < 0)
                return 0;
        label[n] = 0;
        r = strv_split(label, ":", &fields);
        if (r < 0 || strv_length(fields) < 3 || is_readable_type(fields[2]))
                return r;
        return strv_extendf(sentences,
                            "SELinux may not let QEMU read a file of type %s: put it into " GOOD_PLACE
                            " and run 'restorecon' on it, or give it type virt_image_t with 'semanage fcontext'",
                            fields[2]);
}

int rom_place_check(const char *root, const char *path, char ***ret) {
        _cleanup_strv_free_ char **sentences = NULL;
        _cleanup_free_ char *file = NULL;
        int r;

        if (asprintf(&file, "%s%s", root, path) < 0) {
                file = NULL;
                return -ENOMEM;
        }
        r = check_mode(file, path, &sentences);
        if (r >= 0)
                r = check_apparmor(path, &sentences);
        if (r >= 0)
                r = check_selinux(file, &sentences);
        if (r >= 0)
                r = check_directories(file, strlen(root), &sentences);
        if (r < 0)
                return r;

        *ret = TAKE_PTR(sentences);
        return 0;
}
