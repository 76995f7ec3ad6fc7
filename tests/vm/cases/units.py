# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other units of the host, and processes that have the GPU open."""

from host import demand, entry, Host, ONE_VM, prop, states, step, VM

SLEEPS = '[Service]\nExecStart=/usr/bin/sleep infinity\n'
HOLDS = "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/dri/card0; exec sleep infinity'\n"


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


def case_holder_is_named(pc):
    """A process that keeps the GPU open is named with its unit, and the swap is taken back."""
    host = Host(pc, ONE_VM + 'HoldersTimeoutSec=2\n', units=[('holder.service', HOLDS)])
    pc.sh('systemctl start holder.service')
    pid = prop(pc, 'holder.service', 'MainPID')
    demand(host.start_fails(), f'(pid {pid}, holder.service of root) on /dev/dri/card0', f'{step("desktop")} failed')
    assert states(pc, 'holder.service', 'lightdm.service', entry(VM)) == ['active', 'active', 'failed']
