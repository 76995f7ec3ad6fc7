# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other units of the host."""

from host import demand, entry, Host, ONE_VM, SLEEPS, states, step, VM


def case_stop_and_start_units(pc):
    """StopUnits= brings back what ran and nothing else; StartUnits= runs only while the VM has the GPU."""
    names = ('ran.service', 'idle.service', 'meanwhile.service', 'always.service')
    host = Host(pc, ONE_VM + 'StopUnits=display-manager.service ran.service idle.service\n'
                'StartUnits=meanwhile.service always.service\n', units=[(name, SLEEPS) for name in names])
    pc.sh('systemctl start ran.service always.service')
    host.start()
    assert states(pc, *names) == ['inactive', 'inactive', 'active', 'active']
    host.stop()
    assert states(pc, 'lightdm.service', *names) == ['active', 'active', 'inactive', 'inactive', 'active']


def case_start_units_after_kill(pc):
    """A unit of StartUnits= is stopped, too, where the step that should do so is ended in the middle."""
    ended = f'{step("desktop")}.d/ended.conf', '[Service]\nExecStopPost=\nExecStopPost=/bin/sh -c "kill -KILL $$$$"\n'
    host = Host(pc, ONE_VM + 'StartUnits=meanwhile.service\n', units=[('meanwhile.service', SLEEPS), ended])
    host.start()
    assert states(pc, 'meanwhile.service') == ['active']
    host.stop()
    assert states(pc, 'lightdm.service', 'meanwhile.service') == ['active', 'inactive']


def case_environment_of_the_manager(pc):
    """Steps do not heed what is in the environment that the service manager was given."""
    host = Host(pc)
    pc.sh('systemctl set-environment VFIO_GPU_ROOT=/run/nowhere')
    host.start()
    host.handed_over(picture=False)
    host.stop()
    pc.sh('systemctl unset-environment VFIO_GPU_ROOT')
    host.is_as_before()


def case_start_that_waits(pc):
    """A display manager that waits to be started, as at boot, counts as one that runs."""
    pc.sh('systemctl stop lightdm.service')
    host = Host(pc, units=[('first.service', '[Service]\nType=oneshot\nExecStart=/usr/bin/sleep infinity\n'),
                           ('lightdm.service.d/case.conf', '[Unit]\nAfter=first.service\n')])
    pc.sh('systemctl start --no-block first.service lightdm.service')
    assert states(pc, 'lightdm.service') == ['inactive']
    host.start()
    pc.sh('systemctl stop first.service')
    host.stop()
    assert states(pc, 'lightdm.service') == ['active']


def case_slow_to_stop(pc):
    """A unit that stops in its own good time is waited for: the time limit of the step is not for that."""
    slow = ('slow.service', SLEEPS + 'ExecStop=/usr/bin/sleep 6\n')
    host = Host(pc, ONE_VM + 'StopUnits=display-manager.service slow.service\nTimeoutSec=4\nHoldersTimeoutSec=1\n', units=[slow])
    pc.sh('systemctl start slow.service')
    host.start()
    assert states(pc, slow[0]) == ['inactive']
    host.stop()
    assert states(pc, 'lightdm.service', slow[0]) == ['active', 'active']


def case_mount_in_use(pc):
    """A unit that cannot be stopped now does not undo a swap that is done."""
    mount = 'mnt.mount', '[Mount]\nWhat=tmpfs\nWhere=/mnt\nType=tmpfs\n'
    user = 'user.service', '[Service]\nWorkingDirectory=/mnt\nExecStart=/usr/bin/sleep infinity\n'
    host = Host(pc, ONE_VM + 'StopUnits=display-manager.service mnt.mount\n', units=[mount, user])
    pc.sh('systemctl start mnt.mount && systemctl start user.service')
    host.start()
    host.handed_over(picture=False)
    host.stop()
    assert states(pc, 'lightdm.service', 'mnt.mount') == ['active', 'active']


def case_masked(pc):
    """A check finds what is masked of the swap itself, and what it says to run ends that."""
    pc.config(ONE_VM)
    for option, unit in ('', entry(VM)), ('--runtime', step('bind')), ('', step('desktop')):
        pc.sh(f'systemctl mask {option} {unit}')
        status, output = pc.run(f'vfio-gpuctl check {VM}')
        assert status == 1, output
        demand(output, f'{unit} is masked')
        pc.sh(output.partition("run '")[2].partition("'")[0])
        assert pc.run(f'vfio-gpuctl check {VM}')[0] == 0
