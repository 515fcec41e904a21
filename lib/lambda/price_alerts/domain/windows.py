"""Windows: how far each price has moved from the lowest and highest of a time before it. Pure.

A window is a queue of the prices that can still become its lowest (or highest), each with its
bucket. The first is the lowest (or highest) now.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Context, Decimal

from price_alerts.domain.conditions import WINDOWS_SECONDS
from price_alerts.domain.ticks import Tick

Queue = tuple[tuple[int, Decimal], ...]

PRICE = "price"  # the line of the prices themselves
# The length of a window in buckets; the bucket that began a window ago counts, too.
BUCKETS = 30
EXTREMES = tuple(f"{kind}-{window}" for window in WINDOWS_SECONDS for kind in ("rise", "fall"))

BUCKET_MICROSECONDS = {
    name: WINDOWS_SECONDS[name.partition("-")[2]] * 1_000_000 // BUCKETS for name in EXTREMES
}
# A percentage has up to 65 digits before the point. No level, nor a difference of two, has more
# than 63 after it: rounding down to 63 changes no comparison.
_EXACT = Context(prec=200)
_SMALLEST = Decimal("1e-63")
_ZERO, _HUNDRED = Decimal(0), Decimal(100)


def pushed(name: str, queue: Queue, price: Decimal, timestamp_microseconds: int) -> Queue:
    """Return a window, one of `EXTREMES`, with its next price and without what is too old."""
    bucket = timestamp_microseconds // BUCKET_MICROSECONDS[name]
    is_lowest_kept = keeps_lowest(name)
    kept = [entry for entry in queue if entry[0] >= bucket - BUCKETS]
    while kept and (price <= kept[-1][1] if is_lowest_kept else price >= kept[-1][1]):
        kept.pop()
    if not kept or kept[-1][0] != bucket:  # else one of this bucket counts for longer
        kept.append((bucket, price))
    return tuple(kept)


def keeps_lowest(name: str) -> bool:
    """Return whether a window keeps the lowest prices, not the highest."""
    return name.startswith("rise")


def metrics_of(name: str) -> tuple[str, str]:
    """Return the names of a window's two lines: moves in price, and in percent."""
    return name, f"{name}-percent"


def _moves(name: str, queue: Queue, price: Decimal) -> tuple[Decimal, Decimal]:
    """Return how far a price is from its window's extreme: in price, and in percent of that."""
    extreme = queue[0][1]
    move = (
        _EXACT.subtract(price, extreme) if keeps_lowest(name) else _EXACT.subtract(extreme, price)
    )
    if extreme <= 0:
        return move, _ZERO  # there is no percentage of it
    percent = _EXACT.divide(_EXACT.multiply(move, _HUNDRED), extreme)
    return move, percent.quantize(_SMALLEST, ROUND_FLOOR, _EXACT)


def started(windows: Mapping[str, Queue], tick: Tick | None) -> dict[str, Queue]:
    """Return the windows, of which new ones start with the last tick, if there is one."""
    if tick is None:
        return dict(windows)
    timestamp = tick.position.timestamp_microseconds
    return {
        name: queue or pushed(name, (), tick.price, timestamp) for name, queue in windows.items()
    }


def lines_of(windows: Mapping[str, Queue]) -> list[str]:
    """Return the names of the lines, always in the same order."""
    return [PRICE, *(line for name in EXTREMES if name in windows for line in metrics_of(name))]


def numbers_of(tick: Tick | None, windows: Mapping[str, Queue]) -> dict[str, Decimal]:
    """Return the number of a tick on each line; none without a tick."""
    if tick is None:
        return {}
    numbers = [tick.price]
    for name in EXTREMES:
        if name in windows:
            numbers += _moves(name, windows[name], tick.price)
    return dict(zip(lines_of(windows), numbers, strict=True))
