# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample of the table, which the commit chooses."""

import hashlib
import itertools
import os
import shutil
import subprocess

import fault
import table
from payload import PROJECT
from verdict import BACK

# Most programs make more calls than that.
CALLS = 12


def commit():
    """What to choose by; outside of a repository always the same."""
    if 'VFIO_GPU_FAULTS' in os.environ or not shutil.which('git'):
        return os.environ.get('VFIO_GPU_FAULTS', '')
    # Root runs this in what belongs to somebody else.
    head = subprocess.run(['git', '-c', 'safe.directory=*', '-C', PROJECT, 'rev-parse', 'HEAD'], capture_output=True, text=True)
    return head.stdout.strip()


SEED = commit()


def choose(cell):
    """At which call it strikes; earlier ones, too, where there are not so many."""
    numbers = list(itertools.islice(cell.numbers, CALLS))
    chosen = hashlib.sha256(f'{SEED} {cell.name("")}'.encode()).digest()[0] % len(numbers)
    while True:
        yield numbers[chosen]
        if not chosen:
            break
        chosen //= 3


def strike(pc, cell):
    """Returns what became of the host, of which nothing is to be seen where the fault never struck."""
    for number in choose(cell):
        result = cell.run(pc, number)
        if result:
            return result
        pc.restore()
    return None


def make_case(cell):
    def case(pc):
        result = table.FOUND.run(cell, lambda: strike(pc, cell) if isinstance(cell, fault.Fault) else cell.run(pc))
        assert result == BACK, f'{cell.name("one")}: {result}'

    case.__doc__ = f'The desktop comes back after "{cell.kind}" in {cell.row.name}.'
    case.profile = cell.profile
    return case


for chosen in table.sample(SEED):
    globals()[f'case_{chosen.name("one")}'] = make_case(chosen)
