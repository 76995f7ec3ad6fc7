# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other hardware than one GPU with its audio function: more functions, a second GPU, other drivers."""

from host import AUDIO, demand, drivers, entry, GPU, Host, ONE_VM, PATIENCE, SECOND, SLEEPS, states, step, story, VM
from verdict import forget_renewed

USB = '0000:01:00.2'

# By itself auto takes an audio function of the GPU's own vendor, and QEMU's is of another.
CARD = f'[VM {VM}]\nDevices=auto 01:00.1 01:00.2\n'
SECOND_ALONE = f'[VM {VM}]\nDevices=02:00.0\nStopUnits=\n'

ONE_GPU = 'Section "ServerFlags"\n        Option "AutoAddGPU" "false"\nEndSection\n'


def desktop(pc):
    """The processes of the greeter, none of which may be another afterwards."""
    return pc.sh("pgrep -x 'lightdm|Xorg|lightdm-gtk-gre'").split()


def nodes(pc, function):
    """The frame buffer and the DRM card of a GPU."""
    return pc.sh(f"cd /sys/class && readlink graphics/fb? drm/card? | grep '/{function}/'").split()


def look_on(pc, host, verb, end):
    """Demands the same picture from the beginning of a swap, or of its way back, to its end."""
    pc.sh(f'systemctl {verb} --no-block {entry(VM)}')
    while (state := states(pc, entry(VM))) != [end]:
        assert state != ['failed'] and pc.screen().diff(host.picture) == 0, f'{state} during the {verb}'


def add_keyboard(pc):
    """Has one on the card's USB controller, which logind has open for its power key."""
    pc.qmp('device_add', driver='usb-kbd', bus='usb-bus.0')
    pc.wait_until(f'event=$(find /sys/bus/pci/devices/{USB}/ -path "*/input*/event*" -prune | sed "s,.*/,,") && [ "$event" ] && '
                  'ls -l /proc/$(systemctl show -P MainPID systemd-logind)/fd | grep -q "/dev/input/$event$"')


def case_shortest(pc):
    """One line is all that a card needs which is alone in its group."""
    pc.sh(f'echo 1 >/sys/bus/pci/devices/{AUDIO}/remove')
    host = Host(pc, f'[VM {VM}]\n', [GPU])
    host.start()
    host.handed_over()
    host.stop()
    host.is_back()


def case_rescan(pc):
    """With Return=rescan the functions are found anew, and the desktop is back with the drivers of before."""
    host = Host(pc, ONE_VM + 'Return=rescan\n')
    host.start()
    host.handed_over(picture=False)
    seen = pc.sh('dmesg | wc -l')
    host.stop()
    demand(pc.sh(f'dmesg | tail -n +{int(seen)}'), f'pci {GPU}: [1234:1111]', f'pci {AUDIO}: [')
    forget_renewed(host)
    host.is_back()


def case_sleep_is_allowed_again(pc):
    """A function that may sleep, of which vfio-pci makes one that may not, may do so again."""
    pc.sh(f'echo auto >/sys/bus/pci/devices/{GPU}/power/control')
    host = Host(pc, ONE_VM + '[VM macOS]\n')
    host.start()
    host.stop()
    assert pc.sh(f'cat /sys/bus/pci/devices/{GPU}/power/control').strip() == 'auto'
    host.is_as_before()


def case_udev_rules(pc):
    """Units can wait for a function and for a group that VFIO has, and no driver is loaded for what the VM has."""
    group = pc.sh(f'basename $(readlink /sys/bus/pci/devices/{GPU}/iommu_group)').strip()
    names = f'sys-bus-pci-devices-{GPU}.device', f'dev-vfio-{group}.device'
    waits = 'waits.service', f'[Unit]\nBindsTo={names[1]}\nAfter={names[1]}\n' + SLEEPS
    host = Host(pc, ONE_VM + 'UnloadModules=bochs\n', units=[waits])
    assert states(pc, *names) == ['active', 'inactive']
    pc.sh('systemctl start --no-block waits.service')
    host.start()
    pc.wait_until('systemctl is-active -q waits.service')
    assert states(pc, *names) == ['active', 'active']
    # The block of modprobe.d would keep it from being loaded as well.
    pc.sh(f'rm /run/modprobe.d/*; udevadm trigger --settle --action=add /sys/bus/pci/devices/{GPU}')
    assert pc.run('ls -d /sys/module/bochs')[0] != 0
    host.stop()
    pc.wait_until('! systemctl is-active -q waits.service')
    host.is_as_before()


def case_udev_rules_for_usb(pc):
    """What is bound to the card's USB function goes on over a swap, since the function is the same device all the time."""
    name = f'sys-bus-pci-devices-{USB}.device'
    assert states(pc, name) == ['active']
    bound = 'bound.service', f'[Unit]\nBindsTo={name}\nAfter={name}\n' + SLEEPS
    host = Host(pc, CARD, (GPU, AUDIO, USB), [bound])
    pc.sh('systemctl start bound.service')
    host.start()
    host.stop()
    assert states(pc, 'bound.service') == ['active']


def case_three_functions(pc):
    """A card of three functions, with a GPU that qxl drives and a keyboard, goes and comes back as a whole."""
    add_keyboard(pc)
    host = Host(pc, CARD, (GPU, AUDIO, USB))
    assert [driver for driver, _ in drivers(pc, host.functions).values()] == ['qxl', 'snd_hda_intel', 'xhci_hcd']
    host.start()
    # This GPU shows its last picture until a VM resets it.
    host.handed_over(picture=False)
    # They are mapped to this GPU's frame buffer, although the other GPU has one as well.
    demand(story(pc), "unbound console '(M) frame buffer device'")
    host.stop()
    assert states(pc, 'lightdm.service') == ['active']
    host.is_back()


def case_second_gpu_left_alone(pc):
    """A second GPU keeps its driver and what belongs to it, and its screen can be drawn on while the VM has the first."""
    host = Host(pc, CARD, (GPU, AUDIO, USB))
    had = drivers(pc, [SECOND]), nodes(pc, SECOND)
    host.start()
    host.handed_over(picture=False)
    assert (drivers(pc, [SECOND]), nodes(pc, SECOND)) == had
    before = pc.screen('gpu2')
    pc.sh(f"tr '\\0' '\\377' </dev/zero 2>/dev/null | head -c 1M >/dev/$(basename {had[1][0]})")
    pc.wait_screen(lambda now: now.diff(before) > 100000, device='gpu2')


def case_second_gpu_handed_over(pc):
    """The second GPU goes and comes back under a greeter on the first, which notices nothing."""
    greeter = pc.screen()
    pc.put('/etc/X11/xorg.conf.d/20-one-gpu.conf', ONE_GPU)
    pc.sh('systemctl restart lightdm.service')
    pc.wait_until('pgrep -x lightdm-gtk-gre >/dev/null', PATIENCE)
    pc.wait_screen(greeter, timeout=PATIENCE)

    host = Host(pc, SECOND_ALONE, [SECOND])
    processes = desktop(pc)
    look_on(pc, host, 'start', 'active')
    host.handed_over(picture=False)
    look_on(pc, host, 'stop', 'inactive')
    host.is_back()
    assert pc.screen().diff(host.picture) == 0
    assert desktop(pc) == processes
    assert 'unbound console' not in story(pc)


def case_second_gpu_in_use(pc):
    """A greeter that has the second GPU open as well is named, and keeps it."""
    host = Host(pc, SECOND_ALONE + 'HoldersTimeoutSec=1\n', [SECOND])
    processes = desktop(pc)
    demand(host.start_fails(), 'the GPU is still in use after 1 s: Xorg (pid ', ' on /dev/dri/card')
    host.is_back(failed=[step('desktop'), entry(VM)])
    assert desktop(pc) == processes


def case_virtio(pc):
    """A GPU that virtio-gpu drives, as a child of the function's own driver, goes and comes back with its picture."""
    host = Host(pc, f'[VM {VM}]\nDevices=auto 01:00.1\n')
    assert drivers(pc, [GPU])[GPU][0] == 'virtio-pci'
    host.start()
    host.handed_over()
    host.stop()
    host.is_back()


for case in case_udev_rules_for_usb, case_three_functions, case_second_gpu_left_alone, case_second_gpu_handed_over, case_second_gpu_in_use:
    case.profile = 'rich'
case_virtio.profile = 'virtio'
