"""Columns: many prices at once, as arrays in which most of them can be passed over together."""

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

    A float may tell that one price is greater than another, but never that they are equal:
    rounding keeps the order of numbers, and can bring two of them together.

    Attributes
    ----------
    prices
        The prices exactly: texts as in a tick, or numbers as `parse_price` returns them.
    floats
        The same, rounded to the nearest float.
    times
        Their times, in microseconds since 1970.
    """

    prices: npt.NDArray[np.object_]
    floats: Floats
    times: Numbers

    @classmethod
    def of(cls, prices: Sequence[str | Decimal], times: Sequence[int] | Numbers) -> Columns:
        """Build columns from prices, of which those that are texts must be valid, and times."""
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
        """Return a price exactly."""
        return _exact(self.prices[place])

    def lowest(self, sign: int) -> Decimal:
        """Return the lowest price exactly; for the sign -1 the highest."""
        floats = sign * self.floats
        ties = set(self.prices[floats == floats.min()])  # among these only the digits tell
        return (min if sign == 1 else max)(map(_exact, ties))


@dataclass(frozen=True, slots=True)
class Portion:
    """Prices of one or many symbols.

    Attributes
    ----------
    symbols
        The symbols, each once and with at least one price.
    codes
        For each price the place of its symbol among them.
    columns
        The prices.
    """

    symbols: Sequence[str]
    codes: npt.NDArray[np.integer]
    columns: Columns

    @classmethod
    def of_symbol(cls, symbol: str, columns: Columns) -> Portion:
        """Build a portion of a single symbol."""
        return cls((symbol,), np.zeros(len(columns), np.uint8), columns)

    @classmethod
    def joined(cls, portions: Sequence[Portion]) -> Portion:
        """Join portions, at least one, in their order."""
        code_of = coded(chain.from_iterable(portion.symbols for portion in portions))
        smallest = np.min_scalar_type(len(code_of))  # such codes are sorted in one go
        return cls(
            list(code_of),
            np.concatenate(
                [
                    np.array([code_of[symbol] for symbol in portion.symbols], smallest)[
                        portion.codes
                    ]
                    for portion in portions
                ]
            ),
            Columns(
                np.concatenate([portion.columns.prices for portion in portions]),
                np.concatenate([portion.columns.floats for portion in portions]),
                np.concatenate([portion.columns.times for portion in portions]),
            ),
        )

    def in_time_order(self) -> Portion:
        """Sort the prices by time; those of one time keep their order.

        If no symbol's times ever rise, and some fall, the newest come first: then prices of one
        time are reversed as well.
        """
        steps = [np.diff(columns.times) for _, columns in self.by_symbol()]
        places = np.arange(len(self.columns))
        if any((step < 0).any() for step in steps) and not any((step > 0).any() for step in steps):
            places = places[::-1]
        places = places[np.argsort(self.columns.times[places], kind="stable")]
        return Portion(self.symbols, self.codes[places], self.columns[places])

    def by_symbol(self) -> Iterator[tuple[str, Columns]]:
        """Part the prices by symbol, in which they keep their order."""
        if len(self.symbols) == 1:
            yield self.symbols[0], self.columns
            return
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes))[:-1]
        for symbol, places in zip(self.symbols, np.split(order, ends), strict=True):
            yield symbol, self.columns[places]


def coded(symbols: Iterable[str]) -> dict[str, int]:
    """Give each symbol a number, in their order."""
    return {symbol: code for code, symbol in enumerate(dict.fromkeys(symbols))}


def portions_of(prices: Iterable[Price], rows_at_once: int = _ROWS_AT_ONCE) -> Iterator[Portion]:
    """Turn rows, each with a timestamp, into portions; they are read as they are asked for."""
    for rows in portions(prices, rows_at_once):
        code_of = coded(row.symbol for row in rows)
        yield Portion(
            list(code_of),
            np.array([code_of[row.symbol] for row in rows]),
            Columns.of(
                [row.price for row in rows],
                cast("list[int]", [row.timestamp_microseconds for row in rows]),
            ),
        )


def _exact(price: str | Decimal) -> Decimal:
    return price if isinstance(price, Decimal) else read_price(price)
