# SPDX-License-Identifier: LGPL-2.1-or-later
"""A libvirt guest inside the emulated PC that owns the GPU."""

import shlex
from xml.sax.saxutils import escape

from pc import CommandFailed

ROM = '/usr/share/seabios/vgabios-stdvga.bin'
GPU = ('0000:01:00.0', '0000:01:00.1')

DOMAIN = '''<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <input type='keyboard' bus='ps2'/>
{hostdevs}{more}    <memballoon model='none'/>
  </devices>
</domain>
'''

HOSTDEV = '''    <hostdev mode='subsystem' type='pci' managed='{managed}'>
      <source><address domain='0x{0}' bus='0x{1}' slot='0x{2}' function='0x{3}'/></source>{rom}
    </hostdev>
'''


def definition(name='Windows10', managed='no', devices=GPU, rom=ROM, more=''):
    hostdevs = ''
    for number, device in enumerate(devices):
        domain, bus, rest = device.split(':')
        slot, function = rest.split('.')
        rom_line = f"\n      <rom file='{rom}'/>" if rom and number == 0 else "\n      <rom enabled='no'/>"
        hostdevs += HOSTDEV.format(domain, bus, slot, function, managed=managed, rom=rom_line)
    return DOMAIN.format(name=escape(name), hostdevs=hostdevs, more=more)


def define(pc, name='Windows10', **options):
    pc.put('/run/domain.xml', definition(name, **options))
    pc.sh('virsh -q define /run/domain.xml')


def start(pc, name='Windows10', timeout=120):
    pc.sh(f'virsh -q start {shlex.quote(name)}', timeout)


def destroy(pc, name='Windows10', timeout=120):
    pc.sh(f'virsh -q destroy {shlex.quote(name)}', timeout)


def runs(pc, host):
    """The guest starts, has the GPU, and ends, and the host is as it was."""
    start(pc)
    host.handed_over(picture=False)
    destroy(pc)
    host.is_as_before()


def state(pc, name='Windows10'):
    return pc.sh(f'virsh -q domstate {shlex.quote(name)}').strip()


def shows_prompt(picture):
    """"Shell>" is yellow, as nothing else at the left edge."""
    pixels = [3 * (y * picture.width + x) for y in range(picture.height) for x in range(8)]
    return any(red > 200 and green > 200 and blue < 128 for red, green, blue in (picture.rgb[at:at + 3] for at in pixels))


def type_line(pc, text, name='Windows10', timeout=180):
    """Types into the guest's UEFI shell once it prompts: it throws away what it was sent before that."""
    pc.wait_screen(shows_prompt, timeout=timeout)
    keys = {' ': 'KEY_SPACE', '-': 'KEY_MINUS'}
    codes = [keys.get(letter, f'KEY_{letter.upper()}') for letter in text]
    # The first key ends what an earlier line may have left.
    pc.sh('; '.join(f'virsh -q send-key {shlex.quote(name)} {code}' for code in ['KEY_ENTER', *codes, 'KEY_ENTER']))


def power_off(pc, attempts=4, patience=40):
    """The guest ends by itself. Its shell polls the keyboard, and on a busy machine misses a key now and then."""
    for _ in range(attempts):
        type_line(pc, 'reset -s')
        try:
            pc.wait_until('! pgrep -f guest=Windows10 >/dev/null', patience)
            return
        except CommandFailed:
            pass
    raise AssertionError(f'the guest did not power off, having been told to {attempts} times')


def wait_firmware(pc, greeter, timeout=180):
    """Until the guest's firmware has written text onto the passed-through screen: black, with something on it, and still."""
    def shows_text(picture):
        colour, count = picture.background()
        return colour == b'\0\0\0' and 200 < picture.pixels - count < picture.pixels // 4 and picture.diff(greeter) > 1000

    return pc.wait_screen(shows_text, timeout=timeout)
