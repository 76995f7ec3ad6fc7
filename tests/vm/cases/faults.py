# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample of the table of faults, which the commit chooses."""

import os
import subprocess

import fault as table
from payload import PROJECT


def commit():
    """What to choose by; outside of a repository always the same."""
    head = subprocess.run(['git', '-C', PROJECT, 'rev-parse', 'HEAD'], capture_output=True, text=True)
    return os.environ.get('VFIO_GPU_FAULTS') or head.stdout.strip()


def make_case(fault):
    def case(pc):
        result = fault.run(pc)
        table.SAMPLE.add(fault, result)
        assert result == table.BACK, f'{fault.row}, {fault.kind}: {result}'

    case.__doc__ = f'The desktop comes back after "{fault.kind}" in {fault.row}.'
    return case


for chosen in table.sample(commit(), list(table.table())):
    globals()[f'case_{chosen.name(1)}'] = make_case(chosen)
