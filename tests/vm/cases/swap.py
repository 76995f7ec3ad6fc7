# SPDX-License-Identifier: LGPL-2.1-or-later
"""The swap and the way back."""

from host import (AUDIO, demand, DEVICES, drop_in, entry, GPU, greeter_pid, Host, ONE_VM, repeat, SLEEPS, states, step, story,
                  VM)

PROFILE = 'virtio'

HANGS = drop_in(step('bind'), "ExecStartPre=/bin/sh -c 'touch /run/reached; exec sleep infinity'")


def case_there_and_back(pc):
    """A swap hands over every function and the way back restores the host and its picture."""
    host = Host(pc)
    demand(pc.sh(f"systemctl list-dependencies '{entry(VM).replace('.service', '.target')}'"), *map(step, ('desktop', 'modules', 'bind')))
    host.start()
    host.handed_over()
    assert states(pc, 'lightdm.service') == ['inactive']
    host.stop()
    assert states(pc, 'lightdm.service') == ['active']
    host.is_back()
    demand(story(pc), 'the GPU is ready for VM Windows10', 'the host has its GPU back')


def case_stop_during_start(pc):
    """A stop in the middle of the start takes everything back, and is no failure of the swap."""
    host = Host(pc, units=[HANGS])
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.wait_until('[ -e /run/reached ]', 120)
    assert states(pc, step('desktop')) == ['active']
    host.stop()
    assert states(pc, entry(VM), 'lightdm.service') == ['inactive', 'active']
    host.is_as_before()


def case_fifty_times(pc):
    """After fifty swaps the host is what it was after none: memory and open files of the service manager, and no error in the journal."""
    repeat(pc, 50)


case_fifty_times.profile = 'base'
case_fifty_times.always = True


def case_start_and_stop_twice(pc):
    """What is done already is not done again, and is no failure."""
    host = Host(pc)
    host.start()
    said = story(pc)
    host.start()
    host.handed_over(picture=False)
    host.stop()
    host.stop()
    host.is_as_before()
    assert story(pc).count('the GPU is ready') == said.count('the GPU is ready') == 1


def case_terminal_that_dies(pc):
    """A start from a terminal of the desktop goes on when the desktop, and that terminal with it, is gone."""
    host = Host(pc)
    session = pc.sh("loginctl list-sessions --no-legend | awk '$4 == \"seat0\" {print $1}'").strip()
    pc.sh(f'''
        procs=/sys/fs/cgroup$(systemctl show --property=ControlGroup --value session-{session}.scope)/cgroup.procs
        setsid sh -c "echo \\$\\$ | tee $procs >/run/terminal.pid; exec systemctl start {entry(VM)}" >/dev/null 2>&1 </dev/null &''')
    pc.wait_until(f"[ $(systemctl is-active '{entry(VM)}') = active ]", 60)
    assert pc.run('kill -0 $(cat /run/terminal.pid)')[0] == 1, 'the terminal was to die with the desktop'
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()


def case_isolate(pc):
    """Leaving the graphical target by "systemctl isolate" takes nothing from the VM."""
    host = Host(pc)
    host.start()
    pc.sh('systemctl isolate multi-user.target')
    host.handed_over(picture=False)
    host.stop()
    assert states(pc, 'lightdm.service', 'graphical.target') == ['active', 'inactive']
    pc.sh('systemctl start graphical.target')
    host.is_as_before()


def case_isolate_to_the_desktop(pc):
    """A target that wants the display manager gives the GPU back as the display manager itself does."""
    host = Host(pc)
    host.start()
    pc.sh('systemctl isolate graphical.target')
    host.is_back()
    host.is_as_before()


def case_display_manager_by_hand(pc):
    """Starting the display manager while the VM is not using the GPU gives it back first, in order."""
    host = Host(pc)
    host.start()
    pc.sh('systemctl start lightdm.service')
    host.is_back()
    assert states(pc, entry(VM)) == ['inactive']
    told = story(pc)
    assert told.index('took 0000:01:00.0 from vfio-pci') < told.index('gave 0000:01:00.0 back')


def case_display_manager_in_the_middle(pc):
    """The same before the VM has the GPU ends the swap, which is no failure."""
    host = Host(pc, units=[drop_in(step('bind'), 'ExecStart=\nExecStart=/usr/bin/sleep infinity')])
    pc.sh(f'systemctl start --no-block {entry(VM)}')
    pc.wait_until(f"[ $(systemctl show -P ActiveState {step('bind')}) = activating ]")
    pc.sh('systemctl start lightdm.service')
    host.is_back()
    assert states(pc, entry(VM)) == ['inactive']
    demand(story(pc), 'stopped before it was done')


def case_no_desktop_before(pc):
    """A display manager that did not run before the swap does not run after it."""
    pc.sh('systemctl stop lightdm.service')
    host = Host(pc)
    host.start()
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()
    assert states(pc, 'lightdm.service') == ['inactive']


def case_two_vms(pc):
    """A second VM gets what the first one was handed and does not use, and the host gets it back from there."""
    host = Host(pc, DEVICES + f'[VM {VM}]\n[VM macOS]\n')
    pid = greeter_pid(pc)
    host.start()
    host.start('macOS')
    host.handed_over('macOS', picture=False)
    assert states(pc, entry(VM), f'vfio-gpu@{VM}.target') == ['inactive', 'inactive']
    demand(story(pc, 'macOS'), f'VM {VM} was handed the GPU and does not use it')
    host.stop('macOS')
    host.is_as_before()
    assert greeter_pid(pc) not in ('0', pid)


def case_unit_that_is_gone(pc):
    """A unit that was to run again and is not there any more is told, and the others are started."""
    host = Host(pc, ONE_VM + 'StopUnits=display-manager.service once.service\n', units=[('once.service', SLEEPS)])
    pc.sh('systemctl start once.service')
    host.start()
    pc.sh('rm /etc/systemd/system/once.service; systemctl daemon-reload')
    host.stop()
    demand(story(pc), 'cannot start once.service again, which is not there any more', 'the host has its GPU back')
    host.is_as_before()


def case_second_vm_with_less(pc):
    """A group that the first VM has whole, and the second one would not, refuses the second one, and the first one keeps it."""
    host = Host(pc, DEVICES + f'[VM {VM}]\n[VM macOS]\nDevices={GPU}\n')
    host.start()
    demand(pc.run('vfio-gpuctl check macOS')[1], f'{GPU} shares IOMMU group', f'{AUDIO} (snd_hda_intel)')
    demand(host.start_fails('macOS'), f'{GPU} shares IOMMU group', f'{AUDIO} (snd_hda_intel)', 'nothing was changed')
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before(failed=[entry('macOS')])
