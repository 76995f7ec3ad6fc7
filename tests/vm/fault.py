# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of faults: every program of a swap, on the way there and back, and everything that can go wrong in it.

A fault happens once. However it ends, the host has to be as it was before: by itself, or after `vfio-gpuctl recover`, or it
is lost. tests/soak runs all of them, cases/faults.py a sample."""

import hashlib

from host import AUDIO, entry, GPU, Host, MORE, ONE_VM, SLEEPS, states, step, VM

PROGRAMS = 'swap', 'desktop', 'modules', 'bind'
BESIDE = 'cpus', 'inhibit', 'hugepages', 'device', 'power'
NOT_UNDONE = 'modules', 'inhibit', 'power'
ERRORS = 'EBUSY', 'ENODEV', 'EINVAL', 'EPERM'

# Whatever changes something outside of the program: files, records, calls over D-Bus.
EFFECTS = 'write,sendmsg,mkdirat,mkdir,renameat,unlinkat,unlink,finit_module,delete_module'

# What fails with an error, where the program does that in this PC at all.
FAILING = {
    ('swap', 'start'): 'write', ('modules', 'start'): 'finit_module', ('bind', 'start'): 'write', ('bind', 'stop'): 'write',
    ('cpus', 'start'): 'sendmsg', ('cpus', 'stop'): 'sendmsg', ('hugepages', 'start'): 'write', ('hugepages', 'stop'): 'write',
    ('device', 'start'): 'write', ('device', 'stop'): 'write', ('power', 'start'): 'write',
}

# Others than the swap end with the bus, and are not started again by themselves.
BUS = 'systemctl restart dbus.service; systemctl restart libvirtd.service systemd-machined.service'

# A desktop that still has the GPU open that was there before would keep its name from the one that came back.
VANISH = f'for f in {GPU} {AUDIO}; do echo 1 >/sys/bus/pci/devices/$f/remove; done'
REAPPEAR = '''
    systemctl stop lightdm.service
    echo 1 >/sys/bus/pci/rescan
    udevadm settle
    systemctl reset-failed lightdm.service
    systemctl start lightdm.service'''

# Runs a command, the first time with something going wrong in it and every other time as it is. The tracer is a grandchild
# (-D), so that the program stays the main process of its unit.
WRAPPER = '''#!/bin/sh
fired=/run/fault-fired-$1
shift
mkdir "$fired" 2>/dev/null || exec "$@"
options=$(cat /run/fault-options)
case "$options" in
exit) exit 1 ;;
kill) kill -KILL $$ ;;
*) exec strace -D -f -qq -o "$fired/trace" $options "$@" ;;
esac
'''

BACK, RECOVERED, LOST = 'back', 'recover', 'lost'


class Fault:
    """One fault in one program of a swap: the number-th of the calls that it may strike, those of the dynamic loader not counted."""

    def __init__(self, program, direction, kind, options, meanwhile=None, limit=None, loader=None, afterwards=None):
        self.program, self.direction, self.kind = program, direction, kind
        self.options, self.meanwhile, self.limit, self.loader, self.afterwards = options, meanwhile, limit, loader, afterwards

    @property
    def row(self):
        return f'{self.program} {self.direction}'

    def name(self, number):
        return f'{self.program}_{self.direction}_{self.kind}_{number}'

    @property
    def unit(self):
        return entry(VM) if self.program == 'swap' else step(self.program)

    @property
    def fired(self):
        return f'/run/fault-fired-{self.program}-{self.direction}'

    def count_loader(self, pc):
        """How many calls of each kind are the loader's, which registers for restartable sequences when it is done with them.
        Without arguments no program does anything."""
        if not self.loader:
            return [0]
        calls = pc.sh(f'''
            strace -o /run/loader -e trace={','.join(self.loader)},rseq /usr/libexec/vfio-gpu/vfio-gpu-{self.program} >/dev/null 2>&1
            sed '/^rseq/,$ d' /run/loader''').splitlines()
        return [sum(line.startswith(f'{name}(') for line in calls) for name in self.loader]

    def arm(self, pc):
        """Puts the wrapper before the program's command in the unit."""
        setting = 'ExecStart' if self.direction == 'start' else 'ExecStopPost'
        command = pc.sh(f"systemctl cat '{self.unit}' | sed -n 's/^{setting}=//p' | tail -n 1").strip()
        # What is allowed to trace is what is added here.
        text = f'[Service]\nSystemCallFilter=@debug\n{setting}=\n{setting}=/usr/local/sbin/fault-once {self.program}-{self.direction} {command}\n'
        if self.limit:
            text += f'Timeout{self.direction.capitalize()}Sec={self.limit}\n'
        pc.put('/usr/local/sbin/fault-once', WRAPPER, 0o755)
        pc.put(f'/etc/systemd/system/{self.unit}.d/zz-fault.conf', text)
        pc.sh('systemctl daemon-reload')

    def struck(self, pc):
        """Whether the program was run, and made so many calls; a tracer that is ended with it does not tell."""
        counted = f"grep -qE 'INJECTED|killed' {self.fired}/trace" if '{}' in self.options else 'true'
        return pc.run(f'[ -d {self.fired} ] && {counted}')[0] == 0

    def prepare(self, pc):
        """Returns the host as it has to be again, and what comes before the calls that are counted."""
        if self.program == 'desktop':
            # Without it the way back has nothing left to do.
            host = Host(pc, ONE_VM + 'StartUnits=meanwhile.service\n', units=[('meanwhile.service', SLEEPS)])
        else:
            host = Host(pc, MORE if self.program in BESIDE else ONE_VM)
        self.arm(pc)
        if self.direction == 'stop':
            host.start()
        return host, self.count_loader(pc)

    def strike(self, pc, host, before, number):
        """Returns how the host came back; None where the program makes fewer calls."""
        pc.put('/run/fault-options', self.options.format(*(n + number for n in before)))
        if self.meanwhile:
            pc.sh(f"systemctl {self.direction} --no-block '{entry(VM)}'")
            pc.wait_until(f'[ -e {self.fired}/trace ]', 60)
            pc.run(self.meanwhile)
        else:
            pc.run(f"systemctl {self.direction} '{entry(VM)}'", 150)
        settle(pc)
        if not self.struck(pc):
            return None
        if states(pc, entry(VM)) == ['active']:
            pc.run(f"systemctl stop '{entry(VM)}'", 120)
        if self.afterwards:
            pc.sh(self.afterwards)
            renumber_groups(host)
        return verdict(pc, host)

    def run(self, pc):
        """Strikes once."""
        return self.strike(pc, *self.prepare(pc), 1)


def renumber_groups(host):
    """A function that was away may be in a group of another number."""
    for function in GPU, AUDIO:
        is_of_it = lambda line: line.startswith(f'{function}/iommu_group ')  # noqa: E731
        host.state['pci'] = ([line for line in host.state['pci'] if not is_of_it(line)] +
                             [line for line in host.pc.host_state()['pci'] if is_of_it(line)])


def settle(pc):
    """Until no job of the swap is left, and no unit that goes on without one because its job was cancelled."""
    pc.wait_until("! { systemctl list-jobs --no-legend; systemctl list-units --no-legend --state=activating,deactivating; } | "
                  'grep -q vfio-gpu', 150)


def is_back(pc, host):
    """Units of the swap may have failed, nothing else."""
    try:
        host.is_back([line for line in pc.host_state()['failed'] if line.startswith('vfio-gpu')])
        return True
    except AssertionError as error:
        print('# ' + str(error).replace('\n', '\n# '), flush=True)
        return False


def verdict(pc, host):
    if is_back(pc, host):
        return BACK
    pc.run(f'vfio-gpuctl recover {VM}', 120)
    return RECOVERED if is_back(pc, host) else LOST


def table():
    """Every fault of the table, in order of its rows and columns."""
    delayed = f'-e trace={EFFECTS} -e inject={EFFECTS}:delay_enter=4s:when=1'
    stuck = f'-e trace={EFFECTS} -e inject={EFFECTS}:delay_enter=20s:when=1'
    slowed = f'-e trace={EFFECTS} -e inject={EFFECTS}:delay_enter=100ms'
    # Each kind of call is counted for itself.
    exhausted = '-e trace=mmap,brk -e inject=mmap:error=ENOMEM:when={}+ -e inject=brk:error=ENOMEM:when={}+'
    for program in PROGRAMS + BESIDE:
        for direction in ('start',) if program in NOT_UNDONE else ('start', 'stop'):
            yield Fault(program, direction, 'exit', 'exit')
            yield Fault(program, direction, 'kill-at-start', 'kill')
            yield Fault(program, direction, 'kill', f'-e trace={EFFECTS} -e inject={EFFECTS}:signal=KILL:when={{}}')
            yield Fault(program, direction, 'time-limit', stuck, limit='5')
            yield Fault(program, direction, 'stop', delayed, f"systemctl stop '{entry(VM)}'")
            yield Fault(program, direction, 'start', delayed, f"systemctl start '{entry(VM)}'")
            yield Fault(program, direction, 'cancel', delayed, f"systemctl cancel $(systemctl list-jobs --no-legend | awk '/vfio-gpu/ {{print $1}}')")
            yield Fault(program, direction, 'bus', slowed, BUS)
            yield Fault(program, direction, 'logind', slowed, 'systemctl kill --signal=KILL systemd-logind.service')
            yield Fault(program, direction, 'gpu-gone', slowed, VANISH, afterwards=REAPPEAR)
            yield Fault(program, direction, 'memory', exhausted, loader=('mmap', 'brk'))
            failing = FAILING.get((program, direction))
            for error in ERRORS if failing else ():
                yield Fault(program, direction, error, f'-e trace={failing} -e inject={failing}:error={error}:when={{}}')


def sample(seed, faults):
    """Some of the faults that touch every row and every column, others for every seed."""
    order = sorted(faults, key=lambda fault: hashlib.sha256(f'{seed} {fault.row} {fault.kind}'.encode()).digest())
    rows, columns, chosen = set(), set(), []
    for fault in order:
        if fault.row not in rows or fault.kind not in columns:
            rows.add(fault.row)
            columns.add(fault.kind)
            chosen.append(fault)
    return chosen


class Table:
    """What became of the host, by row and column."""

    def __init__(self):
        self.verdicts = {}

    def add(self, fault, result):
        self.verdicts.setdefault((fault.row, fault.kind), []).append(result)

    def merge(self, verdicts):
        for cell, results in verdicts.items():
            self.verdicts.setdefault(cell, []).extend(results)

    def text(self):
        columns = list(dict.fromkeys(fault.kind for fault in table()))
        rows = list(dict.fromkeys(fault.row for fault in table()))
        lines = [' ' * 16 + ''.join(f'{column:>14}' for column in columns)]
        for row in rows:
            lines.append(f'{row:<16}' + ''.join(f'{self._cell(row, column):>14}' for column in columns))
        total = [sum(results.count(result) for results in self.verdicts.values()) for result in (BACK, RECOVERED, LOST)]
        lines.append(f'{sum(total)} cases: desktop back {total[0]}, needed recover {total[1]}, lost {total[2]}')
        return '\n'.join(lines)

    def _cell(self, row, column):
        """Back, recovered and lost, where there is more than the first."""
        results = self.verdicts.get((row, column))
        if results is None:
            return '-'
        counts = [results.count(result) for result in (BACK, RECOVERED, LOST)]
        return '/'.join(str(count) for count in counts) if any(counts[1:]) else str(counts[0])


# What the cases have found, in this process.
SAMPLE = Table()
