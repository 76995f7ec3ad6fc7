# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whatever fails, the desktop comes back."""

from host import demand, drop_in, entry, Host, step, VM

PROFILE = 'virtio'

# Each fails the first swap only, so that the second one can prove that nothing is left of the first.
ONCE = "/bin/sh -c 'mkdir /run/failed-once && {} || :'"
BEFORE = 'ExecStartPre=' + ONCE.format('exit 1')
AFTER = 'ExecStartPost=' + ONCE.format('exit 1')


def fails(pc, name, how):
    host = Host(pc, units=[drop_in(step(name), how)])
    demand(host.start_fails(), f'{step(name)} failed')
    host.is_back(failed=[step(name), entry(VM)])
    host.start()
    host.handed_over(picture=False)


def case_desktop_fails(pc):
    """The first step fails before it has done anything."""
    fails(pc, 'desktop', BEFORE)


def case_modules_fails(pc):
    """The step beside the first one fails."""
    fails(pc, 'modules', BEFORE)


def case_bind_fails(pc):
    """The last step fails before it has done anything."""
    fails(pc, 'bind', BEFORE)


def case_bound_in_vain(pc):
    """The last step fails when it has done everything."""
    fails(pc, 'bind', AFTER)
