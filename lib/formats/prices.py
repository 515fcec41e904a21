"""Prices that an operator enters: ``SYMBOL=PRICE`` on the command line, or a CSV file."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from lib.formats.errors import CliError
from lib.formats.price_layout import HEAD_LINES, Hints, Layout, layout_of, rows_in
from lib.formats.price_times import read_time
from lib.formats.quantities import THOUSANDS, number_of
from price_alerts.domain.conditions import RuleError
from price_alerts.domain.ticks import (
    MAX_CLOCK_SKEW_MICROSECONDS,
    InvalidMessage,
    parse_price,
    parse_symbol,
)

_BUFFER_BYTES = 64 * 1024
_REMEMBERED = 65_536
_GZIP = b"\x1f\x8b"  # RFC 1952, section 2.3.1


class Price(NamedTuple):
    """A price by the rules of a tick; without a timestamp, it is of the time when SQS gets it.

    The sequence orders prices of one symbol and timestamp.
    """

    symbol: str
    price: Decimal
    timestamp_microseconds: int | None = None
    sequence: int = 0


class BadRow(NamedTuple):
    """A row without a valid price, with its first and last line."""

    first_line: int
    last_line: int
    reason: str

    def __str__(self) -> str:
        if self.last_line > self.first_line:
            return f"lines {self.first_line} to {self.last_line}: {self.reason}"
        return f"line {self.first_line}: {self.reason}"


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
        return Price(parse_symbol(symbol), number_of(price))
    except (InvalidMessage, RuleError) as reason:
        raise CliError(f"{word}: {reason}; write SYMBOL=PRICE, say AAPL=201.5") from None


@dataclass(slots=True, eq=False)
class PricesFile:
    """A CSV file of prices, which may be gzipped; each iteration reads it again, row by row.

    `layout_of` finds its columns, `read_time` reads its times. If ``now_microseconds`` is given,
    timestamps from the future are rejected as in a message.

    Attributes
    ----------
    bytes_read
        How much of the file has been read so far.
    """

    path: Path
    hints: Hints = field(default_factory=Hints)
    _: KW_ONLY
    needs_timestamps: bool = False
    now_microseconds: int | None = None
    bytes_read: int = field(default=0, init=False)

    @property
    def latest_microseconds(self) -> int | None:
        """The latest timestamp that is accepted; ``None`` for any."""
        now = self.now_microseconds
        return None if now is None else now + MAX_CLOCK_SKEW_MICROSECONDS

    @property
    def size_bytes(self) -> int:
        """The file's size; 0 for a pipe, which does not know its own.

        Raises
        ------
        CliError
            If there is no such file.
        """
        try:
            return self.path.stat().st_size
        except OSError as error:
            raise CliError(f"{self.path}: {error.strerror}") from None

    def __iter__(self) -> Iterator[Price]:
        """Yield the prices in the file's order.

        Raises
        ------
        CliError
            At the first thing that is wrong; names the line and what would be right.
        """
        for row in self.rows():
            if isinstance(row, BadRow):
                raise self.error(row)
            yield row

    def rows(self) -> Iterator[Price | BadRow]:
        """Yield all rows, with the bad ones, in the file's order.

        Raises
        ------
        CliError
            If the file as a whole cannot be read, or its columns are not found.
        """
        with self.opened() as text:
            layout, lines = self.laid_out(text)
            yield from self.read_rows(rows_in(lines, layout.delimiter), layout, layout.lines_before)

    def error(self, row: BadRow) -> CliError:
        """Return the error of a command that needs every row."""
        return CliError(f"{self.path} {row}")

    @contextmanager
    def opened(self) -> Iterator[TextIO]:
        """Open the file as lines; an error while it is read is one line."""
        self.bytes_read = 0
        try:
            with _Counted(self) as raw, io.BufferedReader(raw, _BUFFER_BYTES) as stored:
                plain: io.BufferedReader[Any] = stored
                if stored.peek(len(_GZIP)).startswith(_GZIP):
                    plain = io.BufferedReader(gzip.GzipFile(fileobj=stored), _BUFFER_BYTES)
                with io.TextIOWrapper(plain, encoding="utf-8-sig", newline="") as text:
                    yield text
        except (gzip.BadGzipFile, EOFError, zlib.error):
            raise CliError(f"{self.path}: is not a complete gzip file") from None
        except OSError as error:
            raise CliError(f"{self.path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CliError(f"{self.path}: must be text in UTF-8") from None

    def laid_out(self, text: TextIO) -> tuple[Layout, Iterator[str]]:
        """Return the file's layout, and the lines from its first row on."""
        head = list(islice(text, HEAD_LINES))
        try:
            layout = layout_of(head, self.hints, needs_times=self.needs_timestamps)
        except CliError as reason:
            raise CliError(f"{self.path} {reason}") from None
        return layout, chain(head[layout.lines_before :], text)

    def read_rows(self, reader: Any, layout: Layout, lines_before: int) -> Iterator[Price | BadRow]:
        """Yield the rows that are left in a reader, which did not see the lines before."""
        latest, timestamp = self.latest_microseconds, None
        while True:
            first_line = lines_before + reader.line_num + 1
            try:
                row = next(reader, None)
                if row is None:
                    return
                if not row:  # an empty line
                    continue
                if len(row) != layout.width:
                    raise InvalidMessage(f"must have {layout.width} fields, one for each column")
                if layout.time_at is not None:
                    timestamp = read_time(row[layout.time_at], layout.times)
                    if latest is not None and timestamp > latest:
                        raise InvalidMessage("timestamp is more than 60 s in the future")
                if layout.first_symbol not in {None, row[layout.symbol_at]}:
                    raise InvalidMessage("symbol must be the first row's, with --symbol for all")
                symbol = layout.symbol or read_symbol(row[layout.symbol_at])
                price = _price_of(row[layout.price_at], layout.delimiter)
            except (InvalidMessage, csv.Error) as reason:
                yield BadRow(first_line, lines_before + reader.line_num, str(reason))
            else:
                yield Price(symbol, price, timestamp)


class _Counted(io.FileIO):
    """A file or a pipe that counts what is read."""

    def __init__(self, prices: PricesFile) -> None:
        super().__init__(prices.path)
        self._prices = prices

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._prices.bytes_read += count or 0
        return count


def _price_of(text: str, delimiter: str) -> Decimal:
    """Read a price that may have commas between its thousands."""
    if "," not in text:
        return read_price(text)
    thousands = THOUSANDS.fullmatch(text)
    if not thousands:
        raise InvalidMessage(
            "price must have a decimal point, and commas only between thousands, as in 1,612.34"
        )
    if delimiter != "," and not thousands[1]:
        raise InvalidMessage("price may have a decimal comma: write 1.075 or 1075, not 1,075")
    return read_price(text.replace(",", ""))


# A file has few symbols, and prices that repeat.
read_symbol = lru_cache(_REMEMBERED)(parse_symbol)
read_price = lru_cache(_REMEMBERED)(parse_price)
