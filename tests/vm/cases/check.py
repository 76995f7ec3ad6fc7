# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the checks before a swap find on a machine that runs; what files alone tell is in tests/fake/check."""

import json

import domain
from host import AUDIO, demand, drop_in, entry, GPU, greeter_pid, Host, ONE_VM, prop, RNG, SLEEPS, states, step, story, VM
from names import refused
from nvidia import in_order

DISK, PAYLOAD = '0000:00:04.0', '0000:00:05.0'
DEVICES = f'[VM {VM}]\nDevices={GPU} {AUDIO}'
HOLDS = "[Service]\nExecStart=/bin/sh -c 'exec 3<>/dev/vfio/{}; exec sleep infinity'\n"

# As sound services do, in two processes; and what is stopped with it.
SOUND = "[Service]\nExecStart=/bin/sh -c 'exec 3</dev/snd/controlC0; sleep infinity; :'\n"
PART = "[Unit]\nPartOf=sound.service\n[Service]\nExecStart=/bin/sh -c 'exec 3</dev/dri/card0; exec sleep infinity'\n"

# A VM with a device that nobody misses, and its swap, which goes on for as long as it is let.
OTHER_VM = f'[VM macOS]\nDevices={RNG}\nStopUnits=\nConsoles=keep\n'
HANGS = drop_in(step('bind', 'macOS'), "ExecStartPre=/bin/sh -c 'touch /run/reached; exec sleep infinity'")


def findings(pc, vm=VM):
    """What vfio-gpuctl finds: its verdict, and the sentences by their names."""
    status, output = pc.run(f"vfio-gpuctl check --json '{vm}'")
    answer = json.loads(output)
    assert status == (answer['verdict'] == 'refused'), output
    return answer['verdict'], {finding['id']: finding['message'] for finding in answer['findings']}


def to_vfio(pc, address):
    """Binds a function to vfio-pci, as somebody else might. Returns its group."""
    return pc.sh(f'''
        modprobe vfio-pci
        cd /sys/bus/pci/devices/{address}
        echo vfio-pci >driver_override
        echo {address} >driver/unbind
        echo {address} >/sys/bus/pci/drivers_probe
        basename "$(readlink iommu_group)"''').strip()


def case_misspelt_unit(pc):
    """A unit that does not exist refuses the swap, and the one that was meant is named."""
    pc.put('/etc/systemd/system/sddm.service', SLEEPS)
    refused(pc, ONE_VM + 'StopUnits=ssdm.service\n', 'StopUnits= names ssdm.service', 'did you mean sddm.service?')


def case_units_and_modules(pc):
    """Units that cannot be started, before the swap or after it, and modules that do not exist."""
    pc.put('/etc/systemd/system/once.service', SLEEPS + '[Unit]\nRefuseManualStart=yes\n')
    pc.put('/etc/systemd/system/starter.service', '[Unit]\nRequires=once.service\n' + SLEEPS)
    pc.config(ONE_VM + 'StopUnits=once.service\nStartUnits=masked.service display-manager.service\nUnloadModules=bocks\n')
    pc.sh('systemctl --runtime mask masked.service; systemctl start starter.service')
    verdict, found = findings(pc)
    assert verdict == 'refused' and len(found) == 4, found
    demand(found['unit-cannot-start'], 'masked.service')
    demand(found['unit-cannot-return'], 'once.service runs')
    demand(found['gpu-held'], 'lightdm.service has /dev/', ' of the GPU open (Xorg, pid ')
    demand(found['module-unknown'], 'names bocks', 'did you mean bochs?')


def case_no_modules_any_more(pc):
    """On a kernel that loads no module any more nothing is begun that needs one."""
    pc.sh('sysctl -w kernel.modules_disabled=1')
    refused(pc, ONE_VM, 'vfio-pci would have to be loaded', 'kernel.modules_disabled=1', 'nothing was changed')


def case_root_disk(pc):
    """The disk that the host runs from is not handed over."""
    refused(pc, f'{DEVICES} {DISK}\n', f'{DISK} has a disk that the host uses (vda: mounted at /)')


def case_volume(pc):
    """A disk that is part of a volume is in use, and is not any more once the volume is gone."""
    pc.config(f'{DEVICES} {PAYLOAD}\n')
    pc.sh("dmsetup create volume --table '0 8 linear /dev/vdb 0'")
    verdict, found = findings(pc)
    assert verdict == 'refused'
    demand(found['disk-in-use'], 'vdb: part of dm-0')
    pc.sh('dmsetup remove volume')
    assert findings(pc) == ('ok', {})


def case_service_that_holds(pc):
    """A service that has the GPU open and is not stopped is warned of, once, before a swap fails because of it."""
    quick = ONE_VM + 'HoldersTimeoutSec=1\n'
    host = Host(pc, quick, units=[('sound.service', SOUND), ('part.service', PART)])
    assert findings(pc) == ('ok', {})
    pc.sh('systemctl start sound.service')
    pc.wait_until('[ $(fuser /dev/snd/controlC0 2>/dev/null | wc -w) = 2 ]')
    pid = prop(pc, 'sound.service', 'MainPID')
    warning = f'sound.service has /dev/snd/controlC0 of the GPU open (sh, pid {pid}) and is not stopped for the swap'
    host.state = pc.host_state()

    verdict, found = findings(pc)
    assert verdict == 'warnings' and list(found) == ['gpu-held'], found
    demand(found['gpu-held'], warning, 'name it in StopUnits=')
    in_order(host.start_fails(), 'the checks passed', 'the GPU is still in use after 1 s', 'sound.service')
    host.is_as_before(failed=[entry(VM), step('desktop')])

    pc.config(quick + 'Holders=kill\n')
    assert findings(pc) == ('ok', {})
    pc.config(quick + 'StopUnits=display-manager.service sound.service\n')
    pc.sh('systemctl start part.service')
    pc.wait_until('fuser /dev/dri/card0 | grep -w $(systemctl show --property=MainPID --value part.service)')
    assert findings(pc) == ('ok', {})
    host.start()
    assert states(pc, 'sound.service', 'part.service') == ['inactive', 'inactive']
    host.handed_over(picture=False)


def case_inhibitor(pc):
    """Who blocks a shutdown blocks a swap, unless told otherwise."""
    pc.sh("systemd-run --unit=upgrade systemd-inhibit --mode=block --what=idle:shutdown --who=apt --why='Installs \x1b[1mmuch' "
          "sleep infinity")
    pc.wait_until('systemd-inhibit --list | grep -q apt')
    refused(pc, ONE_VM, 'apt (pid', 'Installs \\x1b[1mmuch', 'Inhibitors=ignore')
    pc.config(ONE_VM + 'Inhibitors=ignore\n')
    assert findings(pc) == ('ok', {})


def case_inhibitor_of_the_desktop(pc):
    """What comes with the desktop, when another VM has given the GPU back, still refuses in time."""
    lock = "ExecStart=systemd-inhibit --mode=block --what=shutdown --who=apt sleep infinity"
    host = Host(pc, ONE_VM + '[VM macOS]\n', units=[
        ('upgrade.service', f"[Service]\n{lock}\nExecStartPost=/bin/sh -c 'until systemd-inhibit | grep apt; do :; done'\n"),
        ('lightdm.service.d/upgrade.conf', '[Unit]\nWants=upgrade.service\nAfter=upgrade.service\n')])
    host.start()
    demand(host.start_fails('macOS'), f'VM {VM} was handed the GPU and does not use it', 'apt (pid', 'this swap was not begun')
    assert states(pc, entry(VM), 'lightdm.service') == ['inactive', 'active']
    pc.sh('systemctl stop upgrade.service')
    host.is_as_before(failed=[entry('macOS')])


def case_delaying_inhibitor(pc):
    """Who only delays a shutdown, or blocks something else, is nobody to wait for."""
    pc.config(ONE_VM)
    for number, how in enumerate(('--mode=delay --what=shutdown', '--mode=block --what=sleep')):
        pc.sh(f'systemd-run --unit=inhibits{number} systemd-inhibit {how} --who=case{number} sleep infinity')
        pc.wait_until(f'systemd-inhibit --list | grep -q case{number}')
    assert findings(pc) == ('ok', {})


def case_libvirt_disagrees(pc):
    """A domain that could not start after the swap refuses it, in libvirt as well."""
    domain.define(pc, devices=(GPU, AUDIO, RNG))
    refused(pc, ONE_VM, f"libvirt's domain '{VM}' has {RNG}, which is not handed over", 'virtio-pci')
    status, output = pc.run(f'virsh -q start {VM}', 120)
    assert status == 1, output
    demand(output, f'has {RNG}, which is not handed over')


def case_rom_missing(pc):
    """A ROM file that does not exist refuses the swap, in libvirt as well."""
    domain.define(pc, rom='/usr/share/vgabios/gpu.rom')
    refused(pc, ONE_VM, f'gives {GPU} the ROM file /usr/share/vgabios/gpu.rom, which does not exist')
    status, output = pc.run(f'virsh -q start {VM}', 120)
    assert status == 1, output
    demand(output, 'which does not exist')


def case_rom_unreadable(pc):
    """QEMU does not start with a ROM file of which it is said that QEMU cannot read it, and starts with one that is as was said."""
    host = Host(pc)
    pc.sh(f'mkdir -p /usr/share/vgabios; install -m 0600 {domain.ROM} /usr/share/vgabios/gpu.rom')
    domain.define(pc, rom='/usr/share/vgabios/gpu.rom')
    verdict, found = findings(pc)
    assert verdict == 'warnings' and sorted(found) == ['rom-not-run', 'rom-unreadable'], found
    demand(found['rom-unreadable'], "may not read it (mode 0600)", 'chmod 0644 /usr/share/vgabios/gpu.rom')
    status, output = pc.run(f'virsh -q start {VM}', 120)
    assert status == 1, output
    demand(output, 'gpu.rom')
    # A greeter that is stopped while it begins leaves its session's scope as failed.
    host.is_back()

    pc.sh('chmod 0644 /usr/share/vgabios/gpu.rom')
    assert list(findings(pc)[1]) == ['rom-not-run']
    domain.runs(pc, host)


def case_hints(pc):
    """What may be meant is said by those who ask, and not at a start."""
    host = Host(pc)
    domain.define(pc, devices=(GPU, AUDIO), rom=None, more="    <video><model type='vga'/></video>\n")
    verdict, found = findings(pc)
    assert verdict == 'ok' and list(found) == ['display-emulated'], found
    demand(pc.sh(f'vfio-gpuctl check {VM} 2>&1'), 'hint: ', '(<video>, model vga)')
    host.start()
    assert 'emulated' not in story(pc)
    host.stop()
    host.is_as_before()


def case_disabled_hook(pc):
    """A hook that cannot run and a device that the domain does not use are said, and the swap goes on."""
    host = Host(pc)
    pc.sh('chmod -x /etc/libvirt/hooks/qemu.d/vfio-gpu')
    domain.define(pc, devices=(GPU,))
    host.start()
    demand(story(pc), 'is not executable', f'{AUDIO} is handed over, but', 'the GPU is ready')
    fields = pc.sh('journalctl -b -p warning..warning -o cat --output-fields=VFIO_GPU_FINDING VFIO_GPU_VM=Windows10')
    demand(fields, 'hook-disabled', 'libvirt-unused')
    host.handed_over(picture=False)
    host.stop()
    host.is_as_before()


def case_leftovers(pc):
    """What somebody or an earlier swap has left is said; afterwards the one is there again, the other one gone."""
    pc.sh(f'echo pci-stub >/sys/bus/pci/devices/{AUDIO}/driver_override')
    host = Host(pc)
    pc.sh(f'mkdir -p /run/vfio-gpu/{VM}; echo vfio-pci >/run/vfio-gpu/{VM}/modules')
    assert list(findings(pc)[1]) == ['state-left', 'override-left']
    pc.sh(f'echo "{AUDIO} snd_hda_intel snd_hda_intel - -" >/run/vfio-gpu/{VM}/functions')
    demand(pc.sh(f'vfio-gpuctl check {VM} 2>/dev/null'), 'can be swapped for')
    pc.sh(f'rm /run/vfio-gpu/{VM}/functions')
    host.start()
    demand(story(pc), f"driver_override of {AUDIO} is 'pci-stub'", f'/run/vfio-gpu/{VM} is left of an earlier swap')
    host.stop()
    host.is_as_before()


def case_other_swap_unfinished(pc):
    """What another VM was handed and never gave back is not taken for the host's own state."""
    pc.sh(f'mkdir -p /run/vfio-gpu/macOS; echo "{AUDIO} snd_hda_intel snd_hda_intel - -" >/run/vfio-gpu/macOS/functions')
    refused(pc, ONE_VM, 'was handed over to VM macOS and never given back', 'recover "macOS"')


def case_other_swap_in_progress(pc):
    """A swap does not begin in the middle of another one."""
    host = Host(pc, ONE_VM + OTHER_VM, units=[HANGS])
    pid = greeter_pid(pc)
    pc.sh('systemctl start --no-block vfio-gpu@macOS.service')
    pc.wait_until('[ -e /run/reached ]', 120)
    demand(host.start_fails(), 'another swap is in progress, vfio-gpu@macOS.service is activating', 'nothing was changed')
    assert greeter_pid(pc) == pid
    host.stop('macOS')
    assert findings(pc) == ('ok', {})
    host.is_as_before(failed=[entry(VM)])


def case_vfio_in_use(pc):
    """A function that vfio-pci has is said; while a process uses it, the swap is refused."""
    group = to_vfio(pc, RNG)
    pc.config(f'{DEVICES} {RNG}\n')
    verdict, found = findings(pc)
    assert verdict == 'warnings' and list(found) == ['already-vfio'], found
    demand(found['already-vfio'], 'driver_override says so')

    pc.put('/run/systemd/system/holder.service', HOLDS.format(group))
    pc.sh('systemctl daemon-reload; systemctl start holder.service')
    refused(pc, f'{DEVICES} {RNG}\n', 'is in use through vfio-pci', f'holder.service of root) on /dev/vfio/{group}')
    assert states(pc, 'holder.service') == ['active']
