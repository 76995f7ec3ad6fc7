# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `meson install` would put on a PC, as one tar file."""

import atexit
import hashlib
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

from image import CACHE, lock

PROJECT = pathlib.Path(os.environ.get('VFIO_GPU_SOURCE', pathlib.Path(__file__).resolve().parents[2]))
MERGED = ('bin', 'lib', 'lib64', 'sbin')


def build(report=print):
    """Returns the directory, of this process, that the project was installed into; an empty one where it has no build file yet. It
    is built in a directory of the cache, or $VFIO_GPU_BUILD."""
    name = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:8]
    build_dir = pathlib.Path(os.environ.get('VFIO_GPU_BUILD', CACHE / f'build-{name}'))
    CACHE.mkdir(parents=True, exist_ok=True)
    staging = pathlib.Path(tempfile.mkdtemp(prefix='staging-', dir=CACHE))
    atexit.register(shutil.rmtree, staging, ignore_errors=True)
    if (PROJECT / 'meson.build').exists():
        # Another command of the lab may be about to build the same.
        with lock(f'build-{name}'):
            _install(build_dir, staging)
    else:
        report('no meson.build: nothing is installed into the PC')
    return staging


def _install(build_dir, staging):
    if not (build_dir / 'build.ninja').exists():
        shutil.rmtree(build_dir, ignore_errors=True)
        _run('meson', 'setup', '--prefix=/usr', '--sysconfdir=/etc', '--buildtype=debugoptimized',
             str(build_dir), str(PROJECT))
    _run('ninja', '-C', str(build_dir))
    # As packages have it: a swap copies its programs.
    _run('meson', 'install', '-C', str(build_dir), '--no-rebuild', '--strip', '--destdir', str(staging))


def pack(staging, path, size):
    """Files and links only: a directory entry `lib` would replace the link of that name on a merged /usr."""
    with open(path, 'r+b') as raw:
        raw.truncate(0)
        raw.truncate(size)
        with tarfile.open(fileobj=raw, mode='w', format=tarfile.GNU_FORMAT) as tar:
            for file in sorted(staging.rglob('*')):
                if file.is_dir() and not file.is_symlink():
                    continue
                tar.add(file, arcname=_merged_usr(file.relative_to(staging)), recursive=False, filter=_owned_by_root)
        if raw.tell() > size:
            raise RuntimeError(f'the installed files do not fit into {size} bytes')


def _merged_usr(path):
    return str(pathlib.Path('usr') / path if path.parts[0] in MERGED else path)


def _owned_by_root(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = 'root'
    return entry


def _run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{" ".join(command)} failed:\n{done.stdout}{done.stderr}')
