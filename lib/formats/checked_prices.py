"""A file of prices that is to be published: all rows are checked before the first one is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lib.formats.prices import BadRow, Price, PricesFile

_ROWS_PER_REPORT = 10_000


@dataclass(frozen=True, slots=True)
class CheckedPrices:
    """The prices of a file in the order of time, to be read once, and its bad rows."""

    prices: Iterable[Price]
    count: int
    bad_rows: Sequence[BadRow]


def checked(file: PricesFile, *, is_pipe: bool, on_progress: Callable[[], object]) -> CheckedPrices:
    """Check all rows of a file; its prices are kept only if it is a pipe, or must be sorted.

    Raises
    ------
    CliError
        If the file as a whole cannot be read, or its columns are not found.
    """
    kept: list[Price] = []
    bad_rows: list[BadRow] = []
    count = latest = 0
    is_in_order = True
    for row in file.rows():
        if isinstance(row, BadRow):
            bad_rows.append(row)
            continue
        time = row.timestamp_microseconds or 0  # all have one, or none has
        is_in_order = is_in_order and time >= latest
        latest = time
        if is_pipe:
            kept.append(row)
        count += 1
        if count % _ROWS_PER_REPORT == 0:
            on_progress()
    prices: Iterable[Price] = kept
    if not is_pipe:
        prices = (row for row in file.rows() if isinstance(row, Price))
    if not is_in_order:
        prices = in_time_order(list(prices))
    return CheckedPrices(numbered(prices), count, bad_rows)


def numbered(prices: Iterable[Price]) -> Iterator[Price]:
    """Give prices of one symbol and timestamp numbers: SQS may swap their messages.

    They must be in the order of time.
    """
    latest: dict[str, Price] = {}
    for price in prices:
        time, before = price.timestamp_microseconds, latest.get(price.symbol)
        found = price
        if time is not None and before and before.timestamp_microseconds == time:
            found = price._replace(sequence=before.sequence + 1)
        latest[price.symbol] = found
        yield found


def in_time_order(prices: Sequence[Price]) -> list[Price]:
    """Sort prices, each with a timestamp, as `Chunk.in_time_order` does."""
    latest: dict[str, int] = {}
    rises = falls = False
    for price in prices:
        time = price.timestamp_microseconds or 0
        before = latest.get(price.symbol, time)
        rises, falls = rises or time > before, falls or time < before
        latest[price.symbol] = time
    oldest_first = prices[::-1] if falls and not rises else prices
    return sorted(oldest_first, key=lambda price: price.timestamp_microseconds or 0)
