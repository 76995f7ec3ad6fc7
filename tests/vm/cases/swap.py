# SPDX-License-Identifier: LGPL-2.1-or-later
"""The swap and the way back."""

from host import demand, drop_in, entry, Host, states, step, story, VM

HANGS = drop_in(step('bind'), "ExecStartPre=/bin/sh -c 'touch /run/reached; exec sleep infinity'")


def case_there_and_back(pc):
    """A swap hands over every function and the way back restores the host and its picture."""
    host = Host(pc)
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
    assert states(pc, step('unbind')) == ['active']
    host.stop()
    assert states(pc, entry(VM), 'lightdm.service') == ['inactive', 'active']
    host.is_as_before()
