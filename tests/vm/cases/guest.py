# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a guest that owns the GPU can do short of ending in good order."""

import domain
from host import demand, entry, Host, states, story, VM


def running(pc):
    """A guest that has the GPU, and how the host was before it."""
    domain.define(pc)
    host = Host(pc)
    domain.start(pc)
    return host


def demand_kept(pc, host, pid):
    """The same QEMU has the GPU, and nobody has tried to take it."""
    host.handed_over(picture=False)
    assert pc.sh('pgrep -f guest=Windows10') == pid
    assert 'taking the GPU back' not in story(pc)


def case_resets(pc):
    """A guest that resets keeps the GPU."""
    host = running(pc)
    pid = pc.sh('pgrep -f guest=Windows10')
    pc.sh('virsh -q reset Windows10')
    demand_kept(pc, host, pid)
    domain.destroy(pc)
    host.is_as_before()


def case_cannot_be_saved(pc):
    """A guest whose state libvirt cannot save, since the GPU's is not to be had, goes on with the GPU; paused and continued, too."""
    host = running(pc)
    pid = pc.sh('pgrep -f guest=Windows10')
    status, output = pc.run('virsh -q managedsave Windows10', 120)
    assert status == 1 and domain.state(pc) == 'running', output
    demand_kept(pc, host, pid)
    pc.sh('virsh -q suspend Windows10; virsh -q resume Windows10')
    demand_kept(pc, host, pid)
    domain.destroy(pc)
    host.is_as_before()


def case_crashes(pc):
    """A QEMU that ends by itself, or dumps core, leaves the GPU to the host."""
    host = running(pc)
    for how in 'virsh -q qemu-monitor-command Windows10 --hmp quit', 'kill -SEGV $(pgrep -f guest=Windows10)':
        if states(pc, entry(VM)) != ['active']:
            domain.start(pc)
        pc.run(how)
        pc.wait_until(f"! systemctl -q is-active '{entry(VM)}'")
        host.is_as_before()
    demand(story(pc), 'the host has its GPU back')
