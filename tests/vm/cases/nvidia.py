# SPDX-License-Identifier: LGPL-2.1-or-later
"""NVIDIA's rules, with the stand-in of modules/ for its driver: modules are unloaded, nothing is unbound from them, and all of
them come back. The greeter is on another GPU, so that most cases can leave it alone."""

from host import demand, drivers, drop_in, entry, GPU, Host, ONE_VM, prop, states, step, story, VM

PROFILE = 'nvidia'

MODULES = ('nvidia', 'nvidia_modeset', 'nvidia_drm', 'nvidia_uvm')
QUICK = ONE_VM + 'StopUnits=\nSessions=keep\nHoldersTimeoutSec=2\n'

# What has the GPU open from the moment on that its driver is to be unloaded, when the desktop is known to have let go of it.
HOLDS = "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/nvidia0; : >/run/held; exec sleep infinity'\n"
LATE = drop_in(step('bind'), "ExecStartPre=/bin/sh -c 'systemctl start holder.service; "
                               "until [ -e /run/held ]; do sleep 0.05; done'")
BUSY = [('holder.service', HOLDS), LATE]


def loaded(pc, *modules):
    """Those of the modules that are, the last one that was loaded first."""
    names = [line.split()[0] for line in pc.sh('cat /proc/modules').splitlines()]
    return [name for name in names if name in modules]


def in_order(text, *parts):
    demand(text, *parts)
    places = [text.index(part) for part in parts]
    assert places == sorted(places), f'not in this order: {parts}\n{text}'


def never_asked_to_wait(pc):
    """The driver says so when it is to let go of a GPU in use; whoever asked hangs from then on, and does not just read a file."""
    assert 'Attempting to remove device' not in pc.sh('dmesg')
    pc.wait_until("[ -z \"$(ps axo stat=,ppid= | awk '/^D/ && $2 != 2')\" ]")


def taken_back(pc, host, *names):
    """After a failure because of a holder, which is still there."""
    never_asked_to_wait(pc)
    assert drivers(pc, [GPU])[GPU][0] == 'nvidia'
    pc.sh('systemctl stop holder.service')
    host.is_as_before(failed=[*names, entry(VM)])


def holder_pid(pc):
    return prop(pc, 'holder.service', 'MainPID')


def case_there_and_back(pc):
    """The driver's modules are unloaded, users first, and come back with all their devices, a DRM device included."""
    host = Host(pc)
    assert set(loaded(pc, *MODULES)) == set(MODULES)
    host.start()
    host.handed_over()
    assert loaded(pc, *MODULES) == []
    assert states(pc, 'lightdm.service') == ['inactive']
    said = story(pc)
    in_order(said, 'unloaded nvidia_drm', 'unloaded nvidia_modeset', 'unloaded nvidia\n')
    in_order(said, 'unloaded nvidia_uvm', 'unloaded nvidia\n')
    host.stop()
    assert states(pc, 'lightdm.service') == ['active']
    host.is_back()
    never_asked_to_wait(pc)
    demand(story(pc), f'gave {GPU} back to nvidia')


def case_list_in_wrong_order(pc):
    """A list is unloaded in the order that the modules need, whatever its own, and with users that it leaves out."""
    host = Host(pc, QUICK + 'UnloadModules=nvidia nvidia-modeset nvidia-uvm\n')
    host.start()
    assert loaded(pc, *MODULES) == []
    in_order(story(pc), 'unloaded nvidia_drm', 'unloaded nvidia_modeset', 'unloaded nvidia\n')
    host.stop()
    host.is_as_before()
    never_asked_to_wait(pc)


def case_list_with_dashes(pc):
    """A name with dashes is the name with underscores."""
    host = Host(pc, QUICK + 'UnloadModules=nvidia-uvm nvidia-drm nvidia-modeset nvidia\n')
    host.start()
    assert loaded(pc, *MODULES) == []
    host.stop()
    host.is_as_before()


def case_not_to_be_unloaded(pc):
    """A swap that would have to unbind the driver is refused, and where nobody makes the checks, it fails without that."""
    host = Host(pc, QUICK + 'UnloadModules=nvidia_drm nvidia_uvm\n')
    demand(host.start_fails(), f'{GPU} is driven by nvidia, whose module has to be unloaded', 'nothing was changed')
    assert len(loaded(pc, *MODULES)) == len(MODULES)

    assert pc.run(f"systemctl start {entry(VM).replace('.service', '.target')}")[0] == 1
    demand(story(pc), 'unloaded nvidia_drm', f'{GPU} is still driven by nvidia, which cannot be unbound safely')
    never_asked_to_wait(pc)
    host.is_as_before(failed=[step('bind'), entry(VM)])


def case_held(pc):
    """A process that has the GPU open ends the swap in time and is named with its unit; every module and device is back."""
    host = Host(pc, ONE_VM + 'HoldersTimeoutSec=2\n', units=BUSY)
    said = host.start_fails()
    demand(said, f'cannot unload nvidia: in use after 2 s by sleep (pid {holder_pid(pc)}, holder.service of root) on /dev/nvidia0',
           'StopUnits=', f'{step("bind")} failed')
    in_order(said, 'unloaded nvidia_modeset', 'cannot unload nvidia:')
    assert states(pc, 'lightdm.service') == ['active']
    taken_back(pc, host, step('bind'))
    host.is_back(failed=[step('bind'), entry(VM)])


def case_held_with_rescan(pc):
    """Return=rescan does not remove a GPU whose driver has not let go of it."""
    host = Host(pc, QUICK + 'Return=rescan\n', units=BUSY)
    demand(host.start_fails(), 'cannot unload nvidia: in use after 2 s by sleep')
    taken_back(pc, host, step('bind'))


def case_held_by_a_mapping(pc):
    """Memory that is mapped through the device counts, though the file is closed."""
    maps = "open F, '<', '/dev/nvidia0'; syscall(9, 0, 4096, 1, 1, fileno F, 0); close F; sleep"
    host = Host(pc, QUICK, units=[('holder.service', f'[Service]\nType=exec\nExecStart=/usr/bin/perl -e "{maps}"\n')])
    pc.sh('systemctl start holder.service')
    pid = holder_pid(pc)
    pc.wait_until(f'grep -q /dev/nvidia0 /proc/{pid}/maps')
    assert '/dev/nvidia0' not in pc.sh(f'ls -l /proc/{pid}/fd')
    demand(host.start_fails(), f'(pid {pid}, holder.service of root) on /dev/nvidia0', f'{step("desktop")} failed')
    taken_back(pc, host, step('desktop'))


def case_held_capability(pc):
    """The driver's other nodes count as well."""
    host = Host(pc, QUICK, units=[('holder.service', HOLDS.replace('nvidia0', 'nvidia-caps/nvidia-cap1'))])
    pc.sh('systemctl start holder.service')
    pc.wait_until('[ -e /run/held ]')
    demand(host.start_fails(), f'(pid {holder_pid(pc)}, holder.service of root) on /dev/nvidia-caps/nvidia-cap1')
    taken_back(pc, host, step('desktop'))


def case_lets_go_in_the_middle(pc):
    """A process that lets go while the driver waits to be unloaded is noticed at once, and its unit was in the status."""
    host = Host(pc, QUICK + 'HoldersTimeoutSec=80\nTimeoutSec=300\n', units=BUSY)
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.wait_until(f"systemctl show --property=StatusText {step('bind')} | grep -q 'Waiting to unload nvidia, in use by'", 60)
    demand(prop(pc, step('bind'), 'StatusText'), f'sleep (pid {holder_pid(pc)}, holder.service of root) on /dev/nvidia0')
    pc.sh('systemctl stop holder.service')
    pc.wait_until(f'systemctl is-active {entry(VM)}', 30)
    host.handed_over(picture=False)
    assert prop(pc, step('bind'), 'StatusText') == ''


def case_terminate(pc):
    """With Holders=terminate a process that has the GPU open is ended when its time is over, and the swap goes on."""
    host = Host(pc, QUICK + 'Holders=terminate\n', units=BUSY)
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'sent SIGTERM to sleep (pid ')
    host.stop()
    host.is_as_before()


def case_kill(pc):
    """With Holders=kill that is so for one that does not want to end."""
    host = Host(pc, QUICK + 'Holders=kill\n', units=[
        ('holder.service', HOLDS.replace("'exec", '\'trap \\"\\" TERM; exec').replace('exec sleep', 'sleep')), LATE])
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'sent SIGKILL to ')
    host.stop()
    host.is_as_before(failed=['holder.service'])


# The order of many guides, with a holder of the first module: the GPU's own is the last.
LISTED = QUICK + 'UnloadModules=nvidia-uvm nvidia-drm nvidia-modeset nvidia\n'
FIRST_BUSY = [('holder.service', HOLDS.replace('nvidia0', 'nvidia-uvm')), LATE]


def case_held_first_of_a_list(pc):
    """Who uses the first module of a list is named, though the GPU's own is the last."""
    host = Host(pc, LISTED, units=FIRST_BUSY)
    said = host.start_fails()
    demand(said, 'cannot unload nvidia_uvm: in use after 2 s by sleep '
           f'(pid {holder_pid(pc)}, holder.service of root) on /dev/nvidia-uvm', f'{step("bind")} failed')
    taken_back(pc, host, step('bind'))


def case_kill_first_of_a_list(pc):
    """With Holders=kill who uses the first module of a list is ended, and the swap goes on."""
    host = Host(pc, LISTED + 'Holders=kill\n', units=FIRST_BUSY)
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'sent SIGKILL to sleep (pid ')
    host.stop()
    host.is_as_before(failed=['holder.service'])


# As NVIDIA's persistence and power daemons are, and started as rarely as can be.
RESTARTS = '[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst={}\n' + HOLDS + 'Restart=always\nRestartSec=100ms\n'


def case_restarting_service(pc):
    """A daemon that restarts itself is stopped if StopUnits= names it, and comes back whatever its start limit is."""
    host = Host(pc, QUICK + 'StopUnits=holder.service\n', units=[('holder.service', RESTARTS.format(1))])
    pc.sh('systemctl start holder.service')
    host.state = pc.host_state()
    for _ in range(2):
        host.start()
        assert states(pc, 'holder.service') == ['inactive']
        host.stop()
        assert states(pc, 'holder.service') == ['active']
    host.is_as_before()


def case_restarting_service_is_killed(pc):
    """A daemon that restarts itself when it is killed finds the driver unloaded."""
    host = Host(pc, QUICK + 'Holders=kill\n', units=[('holder.service', RESTARTS.format(3)), LATE])
    host.start()
    host.handed_over(picture=False)
    demand(story(pc), 'sent SIGKILL to sleep (pid ')
    host.stop()
    host.is_as_before(failed=['holder.service'])


# What udev does all by itself for a GPU that appears, and what vendors' rules do for one that changes.
RULE = 'SUBSYSTEM=="pci", KERNEL=="0000:01:00.0", RUN+="/sbin/modprobe nvidia-uvm"\n'


def is_not_loaded_meanwhile(pc):
    pc.put('/etc/udev/rules.d/99-vendor.rules', RULE)
    pc.sh('udevadm control --reload')
    for action in ('add', 'change', 'bind'):
        pc.sh(f'udevadm trigger --settle --action={action} /sys/bus/pci/devices/{GPU}')
    for module in MODULES:
        assert pc.run(f'modprobe {module}')[0] != 0
    assert loaded(pc, *MODULES) == []


def case_not_loaded_meanwhile(pc):
    """While the VM has the GPU neither rules nor programs load the driver; afterwards nothing keeps them from it."""
    host = Host(pc, QUICK)
    host.start()
    is_not_loaded_meanwhile(pc)
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()
    assert pc.sh('ls /run/modprobe.d') == ''
    pc.sh('modprobe -r nvidia_uvm && modprobe nvidia_uvm')


# As in Debian's packages: what is called nvidia is in a file of another name, and install lines know which.
INSTALL = '''install nvidia modprobe -i nvidia-current $CMDLINE_OPTS && echo nvidia >>/run/installed
install nvidia-modeset modprobe nvidia ; modprobe -i nvidia-current-modeset $CMDLINE_OPTS
install nvidia-drm modprobe nvidia-modeset ; modprobe -i nvidia-current-drm $CMDLINE_OPTS
install nvidia-uvm modprobe nvidia ; modprobe -i nvidia-current-uvm $CMDLINE_OPTS
'''


def case_install_lines(pc):
    """Install lines of modprobe.d do not load the driver behind our back, and are what loads it again."""
    pc.put('/etc/modprobe.d/nvidia.conf', INSTALL + 'blacklist amdgpu\n')
    pc.sh('''
        cd /lib/modules/$(uname -r)/updates
        for m in nvidia*.ko; do mv $m nvidia-current${m#nvidia}; done
        depmod
        rmmod nvidia_drm nvidia_modeset nvidia_uvm nvidia && modprobe nvidia-drm && modprobe nvidia-uvm
        udevadm settle
        rm /run/installed''')
    host = Host(pc, QUICK)
    host.start()
    is_not_loaded_meanwhile(pc)
    assert pc.run('ls /run/installed')[0] != 0
    host.stop()
    host.is_as_before()
    pc.sh('grep nvidia /run/installed')


def case_blacklist_and_softdep(pc):
    """A blacklisted driver that was loaded comes back; what is to be loaded after it goes before it and comes after it."""
    host = Host(pc, QUICK)
    pc.put('/etc/modprobe.d/user.conf', 'blacklist nvidia\nblacklist nvidia-drm\nsoftdep nvidia post: dummy\n')
    pc.sh('modprobe dummy')
    host.start()
    assert loaded(pc, 'dummy', *MODULES) == []
    in_order(story(pc), 'unloaded dummy', 'unloaded nvidia\n')
    is_not_loaded_meanwhile(pc)
    host.stop()
    host.is_as_before()
    in_order(' '.join(loaded(pc, 'dummy', 'nvidia')), 'dummy', 'nvidia')


def case_softdep_in_use(pc):
    """What is to be loaded after the driver and is in use stays, and keeps nobody."""
    host = Host(pc, QUICK)
    pc.put('/etc/modprobe.d/user.conf', 'softdep nvidia post: bochs\n')
    host.start()
    assert loaded(pc, 'bochs', *MODULES) == ['bochs']
    host.stop()
    host.is_as_before()


def case_driver_is_gone(pc):
    """Without the driver's file all else comes back and the journal says what to do; after that is done, so does the driver."""
    host = Host(pc, ONE_VM)
    host.start()
    pc.sh('cd /lib/modules/$(uname -r)/updates && mv nvidia.ko /root && depmod')
    host.stop()
    demand(story(pc), 'cannot load nvidia, nvidia_', "the running kernel has no such module; make 'modprobe nvidia' work, or reboot",
           f'{GPU} stays without driver nvidia until what failed above is mended', 'not everything could be taken back',
           'gave 0000:01:00.1 back to snd_hda_intel')
    assert states(pc, 'lightdm.service') == ['active']
    pc.wait_screen(host.picture)

    pc.sh('mv /root/nvidia.ko /lib/modules/$(uname -r)/updates && depmod')
    host.start()
    host.handed_over(picture=False)
    host.stop()
    host.is_back()


def case_modules_of_other_drivers(pc):
    """A driver that can be unbound is unloaded if the list says so, and nothing that it shares with others."""
    names = pc.sh("cut -d' ' -f1 /proc/modules | grep -Ev '^(bochs|vfio)' | sort")
    host = Host(pc, ONE_VM + 'UnloadModules=bochs\n')
    host.start()
    host.handed_over()
    assert loaded(pc, 'bochs') == []
    assert pc.sh("cut -d' ' -f1 /proc/modules | grep -Ev '^(irqbypass|vfio)' | sort") == names
    host.stop()
    host.is_back()


case_modules_of_other_drivers.profile = 'base'
