# SPDX-License-Identifier: LGPL-2.1-or-later
"""The first part of the table: every program of a swap, on the way there and back, and everything that can go wrong in it.

A fault happens once. However it ends, the host has to be as it was before, and where something failed, the journal says why."""

import re

from host import AUDIO, entry, GPU, Host, MORE, ONE_VM, PATIENCE, SECOND, SLEEPS, states, step, VM
from pc import GENERATED
from verdict import forget_renewed, has_reason, judge, NoReason, settle

ERRORS = 'EBUSY', 'ENODEV', 'EINVAL', 'EPERM'

# Whatever changes something outside of the program: files, records, calls over D-Bus.
EFFECTS = ('write', 'sendmsg', 'sendfile', 'mkdirat', 'mkdir', 'renameat', 'unlinkat', 'unlink', 'mount', 'umount2',
           'linkat', 'finit_module', 'delete_module')
# Those of them that need room in /run.
FILES = 'write', 'sendfile', 'mkdirat', 'mkdir', 'renameat', 'linkat'

# A job that ends takes others with it.
CANCEL = """jobs=$(systemctl list-jobs --no-legend | awk '/vfio-gpu/ {print $1}'); [ -n "$jobs" ] && { systemctl cancel $jobs || :; }"""

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

# The second GPU is there again as one whose region can have another size, and the desktop with it.
REBAR = f'''
    systemctl stop lightdm.service
    modprobe lab_rebar
    echo 1 >/sys/bus/pci/devices/{SECOND}/remove
    echo 1 >/sys/bus/pci/rescan
    udevadm settle
    systemctl start lightdm.service'''

RESIZED = f'[VM {VM}]\nDevices={SECOND}\n[Device {SECOND}]\nResizeBar=0:32M\n'

GOVERNED = ONE_VM + 'CpuGovernor=performance\n'
GOVERNOR = 'modprobe lab_cpufreq; for f in /sys/devices/system/cpu/cpufreq/policy*/scaling_governor; do echo powersave >$f; done'

# What a VM is to the steps, for long enough to be waited for.
HOLD = f'''
    group=/dev/vfio/$(basename $(readlink /sys/bus/pci/devices/{GPU}/iommu_group))
    systemd-run -q --service-type=notify --property=NotifyAccess=all sh -c "exec 3<>$group; systemd-notify --ready; exec sleep 6"'''

# Runs a command, the first time with something going wrong in it and every other time as it is. The tracer is a grandchild
# (-D), so that the program stays the main process of its unit.
WRAPPER = '''#!/bin/sh
fired=/run/fault-fired-$1
shift
mkdir "$fired" 2>/dev/null || exec "$@"
echo $$ >"$fired/pid"
options=$(cat /run/fault-options)
case "$options" in
exit) exit 1 ;;
kill) kill -KILL $$ ;;
*) exec strace -D -f -qq -o "$fired/trace" $options "$@" ;;
esac
'''

# Whether a traced program waits in a call, and has not just stopped for the tracer to note it; fails if it ends, or has done
# its work, without.
HELD = '''
    pid=$(cat %s/pid)
    SECONDS=0
    until [ "$n" = 8 ]; do
        for n in 1 2 3 4 5 6 7 8; do
            [ -d /proc/$pid ] && ((SECONDS < 20)) || exit 1
            grep -qs '^State:.*t (' /proc/$pid/status || break
            sleep 0.05
        done
    done'''

# More calls than any program makes.
CALLS_MAX = 100
FEW = 3

# A PC in which the next job runs the program.
ARMED = 'armed'

OPTIONS = '/run/fault-options'
# For journalctl: what came after the fault was chosen.
SINCE = f'--since=@$(date -r {OPTIONS} +%s.%6N)'


class Row:
    """One program in one direction, in a PC in which it has something to do."""

    def __init__(self, program, direction, variant='', config=ONE_VM, units=(), profile='base', before='',
                 during='', functions=(GPU, AUDIO), failing=('write',), errors=ERRORS, writes=True):
        """"before" is run first, "during" once the GPU is handed over; "failing" are the calls that fail with the errors; one that
        "writes" needs room. A variant is of one that has all kinds of faults, and has those for which it makes a difference."""
        self.program, self.direction, self.variant = program, direction, variant
        self.config, self.units, self.profile, self.functions = config, units, profile, functions
        self.before, self.during, self.failing, self.errors, self.writes = before, during, failing, errors, writes
        self.made = None

    @property
    def name(self):
        return f"{'-'.join(filter(None, (self.program, self.variant)))} {self.direction}"

    @property
    def unit(self):
        return entry(VM) if self.program == 'swap' else step(self.program)

    @property
    def fired(self):
        return f'/run/fault-fired-{self.program}-{self.direction}'


class Fault:
    """One kind of fault in one row. It strikes at a point: one of the calls, which is counted for itself, and its number; without
    calls at a number, those of the dynamic loader not counted. At "few" of them, where each takes long."""

    def __init__(self, row, kind, options, numbers=(1,), calls=(), few=False, meanwhile=None, limit=None, loader=None,
                 afterwards=None, proof=None):
        self.row, self.kind, self.options, self.numbers, self.calls, self.few = row, kind, options, numbers, calls, few
        self.meanwhile, self.limit, self.loader, self.afterwards, self.proof = meanwhile, limit, loader, afterwards, proof

    @property
    def profile(self):
        return self.row.profile

    def name(self, suffix):
        return f"{self.row.name.replace(' ', '_')}_{self.kind}_{suffix}"

    def count_loader(self, pc):
        """How many calls of each kind are the loader's, which registers for restartable sequences when it is done with them.
        Without arguments no program does anything."""
        if not self.loader:
            return [0]
        calls = pc.sh(f'''
            strace -o /run/loader -e trace={','.join(self.loader)},rseq /usr/libexec/vfio-gpu/vfio-gpu-{self.row.program} >/dev/null 2>&1
            sed '/^rseq/,$ d' /run/loader''').splitlines()
        return [sum(line.startswith(f'{name}(') for line in calls) for name in self.loader]

    def wrap(self, pc):
        """A drop-in that puts the wrapper before the program's command in the unit."""
        row = self.row
        settings = 'ExecStart' if row.direction == 'start' else r'ExecStop\|ExecStopPost'
        files = f'{GENERATED}/{row.unit}'
        if row.program == 'swap':
            files = f'/usr/lib/systemd/system/vfio-gpu@.service {files}.d/*'
        line = pc.sh(rf"sed -n '/^\({settings}\)=/p' {files} | tail -n 1")
        setting, command = line.strip().split('=', 1)
        # What is allowed to trace is what is added here.
        text = (f'[Service]\nSystemCallFilter=@debug\n{setting}=\n'
                f'{setting}=/usr/local/sbin/fault-once {row.program}-{row.direction} {command}\n')
        if self.limit:
            text += f'Timeout{row.direction.capitalize()}Sec={self.limit}\n'
        return text

    def struck(self, pc):
        """Whether the program was run, and made so many calls."""
        counted = f'grep -q INJECTED {self.row.fired}/trace' if '{' in self.options else 'true'
        return pc.run(f'journalctl --sync; [ -d {self.row.fired} ] && {self.proof or counted}')[0] == 0

    @property
    def preparation(self):
        """Faults that agree in this can do with one prepare()."""
        return self.row.name, self.limit

    def prepare(self, pc):
        """Returns the host as it has to be again."""
        # A PC that nothing was done to is known. Otherwise the desktop may just have been started.
        if self.row.before:
            pc.sh(self.row.before)
            pc.wait_screen(pc.begin[0], timeout=PATIENCE)
        wrapped = f'{self.row.unit}.d/zz-fault.conf', self.wrap
        host = Host(pc, self.row.config, self.row.functions, [*self.row.units, wrapped])
        pc.put('/usr/local/sbin/fault-once', WRAPPER, 0o755)
        self.lead_up(pc, host)
        return host

    def lead_up(self, pc, host):
        """To where the next job runs the program."""
        if self.row.direction == 'stop':
            host.start()
            if self.row.during:
                pc.sh(self.row.during)

    def rearm(self, pc, host):
        """Prepares a PC that came back from a fault for the next one."""
        pc.sh(f"rm -r {self.row.fired}; systemctl reset-failed 'vfio-gpu*' lightdm.service")
        self.lead_up(pc, host)

    def count_calls(self, pc):
        """Returns the program's calls in order, when nothing goes wrong."""
        pc.put(OPTIONS, f"-e trace={','.join(EFFECTS)}")
        pc.sh(f"systemctl {self.row.direction} '{entry(VM)}'", 150)
        settle(pc)
        return re.findall(r'(?:^|\s)([a-z_0-9]+)\(', pc.sh(f'cat {self.row.fired}/trace'), re.MULTILINE)

    def points(self, pc):
        """Where it can strike in a prepared PC: at each of the calls that the program makes, which are counted once for a row, or
        at the numbers, which may be more than there are."""
        if not self.calls:
            return [(None, number) for number in self.numbers]
        self.row.made = made = self.row.made or self.count_calls(pc)
        points = [(call, made[:index].count(call) + 1) for index, call in enumerate(made) if call in self.calls]
        return points[::-(-len(points) // FEW)] if self.few else points

    def command(self, pc, host):
        """Has the service manager run the program, and believes it only what is true. Returns whether the fault struck."""
        status, _ = pc.run(f"systemctl {self.row.direction} '{entry(VM)}'", 150)
        settle(pc)
        if not status and self.row.direction == 'start':
            host.handed_over(picture=False)
        return self.struck(pc)

    def interfere(self, pc):
        """Does what is to happen in the meantime, as soon as the call waits that it is to happen in, or else the program runs.
        Returns whether that was so."""
        fired = self.row.fired
        pc.sh(f"systemctl {self.row.direction} --no-block '{entry(VM)}'")
        pc.wait_until(f'[ -e {fired}/trace ]', 60)
        struck = pc.run(HELD % fired if '{' in self.options else f'[ -d /proc/$(cat {fired}/pid) ]', 60)[0] == 0
        if struck:
            pc.sh(self.meanwhile, 150)
        settle(pc)
        return struck

    def strike(self, pc, host, before, point):
        """Returns how the host came back; None where the program does not come to that point."""
        call, number = point
        pc.put(OPTIONS, self.options.format(*(n + number for n in before), call=call))
        struck = self.interfere(pc) if self.meanwhile else self.command(pc, host)
        if not struck:
            return None
        is_told = has_reason(pc, SINCE)
        if states(pc, entry(VM)) == ['active']:
            pc.run(f"systemctl stop '{entry(VM)}'", 120)
        if self.afterwards:
            # It was started again, whatever became of it without a GPU.
            assert states(pc, 'lightdm.service') != ['inactive']
            pc.sh(self.afterwards)
        if self.afterwards or self.row.variant == 'rescan':
            forget_renewed(host)
        result = judge(pc, host)
        if not is_told:
            raise NoReason(result)
        return result


def rows():
    """Every row of the table, in its order."""
    # To whom a message is, and what its sender makes of an error, does not depend on the error.
    messages = {'failing': ('sendmsg',), 'errors': ('EPERM',)}
    # Without it the way back has nothing left to do.
    meanwhile = {'config': ONE_VM + 'StartUnits=meanwhile.service\n', 'units': [('meanwhile.service', SLEEPS)]}
    # What the swap goes on without tells the error, and no more.
    beside = {'config': MORE, 'errors': ('EINVAL', 'EPERM')}
    yield Row('swap', 'start')
    yield Row('swap', 'stop', **messages)
    yield Row('desktop', 'start', **meanwhile, **messages)
    yield Row('desktop', 'stop', **meanwhile, **messages, writes=False)
    yield Row('modules', 'start', failing=('finit_module',), writes=False)
    for direction in 'start', 'stop':
        yield Row('bind', direction)
        yield Row('bind', direction, 'rescan', config=ONE_VM + 'Return=rescan\n')
        yield Row('bind', direction, 'nvidia', profile='nvidia', failing=('write', 'delete_module', 'finit_module'))
        yield Row('bind', direction, 'bar', config=RESIZED, profile='rich', before=REBAR, functions=(SECOND,))
    yield Row('vm', 'stop', during=HOLD, **messages, writes=False)
    for direction in 'start', 'stop':
        yield Row('cpus', direction, config=MORE, **messages, writes=direction == 'start')
        yield Row('hugepages', direction, **beside)
        yield Row('device', direction, **beside)
        yield Row('governor', direction, **{**beside, 'config': GOVERNED}, before=GOVERNOR)
    yield Row('inhibit', 'start', config=MORE, **messages, writes=False)
    yield Row('power', 'start', **beside)


def kinds(row):
    """Every fault of a row, in order of the columns."""
    effects = ','.join(EFFECTS)
    # Some programs have done their work before it is seen that they run.
    slowed = f'-e trace={effects},exit_group -e inject={effects}:delay_enter=200ms -e inject=exit_group:delay_enter=1s'
    # Each kind of call is counted for itself.
    exhausted = '-e trace=mmap,brk -e inject=mmap:error=ENOMEM:when={}+ -e inject=brk:error=ENOMEM:when={}+'
    one = '-e trace={call} -e inject={call}:'
    stuck, delayed = one + 'delay_enter=14s:when={}', one + 'delay_enter=4s:when={}'
    few = {'calls': EFFECTS, 'few': True}
    timed_out = f"journalctl -q {SINCE} -u '{row.unit}' --grep='timed out' >/dev/null"
    # The tracer may be gone before it can tell.
    killed = f"journalctl -q {SINCE} -u '{row.unit}' --grep='status=9/KILL' >/dev/null"

    if not row.variant:
        yield Fault(row, 'exit', 'exit')
        yield Fault(row, 'kill-at-start', 'kill')
        yield Fault(row, 'start', delayed, **few, meanwhile=f"systemctl start '{entry(VM)}' || true")
        yield Fault(row, 'cancel', delayed, **few, meanwhile=CANCEL)
        yield Fault(row, 'bus', slowed, meanwhile=BUS)
        yield Fault(row, 'logind', slowed, meanwhile='systemctl kill --signal=KILL systemd-logind.service')
        yield Fault(row, 'gpu-gone', slowed, meanwhile=VANISH, afterwards=REAPPEAR)
    yield Fault(row, 'kill', one + 'signal=KILL:when={}', calls=EFFECTS, proof=killed)
    yield Fault(row, 'time-limit', stuck, **few, limit='10', proof=timed_out)
    yield Fault(row, 'stop', delayed, **few, meanwhile=f"systemctl stop '{entry(VM)}'")
    yield Fault(row, 'memory', exhausted, range(1, CALLS_MAX), loader=('mmap', 'brk'))
    if row.writes:
        yield Fault(row, 'ENOSPC', one + 'error=ENOSPC:when={}', calls=FILES)
    for error in row.errors:
        yield Fault(row, error, f'{one}error={error}:when={{}}', calls=row.failing)


def cells():
    """Every fault, in order of rows and columns."""
    return [fault for row in rows() for fault in kinds(row)]
