# SPDX-License-Identifier: LGPL-2.1-or-later
"""Configurations: names, mistakes, refusals, changes during a swap."""

from host import demand, DEVICES, drivers, drop_in, entry, greeter_pid, Host, ONE_VM, states, step, story, VM


def refused(pc, config, *reasons):
    """The greeter must not even notice, nor anything else on the host."""
    host = Host(pc, config)
    pid = greeter_pid(pc)
    demand(host.start_fails(), *reasons, 'nothing was changed')
    assert greeter_pid(pc) == pid
    host.is_as_before(failed=[entry(VM)])


def case_mistake_in_one_vm(pc):
    """A mistake in one VM's section costs only this one, whose start says why."""
    pc.config(DEVICES + '[VM Windows10]\n[VM macOS]\nTimeoutSec=soon\n')
    status, _ = pc.run('systemctl start vfio-gpu@macOS')
    assert status == 1
    demand(story(pc, 'macOS'), '/etc/vfio-gpu.conf:5: ', 'TimeoutSec=')
    demand(pc.sh('journalctl -b -o cat VFIO_GPU_VM=macOS VFIO_GPU_FINDING=configuration'), 'TimeoutSec=')
    pc.sh('systemctl start vfio-gpu@Windows10')


def case_unknown_vm(pc):
    """The start of a VM that is not configured says so."""
    pc.config(ONE_VM)
    status, _ = pc.run('systemctl start vfio-gpu@Windows11')
    assert status == 1
    demand(story(pc, 'Windows11'), "there is no VM 'Windows11' in vfio-gpu.conf")
    demand(pc.sh('journalctl -b -o cat VFIO_GPU_VM=Windows11 VFIO_GPU_FINDING=configuration'), 'there is no VM')


def case_companion(pc):
    """A swap without a function that shares the IOMMU group is refused."""
    refused(pc, '[VM Windows10]\nDevices=01:00.0\n', '0000:01:00.0 shares IOMMU group', 'with 0000:01:00.1',
            'snd_hda_intel')


def case_odd_names(pc):
    """A VM whose name has a space or a dash is swapped for by that name, by hand and by the hook."""
    host = Host(pc, DEVICES + '[VM Windows 10]\n[VM win-10]\n')
    pc.sh("systemctl start 'vfio-gpu@Windows 10'")
    assert states(pc, r'vfio-gpu@Windows\x2010.service', 'vfio-gpu@win-10.service') == ['active', 'inactive']
    demand(story(pc, 'Windows 10'), 'the GPU is ready for VM Windows 10')
    pc.sh("/etc/libvirt/hooks/qemu.d/vfio-gpu 'Windows 10' release end -")
    pc.sh('/etc/libvirt/hooks/qemu.d/vfio-gpu win-10 prepare begin -')
    assert drivers(pc, ['0000:01:00.0']) == {'0000:01:00.0': ['vfio-pci', 'vfio-pci']}
    pc.sh("systemctl stop 'vfio-gpu@win-10'")
    host.is_as_before()


def case_names_for_systemctl(pc):
    """What "plan" prints starts and stops VMs whose names systemctl takes for a pattern, or for a unit's."""
    host = Host(pc, DEVICES + '[VM Win[1]]\n[VM A.service]\n')
    for vm in 'Win[1]', 'A.service':
        for verb in 'start', 'stop':
            pc.sh(f"vfio-gpuctl plan '{vm}' | sed -n 's/^  \\(systemctl {verb} \"[^\"]*\"\\).*/\\1/p' | sh -e")
            demand(story(pc, vm), f'the GPU is ready for VM {vm}' if verb == 'start' else 'the host has its GPU back')
    host.is_as_before()


def case_odd_name_without_desktop(pc):
    """The steps of such a VM are waited for, and looked at, when there is no display manager to wait for."""
    pc.sh('systemctl stop lightdm.service')
    fails = drop_in(step('bind', r'Windows\x2010'), "ExecStartPost=/bin/sh -c '! mkdir /run/failed-once'")
    host = Host(pc, DEVICES + '[VM Windows 10]\n', units=[fails])
    assert pc.run("systemctl start 'vfio-gpu@Windows 10'")[0] == 1
    demand(story(pc, 'Windows 10'), r'vfio-gpu-bind@Windows\x2010.service failed: ')
    pc.sh("systemctl start 'vfio-gpu@Windows 10' && systemctl stop 'vfio-gpu@Windows 10'")
    host.is_as_before()
