"""Curves: prices thinned out to what a picture can show, with all their peaks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import groupby

from lib.backtest.columns import Portion

Point = tuple[int, float]  # timestamp in microseconds, price


def curves_of(
    portions: Iterable[Portion],
    symbols: Collection[str],
    max_stretches: int,
    on_progress: Callable[[int], object],
) -> dict[str, Curve]:
    """Read the curves of some symbols.

    Parameters
    ----------
    portions
        The prices, those of a symbol in the order of time; read once and not kept.
    symbols
        The symbols; the others' prices are passed over.
    max_stretches
        As for each `Curve`.
    on_progress
        Called after every portion with the number of prices done so far.
    """
    curves = {symbol: Curve(max_stretches) for symbol in symbols}
    rows = 0
    for portion in portions:
        for symbol, columns in portion.by_symbol():
            if symbol in curves:
                for point in zip(columns.times.tolist(), columns.floats.tolist(), strict=True):
                    curves[symbol].add(point)
        rows += len(portion.columns)
        on_progress(rows)
    return curves


class Curve:
    """A symbol's prices in bounded memory.

    Time is cut into stretches of equal length, which grows as prices come. Of each stretch the
    first, the lowest, the highest and the last price are kept.

    Parameters
    ----------
    max_stretches
        How many stretches there may be, at least 8.
    """

    def __init__(self, max_stretches: int) -> None:
        self._max_stretches = max_stretches
        self._length_microseconds = 1
        self._stretches: list[list[Point]] = []  # first, lowest, highest and last
        self._number = self._time = -1  # of the last stretch, and of the last point

    @property
    def points(self) -> list[Point]:
        """What is kept, in order; empty if there was no price."""
        return [
            point
            for stretch in self._stretches
            for point, _ in groupby(sorted(stretch, key=lambda point: point[0]))
        ]

    def add(self, point: Point) -> None:
        """Add the next price, not earlier than the last one."""
        time, price = point
        self._time = time
        number = time // self._length_microseconds
        if number == self._number:
            stretch = self._stretches[-1]
            stretch[3] = point
            if price < stretch[1][1]:
                stretch[1] = point
            elif price > stretch[2][1]:
                stretch[2] = point
        else:
            self._number = number
            self._stretches.append([point] * 4)
            if len(self._stretches) > self._max_stretches:
                self._thin_out()

    def _thin_out(self) -> None:
        """Make the stretches so long that half as many are enough."""
        points = self.points
        span = self._time - points[0][0]
        while span * 2 > self._length_microseconds * self._max_stretches:
            self._length_microseconds *= 2  # so that none is ever split
        self._stretches, self._number, self._time = [], -1, -1
        for point in points:
            self.add(point)
