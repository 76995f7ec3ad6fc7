# SPDX-License-Identifier: LGPL-2.1-or-later
"""One QEMU process that emulates a PC with an IOMMU, a GPU behind a root port, and a greeter."""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from channel import Channel
from image import CACHE
from picture import Picture

FIRMWARE = pathlib.Path('/usr/share/OVMF')
PAYLOAD_SIZE = 64 << 20

# Emulated SVM makes QEMU 7.2 abort when a guest in the PC uses KVM; `rep movsb`, which erms and fsrm ask for, is emulated
# byte by byte and makes the kernel's copying three to seven times as slow; a fifth level of page tables is one more to walk.
CPU = 'max,-svm,-erms,-fsrm,-la57'

ACCELERATOR = 'tcg,thread=multi,tb-size=768'

# Where there can be but one processor it is emulated without memory barriers, and devices, which have threads of their own,
# may miss what they are told (before QEMU's c914d46d0a).
PROCESSORS_MAX = 2

# The kernel counts timer interrupts over some milliseconds and panics where a busy machine emulated none: no_timer_check.
# QEMU lets a processor's time stamps never go back, not even when it loads an earlier state of the machine: tsc=unstable.
# It translates code once for each address at which it runs, so that each process would be emulated anew: norandmaps.
KERNEL_LINE = ('root=/dev/vda rw rootflags=noatime console=tty0 console=ttyS0 8250.nr_uarts=1 quiet intel_iommu=on iommu=pt '
               'mitigations=off no_timer_check norandmaps tsc=unstable fsck.mode=skip')

# The GPU is 0000:01:00.0 with its audio function beside it in every profile; "gpu" is the screen that is looked at. That is
# another GPU's with the stand-in for NVIDIA's driver (modules/), which draws nothing.
AUDIO = ['-device', 'intel-hda,bus=rp1,addr=0.1']
PROFILES = {
    'base': ['-device', 'VGA,id=gpu,bus=rp1,addr=0.0,multifunction=on', *AUDIO],
    'rich': ['-device', 'qxl-vga,id=gpu,bus=rp1,addr=0.0,multifunction=on', *AUDIO,
             '-device', 'qemu-xhci,bus=rp1,addr=0.2',
             '-device', 'pcie-root-port,id=rp2,chassis=2,slot=2,addr=3.0',
             '-device', 'bochs-display,id=gpu2,bus=rp2,addr=0.0'],
    'virtio': ['-device', 'virtio-vga,id=gpu,bus=rp1,addr=0.0,multifunction=on', *AUDIO],
    'nvidia': ['-device', 'VGA,id=gpu,addr=1.0', '-device', 'ati-vga,bus=rp1,addr=0.0,multifunction=on', *AUDIO],
}

# Two PCs with a processor each do a third more than two with two where there are two, whose processors wait for each other.
# What runs at the same time in real life does so in these.
PROFILES['dual'] = PROFILES['base']
PROCESSORS = {'dual': 2, 'virtio': 2}

# Linux 6.1 sometimes oopses when the drivers of two GPUs put the firmware's frame buffer away at the same time.
MORE_KERNEL_LINE = {'rich': ' initcall_blacklist=sysfb_init'}


class QmpError(Exception):
    pass


class Machine:
    """Files of the machine are in its directory; a process started by somebody else can be attached to."""

    def __init__(self, image, profile, directory):
        self.image, self.profile, self.directory = image, profile, pathlib.Path(directory)
        self.overlay = self.directory / 'overlay.qcow2'
        self.variables = self.directory / 'variables.qcow2'
        self.payload = self.directory / 'payload.tar'
        self.serial_log = self.directory / 'serial.log'
        self.pid_file = self.directory / 'pid'
        self._transcript = None
        self._qmp = None
        self._process = None
        self.shell = self.second_shell = None

    def arguments(self):
        at = self.directory
        return [
            'qemu-system-x86_64', '-name', f'vfio-gpu-lab-{self.profile}', '-nodefaults', '-display', 'none',
            '-machine', 'q35,kernel-irqchip=split', '-accel', ACCELERATOR,
            '-cpu', CPU, '-smp', f'{PROCESSORS.get(self.profile, 1)},maxcpus={PROCESSORS_MAX}', '-m', '1536M',
            '-drive', f'if=pflash,format=raw,readonly=on,file={FIRMWARE}/OVMF_CODE_4M.fd',
            '-drive', f'if=pflash,format=qcow2,cache=unsafe,file={self.variables}',
            '-kernel', str(self.image.kernel), '-initrd', str(self.image.initrd), '-append',
            KERNEL_LINE + MORE_KERNEL_LINE.get(self.profile, ''),
            '-device', 'intel-iommu,intremap=on,caching-mode=on',
            '-device', 'pcie-root-port,id=rp1,chassis=1,slot=1,addr=2.0',
            *PROFILES[self.profile],
            '-drive', f'if=none,id=disk,format=qcow2,cache=unsafe,file={self.overlay}',
            '-device', 'virtio-blk-pci,drive=disk,addr=4.0',
            '-drive', f'if=none,id=payload,format=raw,readonly=on,file.locking=off,file={self.payload}',
            '-device', 'virtio-blk-pci,drive=payload,addr=5.0',
            '-device', 'virtio-serial-pci,id=serial,addr=6.0',
            '-chardev', f'socket,id=first,path={at}/first,server=on,wait=off',
            '-device', 'virtserialport,chardev=first,name=vfio-gpu.first',
            '-chardev', f'socket,id=second,path={at}/second,server=on,wait=off',
            '-device', 'virtserialport,chardev=second,name=vfio-gpu.second',
            '-device', 'virtio-rng-pci,addr=7.0',
            '-serial', f'file:{self.serial_log}', '-qmp', f'unix:{at}/qmp,server=on,wait=off',
            '-pidfile', str(self.pid_file), '-D', str(at / 'qemu.log'),
        ]

    def key(self, *more):
        """Of everything that a saved boot of this machine depends on."""
        version = subprocess.run(['qemu-system-x86_64', '--version'], capture_output=True).stdout
        parts = [a.replace(str(self.directory), '') for a in self.arguments()]
        return hashlib.sha256(repr([self.image.key, version, parts, more]).encode()).hexdigest()[:12]

    def create_disks(self, boot=None):
        """Fresh disks, or those of a saved boot."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if boot:
            for name in (self.overlay.name, self.variables.name):
                _run('cp', '--reflink=auto', '--sparse=always', boot / name, self.directory / name)
        else:
            _run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', self.image.disk, self.overlay)
            _run('qemu-img', 'convert', '-O', 'qcow2', FIRMWARE / 'OVMF_VARS_4M.fd', self.variables)
        if not self.payload.exists():
            with open(self.payload, 'wb') as payload:
                payload.truncate(PAYLOAD_SIZE)

    def start(self, snapshot=None):
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _leave)
        for name in ('qmp', 'first', 'second', 'serial.log'):
            (self.directory / name).unlink(missing_ok=True)
        log = open(self.directory / 'qemu.err', 'wb')
        self._process = subprocess.Popen(self.arguments() + (['-loadvm', snapshot] if snapshot else []),
                                         stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._connect()

    def _connect(self):
        """The monitor's socket appears a moment after the start, and resets a connection when QEMU gives up."""
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.attach()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError('QEMU did not start: ' + (self.directory / 'qemu.err').read_text()) from None
                time.sleep(0.02)

    def attach(self):
        self._transcript = open(self.directory / 'transcript', 'a')
        self._qmp = Qmp(self.directory / 'qmp')
        self.shell = Channel(self.directory / 'first', self._transcript)
        self.second_shell = Channel(self.directory / 'second', self._transcript)

    def detach(self):
        for part in (self._qmp, self.shell, self.second_shell, self._transcript):
            # What a machine that is gone was not yet told cannot be told any more.
            with contextlib.suppress(OSError):
                if part:
                    part.close()

    def pid(self):
        """Of the running QEMU, or None."""
        try:
            pid = int(self.pid_file.read_text())
            command = pathlib.Path(f'/proc/{pid}/cmdline').read_bytes()
        except (OSError, ValueError):
            return None
        return pid if str(self.pid_file).encode() in command else None

    def stop(self):
        pid = self.pid()
        if pid:
            os.kill(pid, signal.SIGTERM)
        if self._process:
            self._process.wait()
        deadline = time.monotonic() + 20
        while self.pid() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.detach()

    def qmp(self, command, **arguments):
        return self._qmp.execute(command, arguments)

    def hmp(self, line):
        """For what QMP cannot say; any answer to these is a complaint."""
        answer = self.qmp('human-monitor-command', **{'command-line': line}).strip()
        if answer:
            raise QmpError(f'{line}: {answer}')

    def save(self, snapshot):
        self.hmp(f'savevm {snapshot}')

    def load(self, snapshot):
        self.hmp(f'loadvm {snapshot}')

    def screen(self, device='gpu'):
        path = self.directory / f'screen-{os.getpid()}.ppm'
        try:
            self.qmp('screendump', filename=str(path), device=device)
            return Picture.from_ppm(path.read_bytes())
        finally:
            path.unlink(missing_ok=True)

    def remove_files(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Qmp:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(120)
        self._socket.connect(str(path))
        self._file = self._socket.makefile('rw')
        self._file.readline()
        self.execute('qmp_capabilities', {})

    def execute(self, command, arguments):
        self._file.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._file.flush()
        while True:
            line = self._file.readline()
            if not line:
                raise ConnectionError('the emulated PC is gone')
            answer = json.loads(line)
            if 'error' in answer:
                raise QmpError(f'{command}: {answer["error"]["desc"]}')
            if 'return' in answer:
                return answer['return']

    def close(self):
        self._file.close()
        self._socket.close()


def _run(*command):
    subprocess.run([str(part) for part in command], check=True, stdin=subprocess.DEVNULL)


def _leave(_signal, _frame):
    """Through every `finally` on the way, so that no QEMU is left behind."""
    raise SystemExit(143)


def instance_directory(name):
    return CACHE / 'instances' / name
