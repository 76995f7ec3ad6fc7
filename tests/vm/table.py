# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of what can go wrong: faults of the programs of a swap (fault.py), and what happens to the machine around it
(states.py). Each of its cells has a row, a kind, which is its column, and a profile of the PC."""

import fault
import states
from seed import number
from verdict import BACK, LOST, NoReason, RECOVERED

PARTS = fault.cells, states.cells


def cells():
    """Every cell of the table, in order of its rows and columns."""
    return [cell for part in PARTS for cell in part()]


def sample():
    """Some cells of each part that touch every row and every column, others for every commit; first those that do both."""
    chosen = []
    for part in PARTS:
        rows, columns = set(), set()
        order = sorted(part(), key=lambda cell: number(cell.row.name, cell.kind))
        for enough in 2, 1:
            for cell in order:
                if (cell.row.name not in rows) + (cell.kind not in columns) >= enough:
                    rows.add(cell.row.name)
                    columns.add(cell.kind)
                    chosen.append(cell)
    return chosen


class Table:
    """What became of the host, by row and column."""

    def __init__(self):
        self.verdicts = {}

    def add(self, cell, result):
        self.verdicts.setdefault((cell.row.name, cell.kind), []).append(result)

    def run(self, cell, strike):
        """Adds what the function returns for a cell, unless that is None. Whatever else goes wrong costs the desktop, too."""
        try:
            result = strike()
        except NoReason as error:
            self.add(cell, error.result)
            raise
        except Exception:
            self.add(cell, LOST)
            raise
        if result:
            self.add(cell, result)
        return result

    def take(self):
        """What was added since the last time."""
        verdicts, self.verdicts = self.verdicts, {}
        return verdicts

    def merge(self, verdicts):
        for cell, results in verdicts.items():
            self.verdicts.setdefault(cell, []).extend(results)

    def text(self):
        lines = [line for part in PARTS for line in self._part(list(part()))]
        total = [sum(results.count(result) for results in self.verdicts.values()) for result in (BACK, RECOVERED, LOST)]
        lines.append(f'{sum(total)} cases: desktop back {total[0]}, needed recover {total[1]}, lost {total[2]}')
        return '\n'.join(lines)

    def _part(self, part):
        columns = list(dict.fromkeys(cell.kind for cell in part))
        yield ' ' * 20 + ''.join(f'{column:>15}' for column in columns)
        for row in dict.fromkeys(cell.row.name for cell in part):
            yield f'{row:<20}' + ''.join(f'{self._cell(row, column):>15}' for column in columns)

    def _cell(self, row, column):
        """Back, recovered and lost, where there is more than the first."""
        results = self.verdicts.get((row, column))
        if results is None:
            return '-'
        counts = [results.count(result) for result in (BACK, RECOVERED, LOST)]
        return '/'.join(str(count) for count in counts) if any(counts[1:]) else str(counts[0])


# What the cases have found, in this process.
FOUND = Table()
