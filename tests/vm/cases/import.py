# SPDX-License-Identifier: LGPL-2.1-or-later
"""A classic installation of hooks, which is imported and moved aside."""

import domain
from host import demand, Host

HOOKS = '/etc/libvirt/hooks'
ASIDE = f'{HOOKS}/vfio-gpu-imported'
MARK = '/run/old-hook'

DISPATCHER = r'''#!/bin/bash
guest="$1" moment="$2" state="$3"
folder="$(dirname "$0")/qemu.d/$guest/$moment/$state"
input=$(cat)
set -e
if [ -d "$folder" ]; then
    while read -r script; do
        if [ -n "$script" ]; then
            eval \"$script\" "$@" <<< "$input"
        fi
    done <<< "$(find -L "$folder" -maxdepth 1 -type f -executable)"
fi
'''

SETTINGS = '''GPU_VIDEO=pci_0000_01_00_0
GPU_AUDIO=pci_0000_01_00_1
'''

START = f'''#!/bin/bash
set -x
source /etc/libvirt/hooks/kvm.conf
echo "$2 $3" >>{MARK}
systemctl stop lightdm.service
for console in /sys/class/vtconsole/vtcon*; do
    echo 0 >$console/bind
done
echo efi-framebuffer.0 >/sys/bus/platform/drivers/efi-framebuffer/unbind
sleep 2
virsh nodedev-detach $GPU_VIDEO
virsh nodedev-detach $GPU_AUDIO
modprobe vfio-pci
'''

REVERT = f'''#!/bin/bash
set -x
source /etc/libvirt/hooks/kvm.conf
echo "$2 $3" >>{MARK}
virsh nodedev-reattach $GPU_AUDIO
virsh nodedev-reattach $GPU_VIDEO
modprobe -r vfio-pci
for console in /sys/class/vtconsole/vtcon*; do
    echo 1 >$console/bind
done
systemctl start lightdm.service
'''


def install(pc):
    vm = f'{HOOKS}/qemu.d/Windows10'
    pc.put(f'{HOOKS}/kvm.conf', SETTINGS)
    pc.put(f'{HOOKS}/qemu', DISPATCHER, 0o755)
    pc.put(f'{vm}/prepare/begin/start.sh', START, 0o755)
    pc.put(f'{vm}/release/end/revert.sh', REVERT, 0o755)


def imported(pc):
    """The configuration that the scripts come to."""
    text = pc.sh('vfio-gpuctl import 2>/run/remarks')
    demand(text, '\n[VM Windows10]\n', '\nDevices=0000:01:00.0 0000:01:00.1\n',
           '\nStopUnits=display-manager.service\n')
    assert pc.sh('cat /run/remarks') == ''
    return text


def case_leave(pc):
    """Hooks are imported and moved aside, and the swap is made with what was imported."""
    install(pc)
    host = Host(pc, imported(pc))
    output = pc.sh('vfio-gpuctl import --disable 2>&1 >/dev/null')
    demand(output, f"mv -nT -- '{ASIDE}/qemu' '{HOOKS}/qemu'", f"'{HOOKS}/qemu.d/Windows10'")
    assert pc.sh(f'ls {HOOKS} {HOOKS}/qemu.d').split() == [f'{HOOKS}:', 'kvm.conf', 'qemu.d', 'vfio-gpu-imported',
                                                         f'{HOOKS}/qemu.d:', 'vfio-gpu']
    host.start()
    host.handed_over()
    host.stop()
    host.is_back()


def case_guest(pc):
    """libvirt, which knew the old hooks when it started, runs ours alone once they are moved aside; they can come back."""
    install(pc)
    before = pc.sh(f'cd {HOOKS}; find . -type f | sort')
    pc.sh('systemctl restart libvirtd.service')
    host = Host(pc, imported(pc))
    domain.define(pc)
    output = pc.sh('vfio-gpuctl import --disable 2>&1 >/dev/null')
    domain.start(pc)
    host.handed_over(picture=False)
    status, refusal = pc.run(f'vfio-gpuctl import --disable {ASIDE} 2>&1 >/dev/null')
    assert status == 1, refusal
    demand(refusal, 'a swap is in progress')
    domain.destroy(pc)
    host.is_as_before()
    assert pc.run(f'test -e {MARK}')[0] == 1, pc.sh(f'cat {MARK}')
    pc.sh('\n'.join(line for line in output.splitlines() if line.startswith('  mv ')))
    assert pc.sh(f'cd {HOOKS}; find . -type f | sort') == before
