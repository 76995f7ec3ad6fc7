# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample of the table of faults, which the commit chooses."""

import hashlib
import itertools
import os
import shutil
import subprocess

import fault as table
import power
from payload import PROJECT


def commit():
    """What to choose by; outside of a repository always the same."""
    if 'VFIO_GPU_FAULTS' in os.environ or not shutil.which('git'):
        return os.environ.get('VFIO_GPU_FAULTS', '')
    # Root runs this in what belongs to somebody else.
    head = subprocess.run(['git', '-c', 'safe.directory=*', '-C', PROJECT, 'rev-parse', 'HEAD'], capture_output=True, text=True)
    return head.stdout.strip()


SEED = commit()


def choose(fault):
    """At which call it strikes, the first one where there are not so many."""
    numbers = list(itertools.islice(fault.numbers, 4))
    digest = hashlib.sha256(f'{SEED} {fault.name("")}'.encode()).digest()
    return dict.fromkeys((numbers[digest[0] % len(numbers)], numbers[0]))


def make_case(fault):
    def case(pc):
        for number in choose(fault):
            result = fault.run(pc, number)
            if result:
                break
            pc.restore()
        table.SAMPLE.add(fault, result)
        assert result == table.BACK, f'{fault.name(number)}: {result}'

    case.__doc__ = f'The desktop comes back after "{fault.kind}" in {fault.row.name}.'
    case.profile = 'base' if fault.row.profile == 'single' else fault.row.profile
    return case


def make_power_case(state, way):
    def case(pc):
        power.go_down(pc, state, way)

    case.__doc__ = f'The next boot is a normal desktop where the machine goes down ({way.__name__}) in state {state.__name__}.'
    return case


ways = [(state, way) for state in power.STATES for way in power.WAYS]
chosen = ways[hashlib.sha256(SEED.encode()).digest()[0] % len(ways)]
globals()[f'case_{chosen[0].__name__}_{chosen[1].__name__}'] = make_power_case(*chosen)

for chosen in table.sample(SEED, list(table.table())):
    globals()[f'case_{chosen.name("one")}'] = make_case(chosen)
