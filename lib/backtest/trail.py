"""Trails: the windows of many prices at once."""

from __future__ import annotations

import numpy as np

from lib.backtest.columns import Columns, Floats, Numbers
from price_alerts.domain.windows import BUCKET_MICROSECONDS, BUCKETS, Queue, keeps_lowest, pushed

# Each of five roundings adds 2**-53 at most.
_ERROR = 2.0**-48


def moves(name: str, queue: Queue, columns: Columns) -> list[tuple[Floats, Floats]]:
    """Measure prices' moves, as the engine does but in floats: in price, and in percent.

    Parameters
    ----------
    name
        The window, one of `EXTREMES`.
    queue
        The window after the price before.
    columns
        The prices.

    Returns
    -------
    list
        Twice the moves, and how far each can be from the exact one.
    """
    leading = leaders(name, queue, columns)
    amounts = _sign(name) * (columns.floats - leading)
    errors = (np.abs(columns.floats) + np.abs(leading)) * _ERROR
    # Of what is not above zero there is no percentage: that counts as no move.
    share = np.divide(100, leading, out=np.zeros(len(leading)), where=leading > 0)
    return [(amounts, errors), (amounts * share, errors * share)]


def leaders(name: str, queue: Queue, columns: Columns) -> Floats:
    """Find for each price its window's lowest (or highest) one, the price itself among them."""
    sign = _sign(name)
    buckets = np.concatenate(
        (
            np.array([bucket for bucket, _ in queue], np.int64),
            columns.times // BUCKET_MICROSECONDS[name],
        )
    )
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
    # Where one of a later bucket is certainly lower, nothing of the earlier one is kept.
    for place in np.flatnonzero(lowest <= lowest_since).tolist():
        stretch = columns[starts[place] : ends[place]]
        queue = pushed(name, queue, stretch.lowest(sign), int(stretch.times[0]))
    return queue


def _sign(name: str) -> int:
    return 1 if keeps_lowest(name) else -1


def _lowest_since(starts: Numbers, values: Floats) -> Floats:
    """Find for each place the lowest value from where it starts up to there.

    Two stretches of a power of two cover each: one from its start, and one to its end.
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
