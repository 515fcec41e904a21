"""Many prices at once, as arrays, so that most of them can be skipped together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import cast

import numpy as np
import numpy.typing as npt

from lib.formats.prices import Price, read_price
from price_alerts.domain.portions import portions

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Prices in their order, by columns of equal length.

    Rounding to floats keeps the order of numbers, but can make two of them equal: a float can
    show that one price is greater than another, but never that they are equal.

    Attributes
    ----------
    prices
        The exact prices: texts as in a tick, or numbers as `parse_price` returns them.
    floats
        The same, rounded to the nearest float.
    times
        Microseconds since 1970.
    """

    prices: npt.NDArray[np.object_]
    floats: Floats
    times: Numbers

    @classmethod
    def of(cls, prices: Sequence[str | Decimal], times: Sequence[int] | Numbers) -> Columns:
        """Build columns from prices, of which texts must be valid, and times."""
        return cls(
            np.array(prices, dtype=object),
            np.fromiter(map(float, prices), np.float64, len(prices)),
            np.asarray(times, np.int64),
        )

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, places: slice | npt.NDArray[np.intp | np.bool_]) -> Columns:
        return Columns(self.prices[places], self.floats[places], self.times[places])

    def price(self, place: int) -> Decimal:
        """Return an exact price."""
        return _exact(self.prices[place])

    def lowest(self, sign: int) -> Decimal:
        """Return the exact lowest price; for the sign -1 the highest."""
        floats = sign * self.floats
        ties = set(self.prices[floats == floats.min()])  # only their digits can decide
        return (min if sign == 1 else max)(map(_exact, ties))


@dataclass(frozen=True, slots=True)
class Chunk:
    """Prices of one or many symbols.

    Attributes
    ----------
    symbols
        Each once and with at least one price.
    codes
        For each price the index of its symbol.
    """

    symbols: Sequence[str]
    codes: npt.NDArray[np.integer]
    columns: Columns

    @classmethod
    def of_symbol(cls, symbol: str, columns: Columns) -> Chunk:
        """Build a chunk of a single symbol."""
        return cls((symbol,), np.zeros(len(columns), np.uint8), columns)

    @classmethod
    def joined(cls, chunks: Sequence[Chunk]) -> Chunk:
        """Join chunks, at least one, in their order."""
        code_of = coded(chain.from_iterable(chunk.symbols for chunk in chunks))
        smallest = np.min_scalar_type(len(code_of))  # such codes are sorted in one pass
        codes = [
            np.array([code_of[symbol] for symbol in chunk.symbols], smallest)[chunk.codes]
            for chunk in chunks
        ]
        columns = [chunk.columns for chunk in chunks]
        return cls(
            list(code_of),
            np.concatenate(codes),
            Columns(
                np.concatenate([each.prices for each in columns]),
                np.concatenate([each.floats for each in columns]),
                np.concatenate([each.times for each in columns]),
            ),
        )

    def in_time_order(self) -> Chunk:
        """Sort the prices by time; those of one time keep their order.

        If no symbol's times ever rise, and some fall, the newest come first: then prices of one
        time are reversed as well.
        """
        steps = np.concatenate([np.diff(columns.times) for _, columns in self.by_symbol()])
        places = np.arange(len(self.columns))
        if (steps < 0).any() and not (steps > 0).any():
            places = places[::-1]
        places = places[np.argsort(self.columns.times[places], kind="stable")]
        return Chunk(self.symbols, self.codes[places], self.columns[places])

    def by_symbol(self) -> Iterator[tuple[str, Columns]]:
        """Yield each symbol with its prices, which keep their order."""
        if len(self.symbols) == 1:
            yield self.symbols[0], self.columns
            return
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes))[:-1]
        for symbol, places in zip(self.symbols, np.split(order, ends), strict=True):
            yield symbol, self.columns[places]


def coded(symbols: Iterable[str]) -> dict[str, int]:
    """Return a number for each symbol, in order of first appearance."""
    return {symbol: code for code, symbol in enumerate(dict.fromkeys(symbols))}


def chunks_of(prices: Iterable[Price], rows_at_once: int = _ROWS_AT_ONCE) -> Iterator[Chunk]:
    """Turn rows, each with a timestamp, into chunks, lazily."""
    for rows in portions(prices, rows_at_once):
        code_of = coded(row.symbol for row in rows)
        yield Chunk(
            list(code_of),
            np.array([code_of[row.symbol] for row in rows]),
            Columns.of(
                [row.price for row in rows],
                cast("list[int]", [row.timestamp_microseconds for row in rows]),
            ),
        )


def _exact(price: str | Decimal) -> Decimal:
    return price if isinstance(price, Decimal) else read_price(price)
