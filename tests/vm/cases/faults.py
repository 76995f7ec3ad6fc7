# SPDX-License-Identifier: LGPL-2.1-or-later
"""A sample of the table, which the commit chooses."""

import fault
import table
from seed import number
from verdict import BACK

# None of its rows and columns is left out.
ALWAYS = True

# Of the numbers, which go on after the last call, few programs come to more.
POINTS = 9


def choose(cell, points):
    """Where it strikes; earlier, too, where the program does not come to that."""
    count = len(points) if cell.calls else min(len(points), POINTS)
    assert count, 'the program makes none of the calls'
    chosen = number(cell.name('')) % count
    while True:
        yield points[chosen]
        if not chosen:
            break
        chosen //= 3


def strike(pc, cell):
    """Returns what became of the host, of which nothing is to be seen where the fault never struck."""
    host, before = cell.prepare(pc), cell.count_loader(pc)
    # To go back to this takes less than to undo the swap.
    if cell.calls or len(cell.numbers) > 1:
        pc.machine.save(fault.ARMED)
    points, ran = cell.points(pc), bool(cell.calls)
    for point in choose(cell, points):
        if ran:
            pc.restore(fault.ARMED)
        result = cell.strike(pc, host, before, point)
        if result:
            return result
        ran = True
    return None


def make_case(cell):
    def case(pc):
        result = table.FOUND.run(cell, lambda: strike(pc, cell) if isinstance(cell, fault.Fault) else cell.run(pc))
        assert result == BACK, f'{cell.name("one")}: {result}'

    case.__doc__ = f'The desktop comes back after "{cell.kind}" in {cell.row.name}.'
    case.profile = cell.profile
    return case


for chosen in table.sample():
    globals()[f'case_{chosen.name("one")}'] = make_case(chosen)
