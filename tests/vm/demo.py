# SPDX-License-Identifier: LGPL-2.1-or-later
"""A swap to a libvirt guest and back, told as it happens; leaves three pictures."""

import pathlib
import sys
import tempfile
import time

import domain
import payload
from pc import PC

CONFIG = '''\
[GPU]
Devices=0000:01:00.0 0000:01:00.1
[VM Windows10]
'''

STORY = 'journalctl --no-pager -o short --output-fields=MESSAGE VFIO_GPU_VM=Windows10'


def main():
    started = time.monotonic()

    def say(text):
        print(f'[{time.monotonic() - started:4.0f} s] {text}', flush=True)

    pictures = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp(prefix='vfio-gpu-demo-'))
    pictures.mkdir(parents=True, exist_ok=True)
    # They are for whoever runs this by sudo.
    pictures.chmod(0o755)

    say('building vfio-gpu')
    staging = payload.build(say)
    say('booting the emulated PC to its greeter')
    pc = PC.open('dual', name='demo', report=say)
    try:
        pc.install(staging)
        show(pc, pictures, say)
    except Exception:
        pc.keep_evidence(pictures / 'failure')
        say(f'it failed; the journal and more are in {pictures / "failure"}')
        raise
    finally:
        pc.close()
    return 0


def show(pc, pictures, say):
    greeter = pc.wait_still()
    greeter.save_png(pictures / '1-greeter.png')
    say(f'the greeter is on the screen: {pictures / "1-greeter.png"}')

    pc.config(CONFIG)
    print(CONFIG, end='')
    domain.define(pc)

    say('virsh start Windows10: libvirt runs the hook, the hook "systemctl start vfio-gpu@Windows10"')
    domain.start(pc)
    say('the VM runs and has the GPU; waiting for its firmware to reach the screen')
    domain.wait_firmware(pc, greeter).save_png(pictures / '2-guest.png')
    say(f'the guest is on the same screen: {pictures / "2-guest.png"}')

    say('virsh destroy Windows10: the hook gives the GPU back')
    domain.destroy(pc)
    back = pc.wait_screen(greeter, max_diff=1000)
    back.save_png(pictures / '3-greeter-again.png')
    say(f'the greeter is back, {back.diff(greeter)} pixels differ: {pictures / "3-greeter-again.png"}')

    print('\nWhat the journal tells (journalctl VFIO_GPU_VM=Windows10):\n')
    print(pc.sh(STORY))
    print(f'Pictures: {pictures}/1-greeter.png, 2-guest.png, 3-greeter-again.png')


if __name__ == '__main__':
    sys.exit(main())
