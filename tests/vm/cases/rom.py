# SPDX-License-Identifier: LGPL-2.1-or-later
"""ROMs of graphics cards: read from a card, cut out of a dump, and run by the firmware of a guest."""

import hashlib
import json
import pathlib

from host import compare, demand, GPU, Host, ONE_VM, SECOND

ROM = pathlib.Path('/usr/share/seabios/vgabios-bochs-display.bin')

# SeaBIOS writes what it does to a port; its last word is that there is nothing to boot from.
GUEST = '''
    rm -f {log}
    qemu-system-x86_64 -nodefaults -display none -machine q35 -accel tcg -m 64 -boot menu=off \\
            -chardev file,id=log,path={log} -device isa-debugcon,iobase=0x402,chardev=log \\
            -device vfio-pci,host={gpu},romfile={rom} & guest=$!
    end=$((SECONDS + 100))
    until grep -qs 'No bootable device' {log}
    do ((SECONDS < end)) && kill -0 $guest || break; sleep 0.1; done
    kill $guest
    wait $guest
    cat {log}'''


def guest_runs(pc, rom):
    """Whether the firmware of a guest that owns the GPU runs this ROM as the one of its GPU."""
    output = pc.sh(GUEST.format(log='/run/seabios.log', gpu=GPU, rom=rom), timeout=150)
    demand(output, 'for primary VGA', 'No bootable device')
    scan = output.partition('Scan for VGA option rom\n')[2].partition('Turning on vga text mode console\n')[0]
    return 'Running option rom at c000:0003' in scan


def give_to(pc, driver):
    """Takes the second GPU from its driver, and gives it to another one, or to none."""
    pc.sh(f'''
        modprobe vfio-pci
        cd /sys/bus/pci/devices/{SECOND}
        test ! -e driver || echo {SECOND} >driver/unbind
        echo {driver} >driver_override
        echo {SECOND} >/sys/bus/pci/drivers_probe''')


def dump(pc):
    """Returns the digest of the second GPU's ROM, and demands that nothing is different after it was read."""
    state = f'cd /sys/bus/pci/devices/{SECOND}; grep . enable power/control; cat rom; lspci -vvs {SECOND}'
    before = pc.run(state)[1], pc.host_state()
    pc.sh(f'vfio-gpuctl rom dump --force {SECOND} /run/card.rom')
    after = pc.run(state)[1]
    assert after == before[0], after
    differences = compare(before[1], pc.host_state())
    assert not differences, differences
    return pc.sh('sha256sum </run/card.rom').split()[0]


def case_dump(pc):
    """The ROM of a card is what QEMU gave it, on its driver, on none, and asleep on vfio-pci; it is left as it was."""
    rom = hashlib.sha256(ROM.read_bytes()).hexdigest()
    assert dump(pc) == rom
    # The kernel's file of it claims to have a size, that of the address range.
    shown = pc.sh(f'cd /sys/bus/pci/devices/{SECOND}; echo 1 >rom; stat -c %s rom; vfio-gpuctl rom info --json rom; echo 0 >rom')
    claimed, found = shown.split('\n')[:2]
    assert int(claimed) > ROM.stat().st_size == json.loads(found)['size'], shown
    for driver in 'none', 'vfio-pci':
        give_to(pc, driver)
        assert dump(pc) == rom, driver


def case_card_of_a_vm(pc):
    """A card that a VM has is left alone, and it is said who that is."""
    give_to(pc, 'vfio-pci')
    pc.sh('systemd-run --unit=guest --property=Type=exec bash -c "exec 3<>/dev/vfio/[0-9]*; exec sleep infinity"')
    pc.wait_until('ls -l /proc/$(systemctl show -P MainPID guest)/fd | grep -q /dev/vfio/')
    status, output = pc.run(f'vfio-gpuctl rom dump {SECOND} /run/card.rom')
    assert status == 1, output
    demand(output, f'a VM has {SECOND} (sleep (pid ', 'guest.service of root) on /dev/vfio/', 'end the VM first')
    pc.sh(f'systemctl stop guest; vfio-gpuctl rom dump {SECOND} /run/card.rom')


def case_boot_gpu(pc):
    """The GPU of the desktop, whose ROM the kernel has only what the firmware left of, is not dumped, but said what to do."""
    pc.config(ONE_VM)
    before = pc.host_state()
    status, output = pc.run('vfio-gpuctl rom dump Windows10 /run/card.rom; result=$?; ls /run/card.rom; exit $result')
    assert status == 1, output
    demand(output, f'{GPU} is the GPU that this machine was booted with', 'nvflash', "No such file or directory")
    assert not compare(before, pc.host_state())
    pc.config(ONE_VM + '[VM macOS]\nDevices=1:0.0\n')
    demand(pc.run('vfio-gpuctl rom dump macOS /run/card.rom')[1], 'Devices=: "1:0.0" is no PCI address')


def case_seabios(pc):
    """A guest's SeaBIOS does not run the ROM from a dump with a vendor's prefix, and runs what is cut out of it."""
    pc.sh('''
        mkdir -p /usr/share/vgabios
        cd /usr/share/vgabios
        { printf NVGI; head -c 2556 /dev/urandom; cat /usr/share/seabios/vgabios-stdvga.bin; head -c 5000 /dev/urandom; } >dump.rom''')
    output = pc.sh(f'vfio-gpuctl rom patch /usr/share/vgabios/dump.rom /usr/share/vgabios/gpu.rom --for={GPU}')
    demand(output, "<rom file='/usr/share/vgabios/gpu.rom'/>")
    assert 'AppArmor' not in output, output
    pc.sh('cmp /usr/share/vgabios/gpu.rom /usr/share/seabios/vgabios-stdvga.bin')

    host = Host(pc)
    host.start()
    assert not guest_runs(pc, '/usr/share/vgabios/dump.rom')
    assert guest_runs(pc, '/usr/share/vgabios/gpu.rom')
    host.stop()
    host.is_as_before()


case_dump.profile = case_card_of_a_vm.profile = 'rich'
