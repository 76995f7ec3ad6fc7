# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a VM wants of the host beside the GPU: in effect while it has that, exactly as before afterwards, and never in the way."""

import json

from host import (AUDIO, demand, drivers, drop_in, entry, GPU, greeter_pid, Host, MORE, ONE_VM, prop, RNG, SECOND, states, step, story,
                  VM)
from names import refused
from payload import PROJECT

SLICES = 'user.slice', 'system.slice', 'init.scope'
FAILS = 'ExecStartPre=/bin/false'


def settings(pc):
    """Those that are in effect, and those that have failed."""
    found = json.loads(pc.sh(f'vfio-gpuctl status --json {VM}'))[0]['settings']
    return [entry['setting'] for entry in found if not entry['failed']], [entry['setting'] for entry in found if entry['failed']]


def goes_on_without(pc, name, setting, setup=FAILS):
    """A unit beside the steps that fails is seen to have failed, and is all that is missing."""
    host = Host(pc, ONE_VM + setting + '\n', units=[drop_in(step(name), setup)])
    host.start()
    host.handed_over(picture=False)
    assert states(pc, step(name)) == ['failed']
    assert settings(pc) == ([], [setting])
    demand(pc.sh(f'vfio-gpuctl status {VM}'), f'without {setting}: {step(name)} failed')
    host.stop()
    host.is_as_before(failed=[step(name)])


# --- AllowedCPUs= -----------------------------------------------------------------------------------------------------------


def allowed_cpus(pc):
    return [prop(pc, unit, 'AllowedCPUs') for unit in SLICES]


def control_files(pc):
    return pc.sh('find /run/systemd/system.control -type f 2>/dev/null | sort || true').split()


def case_cpus(pc):
    """The host keeps to its CPUs as long as the swap lasts, and has each setting back that it had."""
    pc.sh('systemctl set-property --runtime user.slice AllowedCPUs=0-1')
    host = Host(pc, ONE_VM + 'AllowedCPUs=1\n')
    files = control_files(pc)
    assert allowed_cpus(pc) == ['0-1', '', ''], allowed_cpus(pc)
    host.start()
    host.handed_over(picture=False)
    assert allowed_cpus(pc) == ['1', '1', '1'], allowed_cpus(pc)
    pc.wait_until('[ "$(cat /sys/fs/cgroup/system.slice/cpuset.cpus.effective)" = 1 ]')
    assert settings(pc) == (['AllowedCPUs=1'], [])
    demand(pc.sh(f'vfio-gpuctl status {VM}'), '  with AllowedCPUs=1\n')
    demand(story(pc), 'the host keeps to CPUs 1')
    host.stop()
    host.is_as_before()
    assert allowed_cpus(pc) == ['0-1', '', ''], allowed_cpus(pc)
    assert control_files(pc) == files, control_files(pc)
    assert [prop(pc, unit, 'NeedDaemonReload') for unit in SLICES] == ['no'] * 3
    pc.wait_until('[ "$(cat /sys/fs/cgroup/system.slice/cpuset.cpus.effective)" = 0-1 ]')


def case_cpus_fail(pc):
    """Without them the swap goes on."""
    goes_on_without(pc, 'cpus', 'AllowedCPUs=0')


def case_cpus_fail_late(pc):
    """What a unit changed before it failed is taken back at once, and the swap goes on."""
    host = Host(pc, ONE_VM + 'AllowedCPUs=0\n', units=[drop_in(step('cpus'), 'ExecStartPost=/bin/false')])
    host.start()
    host.handed_over(picture=False)
    assert states(pc, step('cpus')) == ['failed'] and allowed_cpus(pc) == [''] * 3, allowed_cpus(pc)
    host.stop()
    host.is_as_before(failed=[step('cpus')])


# --- Inhibit= ---------------------------------------------------------------------------------------------------------------


def locks(pc):
    """What vfio-gpu inhibits, with its reason."""
    found = pc.sh('busctl --json=short call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager '
                  'ListInhibitors')
    return [(what, why, mode) for what, who, why, mode, _, _ in json.loads(found)['data'][0] if who == 'vfio-gpu']


def case_inhibit(pc):
    """The lock is held as long as the swap lasts, and stands in no other swap's way."""
    host = Host(pc, ONE_VM + 'Inhibit=shutdown:sleep:idle\n[VM macOS]\n')
    host.start()
    host.handed_over(picture=False)
    assert locks(pc) == [('shutdown:sleep:idle', f'VM {VM} has the GPU', 'block')], locks(pc)
    assert settings(pc) == (['Inhibit=shutdown:sleep:idle'], [])
    pc.sh('vfio-gpuctl check macOS')
    host.stop()
    assert locks(pc) == []
    host.is_as_before()


def case_inhibit_fails(pc):
    """Without the lock the swap goes on."""
    goes_on_without(pc, 'inhibit', 'Inhibit=sleep')


def case_inhibit_dies(pc):
    """A lock that is lost is seen, and the swap goes on."""
    host = Host(pc, ONE_VM + 'Inhibit=sleep\n')
    host.start()
    pc.sh(f"systemctl kill --signal=KILL '{step('inhibit')}'")
    pc.wait_until(f"systemctl is-failed -q '{step('inhibit')}'")
    assert locks(pc) == [] and settings(pc) == ([], ['Inhibit=sleep'])
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before(failed=[step('inhibit')])


# --- CpuGovernor= -----------------------------------------------------------------------------------------------------------

def governors(pc):
    return pc.sh('cat /sys/devices/system/cpu/cpufreq/policy*/scaling_governor').split()


def case_governor(pc):
    """Every CPU has the governor as long as the swap lasts, and then again the one that it had."""
    pc.sh('''modprobe lab_cpufreq && cd /sys/devices/system/cpu/cpufreq &&
        echo powersave >policy0/scaling_governor && echo ondemand >policy1/scaling_governor''')
    host = Host(pc, ONE_VM + 'CpuGovernor=performance\n')
    pc.sh(f'vfio-gpuctl check {VM}')
    host.start()
    host.handed_over(picture=False)
    assert governors(pc) == ['performance', 'performance'], governors(pc)
    assert settings(pc) == (['CpuGovernor=performance'], [])
    pc.sh('echo userspace >/sys/devices/system/cpu/cpufreq/policy1/scaling_governor')
    host.stop()
    assert governors(pc) == ['powersave', 'ondemand'], governors(pc)
    host.is_as_before()


def case_governor_fails(pc):
    """On a machine that knows no governors this is said beforehand, and the swap goes on."""
    pc.config(ONE_VM + 'CpuGovernor=performance\n')
    found = json.loads(pc.sh(f'vfio-gpuctl check --json {VM}'))
    assert [finding['id'] for finding in found['findings']] == ['governor-unsupported'], found
    goes_on_without(pc, 'governor', 'CpuGovernor=performance', setup='')
    demand(story(pc), 'cannot set governor performance: no driver')


# --- HugePages= -------------------------------------------------------------------------------------------------------------

POOL = '/sys/kernel/mm/hugepages/hugepages-2048kB'


def pool(pc):
    """How many pages of 2M there are, and how many of them are free."""
    return [int(word) for word in pc.sh(f'cat {POOL}/nr_hugepages {POOL}/free_hugepages').split()]


def case_huge_pages(pc):
    """So many are free during the swap; those that were there stay."""
    pc.sh(f'echo 3 >{POOL}/nr_hugepages')
    host = Host(pc, ONE_VM + 'HugePages=64x2M\n')
    assert pool(pc) == [3, 3]
    host.start()
    host.handed_over(picture=False)
    assert pool(pc) == [64, 64], pool(pc)
    assert settings(pc) == (['HugePages=64x2M'], [])
    host.start()
    host.stop()
    assert pool(pc) == [3, 3], pool(pc)
    demand(story(pc), 'the host has its memory back: 3 huge pages of 2048kB instead of 64')
    host.is_as_before()


def case_huge_pages_refused(pc):
    """Memory that is there, but not in one piece, refuses the swap while the greeter is up."""
    host = Host(pc, ONE_VM + 'HugePages=8x2M 1x1G\n')
    pid = greeter_pid(pc)
    demand(host.start_fails(), 'cannot have 1x1G huge pages', f'{step("hugepages")} failed: cannot have 1x1G',
           'nothing was changed')
    demand(prop(pc, entry(VM), 'StatusText'), 'cannot have 1x1G huge pages')
    assert greeter_pid(pc) == pid and pool(pc) == [0, 0]
    host.is_as_before(failed=[step('hugepages'), entry(VM)])


def case_huge_pages_impossible(pc):
    """More than there is memory is found by the checks."""
    refused(pc, ONE_VM + 'HugePages=2000x2M\n', 'HugePages= needs 4000 MiB more', 'nothing was changed')


def case_huge_pages_stopped(pc):
    """A stop while they are made ends that, and nothing has failed."""
    host = Host(pc, ONE_VM + 'HugePages=8x2M\n', units=[drop_in(step('hugepages'), 'ExecStartPost=/usr/bin/sleep infinity')])
    pid = greeter_pid(pc)
    pc.sh(f"systemctl start --no-block '{entry(VM)}'")
    pc.wait_until(f'[ "$(cat {POOL}/nr_hugepages)" = 8 ]')
    host.stop()
    assert greeter_pid(pc) == pid and pool(pc) == [0, 0]
    host.is_as_before()


def case_huge_pages_after_failure(pc):
    """A step that fails gives them back, also without vfio-gpu@.service."""
    target = entry(VM).replace('.service', '.target')
    host = Host(pc, ONE_VM + 'HugePages=8x2M\n', units=[drop_in(step('bind'), FAILS)])
    host.start_fails()
    assert pool(pc) == [0, 0]
    host.is_as_before(failed=[step('bind'), entry(VM)])
    assert pc.run(f"systemctl start '{target}'")[0] != 0
    pc.wait_until(f'[ "$(cat {POOL}/nr_hugepages)" = 0 ] && ! [ -e /run/vfio-gpu/{VM} ]')


# --- [Device] ---------------------------------------------------------------------------------------------------------------

ATTRIBUTES = 'reset_method', 'd3cold_allowed', 'power/control'


def attributes(pc, address=GPU):
    """The value of each, None where the function does not have it."""
    return [pc.run(f'cat /sys/bus/pci/devices/{address}/{name}')[1].strip() for name in ATTRIBUTES]


def case_device(pc):
    """How a function sleeps is as configured while the VM has it, whatever its drivers make of that."""
    pc.sh(f'echo auto >/sys/bus/pci/devices/{AUDIO}/power/control')
    before = [attributes(pc, address)[1:] for address in (GPU, AUDIO)]
    assert before == [['0', 'on'], ['0', 'auto']], before
    host = Host(pc, ONE_VM + f'[Device {GPU}]\nD3cold=yes\nPowerControl=on\n[Device {AUDIO}]\nPowerControl=on\n')
    host.start()
    host.handed_over(picture=False)
    assert [attributes(pc, address)[1:] for address in (GPU, AUDIO)] == [['1', 'on'], ['0', 'on']]
    power = f'{GPU}/power/control=on, {AUDIO}/power/control=on'
    found, failed = settings(pc)
    assert not failed and sorted(found) == sorted([f'{GPU}/d3cold_allowed=1, {power}', power]), found
    host.stop()
    host.is_as_before()
    assert [attributes(pc, address)[1:] for address in (GPU, AUDIO)] == before


def case_reset_method(pc):
    """How a function is reset is as configured, and as before afterwards, also if that was not at all."""
    pc.sh(f'cd /sys/bus/pci/devices; echo 1 >{AUDIO}/remove; echo >{GPU}/reset_method')
    host = Host(pc, f'[VM {VM}]\nDevices={GPU}\n[Device {GPU}]\nResetMethod=bus\n', functions=(GPU,))
    assert attributes(pc)[0] == ''
    host.start()
    host.handed_over(picture=False)
    assert attributes(pc)[0] == 'bus'
    host.stop()
    assert attributes(pc)[0] == ''
    host.is_as_before()


def case_reset_method_that_is_gone(pc):
    """With the second function on the bus the kernel does not take again what it showed: then it decides."""
    assert attributes(pc)[0] == 'bus'
    host = Host(pc, ONE_VM + f'[Device {GPU}]\nResetMethod=default\n')
    host.start()
    assert attributes(pc)[0] == ''
    host.stop()
    demand(story(pc), f"does not take 'bus' for /sys/bus/pci/devices/{GPU}/reset_method again")
    assert states(pc, entry(VM), step('device'), 'lightdm.service') == ['inactive', 'inactive', 'active']
    assert pc.run(f'ls /run/vfio-gpu/{VM}')[0] != 0


def case_power_is_vfios_without(pc):
    """Without PowerControl= vfio-pci lets its functions sleep: this is what the setting changes."""
    host = Host(pc)
    host.start()
    assert attributes(pc)[2] == 'auto', attributes(pc)
    host.stop()


def case_device_fails(pc):
    """A method that the kernel does not have is said beforehand, and is all that is missing afterwards."""
    config = ONE_VM + f'[Device {GPU}]\nD3cold=yes\nResetMethod=cxl_bus\nResizeBar=0:32M\n'
    pc.config(config)
    found = json.loads(pc.sh(f'vfio-gpuctl check --json {VM}'))
    assert [finding['id'] for finding in found['findings']] == ['reset-method', 'bar-size'], found
    method = attributes(pc)[0]
    host = Host(pc, config)
    host.start()
    host.handed_over(picture=False)
    assert states(pc, step('device'), step('bar')) == ['active', 'failed']
    assert attributes(pc)[:2] == [method, '1'], attributes(pc)
    demand(story(pc), f"cannot set /sys/bus/pci/devices/{GPU}/reset_method to 'cxl_bus'", f'cannot make region 0 of {GPU} 32M',
           f'region 0 of {GPU} has 16M, which was to be 32M')
    host.stop()
    host.is_as_before(failed=[step('bar')])


def region(pc, address):
    """How many MiB the first memory region has."""
    begin, end, _ = pc.sh(f'head -n 1 /sys/bus/pci/devices/{address}/resource').split()
    return (int(end, 16) - int(begin, 16) + 1) >> 20


def case_bar(pc):
    """A memory region has the size that is wanted when vfio-pci takes the function, and the host gets it back as it was."""
    pc.sh(f'''systemctl stop lightdm.service && modprobe lab_rebar && echo 1 >/sys/bus/pci/devices/{SECOND}/remove &&
        echo 1 >/sys/bus/pci/rescan && udevadm settle''')
    host = Host(pc, f'[VM {VM}]\nDevices={SECOND}\n[Device {SECOND}]\nResizeBar=0:32M\n', [SECOND])
    assert region(pc, SECOND) == 16 and drivers(pc, [SECOND])[SECOND][0] == 'bochs-drm'
    assert json.loads(pc.sh(f'vfio-gpuctl check --json {VM}'))['findings'] == []
    host.start()
    host.handed_over(picture=False)
    assert region(pc, SECOND) == 32
    assert settings(pc) == ([f'{SECOND}/resource0_resize=32M'], []), settings(pc)
    host.stop()
    host.is_as_before()
    assert region(pc, SECOND) == 16


case_bar.profile = 'rich'


# --- in general -------------------------------------------------------------------------------------------------------------

GUEST = ('guest.service', "[Service]\nExecStart=/bin/bash -c 'exec 3<>/dev/vfio/[0-9]*; exec sleep infinity'\n")


def stop_waits_for_guest(pc):
    pc.sh('systemctl start guest.service')
    pid = prop(pc, 'guest.service', 'MainPID')
    pc.wait_until(f'ls -l /proc/{pid}/fd | grep -q /dev/vfio/')
    pc.sh(f"systemctl stop --no-block '{entry(VM)}'")
    pc.wait_until(f"systemctl show --property=StatusText '{step('vm')}' | grep -qF Waiting")


def case_until_the_vm_is_gone(pc):
    """A stop that waits for the VM leaves it what it wants until then."""
    host = Host(pc, MORE, units=[GUEST])
    before = attributes(pc)
    host.start()
    stop_waits_for_guest(pc)
    assert allowed_cpus(pc) == ['0'] * 3 and len(locks(pc)) == 1 and pool(pc) == [8, 8], 'given back too early'
    assert attributes(pc)[1:] == ['1', 'on'], attributes(pc)
    pc.sh('systemctl stop guest.service')
    host.stop()
    assert allowed_cpus(pc) == [''] * 3 and locks(pc) == [] and pool(pc) == [0, 0] and attributes(pc) == before
    host.is_as_before()


def case_recovered(pc):
    """What is left where no unit undoes it is undone from the records."""
    undone_not = [drop_in(step(name), 'ExecStopPost=') for name in ('cpus', 'hugepages', 'device', 'bind')]
    host = Host(pc, MORE, units=undone_not)
    before = attributes(pc)
    host.start()
    pc.run(f"systemctl stop '{entry(VM)}'", 120)
    pc.wait_until(f'[ -z "$(ls /run/vfio-gpu)" ]', 60)
    assert allowed_cpus(pc) == [''] * 3 and locks(pc) == [] and pool(pc) == [0, 0] and attributes(pc) == before
    host.is_as_before(failed=host.pc.host_state()['failed'])


def case_shown(pc):
    """The plan has every setting with its commands."""
    pc.config(MORE)
    plan = pc.sh(f'vfio-gpuctl plan {VM}')
    demand(plan, 'before all that, hugepages: HugePages=8x2M, within 90s', 'vfio-gpu-hugepages start',
           'beside that, cpus: AllowedCPUs=0, within 90s', 'vfio-gpu-cpus stop', f'beside that, power: {GPU}/power/control=on')


# --- units of the user's own ------------------------------------------------------------------------------------------------

MANUAL = PROJECT / 'man/vfio-gpu@.service.8'
KSM = '/sys/kernel/mm/ksm/run'


def examples():
    """The files that the manual shows, by their paths."""
    section = MANUAL.read_text().partition('.Sh UNITS OF YOUR OWN')[2].partition('\n.Sh ')[0]
    blocks = [block.partition('.Ed')[0] for block in section.split('.Bd -literal -offset indent\n')[1:]]
    return {block.partition('\n')[0].removeprefix('# '): block for block in blocks}


def unit(vm=VM):
    return f'same-pages@{vm}.service'


def runs_with_swap(pc, host, vm):
    assert pc.sh(f'cat {KSM}') == '0\n'
    host.start(vm)
    host.handed_over(vm, picture=False)
    assert states(pc, unit(vm)) == ['active'] and pc.sh(f'cat {KSM}') == '1\n'
    host.stop(vm)
    assert states(pc, unit(vm)) == ['inactive'] and pc.sh(f'cat {KSM}') == '2\n'
    host.is_as_before()


def case_unit_of_your_own(pc):
    """The manual's example of a unit that a target wants runs as long as the swap lasts."""
    (path, text), _ = examples().items()
    pc.put(path, text)
    pc.sh(f'systemctl enable {unit()}')
    runs_with_swap(pc, Host(pc), VM)


def case_unit_of_your_own_until_the_vm_is_gone(pc):
    """So does it in a stop that waits for the VM."""
    (path, text), _ = examples().items()
    pc.put(path, text)
    pc.sh(f'systemctl enable {unit()}')
    host = Host(pc, units=[GUEST])
    host.start()
    stop_waits_for_guest(pc)
    assert states(pc, unit()) == ['active']
    pc.sh('systemctl stop guest.service')
    host.stop()
    assert states(pc, unit()) == ['inactive']
    host.is_as_before()


def case_drop_in_for_every_vm(pc):
    """So it does by the manual's example of a drop-in, without being enabled."""
    for path, text in examples().items():
        pc.put(path, text)
    runs_with_swap(pc, Host(pc, ONE_VM + '[VM macOS]\n'), 'macOS')


def case_unit_of_your_own_fails(pc):
    """Its failure is none of the swap's, the swap's failure ends it, and by hand it hands over nothing."""
    (path, text), _ = examples().items()
    pc.put(path, text)
    pc.put('/etc/systemd/system/same-pages@.service.d/case.conf', '[Service]\nExecStartPre=/bin/false\n')
    pc.sh(f'systemctl enable {unit()}')
    host = Host(pc)
    assert pc.run(f'systemctl start {unit()}')[0] != 0
    host.start()
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before(failed=[unit()])

    pc.sh('rm /etc/systemd/system/same-pages@.service.d/case.conf; systemctl reset-failed')
    target = entry(VM).replace('.service', '.target')
    late = f'[Unit]\nAfter={unit()}\nBefore={target}\n[Service]\nType=oneshot\nExecStart=/bin/false\n'
    host = Host(pc, units=[('late.service', late), (f'{target}.d/late.conf', '[Unit]\nRequires=late.service\n')])
    host.start_fails()
    demand(pc.journal('-u', unit()), 'Finished', 'Stopped')
    assert states(pc, unit()) == ['inactive']
    host.is_as_before(failed=['late.service', entry(VM)])


# --- two VMs ----------------------------------------------------------------------------------------------------------------

TWO_VMS = (f'{ONE_VM}AllowedCPUs=0\nHugePages=8x2M\n'
           f'[VM macOS]\nDevices={RNG}\nStopUnits=\nConsoles=keep\nAllowedCPUs=1\nHugePages=20x2M\n')


def case_two_vms(pc):
    """What two VMs want at a time is as before both in the end, though the first ends first."""
    host = Host(pc, TWO_VMS)
    host.start()
    host.start('macOS')
    assert allowed_cpus(pc) == ['1'] * 3 and pool(pc) == [20, 20], (allowed_cpus(pc), pool(pc))
    host.stop()
    assert allowed_cpus(pc) == ['1'] * 3 and pool(pc) == [12, 12], (allowed_cpus(pc), pool(pc))
    host.stop('macOS')
    assert allowed_cpus(pc) == [''] * 3 and pool(pc) == [0, 0], (allowed_cpus(pc), pool(pc))
    host.is_as_before()


def case_two_vms_without_the_desktop(pc):
    """The desktop that comes back after the first of two VMs ends the swap of the other, in order."""
    host = Host(pc, TWO_VMS.replace('StopUnits=\n', ''))
    host.start()
    host.start('macOS')
    host.stop()
    host.is_back()
    assert states(pc, entry('macOS')) == ['inactive']


case_cpus.profile = case_governor.profile = case_two_vms.profile = case_two_vms_without_the_desktop.profile = 'virtio'
