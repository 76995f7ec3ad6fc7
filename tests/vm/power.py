# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host that goes down in each state of a swap, in order or not, and is a normal desktop when it is up again.

Each takes a boot, so that tests/soak alone runs them."""

from host import AUDIO, drivers, entry, GPU, Host, states, step, VM

NORMAL = {GPU: ['bochs-drm', '(null)'], AUDIO: ['snd_hda_intel', '(null)']}

# Keeps a step from ending, in one direction or the other.
HOLD = '[Service]\nExecStart{}=/usr/bin/sleep infinity\nTimeoutStopSec=30\n'


def before(_pc, _host):
    pass


def on_the_way(pc, _host):
    pc.put(f'/run/systemd/system/{step("bind")}.d/hold.conf', HOLD.format('Pre'))
    pc.sh(f"systemctl daemon-reload; systemctl start --no-block '{entry(VM)}'")
    pc.wait_until(f"[ $(systemctl show -P SubState '{step('bind')}') = start-pre ]")


def handed_over(_pc, host):
    host.start()


def on_the_way_back(pc, host):
    pc.put(f'/run/systemd/system/{step("bind")}.d/hold.conf', '[Service]\nExecStop=/usr/bin/sleep infinity\nTimeoutStopSec=30\n')
    pc.sh('systemctl daemon-reload')
    host.start()
    pc.sh(f"systemctl stop --no-block '{entry(VM)}'")
    pc.wait_until(f"[ $(systemctl show -P ActiveState '{step('bind')}') = deactivating ]")


def press_button(pc):
    """As logind has it: the machine goes down in order."""
    pc.qmp('set-action', shutdown='pause')
    pc.qmp('system_powerdown')
    pc.wait_status('shutdown', 120)
    pc.qmp('system_reset')
    pc.qmp('cont')


def pull_plug(pc):
    pc.qmp('system_reset')


STATES = before, on_the_way, handed_over, on_the_way_back
WAYS = press_button, pull_plug


def boots_normally(pc, picture):
    """Waits until the machine is up again, and demands that it is as if there had been no swap."""
    pc.machine.shell.close()
    pc.machine.shell.wait_ready(200)
    pc.wait_screen(picture, timeout=200)
    assert drivers(pc, (GPU, AUDIO)) == NORMAL
    assert states(pc, entry(VM), 'lightdm.service') == ['inactive', 'active']
    assert pc.run('ls /run/vfio-gpu')[0] != 0


def go_down(pc, state, way):
    """The host is in the state when it goes down that way."""
    host = Host(pc)
    state(pc, host)
    way(pc)
    boots_normally(pc, host.picture)
