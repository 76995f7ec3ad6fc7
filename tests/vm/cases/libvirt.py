# SPDX-License-Identifier: LGPL-2.1-or-later
"""The libvirt hook, and guests that own the GPU."""

import re

import domain
from host import demand, DEVICES, drop_in, entry, greeter_pid, Host, ONE_VM, prop, states, step, story, VM

HOOKS = '/etc/libvirt/hooks'
HOOK = f'{HOOKS}/qemu.d/vfio-gpu'

# A script that tells what it was called for, whether the greeter runs, and whether it was given all of the definition.
SCRIPT = """#!/bin/sh
given=$(sed -n '1p;$p' | tr -d '\\n' | sed 's/ [^>]*>/ /')
echo "$(basename "$0") $* $(systemctl is-active lightdm.service) $given" >>/run/told
"""
DISPATCHER = """#!/bin/sh
set -e
for file in "$(dirname "$0")/qemu.d/$1/$2/$3"/*
do if [ -x "$file" ]; then "$file" "$@"; fi; done
"""


def put_scripts(pc, *places, text=SCRIPT):
    for place in places:
        pc.put(f'{HOOKS}/qemu.d/Windows10/{place}', text, 0o755)


def told(pc):
    return pc.sh('cat /run/told').splitlines()


def called(name, operation, greeter):
    operation, sub_operation = operation.split('/')
    extra = r'(-|destroyed|failed)'
    return re.compile(f'{name} Windows10 {operation} {sub_operation} {extra} {greeter} <domain </domain>')


def demand_calls(pc, *expected):
    lines = told(pc)
    assert len(lines) == len(expected) and all(call.fullmatch(line) for call, line in zip(expected, lines)), lines


def case_refusal(pc):
    """A guest whose swap fails does not start, and libvirt says why."""
    Host(pc, '[VM Windows10]\nDevices=01:00.0\n')
    domain.define(pc)
    status, output = pc.run('virsh -q start Windows10', 120)
    assert status == 1, output
    demand(output, '0000:01:00.0 shares IOMMU group')
    assert domain.state(pc) == 'shut off'
    assert states(pc, 'lightdm.service') == ['active']


def case_writable_configuration(pc):
    """Guests of a configuration that others can write do not start, libvirt says why, and the desktop keeps its GPU."""
    host = Host(pc)
    domain.define(pc, managed='yes')
    pid = greeter_pid(pc)
    status, output = pc.run('chmod 0666 /etc/vfio-gpu.conf; systemctl daemon-reload; virsh -q start Windows10', 120)
    assert status == 1, output
    demand(output, '/etc/vfio-gpu.conf: refused, it has mode 0666')
    assert greeter_pid(pc) == pid and domain.state(pc) == 'shut off'
    pc.sh('chmod 0644 /etc/vfio-gpu.conf; systemctl daemon-reload')
    host.is_as_before(failed=[entry(VM)])


def case_unreadable_configuration(pc):
    """The start of any VM by hand says which file of the configuration cannot be read."""
    pc.sh('rm -f /etc/vfio-gpu.conf; mkdir /etc/vfio-gpu.conf; systemctl daemon-reload')
    assert pc.run(f"systemctl start '{entry('Windows 10')}'")[0] == 1
    demand(pc.journal('--unit', r'vfio-gpu@Windows\x2010.service'), '/etc/vfio-gpu.conf: refused, it is a directory')
    assert states(pc, 'lightdm.service') == ['active']


def case_service_manager_reloads(pc):
    """What is generated is away while the service manager reads its units; the hook waits for it."""
    host = Host(pc)
    pc.put('/etc/systemd/system-generators/vfio-gpu-generator', f"""#!/bin/sh
touch /run/reads
until [ -e /run/go ]; do sleep 0.1; done
exec /usr/lib/systemd/system-generators/vfio-gpu-generator "$@"
""", 0o755)
    pc.sh('systemctl daemon-reload >/dev/null 2>&1 & until [ -e /run/reads ]; do sleep 0.1; done')
    pc.sh(f'(: | {HOOK} {VM} prepare begin -; echo $? >/run/status) >/dev/null 2>&1 &')
    pc.wait_until("pgrep -fx 'systemctl show --property=Version'", 60)
    pc.sh('touch /run/go')
    pc.wait_until('[ -s /run/status ]', 60)
    assert pc.sh('cat /run/status') == '0\n'
    host.handed_over(picture=False)
    pc.sh('rm /etc/systemd/system-generators/vfio-gpu-generator')
    host.stop()
    host.is_as_before()


def case_start_while_the_desktop_comes_back(pc):
    """Who has started the display manager gets the desktop back, and what libvirt starts at that moment has the GPU after that."""
    host = Host(pc, units=[drop_in(step('bind'), "ExecStop=/bin/sh -c 'touch /run/held; until [ -e /run/go ]; do sleep 0.1; done'")])
    host.start()
    pc.sh('systemctl start --no-block lightdm.service')
    pc.wait_until('[ -e /run/held ]')
    pc.sh(f'(: | {HOOK} {VM} prepare begin -; echo $? >/run/status) >/dev/null 2>&1 &')
    pc.wait_until(f"systemctl list-jobs --no-legend | grep -q '{entry(VM)}' || [ -s /run/status ]")
    pc.sh('touch /run/go')
    pc.wait_until('[ -s /run/status ]', 60)
    assert pc.sh('cat /run/status') == '0\n'
    host.handed_over(picture=False)
    assert states(pc, 'lightdm.service') == ['inactive']
    host.stop()
    host.is_as_before()


def case_daemon_killed(pc):
    """A swap for a daemon that was killed meanwhile, and knows nothing of the guest any more, is undone."""
    held = drop_in(step('desktop'), "ExecStartPost=/bin/sh -c 'touch /run/held; until [ -e /run/go-on ]; do sleep 0.1; done'")
    host = Host(pc, units=[held])
    domain.define(pc)
    pc.sh('virsh -q start Windows10 </dev/null >/dev/null 2>&1 &')
    pc.wait_until('[ -e /run/held ]', 60)
    pc.sh(f"kill -KILL {prop(pc, 'libvirtd.service', 'MainPID')} && touch /run/go-on")
    host.is_as_before()
    demand(pc.journal('--identifier=vfio-gpu'), "libvirt's daemon ended before VM Windows10 had started")
    assert states(pc, entry(VM)) == ['inactive'] and domain.state(pc) == 'shut off'


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
    host = Host(pc)
    domain.define(pc)
    domain.start(pc)
    host.handed_over(picture=False)
    domain.wait_firmware(pc, host.picture)
    domain.power_off(pc)
    host.is_back()
    assert domain.state(pc) == 'shut off'


def case_managed(pc):
    """Nothing is different for a guest whose devices libvirt is to manage itself, or whose name has a space."""
    host = Host(pc, DEVICES + '[VM Windows 10]\n')
    domain.define(pc, 'Windows 10', managed='yes')
    domain.start(pc, 'Windows 10')
    host.handed_over(r'Windows\x2010', picture=False)
    domain.destroy(pc, 'Windows 10')
    host.is_as_before()
    assert states(pc, 'lightdm.service') == ['active']


def case_five_times(pc):
    """The same guest starts and ends five times in a row."""
    host = Host(pc)
    domain.define(pc)
    for _ in range(5):
        domain.start(pc)
        host.handed_over(picture=False)
        domain.destroy(pc)
    host.is_as_before()
    assert story(pc).count('the host has its GPU back') == 5


def case_scripts(pc):
    """The scripts of a VM run in order around the swap, each with the definition of the VM."""
    host = Host(pc)
    put_scripts(pc, 'prepare/begin/b', 'prepare/begin/a', 'started/begin', 'stopped/end/a', 'release/end/a')
    domain.define(pc)
    domain.runs(pc, host)
    demand_calls(pc, called('a', 'prepare/begin', 'active'), called('b', 'prepare/begin', 'active'),
                 called('begin', 'started/begin', 'inactive'), called('a', 'stopped/end', 'inactive'),
                 called('a', 'release/end', 'active'))


def case_script_refuses(pc):
    """A script that refuses the VM does so while the desktop is up, and libvirt says which one it was."""
    host = Host(pc)
    put_scripts(pc, 'prepare/begin/a', 'prepare/begin/c', 'release/end')
    put_scripts(pc, 'prepare/begin/b', text='#!/bin/sh\nexit 3\n')
    domain.define(pc)
    pid = greeter_pid(pc)
    status, output = pc.run('virsh -q start Windows10', 120)
    assert status == 1, output
    demand(output, 'qemu.d/Windows10/prepare/begin/b failed with exit status 3')
    assert greeter_pid(pc) == pid and 'is ready' not in story(pc)
    demand_calls(pc, called('a', 'prepare/begin', 'active'), called('end', 'release/end', 'active'))
    host.is_as_before()


def case_dispatcher(pc):
    """Scripts that an old hook runs are not run twice, which is said; a VM that they refuse does not start."""
    host = Host(pc)
    put_scripts(pc, 'prepare/begin/a', 'release/end/a')
    pc.put(f'{HOOKS}/qemu', DISPATCHER, 0o755)
    domain.define(pc)
    domain.runs(pc, host)
    demand_calls(pc, called('a', 'prepare/begin', 'active'), called('a', 'release/end', 'inactive'))
    demand(story(pc), f"{HOOKS}/qemu runs the scripts of VM 'Windows10'")

    put_scripts(pc, 'prepare/begin/b', text='#!/bin/sh\nexit 3\n')
    assert pc.run('virsh -q start Windows10', 120)[0] == 1
    host.is_as_before()


def case_plan(pc):
    """The host devices that vfio-gpuctl prints are valid, are in one slot of the guest, and can be started with."""
    host = Host(pc)
    domain.define(pc, devices=())
    pc.sh('''
        vfio-gpuctl plan Windows10 --xml >/run/devices.xml
        virsh dumpxml --inactive Windows10 | sed '/<memballoon/{r /run/devices.xml
        }' >/run/domain.xml
        virsh -q define --validate /run/domain.xml''')
    defined = pc.sh('virsh dumpxml --inactive Windows10')
    places = re.findall(r"<source>\s*<address domain='0x0000' bus='0x01' slot='0x00' function='0x([01])'/>\s*</source>\s*"
                        r"<address type='pci' domain='0x0000' bus='(\w+)' slot='0x00' function='0x([01])'", defined)
    assert [(first, second) for first, _, second in places] == [('0', '0'), ('1', '1')] and places[0][1] == places[1][1], defined
    assert pc.sh('vfio-gpuctl check Windows10 2>&1') == 'VM Windows10 can be swapped for.\n'
    domain.runs(pc, host)


def case_plan_attached(pc):
    """Each of the host devices can be attached to a definition by itself."""
    pc.config(ONE_VM)
    domain.define(pc, devices=())
    pc.sh('''
        vfio-gpuctl plan Windows10 --xml | csplit -sz -f /run/device- - '/<hostdev/' '{*}'
        for device in /run/device-*; do virsh -q attach-device --config Windows10 $device; done''')
    status, output = pc.run('vfio-gpuctl check Windows10 --json')
    assert status == 0 and 'libvirt-unused' not in output, output
