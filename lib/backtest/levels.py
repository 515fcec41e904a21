"""Levels: which steps along a line can concern a rule, for many steps at once.

The levels cut a line into cells: those between two levels have even numbers, the levels
themselves odd ones. Whatever a rule asks of a number is the same everywhere in a cell. A step is
a way through neighbouring cells, and whatever it does to a rule, one of the steps from one of
these cells to the next does, too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt

from lib.backtest.columns import Columns, Floats, Numbers
from price_alerts.domain.conditions import Terms

_EXACT = Context(prec=200)
_BETWEEN = Decimal("1e-130")  # less than a level can be away from another


class Levels:
    """The levels of one line.

    Parameters
    ----------
    terms
        The terms of all rules on the line.
    """

    def __init__(self, terms: Sequence[Terms]) -> None:
        self._levels = sorted({level for each in terms for level in each.watched_levels})
        self._floats = np.array([*self._levels, np.inf], np.float64)
        # How many rules a step concerns that leads from a cell up to the next, or down to it.
        self._up, self._down = ([0] * (2 * len(self._levels)) for _ in range(2))
        for each in terms:
            self._count(each, 1)
        self._sums: tuple[Numbers, Numbers] | None = None  # of what was counted

    def leave(self, terms: Terms) -> None:
        """Take a rule off the line."""
        self._count(terms, -1)
        self._sums = None

    def concerns(self, before: int, now: int) -> bool:
        """Tell whether a step from one cell to another can concern a rule."""
        return any(self._up[before:now]) or any(self._down[now:before])

    def concerning(self, way: Numbers) -> npt.NDArray[np.intp]:
        """Find the steps along cells, each from one to the next, that can concern a rule."""
        if self._sums is None:
            self._sums = np.cumsum([0, *self._up]), np.cumsum([0, *self._down])
        up, down = self._sums
        places = (way[1:] != way[:-1]).nonzero()[0]
        start, end = way[places], way[places + 1]
        met = np.where(start < end, up[end] - up[start], down[start] - down[end])
        found: npt.NDArray[np.intp] = places[met > 0]
        return found

    def cell(self, number: Decimal) -> int:
        """Find the cell of a number."""
        return bisect_left(self._levels, number) + bisect_right(self._levels, number)

    def cells(self, columns: Columns) -> Numbers:
        """Find the cells of prices."""
        places = np.searchsorted(self._floats, columns.floats)
        cells = 2 * places
        # Of different floats the greater one is the greater number: only equal ones are looked at.
        for place in (self._floats[places] == columns.floats).nonzero()[0].tolist():
            cells[place] = self.cell(columns.price(place))
        return cells

    def are_within(self, cell: int, columns: Columns) -> bool:
        """Tell whether prices are certainly all in one cell."""
        number, is_level = divmod(cell, 2)
        low = self._floats[number - 1] if number else -np.inf
        return (
            not is_level
            and low < columns.floats.min()
            and columns.floats.max() < self._floats[number]
        )

    def certain_cells(
        self, numbers: Floats, errors: Floats
    ) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        """Find the cells of numbers that are known up to an error, and which are uncertain."""
        lowest = np.searchsorted(self._floats, numbers - errors)
        highest = np.searchsorted(self._floats, numbers + errors, side="right")
        return 2 * lowest, lowest != highest

    def _count(self, terms: Terms, change: int) -> None:
        for level in terms.watched_levels:
            at = self.cell(level)
            below, above = _EXACT.subtract(level, _BETWEEN), _EXACT.add(level, _BETWEEN)
            for counts, cell, before, now in (
                (self._up, at - 1, below, level),
                (self._up, at, level, above),
                (self._down, at, above, level),
                (self._down, at - 1, level, below),
            ):
                if terms.comes_true(before, now) or terms.is_back(now):
                    counts[cell] += change
