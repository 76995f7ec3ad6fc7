/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "import-command.h"

/* Names that processes of desktops have; an asterisk stands for any end. */
static const char session_processes[] =
        "gdm* sddm* lightdm* ly greetd X Xorg Xwayland xinit startx x11 gnome-* mutter* kwin* plasma* "
        "startplasma* ksmserver* kded* sway* Hyprland hyprland* niri* i3* dwm dwl openbox* bspwm awesome "
        "xfce4-* xfwm4 wayfire river labwc weston* qtile herbstluftwm xmonad* cinnamon* mate-* marco lxqt-* "
        "lxsession budgie-* cosmic-* enlightenment* icewm* fluxbox leftwm* gamescope* nvidia-settings waybar "
        "polybar";

static const char sound_processes[] = "pipewire* pulseaudio pulse* wireplumber jackd*";

static int run_other_init(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_beside(recorder, call, "for another init than systemd");
}

static int kill_one(Recorder *recorder, const ShellCall *call, const char *name) {
        if (streq(name, "systemd-inhibit"))
                return command_adds(recorder, call, ACTION_UNINHIBIT, "", "");
        if (shell_word_in(session_processes, name))
                return command_adds(recorder, call, ACTION_END_SESSION, "", "");
        if (shell_word_in(sound_processes, name))
                return command_adds(recorder, call, ACTION_END_SOUND, "", "");
        return command_leaves(recorder, call,
                              "ends processes: Holders=terminate ends those that have the GPU open, and "
                              "StopUnits= and StopUserUnits= stop them with their units");
}

static int run_kill(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char with_value[] = "-s --signal -u --user -U --uid -t --terminal -g -P -G -o -y";
        bool names_user = command_option(call, "-u", "--user") || command_option(call, "-U", "--uid");
        const char *name;
        size_t i = 1;
        int r = 1;

        *ret = SHELL_EXPECTED;
        name = command_operand(call, &i, with_value);
        if (!name && names_user)
                return command_adds(recorder, call, ACTION_END_SESSION, "", "");
        if (!name)
                return command_leaves(recorder, call, "whom it ends is not known");
        for (; name && r > 0; name = command_operand(call, &i, with_value))
                r = kill_one(recorder, call, shell_base_name(name + (*name == '^')));
        return r;
}

static int run_loginctl(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        size_t i = 1;
        const char *verb = command_operand(call, &i, NULL);

        *ret = SHELL_MAYBE;
        if (!verb || startswith(verb, "list-") || startswith(verb, "show-") || endswith(verb, "-status"))
                return 1;
        *ret = SHELL_EXPECTED;
        if (startswith(verb, "terminate-") || startswith(verb, "kill-"))
                return command_adds(recorder, call, ACTION_END_SESSION, "", "");
        return command_leaves(recorder, call, "there is no setting for this");
}

static int run_fuser(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        bool kills = false, of_gpu = false;

        *ret = SHELL_MAYBE;
        for (size_t i = 1; i < call->n_words; i++) {
                const char *word = call->words[i];

                kills |= streq(word, "--kill") || (word[0] == '-' && word[1] != '-' && strchr(word, 'k'));
                of_gpu |= !shell_is_known(word) ||
                          shell_word_in("/dev/nvidia* /dev/dri* /dev/kfd /dev/fb* /dev/snd*", word);
        }
        if (!kills)
                return 1;
        return of_gpu ? command_adds(recorder, call, ACTION_KILL_HOLDERS, "", "") :
                        command_leaves(recorder, call, "ends processes that use something else than the GPU");
}

static int run_sleep(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_beside(recorder, call, "a pause: each step waits for what it needs, and no longer");
}

static int run_settle(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_beside(recorder, call, "udev: is waited for where that matters");
}

static int run_wakeup(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_needless(recorder, call, "a way to wake the driver: it probes the function anew");
}

static int run_chvt(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_needless(recorder, call, "the screen's terminal: the display manager takes its own");
}

static int run_cpupower(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        const char *governor = command_option(call, "-g", "--governor");

        *ret = SHELL_EXPECTED;
        if (!governor)
                return command_leaves(recorder, call, "there is no setting for this");
        if (!shell_is_known(governor) && recorder->is_start)
                return command_unknown(recorder, call, UNKNOWN_GOVERNOR,
                                       "the governor's name is not known: set CpuGovernor=");
        return command_adds(recorder, call, ACTION_GOVERNOR, "", governor);
}

/* Is a way to write to procfs. */
static int run_sysctl(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        int r = 1;

        *ret = SHELL_EXPECTED;
        for (size_t i = 1; i < call->n_words && r > 0; i++) {
                const char *value = strchr(call->words[i], '=');
                char *path;

                if (shell_word_in("-p* --load* --system", call->words[i]))
                        return command_leaves(recorder, call, "sets the kernel up from files");
                if (call->words[i][0] == '-' || !value)
                        continue;
                path = arena_printf(recorder->facts->arena, "/proc/sys/%.*s", (int) (value - call->words[i]),
                                    call->words[i]);
                if (!path)
                        return -ENOMEM;
                for (char *p = path; *p; p++)
                        if (*p == '.')
                                *p = '/';
                r = record_write(recorder, call, path, value + 1);
        }
        return r;
}

static int run_inhibit(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char with_value[] = "--what --who --why --mode";
        const char *what = command_option(call, "--what", "--what") ?: "idle:sleep:shutdown", *command;
        size_t i = 1;
        int r;

        *ret = SHELL_EXPECTED;
        if (command_has_option(call, "--list"))
                return 1;
        if (!shell_is_known(what))
                return command_unknown(recorder, call, UNKNOWN_INHIBIT,
                                       "what is inhibited is not known: set Inhibit=");
        r = command_adds(recorder, call, ACTION_INHIBIT, "", what);
        command = command_operand(call, &i, with_value);
        if (r > 0 && command && !streq(command, "sleep") && !streq(command, "tail") && !streq(command, "cat"))
                r = command_leaves(recorder, call, "only the lock is taken over, not the command that it is held for");
        return r;
}

static int run_nvidia_smi(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        static const char settings[] =
                "-pm --persistence-mode* -pl --power-limit* -r --gpu-reset* -c --compute-mode* -lgc "
                "--lock-gpu-clocks* -rgc --reset-gpu-clocks* -lmc -rmc drain";

        *ret = SHELL_MAYBE;
        for (size_t i = 1; i < call->n_words; i++)
                if (shell_word_in(settings, call->words[i]))
                        return command_leaves(recorder, call, "sets the driver up: a unit of its own can do that");
        return 1;
}

/* Returns whether this is a place where scripts keep notes for themselves, and logs. */
static bool is_scratch(const char *path) {
        return shell_word_in("/tmp/* /var/* /run/* /dev/* /root/* /home/*", path);
}

/* What is copied or moved to a home is more than a note. */
static int run_copy(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        for (size_t i = 1; i < call->n_words; i++)
                if (call->words[i][0] == '/' && !shell_word_in("/tmp/* /run/* /var/run/* /var/log/* /dev/*",
                                                               call->words[i]))
                        return command_leaves(recorder, call, "changes files");
        return 1;
}

static int run_file(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        for (size_t i = 1; i < call->n_words; i++)
                if (call->words[i][0] == '/' && !is_scratch(call->words[i]))
                        return command_leaves(recorder, call, "changes files");
        return 1;
}

static int run_owner(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        const char *last = call->words[call->n_words - 1];

        *ret = SHELL_EXPECTED;
        return startswith(last, "/dev/vfio") ?
                       command_needless(recorder, call, "who may use VFIO: libvirt sees to that") :
                       run_file(recorder, call, ret);
}

static int run_sed(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_MAYBE;
        for (size_t i = 1; i < call->n_words; i++)
                if (startswith(call->words[i], "-i") || startswith(call->words[i], "--in-place"))
                        return command_leaves(recorder, call, "changes files");
        return 1;
}

/* Looks, unless it is told to do something with what it finds. */
static int run_find(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_MAYBE;
        for (size_t i = 1; i < call->n_words; i++)
                if (shell_word_in("-exec -execdir -ok -okdir -delete", call->words[i]))
                        return command_leaves(recorder, call, "does something to each file that is found");
        return 1;
}

static int run_setpci(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_MAYBE;
        for (size_t i = 1; i < call->n_words; i++)
                if (strchr(call->words[i], '='))
                        return command_leaves(recorder, call, "writes registers of a device");
        return 1;
}

static int run_dd(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        int r = 1;

        *ret = SHELL_EXPECTED;
        for (size_t i = 1; i < call->n_words && r > 0; i++) {
                const char *path = startswith(call->words[i], "of=");

                if (!path || *path != '/' || is_scratch(path))
                        continue;
                r = record_write(recorder, call, path, NULL);
                if (r == 0)
                        r = command_leaves(recorder, call, "changes files");
        }
        return r;
}

static int run_question(_unused_ Recorder *recorder, _unused_ const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_MAYBE;
        return 1;
}

static int run_output(_unused_ Recorder *recorder, _unused_ const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return 1;
}

static int run_cpu_tool(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_unknown(
                recorder, call, UNKNOWN_CPUS,
                "decides in its own way who gets which CPUs: set AllowedCPUs= to those that the host keeps");
}

static int run_mount(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_leaves(recorder, call, "mounts: name mount units in StopUnits= or StartUnits=");
}

static int run_network(Recorder *recorder, const ShellCall *call, ShellStatus *ret) {
        *ret = SHELL_EXPECTED;
        return command_leaves(recorder, call, "is about the network: a unit of its own can be named in StartUnits=");
}

static const struct {
        const char *names;
        Command run;
} commands[] = {
        { "systemctl", run_systemctl },
        { "service", run_service },
        { "init telinit", run_init },
        { "rc-service rc-update openrc sv runsvchdir initctl s6-rc dinitctl", run_other_init },
        { "kill killall pkill skill", run_kill },
        { "loginctl", run_loginctl },
        { "fuser", run_fuser },
        { "virsh", run_virsh },
        { "vfio-pci-bind vfio-pci-bind.sh", run_pci_bind },
        { "driverctl", run_driverctl },
        { "modprobe rmmod", run_modprobe },
        { "sleep usleep", run_sleep },
        { "udevadm", run_settle },
        { "nvidia-xconfig nvidia-modprobe", run_wakeup },
        { "nvidia-smi", run_nvidia_smi },
        { "chvt", run_chvt },
        { "cpupower cpufreq-set", run_cpupower },
        { "sysctl", run_sysctl },
        { "systemd-inhibit", run_inhibit },
        { "cp mv ln install", run_copy },
        { "mkdir rmdir rm touch truncate mktemp chmod", run_file },
        { "dd", run_dd },
        { "find", run_find },
        { "setpci", run_setpci },
        { "chown chgrp setfacl", run_owner },
        { "sed", run_sed },
        { "cset vfio-isolate taskset chrt cgset cgclassify cgexec irqbalance", run_cpu_tool },
        { "mount umount swapoff swapon zpool cryptsetup", run_mount },
        { "ip brctl ifconfig iptables nft nmcli tc ethtool", run_network },
        { "grep egrep fgrep zgrep awk gawk mawk cut tr head tail sort uniq wc ls stat file readlink "
          "realpath lspci lsmod lsusb lscpu lsblk dmesg id who w whoami users logname uname hostname nproc "
          "free ps pgrep pidof lsof which whereis journalctl getent seq expr bc jq xmllint xmlstarlet "
          "mountpoint modinfo tty test column rev paste tac od xxd hexdump "
          "df du env printenv",
          run_question },
        { "echo printf cat tee date logger sync notify-send wall systemd-notify tput clear "
          "dirname basename stty setterm",
          run_output },
};

static Command find_command(const char *word) {
        for (size_t i = 0; i < ELEMENTSOF(commands); i++)
                if (shell_word_in(commands[i].names, word))
                        return commands[i].run;
        return NULL;
}

/* Returns whether that is written to nothing but files of the kernel's. */
static bool is_for_kernel(Recorder *recorder, const char *text) {
        static const char words[] = "vfio-pci performance powersave ondemand conservative schedutil userspace";
        char *word = arena_strndup(recorder->facts->arena, text, strcspn(text, "\n"));

        return word && (record_address(recorder, word) || shell_word_in(words, word));
}

static int record_outputs(Recorder *recorder, const ShellCall *call) {
        int r = 0;

        for (char **o = call->outputs; o && *o && r >= 0; o++) {
                r = record_write(recorder, call, *o, call->text);
                if (r == 0 && **o == '/' && !is_scratch(*o))
                        r = command_leaves(recorder, call, "changes files");
                else if (r == 0 && **o == SHELL_UNKNOWN && call->text && is_for_kernel(recorder, call->text))
                        r = command_leaves(recorder, call, "which file it writes is not known");
        }
        return r;
}

int record_command(const ShellCall *call, ShellStatus *ret, void *userdata) {
        const char *script = startswith(call->words[0], "/etc/init.d/"), *name = call->words[0];
        Recorder *recorder = userdata;
        Command command;
        int r;

        record_dispatch(recorder, call);
        r = record_outputs(recorder, call);
        if (r < 0)
                return r;
        *ret = SHELL_EXPECTED;
        if (script)
                return command_service(recorder, call, script, call->n_words > 1 ? call->words[1] : NULL);

        /* A script may have the name of a program, but not in a directory of programs. */
        if (strchr(name, '/') && (strstr(name, "bin/") || strchr(name, SHELL_UNKNOWN)))
                name = shell_base_name(name);
        command = find_command(name);
        if (!command && shell_word_in(session_processes, name))
                return command_leaves(recorder, call,
                                      "starts a desktop: one that was ended comes back with a display manager, or "
                                      "with a getty that logs in by itself and is named in StopUnits=");
        return command ? command(recorder, call, ret) : 0;
}
