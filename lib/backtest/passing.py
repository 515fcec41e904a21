"""Which of many prices can concern a rule, and what the others do to the windows.

The levels cut a line into cells: those between two levels have even numbers, the levels
themselves odd ones. A rule's conditions are the same everywhere in a cell. A step leads through
neighbouring cells; whatever it does to a rule, a step from one of these cells to the next does,
too.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Context, Decimal

import numpy as np
import numpy.typing as npt

from lib.backtest.columns import Columns, Floats, Numbers
from price_alerts.domain.conditions import Terms
from price_alerts.domain.windows import BUCKET_MICROSECONDS, BUCKETS, Queue, keeps_lowest, pushed

_EXACT = Context(prec=200)
_BETWEEN = Decimal("1e-130")  # closer than two levels can be
# Each of five roundings adds 2**-53 at most.
_ERROR = 2.0**-48


class Levels:
    """The levels of one line, from the terms of all rules on it."""

    def __init__(self, terms: Sequence[Terms]) -> None:
        self._levels = sorted({level for each in terms for level in each.watched_levels})
        self._floats = np.array([*self._levels, np.inf], np.float64)
        # How many rules a step from a cell up to the next concerns, and one down to it.
        self._up, self._down = ([0] * (2 * len(self._levels)) for _ in range(2))
        for each in terms:
            self._count(each, 1)
        self._sums: tuple[Numbers, Numbers] | None = None  # of these counts

    def leave(self, terms: Terms) -> None:
        """Take a rule off the line."""
        self._count(terms, -1)
        self._sums = None

    def concerns(self, before: int, now: int) -> bool:
        """Return whether a step from one cell to another can concern a rule."""
        return any(self._up[before:now]) or any(self._down[now:before])

    def concerning(self, way: Numbers) -> npt.NDArray[np.intp]:
        """Return the steps along cells, each from one to the next, that can concern a rule."""
        if self._sums is None:
            self._sums = np.cumsum([0, *self._up]), np.cumsum([0, *self._down])
        up, down = self._sums
        places = (way[1:] != way[:-1]).nonzero()[0]
        start, end = way[places], way[places + 1]
        met = np.where(start < end, up[end] - up[start], down[start] - down[end])
        found: npt.NDArray[np.intp] = places[met > 0]
        return found

    def cell(self, number: Decimal) -> int:
        """Return the cell of a number."""
        return bisect_left(self._levels, number) + bisect_right(self._levels, number)

    def cells(self, columns: Columns) -> Numbers:
        """Return the cells of prices."""
        places = np.searchsorted(self._floats, columns.floats)
        cells = 2 * places
        # Where the floats differ, they decide; where they are equal, the exact numbers do.
        for place in (self._floats[places] == columns.floats).nonzero()[0].tolist():
            cells[place] = self.cell(columns.price(place))
        return cells

    def are_within(self, cell: int, columns: Columns) -> bool:
        """Return whether prices are certainly all in one cell."""
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
        """Return the cells of numbers with errors, and which of the cells are uncertain."""
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
                if terms.triggers(before, now) or terms.is_back(now):
                    counts[cell] += change


def moves(name: str, queue: Queue, columns: Columns) -> list[tuple[Floats, Floats]]:
    """Measure prices' moves as the engine does, but in floats.

    The queue is the window, one of `EXTREMES`, after the price before.

    Returns
    -------
    list
        In price and in percent: the moves, and how far each can be from the exact one.
    """
    leading = leaders(name, queue, columns)
    amounts = _sign(name) * (columns.floats - leading)
    errors = (np.abs(columns.floats) + np.abs(leading)) * _ERROR
    # A price that is not above zero has no percentage: no move.
    share = np.divide(100, leading, out=np.zeros(len(leading)), where=leading > 0)
    return [(amounts, errors), (amounts * share, errors * share)]


def leaders(name: str, queue: Queue, columns: Columns) -> Floats:
    """Return for each price its window's lowest (or highest) one, itself included."""
    sign = _sign(name)
    kept_buckets = np.array([bucket for bucket, _ in queue], np.int64)
    buckets = np.concatenate((kept_buckets, columns.times // BUCKET_MICROSECONDS[name]))
    kept = [float(price) for _, price in queue]
    floats = sign * np.concatenate((kept, columns.floats))
    starts = np.searchsorted(buckets, buckets - BUCKETS, side="left")
    return sign * _lowest_since(starts, floats)[len(kept) :]


def pushed_all(name: str, queue: Queue, columns: Columns) -> Queue:
    """Add prices, at least one, to a window."""
    length = BUCKET_MICROSECONDS[name]
    times = columns.times
    first = np.searchsorted(times, (times[-1] // length - BUCKETS) * length)
    columns = columns[int(first) :]
    buckets = columns.times // length
    starts = np.concatenate(([0], np.flatnonzero(buckets[1:] != buckets[:-1]) + 1))
    sign = _sign(name)
    lowest = np.minimum.reduceat(sign * columns.floats, starts)
    lowest_since = np.minimum.accumulate(lowest[::-1])[::-1]
    ends = [*starts[1:].tolist(), len(columns)]
    # If a later bucket is certainly lower, nothing of the earlier one is kept.
    for place in np.flatnonzero(lowest <= lowest_since).tolist():
        stretch = columns[starts[place] : ends[place]]
        queue = pushed(name, queue, stretch.lowest(sign), int(stretch.times[0]))
    return queue


def _sign(name: str) -> int:
    return 1 if keeps_lowest(name) else -1


def _lowest_since(starts: Numbers, values: Floats) -> Floats:
    """Return for each place the lowest value from its start up to it.

    Two stretches, as long as a power of two, cover each range: one from its start, one to its end.
    """
    places = np.arange(len(values))
    powers = np.frexp(places - starts + 1)[1] - 1
    lowest = np.empty(len(values))
    for power in range(int(powers.max()) + 1):
        which = np.flatnonzero(powers == power)
        lowest[which] = np.minimum(values[starts[which]], values[which - 2**power + 1])
        later = values[2**power :]
        values = np.minimum(values[: len(later)], later)
    return lowest
