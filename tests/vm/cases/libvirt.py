# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt hook. What the guest draws is not looked at here: it starts, it ends."""

import domain
from host import demand, Host, ONE_VM, states

HOOK = '/etc/libvirt/hooks/qemu.d/vfio-gpu'


def case_refusal(pc):
    """A guest whose swap fails does not start, and libvirt says why."""
    Host(pc, '[VM Windows10]\nDevices=01:00.0\n')
    domain.define(pc)
    status, output = pc.run('virsh -q start Windows10', 120)
    assert status == 1, output
    demand(output, '0000:01:00.0 shares IOMMU group')
    assert domain.state(pc) == 'shut off'
    assert states(pc, 'lightdm.service') == ['active']


def case_other_operations(pc):
    """The hook does nothing at other operations and for VMs without a configuration."""
    pc.config(ONE_VM)
    output = pc.sh(f'''
        for operation in 'Windows10 prepare end -' 'Windows10 start begin -' 'Windows10 started begin -' 'Windows10 stopped end -' \\
                'Windows10 migrate begin -' 'Windows10 restore begin -' 'Windows10 reconnect begin -' 'other prepare begin -' \\
                'other release end -' 'Windows10'
        do {HOOK} $operation 2>&1 <<<'<domain/>' || echo "status $? for $operation"; done''')
    assert output == '', output
    assert states(pc, 'lightdm.service', 'vfio-gpu@Windows10.service') == ['active', 'inactive']
