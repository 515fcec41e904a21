"""How a file of prices is laid out: its delimiter, and what its columns are. Pure."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, NamedTuple

from lib.formats.errors import CliError
from lib.formats.price_times import Times, is_day_first
from price_alerts.domain.ticks import InvalidMessage, parse_price

HEAD_LINES = 100  # enough for a day above 12 in daily rows

_DELIMITERS = ",;\t"
_SYMBOLS = ("symbol", "ticker")
_PRICES = ("price", "close")
# If a file has both, the moments are more exact: a date next to them is their day.
_MOMENTS = ("timestamp", "unix", "unix timestamp", "unix_timestamp")
_TIMES = ("time", "date", "datetime", "open time", "open_time")
_OWN = {"timestamp", "symbol", "price"}
# Binance's bars, which have no line of names; further columns are named by their numbers.
_KLINE = ("open time", "open", "high", "low", "close", "volume")
_KLINE_TIME = re.compile(r"[0-9]{10}|[0-9]{13}|[0-9]{16}")
_YFINANCE = (["price", "ticker", "date"], ["price", "ticker", "datetime"])
_SHOWN_NAMES = 20


@dataclass(frozen=True, slots=True)
class Hints:
    """What a file does not say itself: the symbol of all prices, names of columns, the zone."""

    symbol: str | None = None
    price_column: str | None = None
    time_column: str | None = None
    zone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is laid out.

    Attributes
    ----------
    width
        The number of columns.
    lines_before
        The number of lines before the first row.
    symbol, symbol_at
        The symbol of all rows; if there is none, the index of the column.
    first_symbol
        With a symbol of all rows, what the first has in that column, and all must have.
    price_at, time_at
        The indexes of these columns; times may be missing.
    """

    delimiter: str
    width: int
    lines_before: int
    symbol: str | None
    symbol_at: int
    first_symbol: str | None
    price_at: int
    time_at: int | None
    times: Times


class _Row(NamedTuple):
    """A row of the head, with the line that it ends at."""

    delimiter: str
    line: int
    fields: Sequence[str]

    @property
    def names(self) -> list[str]:
        return [name.strip().lower() for name in self.fields]


def rows_in(lines: Iterable[str], delimiter: str) -> Any:
    """Return a reader of the rows in a file's lines."""
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)


def layout_of(lines: Sequence[str], hints: Hints, *, needs_times: bool) -> Layout:
    """Return how a file is laid out, from its first lines, up to `HEAD_LINES`.

    Raises
    ------
    CliError
        If columns are missing, or it is unclear which ones are meant; names the line.
    """
    rows = [
        _Row(delimiter, line, fields)
        for delimiter in _DELIMITERS
        for line, fields in _rows(lines, delimiter)
    ]
    header = _header(rows, hints)
    names = header.names
    price_names = ("price",) if set(names) >= _OWN else _PRICES
    price_at = _place(header, hints.price_column, price_names, "price", "--price-column")
    time_names = _MOMENTS if set(_MOMENTS) & set(names) else _TIMES
    time_at = None
    if needs_times or hints.time_column is not None or set(time_names) & set(names):
        time_at = _place(header, hints.time_column, time_names, "time", "--time-column")
    body = [
        row.fields
        for row in rows
        if row.delimiter == header.delimiter
        and row.line > header.line
        and len(row.fields) == len(names)
    ]
    symbol_at, first_symbol = 0, None
    if hints.symbol is None or len(set(_SYMBOLS) & set(names)) == 1:
        symbol_at = _place(header, None, _SYMBOLS, "symbol", "--symbol")
        if hints.symbol and body:
            first_symbol = body[0][symbol_at]
    _check_lines_above(header, rows, price_at)
    return Layout(
        header.delimiter,
        len(names),
        header.line,
        hints.symbol,
        symbol_at,
        first_symbol,
        price_at,
        time_at,
        Times(hints.zone, is_day_first(() if time_at is None else (row[time_at] for row in body))),
    )


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = rows_in(lines, delimiter)
    with suppress(csv.Error):  # reported when the row is read
        for row in reader:
            if row:
                yield reader.line_num, row


def _named(column: str | None) -> tuple[str, ...]:
    return () if column is None else (column.strip().lower(),)


def _header(rows: Sequence[_Row], hints: Hints) -> _Row:
    """Return the row that names the columns.

    Binance's bars have none, and are given names. yfinance's `download` has two.
    """
    known = {*_SYMBOLS, *_PRICES, *_MOMENTS, *_TIMES}
    known |= {*_named(hints.price_column), *_named(hints.time_column)}
    if not rows:
        raise CliError("line 1: must name the columns, say timestamp,symbol,price")
    for delimiter, _, fields in {row.delimiter: row for row in reversed(rows)}.values():
        if _is_kline(fields):
            numbers = map(str, range(len(_KLINE) + 1, len(fields) + 1))
            return _Row(delimiter, 0, (*_KLINE, *numbers))
    top = [row for row in rows if row.delimiter == ","][:3]
    if [row.names[0] for row in top] in _YFINANCE:
        return _Row(",", top[2].line, (top[2].fields[0], *top[0].fields[1:]))
    # If none has a known name, the error shows the one with the most columns.
    return max(rows, key=lambda row: (len(known.intersection(row.names)), len(row.fields)))


def _is_kline(fields: Sequence[str]) -> bool:
    return (
        len(fields) >= len(_KLINE)
        and _KLINE_TIME.fullmatch(fields[0]) is not None
        and all(map(_is_price, fields[1 : len(_KLINE)]))
    )


def _is_price(text: str) -> bool:
    try:
        parse_price(text)
    except InvalidMessage:
        return False
    return True


def _place(header: _Row, asked: str | None, usual: Collection[str], what: str, option: str) -> int:
    """Return the index of the one column with the name asked for, or with a usual one."""
    wanted = usual if asked is None else _named(asked)
    places = [place for place, name in enumerate(header.names) if name in wanted]
    if len(places) == 1:
        return places[0]
    line = f"line {max(header.line, 1)}"
    if places:
        each = " and ".join(header.fields[place].strip() for place in places)
        raise CliError(f"{line}: {each} may each be the {what}: name it with {option}")
    names = ", ".join(name.strip() for name in header.fields[:_SHOWN_NAMES])
    if len(header.fields) > _SHOWN_NAMES:
        names += ", …"
    fault = f"known to be the {what}" if asked is None else f"called {asked}"
    raise CliError(f"{line}: no column is {fault}, among {names}: name it with {option}")


def _check_lines_above(header: _Row, rows: Sequence[_Row], price_at: int) -> None:
    """Reject a file in which a price would be skipped as text above the names."""
    for row in rows:
        if (
            row.delimiter == header.delimiter
            and row.line < header.line
            and len(row.fields) == len(header.fields)
            and _is_price(row.fields[price_at])
        ):
            raise CliError(
                f"line {header.line}: names the columns, but line {row.line} above holds a price"
            )
