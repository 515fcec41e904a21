"""Prices as an operator gives them: ``SYMBOL=PRICE`` on the command line, or a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from lib.cli.errors import CliError
from price_alerts.ticks import (
    MAX_CLOCK_SKEW_MICROSECONDS,
    InvalidMessage,
    NumberLiteral,
    parse_price,
    parse_symbol,
    parse_timestamp,
)

__all__ = [
    "Header",
    "Price",
    "PricesFile",
    "price_in",
    "read_price",
    "read_symbol",
    "read_timestamp",
    "rows_in",
]

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


class Header(NamedTuple):
    """How many fields a row has, and where in it stands what."""

    width: int
    timestamp_at: int | None
    symbol_at: int
    price_at: int


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
    latest_microseconds
        From which time on a timestamp would be of the future, if that is refused.
    """

    def __init__(
        self, path: Path, *, needs_timestamps: bool = False, now_microseconds: int | None = None
    ) -> None:
        self._path = path
        self._needs_timestamps = needs_timestamps
        self.latest_microseconds = None
        if now_microseconds is not None:
            self.latest_microseconds = now_microseconds + MAX_CLOCK_SKEW_MICROSECONDS
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
        with self.opened() as text:
            reader = rows_in(text)
            yield from self.read_rows(reader, self.read_header(reader))

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """Open the file from its beginning, as lines; what ends the reading is told in one line."""
        self.bytes_read = 0
        try:
            with (
                _Counted(self) as raw,
                io.TextIOWrapper(
                    io.BufferedReader(raw, _BUFFER_BYTES), encoding="utf-8-sig", newline=""
                ) as text,
            ):
                yield text
        except OSError as error:
            raise CliError(f"{self._path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CliError(f"{self._path}: must be text in UTF-8") from None

    def read_header(self, reader: Any) -> Header:
        """Find the columns in a reader's first row."""
        with self._naming_the_line(reader, 0):
            names = [name.strip().lower() for name in next(reader, [])]
            wanted = ["timestamp", "symbol", "price"]
            if not self._needs_timestamps and "timestamp" not in names:
                wanted.remove("timestamp")
            for name in wanted:
                if names.count(name) != 1:
                    raise InvalidMessage(
                        f"must name the column {name} once, among others separated by commas"
                    )
            timestamp_at = names.index("timestamp") if "timestamp" in names else None
            return Header(len(names), timestamp_at, names.index("symbol"), names.index("price"))

    def read_rows(self, reader: Any, header: Header, lines_before: int = 0) -> Iterator[Price]:
        """Read the rows that a reader has left, behind so many lines that it has not seen."""
        latest, timestamp = self.latest_microseconds, None
        with self._naming_the_line(reader, lines_before):
            for row in reader:
                if len(row) != header.width:
                    if not row:  # an empty line
                        continue
                    raise InvalidMessage(f"must have {header.width} fields, like the first line")
                if header.timestamp_at is not None:
                    timestamp = read_timestamp(row[header.timestamp_at])
                    if latest is not None and timestamp > latest:
                        raise InvalidMessage("timestamp is more than 60 s in the future")
                yield Price(
                    read_symbol(row[header.symbol_at]), read_price(row[header.price_at]), timestamp
                )

    @contextmanager
    def _naming_the_line(self, reader: Any, lines_before: int) -> Iterator[None]:
        try:
            yield
        except (InvalidMessage, csv.Error) as reason:
            line = max(lines_before + reader.line_num, 1)  # 0 in an empty file
            raise CliError(f"{self._path} line {line}: {reason}") from None


def rows_in(lines: Iterable[str]) -> Any:
    """Return a reader of the rows in a file's lines."""
    return csv.reader(lines, skipinitialspace=True, strict=True)


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
read_symbol = lru_cache(_REMEMBERED)(parse_symbol)
read_price = lru_cache(_REMEMBERED)(parse_price)
read_timestamp = lru_cache(_REMEMBERED)(_timestamp_of)
