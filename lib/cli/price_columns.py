"""A file of prices read by columns: what `PricesFile` reads row by row, many rows at once."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TextIO, cast

import numpy as np

from lib.cli.columns import Columns, Portion, coded, portions_of
from lib.cli.prices import Header, PricesFile, read_symbol, rows_in
from lib.cli.timestamps import timestamps_of
from price_alerts.portions import portions
from price_alerts.ticks import InvalidMessage

__all__ = ["FilePortions", "portions_in"]

# Few lines are split faster, as they stay in the processor's cache; many rows are followed faster.
_LINES_AT_ONCE, _PARTS_AT_ONCE = 8_192, 8
# Prices without an exponent, each on a line.
_PRICES = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,16}+)(?:\.[0-9]{1,17}+)?+\n)++")


@dataclass(frozen=True, slots=True)
class FilePortions:
    """The portions of a file, read by `portions_in` each time that they are iterated over."""

    file: PricesFile

    def __iter__(self) -> Iterator[Portion]:
        return portions_in(self.file)


def portions_in(file: PricesFile, lines_at_once: int = _LINES_AT_ONCE) -> Iterator[Portion]:
    """Read a file that needs timestamps: the same prices as row by row, and the same errors.

    Raises
    ------
    CliError
        At the first thing that is wrong; names the line and what would be right.
    """
    for parts in portions(_parts(file, lines_at_once), _PARTS_AT_ONCE):
        yield Portion.joined(parts)


def _parts(file: PricesFile, lines_at_once: int) -> Iterator[Portion]:
    with file.opened() as text:
        reader = rows_in(text)
        header = file.read_header(reader)
        lines_before, failure = reader.line_num, None
        while not failure:
            lines, failure = _next_lines(text, lines_at_once)
            if not lines:
                break
            portion = _portion(lines, header, file.latest_microseconds)
            if portion:
                yield portion
                lines_before += len(lines)
            else:  # something is unusual, or wrong
                reader = rows_in(chain(lines, _rest(text, failure)))
                prices = []
                for price in file.read_rows(reader, header, lines_before):
                    prices.append(price)
                    if reader.line_num >= len(lines):  # a row can begin in one and end behind them
                        break
                yield from portions_of(prices, len(lines))
                lines_before += reader.line_num
        if failure:
            raise failure


def _next_lines(text: TextIO, count: int) -> tuple[list[str], Exception | None]:
    """Read up to so many lines, and what ended it; the lines before that come first."""
    lines: list[str] = []
    try:
        lines.extend(islice(text, count))
    except (OSError, UnicodeDecodeError) as failure:
        return lines, failure
    return lines, None


def _rest(text: TextIO, failure: Exception | None) -> Iterator[str]:
    if failure:
        raise failure
    yield from iter(text.readline, "")  # the file itself would be closed with this


def _portion(lines: Sequence[str], header: Header, latest: int | None) -> Portion | None:
    """Read lines; ``None`` if they are not all rows of the usual kind."""
    try:
        fields = _split(lines, header.width) or _read(lines, header.width)
        if fields is None:
            return None
        times = timestamps_of(fields[cast("int", header.timestamp_at)])
        symbol_of = {text: read_symbol(text) for text in dict.fromkeys(fields[header.symbol_at])}
    except (csv.Error, InvalidMessage):
        return None
    if latest is not None and times.max() > latest:
        return None
    prices = fields[header.price_at]
    text = "\n".join((*prices, ""))
    if text.count("\n") != len(prices) or not _PRICES.fullmatch(text):
        return None
    columns = Columns.of(prices, times)
    code_of_symbol = coded(symbol_of.values())
    code_of = {text: code_of_symbol[symbol] for text, symbol in symbol_of.items()}
    codes = map(code_of.__getitem__, fields[header.symbol_at])
    return Portion(list(code_of_symbol), np.fromiter(codes, np.int64, len(prices)), columns)


def _split(lines: Sequence[str], width: int) -> list[list[str]] | None:
    """Split lines in which commas and line ends are all that a reader would look at.

    This makes no list for each row, all of which Python's garbage collector would look through.
    """
    text = "".join((*lines, "" if lines[-1].endswith("\n") else "\n")).replace("\r\n", "\n")
    if '"' in text or ", " in text or len(max(lines, key=len)) > csv.field_size_limit():
        return None
    words = text.replace("\n", ",\n,").split(",")
    # All line ends stand where they should only if each row has its number of fields.
    if words[width :: width + 1] != ["\n"] * len(lines):
        return None
    return [words[place : -1 : width + 1] for place in range(width)]


def _read(lines: Sequence[str], width: int) -> list[tuple[str, ...]] | None:
    """Read lines of which none is empty or ends within quotes."""
    rows = list(rows_in(lines))
    if set(map(len, rows)) != {width}:
        return None
    return list(zip(*rows, strict=True))
