# SPDX-License-Identifier: LGPL-2.1-or-later
"""The disk image, kernel and initrd of the emulated PC, built once with mmdebstrap and kept in a cache."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
GUEST_FILES = HERE / 'guest'
MODULES = HERE / 'modules'
CACHE = pathlib.Path(os.environ.get('VFIO_GPU_LAB', '/var/cache/vfio-gpu-lab'))

PACKAGES = '''
    dbus initramfs-tools kmod libpam-systemd linux-image-amd64 systemd systemd-sysv udev zstd
    libinih1 libkmod2 libsystemd0 libudev1
    libvirt-clients libvirt-daemon-system ovmf qemu-system-x86 seabios
    fonts-dejavu-core lightdm lightdm-gtk-greeter xserver-xorg-core xserver-xorg-input-libinput x11-utils
    dbus-user-session weston xinit
    pciutils procps psmisc strace sudo xterm
'''.split()

DISK_SIZE = '6G'


class Image:
    def __init__(self, directory):
        self.disk = directory / 'disk.img'
        self.kernel = directory / 'vmlinuz'
        self.initrd = directory / 'initrd.img'
        self.key = directory.name


@contextlib.contextmanager
def lock(name):
    """For what several runs at a time would otherwise each do for themselves."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f'{name}.lock', 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def recipe_hash(suite):
    digest = hashlib.sha256(' '.join([suite, DISK_SIZE, *PACKAGES]).encode())
    for path in [pathlib.Path(__file__), *sorted(GUEST_FILES.iterdir()), *sorted(MODULES.iterdir())]:
        digest.update(path.name.encode() + b'\0' + path.read_bytes())
    return digest.hexdigest()[:12]


def apt_sources(suite):
    """The Debian archive that this machine uses already, for any suite; empty: mmdebstrap knows its own."""
    listing = subprocess.run(['apt-get', 'indextargets', '--format', '$(ORIGIN)|$(REPO_URI)', 'Created-By: Packages'],
                             capture_output=True, text=True).stdout
    archives = {line.split('|')[1] for line in listing.splitlines()
                if line.startswith('Debian|') and 'security' not in line and line.rstrip('/').endswith('/debian')}
    return [f'deb {archives.pop()} {suite} main'] if len(archives) == 1 else []


def build(suite='bookworm', report=print):
    """Returns the image, building it where the cache has none for this recipe."""
    final = CACHE / 'images' / f'{suite}-{recipe_hash(suite)}'
    with lock(f'image-{suite}'):
        if not final.is_dir():
            report(f'building the {suite} image (about three minutes)')
            _build_as(final, suite, report)
    return Image(final)


def _build_as(final, suite, report):
    """The directory is renamed when the image is complete."""
    scratch = final.with_name(final.name + f'.tmp{os.getpid()}')
    scratch.mkdir(parents=True)
    try:
        _build_in(scratch, suite, report)
        scratch.rename(final)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build_in(scratch, suite, report):
    root = scratch / 'root'
    log = CACHE / f'image-{suite}.log'
    command = ['mmdebstrap', '--variant=apt', '--mode=root', f'--include={",".join(PACKAGES)}',
               '--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"',
               f'--essential-hook={GUEST_FILES}/before-packages "$1"',
               f'--customize-hook={GUEST_FILES}/customize "$1" {GUEST_FILES}',
               f'--customize-hook={GUEST_FILES}/build-modules "$1" {MODULES}',
               suite, str(root), *apt_sources(suite)]
    _logged(command, log, report)

    report('making the file system')
    for name, target in (('vmlinuz', 'vmlinuz'), ('initrd.img', 'initrd.img')):
        newest = sorted((root / 'boot').glob(name + '-*'))[-1]
        shutil.copy(newest, scratch / target)
    # With a journal, as a machine that is unplugged has one.
    _logged(['mke2fs', '-q', '-t', 'ext4', '-d', str(root), str(scratch / 'disk.img'), DISK_SIZE], log, report)
    shutil.rmtree(root)


def _logged(command, log, report):
    """What it says goes into the log, and that something goes on is told."""
    with open(log, 'a') as output, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                                    stderr=subprocess.STDOUT, text=True, errors='replace') as process:
        for line in process.stdout:
            output.write(line)
            if line.startswith('I: '):
                report('    ' + line[3:].rstrip().split(': ')[0])
    if process.returncode:
        tail = ''.join(open(log).readlines()[-20:])
        raise RuntimeError(f'{command[0]} failed with {process.returncode}, see {log}:\n{tail}')
