"""Prices as an operator gives them: ``SYMBOL=PRICE`` on the command line, or a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from lib.cli.errors import CliError
from price_alerts.ticks import (
    MAX_CLOCK_SKEW_MICROSECONDS,
    InvalidMessage,
    NumberLiteral,
    parse_price,
    parse_symbol,
    parse_timestamp,
)

__all__ = ["Price", "PricesFile", "price_in"]

_BUFFER_BYTES = 64 * 1024
_REMEMBERED = 65_536
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# As an epoch it would be of 1970.
_DATE_WITHOUT_HYPHENS = re.compile(r"(?:19|20)[0-9]{6}")
_NUMBER = re.compile(r"-?[0-9]+(?:[.eE].*)?")


class Price(NamedTuple):
    """A price by the rules of a tick; one without a timestamp is of the time when SQS gets it."""

    symbol: str
    price: Decimal
    timestamp_microseconds: int | None = None


def price_in(word: str) -> Price:
    """Read ``SYMBOL=PRICE``.

    Raises
    ------
    CliError
        If it is not written like that, or breaks a rule of ticks.
    """
    symbol, equals, price = word.rpartition("=")  # a symbol may hold one, too
    try:
        if not equals:
            raise InvalidMessage("the price is missing")
        return Price(parse_symbol(symbol), parse_price(price))
    except InvalidMessage as reason:
        raise CliError(f"{word}: {reason}; write SYMBOL=PRICE, say AAPL=201.5") from None


class PricesFile:
    """A CSV file of prices, read row by row whenever it is iterated over.

    Its first line names the columns ``timestamp``, ``symbol`` and ``price``, in any order and
    among others. A timestamp is what a tick takes, or a date: the midnight that it begins with, in
    UTC.

    Parameters
    ----------
    path
        The file.
    needs_timestamps
        Whether the column ``timestamp`` must be there.
    now_microseconds
        The present, if timestamps from the future are refused as in a message.

    Attributes
    ----------
    bytes_read
        How much of the file has been read so far.
    """

    def __init__(
        self, path: Path, *, needs_timestamps: bool = False, now_microseconds: int | None = None
    ) -> None:
        self._path = path
        self._needs_timestamps = needs_timestamps
        self._now_microseconds = now_microseconds
        self.bytes_read = 0

    @property
    def size_bytes(self) -> int:
        """The file's size; 0 for a pipe, which does not know its own.

        Raises
        ------
        CliError
            If there is no such file.
        """
        try:
            return self._path.stat().st_size
        except OSError as error:
            raise CliError(f"{self._path}: {error.strerror}") from None

    def __iter__(self) -> Iterator[Price]:
        """Read the rows in the file's order, beginning anew each time.

        Raises
        ------
        CliError
            At the first thing that is wrong; names the line and what would be right.
        """
        self.bytes_read = 0
        try:
            with (
                _Counted(self) as raw,
                io.TextIOWrapper(
                    io.BufferedReader(raw, _BUFFER_BYTES), encoding="utf-8-sig", newline=""
                ) as text,
            ):
                yield from self._rows(csv.reader(text, skipinitialspace=True, strict=True))
        except OSError as error:
            raise CliError(f"{self._path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CliError(f"{self._path}: must be text in UTF-8") from None

    def _rows(self, reader: Any) -> Iterator[Price]:
        latest = None
        if self._now_microseconds is not None:
            latest = self._now_microseconds + MAX_CLOCK_SKEW_MICROSECONDS
        timestamp = None
        try:
            header: list[str] = next(reader, [])
            timestamp_at, symbol_at, price_at = self._columns(header)
            for row in reader:
                if len(row) != len(header):
                    if not row:  # an empty line
                        continue
                    raise InvalidMessage(f"must have {len(header)} fields, like the first line")
                if timestamp_at is not None:
                    timestamp = _parse_timestamp(row[timestamp_at])
                    if latest is not None and timestamp > latest:
                        raise InvalidMessage("timestamp is more than 60 s in the future")
                yield Price(_parse_symbol(row[symbol_at]), _parse_price(row[price_at]), timestamp)
        except (InvalidMessage, csv.Error) as reason:
            line = max(reader.line_num, 1)  # 0 in an empty file
            raise CliError(f"{self._path} line {line}: {reason}") from None

    def _columns(self, header: list[str]) -> tuple[int | None, int, int]:
        names = [name.strip().lower() for name in header]
        wanted = ["timestamp", "symbol", "price"]
        if not self._needs_timestamps and "timestamp" not in names:
            wanted.remove("timestamp")
        for name in wanted:
            if names.count(name) != 1:
                raise InvalidMessage(
                    f"must name the column {name} once, among others separated by commas"
                )
        timestamp_at = names.index("timestamp") if "timestamp" in names else None
        return timestamp_at, names.index("symbol"), names.index("price")


class _Counted(io.FileIO):
    """A file that tells how far it has been read, a pipe as well."""

    def __init__(self, prices: PricesFile) -> None:
        super().__init__(prices._path)
        self._prices = prices

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._prices.bytes_read += count or 0
        return count


def _timestamp_of(text: str) -> int:
    if _DATE.fullmatch(text):
        text += "T00:00:00Z"
    if _DATE_WITHOUT_HYPHENS.fullmatch(text):
        raise InvalidMessage("timestamp must be written with hyphens, say 2010-03-01")
    return parse_timestamp(NumberLiteral(text) if _NUMBER.fullmatch(text) else text)


# A file has few symbols, the same moments again for each of them, and prices that repeat.
_parse_symbol = lru_cache(_REMEMBERED)(parse_symbol)
_parse_price = lru_cache(_REMEMBERED)(parse_price)
_parse_timestamp = lru_cache(_REMEMBERED)(_timestamp_of)
