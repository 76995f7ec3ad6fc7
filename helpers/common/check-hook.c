/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "check-part.h"
#include "lsm.h"
#include "root.h"
#include "strv.h"

#define HOOK "/etc/libvirt/hooks/qemu.d/vfio-gpu"
#define BOOLEAN "virt_hooks_unconfined"

#define PROFILE_MAX (1024 * 1024)

static int check_file(CheckContext *c) {
        _cleanup_free_ char *hook = root_path(HOOK);

        if (!hook)
                return -ENOMEM;
        if (access(hook, X_OK) >= 0)
                return 0;
        if (errno == ENOENT)
                return findings_add(c->findings, FINDING_HOOK_DISABLED, hook,
                                    "libvirt's hook %s is missing, so libvirt starts and ends the VM "
                                    "without a swap: install it again, and run 'systemctl try-restart libvirtd "
                                    "virtqemud' (the host uses one of them)", hook);
        if (access(hook, F_OK) < 0) /* not ours to see */
                return 0;
        return findings_add(c->findings, FINDING_HOOK_DISABLED, hook,
                            "libvirt's hook %s is not executable, so libvirt starts and ends the VM without "
                            "a swap: 'chmod +x' it", hook);
}

/* Policies of today let libvirt's daemons run hooks without the boolean, most of them by being lenient with
 * virtqemud_t: nothing but the start of a VM shows whether this one does. */
static int check_selinux(CheckContext *c) {
        if (!selinux_is_enforcing() || selinux_read("booleans/" BOOLEAN) != 0)
                return 0;
        return findings_add(c->findings, FINDING_HOOK_SELINUX, BOOLEAN,
                            "SELinux is enforcing and its boolean " BOOLEAN " is off; if libvirt says that the "
                            "hook ended with exit status 126, or 'ausearch -m avc -ts recent' shows it denied, "
                            "'setsebool -P " BOOLEAN " on' or 'semanage permissive -a virtqemud_t' allows it");
}

/* Returns whether one of the lines is a rule for the hooks that denies (or else allows) something. */
static bool has_rule(const char *text, bool denies) {
        _cleanup_strv_free_ char **lines = NULL;

        (void) strv_split(text, "\n", &lines);
        STRV_FOREACH(line, lines) {
                const char *rule = *line + strspn(*line, " \t");

                if (*rule != '#' && strstr(rule, "/etc/libvirt/hooks/") && (strstr(rule, "deny ") != NULL) == denies)
                        return true;
        }
        return false;
}

/* libvirt's own profiles let hooks run; old and edited ones may not. */
static int check_profile(CheckContext *c, const char *name) {
        _cleanup_free_ char *path = root_path("/etc/apparmor.d/%s", name), *profile = NULL, *local = NULL;
        _cleanup_free_ char *local_path = root_path("/etc/apparmor.d/local/%s", name);
        _cleanup_free_ char *disabled = root_path("/etc/apparmor.d/disable/%s", name);
        bool allowed;

        if (!path || !local_path || !disabled)
                return -ENOMEM;
        if (path_exists(disabled) || read_text_file(path, PROFILE_MAX, &profile) < 0)
                return 0;
        (void) read_text_file(local_path, PROFILE_MAX, &local);

        allowed = has_rule(profile, false) || (local && has_rule(local, false));
        if (allowed && !has_rule(profile, true) && !(local && has_rule(local, true)))
                return 0;
        return findings_add(c->findings, FINDING_HOOK_APPARMOR, path,
                            "the AppArmor profile %s does not let libvirt run its hooks, so libvirt cannot "
                            "start the VM: add '/etc/libvirt/hooks/** rmix,' to %s and reload the profile",
                            path, local_path);
}

static int check_apparmor(CheckContext *c) {
        int r = 0;

        if (!apparmor_is_on())
                return 0;
        STRV_FOREACH(name, STRV_MAKE("usr.sbin.libvirtd", "usr.sbin.virtqemud"))
                if (r >= 0)
                        r = check_profile(c, *name);
        return r;
}

int check_hook(CheckContext *c) {
        int r;

        r = check_file(c);
        if (r >= 0)
                r = check_selinux(c);
        return r < 0 ? r : check_apparmor(c);
}
