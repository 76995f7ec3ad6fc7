# SPDX-License-Identifier: LGPL-2.1-or-later
"""The second part of the table: what happens to the machine, to libvirt and to the guest in each state of a swap.

Whatever goes on afterwards does so by itself; then the guest ends, the VM's swap is undone, and the host has to be as it was. One
that goes down is a normal desktop when it is up again."""

import domain
from fault import BUS, CANCEL
from host import AUDIO, drivers, drop_in, entry, GPU, Host, ONE_VM, SECOND, states, step, VM
from verdict import BACK, has_reason, judge, NoReason, settle

NORMAL = {GPU: ['bochs-drm', '(null)'], AUDIO: ['snd_hda_intel', '(null)']}

# The second GPU can be unplugged.
SECOND_GPU = f'[VM {VM}]\nDevices={SECOND}\n'

# Keeps a step from ending until it may; a machine that goes down does not wait long for it.
HOLD = "{}=/bin/sh -c 'touch /run/held; until [ -e /run/go ]; do sleep 0.1; done'\nTimeoutStopSec=30"

QEMU = 'pgrep -f guest=Windows10'

# --- states ---------------------------------------------------------------------------------------------------------------


def before(_pc, _host):
    pass


def wait_held(pc, verb):
    pc.sh(f"systemctl {verb} --no-block '{entry(VM)}'")
    pc.wait_until('[ -e /run/held ]', 60)


def on_the_way(pc, _host):
    wait_held(pc, 'start')


def handed_over(_pc, host):
    host.start()


def guest_runs(pc, host):
    """Saved for all that happens in it: to start a guest takes longer than most of that."""
    pc.reach('guest-runs', lambda: start_guest(pc, host))


def start_guest(pc, host):
    domain.define(pc, devices=host.functions, rom=domain.ROM if GPU in host.functions else None)
    domain.start(pc)
    host.handed_over(picture=False)


def stop_waits(pc, host):
    guest_runs(pc, host)
    pc.sh(f"systemctl stop --no-block '{entry(VM)}'")
    pc.wait_until(f"systemctl show -P StatusText '{entry(VM)}' | grep -q 'Waiting for the VM'", 60)


def on_the_way_back(pc, host):
    host.start()
    wait_held(pc, 'stop')


ALL = before, on_the_way, handed_over, guest_runs, stop_waits, on_the_way_back
WITH_GUEST = guest_runs, stop_waits
HELD = {on_the_way: 'ExecStartPre', on_the_way_back: 'ExecStop'}

# --- what happens ---------------------------------------------------------------------------------------------------------


def button(pc, _host):
    """As logind has it: the machine goes down in order, for which libvirt would wait five minutes for this guest."""
    pc.put('/etc/default/libvirt-guests', 'SHUTDOWN_TIMEOUT=5\n')
    pc.qmp('set-action', shutdown='pause')
    pc.qmp('system_powerdown')
    pc.wait_status('shutdown', 120)
    pc.qmp('system_reset')
    pc.qmp('cont')


def plug(pc, _host):
    """It is pulled."""
    pc.qmp('system_reset')


def suspend(pc, _host):
    pc.run('systemctl suspend')
    pc.wait_status('suspended')
    pc.qmp('system_wakeup')
    pc.wait_status('running')


def unplugged(pc, _host):
    """From the kernel's side the function is there as long as a guest has it."""
    pc.qmp('device_del', id='gpu2')


def libvirtd(pc, _host):
    """The daemon is killed. A guest outlives it."""
    pc.sh('systemctl kill --signal=KILL libvirtd.service; systemctl reset-failed libvirtd.service; systemctl start libvirtd.service')
    pc.wait_until('virsh -q domstate Windows10 | grep -q running', 60)


def bus(pc, _host):
    pc.sh(BUS)


def logind(pc, _host):
    pc.sh('systemctl kill --signal=KILL systemd-logind.service')
    pc.wait_until('systemctl -q is-active systemd-logind.service')


def cancel(pc, _host):
    """The jobs of the stop are; what is begun goes on."""
    pc.sh(CANCEL)


def ends(pc, how):
    """The guest does, and the hook, or the stop that waits, gives the GPU back."""
    pc.run(how)
    pc.wait_until(f'! {QEMU} >/dev/null', 60)
    pc.wait_until(f"systemctl is-active '{entry(VM)}' | grep -qE 'inactive|failed'", 60)


def killed(pc, _host):
    ends(pc, f'kill -KILL $({QEMU})')


def crash(pc, _host):
    ends(pc, f'kill -SEGV $({QEMU})')


def quits(pc, _host):
    ends(pc, 'virsh -q qemu-monitor-command Windows10 --hmp quit')


def reset(pc, _host):
    pc.sh('virsh -q reset Windows10')


def save(pc, _host):
    """What libvirt cannot save, since the GPU's state is not to be had, goes on; paused and continued, too."""
    status, output = pc.run('virsh -q managedsave Windows10', 120)
    assert status == 1 and domain.state(pc) == 'running', output
    pc.sh('virsh -q suspend Windows10; virsh -q resume Windows10')


DOWN = button, plug
# After these the VM has what it had.
KEEPS = suspend, libvirtd, bus, logind, cancel, reset, save
HANDED_OVER = handed_over, *WITH_GUEST
HAPPENS = {button: ALL, plug: ALL, suspend: ALL, unplugged: ALL[1:], bus: HANDED_OVER, logind: HANDED_OVER, cancel: (stop_waits,),
           libvirtd: WITH_GUEST, killed: WITH_GUEST, crash: WITH_GUEST, quits: WITH_GUEST, reset: WITH_GUEST,
           save: (guest_runs,)}

# --- and afterwards -------------------------------------------------------------------------------------------------------


def boots_normally(pc, picture):
    """Waits until the machine is up again, and demands that it is as if there had been no swap."""
    pc.machine.shell.close()
    pc.machine.shell.wait_ready(200)
    pc.wait_screen(picture, timeout=200)
    assert drivers(pc, (GPU, AUDIO)) == NORMAL
    assert states(pc, entry(VM), 'lightdm.service') == ['inactive', 'active']
    assert pc.run('ls /run/vfio-gpu')[0] != 0


def what_the_vm_has(pc, functions):
    """QEMU, the functions, and the swap."""
    return pc.run(QEMU)[1], drivers(pc, functions), states(pc, entry(VM))


def finish(pc, state):
    """Nothing is in the way any more. The end of a guest is the end of its swap, without anybody stopping that."""
    pc.run('touch /run/go; virsh -q destroy Windows10', 120)
    settle(pc)
    if state not in WITH_GUEST:
        pc.run(f"systemctl stop '{entry(VM)}'", 120)
    assert states(pc, entry(VM)) != ['active']


def forget_gone(host):
    """QEMU could not plug in another one: it still has the memory of the first. The desktop is on the other GPU."""
    host.pc.wait_until(f'[ ! -e /sys/bus/pci/devices/{SECOND} ]', 60)
    for topic in 'pci', 'settings':
        host.state[topic] = [line for line in host.state[topic] if not line.startswith(SECOND)]
    host.state['nodes'] = host.pc.host_state()['nodes']


class Row:
    def __init__(self, state):
        self.state, self.name = state, state.__name__.replace('_', '-')


class Cell:
    """Something that happens in a state."""

    def __init__(self, state, event):
        self.row, self.event, self.kind = Row(state), event, event.__name__
        self.profile, self.config, self.functions = 'base', ONE_VM, (GPU, AUDIO)
        if event is unplugged:
            self.profile, self.config, self.functions = 'rich', SECOND_GPU, (SECOND,)

    def name(self, suffix):
        return f'{self.row.state.__name__}_{self.kind}_{suffix}'

    def run(self, pc):
        held = HELD.get(self.row.state)
        host = Host(pc, self.config, self.functions, [drop_in(step('bind'), HOLD.format(held))] if held else ())
        self.row.state(pc, host)
        had = what_the_vm_has(pc, self.functions)
        self.event(pc, host)
        if self.event in DOWN:
            boots_normally(pc, host.picture)
            return BACK
        if self.event in KEEPS and self.row.state in HANDED_OVER:
            has = what_the_vm_has(pc, self.functions)
            # A stop that waits may end for that, and another attempt wait in its place.
            assert has[:2] == had[:2] and (self.row.state is stop_waits or has == had)
        finish(pc, self.row.state)
        if self.event is unplugged:
            forget_gone(host)
        is_told = has_reason(pc)
        result = judge(pc, host)
        if not is_told:
            raise NoReason(result)
        return result


def cells():
    """Every cell, in order of rows and columns."""
    return [Cell(state, event) for state in ALL for event, happens in HAPPENS.items() if state in happens]
