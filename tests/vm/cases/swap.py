# SPDX-License-Identifier: LGPL-2.1-or-later
"""The swap and the way back."""

from host import demand, Host, states, story, VM


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
