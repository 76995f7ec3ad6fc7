# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cases do with the emulated PC, and what they demand of it before, during and after a swap."""

import contextlib
import time

from pc import ScreenTimeout

GPU, AUDIO = '0000:01:00.0', '0000:01:00.1'
# In a PC that has two of them.
SECOND = '0000:02:00.0'
# Nobody needs it.
RNG = '0000:00:07.0'
VM = 'Windows10'
DEVICES = '[GPU]\nDevices=01:00.0 01:00.1\n'
ONE_VM = DEVICES + f'[VM {VM}]\n'
# What this PC can do for a VM beside that.
MORE = ONE_VM + f'AllowedCPUs=0\nInhibit=sleep\nHugePages=8x2M\n[Device {GPU}]\nD3cold=yes\nPowerControl=on\n'

# What stands for a service.
SLEEPS = '[Service]\nExecStart=/usr/bin/sleep infinity\n'

# How long the greeter may take to draw itself, on a machine that is busy with other things as well.
PATIENCE = 120
# Longer than it takes for the most part.
MOMENT = 20

# Stands for units of a swap.
OURS = object()

# After so many swaps everything is loaded that ever is; how much more memory, in KiB, the service manager may have then.
FEW = 5
MEMORY_SPARE = 256


class Host:
    """How the host was before a swap, and the demands that follow from it."""

    def __init__(self, pc, config=ONE_VM, functions=(GPU, AUDIO), units=()):
        """Writes the configuration and unit files, unless that is what the PC has. Of a PC that nothing was done to it is known how
        it was; what is configured shows in what the generator writes alone."""
        self.pc, self.functions = pc, functions
        known = pc.begin if pc.is_untouched else None
        if not known or config != ONE_VM or units:
            pc.config(config, units)
            known = known and (known[0], {**known[1], 'runtime': pc.runtime()})
        self.picture, state = known or (pc.screen(), pc.host_state())
        self.state = dict(state)

    def start(self, vm=VM):
        self.pc.sh(f"systemctl start '{entry(vm)}'")

    def stop(self, vm=VM):
        self.pc.sh(f"systemctl stop '{entry(vm)}'")

    def start_fails(self, vm=VM):
        """Returns what the journal says about it."""
        status, output = self.pc.run(f"systemctl start '{entry(vm)}'")
        assert status == 1, f'systemctl start: exit status {status}\n{output}'
        return story(self.pc, vm)

    def handed_over(self, vm=VM, picture=True):
        """Demands that the VM has every function."""
        active = states(self.pc, entry(vm), entry(vm).replace('.service', '.target'))
        assert active == ['active', 'active'], active
        found = drivers(self.pc, self.functions)
        wanted = {function: ['vfio-pci', 'vfio-pci'] for function in self.functions}
        assert found == wanted, found
        if picture:
            self.pc.wait_screen(lambda now: now.diff(self.picture) > 1000, timeout=PATIENCE)

    def is_back(self, failed=()):
        """Demands the picture and the state from before; units that have failed since then are named, or may be any of OURS."""
        # To look at the state takes the processor from the greeter that is to draw the picture.
        with contextlib.suppress(ScreenTimeout):
            self.pc.wait_screen(self.picture, timeout=MOMENT)
        self.is_as_before(failed)
        self.pc.wait_screen(self.picture, timeout=PATIENCE)

    def is_as_before(self, failed=()):
        """Without the picture, which costs the greeter's start."""
        wanted = {**self.state, 'failed': [] if failed is OURS else list(failed)}
        deadline = time.monotonic() + PATIENCE
        while True:
            now = self.pc.host_state()
            if failed is OURS:
                now['failed'] = [name for name in now['failed'] if not name.startswith('vfio-gpu')]
            differences = compare(wanted, now)
            if not differences:
                return
            assert time.monotonic() < deadline, 'the host differs:\n' + '\n'.join(differences)


def repeat(pc, count):
    """Swaps there and back so often, and demands that nothing has grown since the first few."""
    host = Host(pc)
    for number in range(count):
        host.start()
        host.handed_over(picture=False)
        host.stop()
        if number == min(FEW, count - 1):
            before = footprint(pc)
    host.is_back()
    after = footprint(pc)
    assert after['errors'] == before['errors'], pc.journal('--priority=err')
    assert after['memory'] <= before['memory'] + MEMORY_SPARE, f'{before} has become {after}'


def footprint(pc):
    """The service manager's memory in KiB, and how many errors it and the swaps have logged: the PC's sound card and its greeter
    have some of their own each time."""
    memory, errors = pc.sh(f'''
        awk '/^VmRSS/ {{ print $2 }}' /proc/1/status
        journalctl -q -b --priority=err _PID=1 + VFIO_GPU_VM={VM} | wc -l''').split()
    return {'memory': int(memory), 'errors': int(errors)}


def entry(vm):
    return f'vfio-gpu@{vm}.service'


def step(name, vm=VM):
    return f'vfio-gpu-{name}@{vm}.service'


def may_change(topic, line):
    """What vfio-pci consists of may stay, and the greeter's user manager comes when the greeter does. A display manager that is
    stopped while it opens a session leaves a scope that found no process."""
    return (topic == 'failed' and line.startswith('session-') or topic == 'modules' and line.startswith('vfio') or topic == 'active' and line.startswith('user') or
            line == '/run/vfio-gpu d 755 ')


def compare(before, after):
    """A count of files may shrink: the service manager frees some late."""
    differences = []
    for topic, old in before.items():
        new = after.get(topic, [])
        if topic == 'pid1':
            if int(new[0]) > int(old[0]):
                differences.append(f'pid1: {old[0]} open files before, {new[0]} after')
            continue
        gone = [f'{topic}: gone: {line}' for line in old if line not in new and not may_change(topic, line)]
        differences += gone + [f'{topic}: new: {line}' for line in new if line not in old and not may_change(topic, line)]
    return differences


def drivers(pc, functions):
    """The driver and the driver override of each function."""
    output = pc.sh(f'''
        for f in {' '.join(functions)}
        do cd /sys/bus/pci/devices/$f; read -r override <driver_override
        if [[ -d driver ]]; then cd -P driver; driver=${{PWD##*/}}; else driver=none; fi
        echo "$f $driver $override"; done''')
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()}


def drop_in(unit, text):
    """A pair for Host(units=)."""
    return f'{unit}.d/case.conf', f'[Service]\n{text}\n'


def states(pc, *names):
    """The active state of each unit."""
    return pc.run('systemctl is-active ' + ' '.join(f"'{name}'" for name in names))[1].split()


def prop(pc, name, what):
    return pc.sh(f"systemctl show --property={what} --value '{name}'").strip()


def greeter_pid(pc):
    return prop(pc, 'lightdm.service', 'MainPID')


def story(pc, vm=VM):
    """What the journal says of a VM, in order."""
    return pc.sh(f"journalctl --sync; journalctl --no-pager -b -o cat 'VFIO_GPU_VM={vm}'")


def demand(text, *parts):
    for part in parts:
        assert part in text, f"'{part}' is not in:\n{text}"
