# SPDX-License-Identifier: LGPL-2.1-or-later
"""What chooses where there is not the time for all: the commit, so that another one chooses others."""

import hashlib
import os
import shutil
import subprocess

from payload import PROJECT


def _commit():
    """Outside of a repository always the same; in one, VFIO_GPU_COMMIT chooses as another one did."""
    if 'VFIO_GPU_COMMIT' in os.environ or not shutil.which('git'):
        return os.environ.get('VFIO_GPU_COMMIT', '')
    # Root runs this in what belongs to somebody else.
    head = subprocess.run(['git', '-c', 'safe.directory=*', '-C', PROJECT, 'rev-parse', 'HEAD'], capture_output=True, text=True)
    return head.stdout.strip()


SEED = _commit()


def number(*words):
    """A large number for something with this name, as if by chance."""
    return int(hashlib.sha256(' '.join((SEED, *words)).encode()).hexdigest(), 16)
