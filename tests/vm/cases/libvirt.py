# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt hook, and guests that own the GPU."""

import domain
from host import demand, DEVICES, Host, ONE_VM, states, story

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


def case_on_the_screen(pc):
    """A guest's firmware is on the screen that showed the greeter, and when the guest powers off the greeter is again."""
    domain.define(pc)
    host = Host(pc)
    domain.start(pc)
    host.handed_over(picture=False)
    domain.wait_firmware(pc, host.picture)
    domain.type_line(pc, 'reset -s')
    host.is_back()
    assert domain.state(pc) == 'shut off'


def case_managed(pc):
    """Nothing is different for a guest whose devices libvirt is to manage itself, or whose name has a space."""
    domain.define(pc, 'Windows 10', managed='yes')
    host = Host(pc, DEVICES + '[VM Windows 10]\n')
    domain.start(pc, 'Windows 10')
    host.handed_over(r'Windows\x2010', picture=False)
    domain.destroy(pc, 'Windows 10')
    host.is_as_before()
    assert states(pc, 'lightdm.service') == ['active']


def case_five_times(pc):
    """The same guest starts and ends five times in a row."""
    domain.define(pc)
    host = Host(pc)
    for _ in range(5):
        domain.start(pc)
        host.handed_over(picture=False)
        domain.destroy(pc)
    host.is_as_before()
    assert story(pc).count('the host has its GPU back') == 5
