"""A file of prices read by columns: as `PricesFile` reads it row by row, but many rows at once."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import cast

import numpy as np

from lib.backtest.columns import Chunk, Columns, chunks_of, coded
from lib.backtest.timestamps import timestamps_of
from lib.formats.price_layout import Layout, rows_in
from lib.formats.prices import BadRow, PricesFile, read_symbol
from price_alerts.domain.portions import portions
from price_alerts.domain.ticks import InvalidMessage

# Few lines split faster, as they fit the processor's cache; many rows are evaluated faster.
_LINES_AT_ONCE, _PARTS_AT_ONCE = 8_192, 8
# Prices without an exponent, each on a line.
_PRICES = re.compile(r"(?:-?(?:0|[1-9][0-9]{0,16}+)(?:\.[0-9]{1,17}+)?+\n)++")


@dataclass(frozen=True, slots=True)
class FileChunks:
    """The chunks of a file, read anew by `chunks_in` in each iteration."""

    file: PricesFile

    def __iter__(self) -> Iterator[Chunk]:
        return chunks_in(self.file)


def chunks_in(file: PricesFile, lines_at_once: int = _LINES_AT_ONCE) -> Iterator[Chunk]:
    """Read a file that needs timestamps: the same prices and errors as row by row.

    Raises
    ------
    CliError
        At the first fault; names the line and what would be right.
    """
    for parts in portions(_parts(file, lines_at_once), _PARTS_AT_ONCE):
        yield Chunk.joined(parts)


def _parts(file: PricesFile, lines_at_once: int) -> Iterator[Chunk]:
    with file.opened() as text:
        layout, waiting = file.laid_out(text)
        lines_before, failure = layout.lines_before, None
        while not failure:
            lines, failure = _next_lines(waiting, lines_at_once)
            if not lines:
                break
            chunk = _chunk(lines, layout, file.latest_microseconds)
            if chunk:
                yield chunk
                lines_before += len(lines)
            else:  # something is unusual or wrong
                reader = rows_in(chain(lines, _rest(waiting, failure)), layout.delimiter)
                prices = []
                for row in file.read_rows(reader, layout, lines_before):
                    if isinstance(row, BadRow):
                        raise file.error(row)
                    prices.append(row)
                    if reader.line_num >= len(lines):  # a row may end after them
                        break
                yield from chunks_of(prices, len(lines))
                lines_before += reader.line_num
        if failure:
            raise failure


def _next_lines(text: Iterator[str], count: int) -> tuple[list[str], Exception | None]:
    """Read up to `count` lines; returns them with the error that ended the reading."""
    lines: list[str] = []
    try:
        lines.extend(islice(text, count))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as failure:
        return lines, failure
    return lines, None


def _rest(text: Iterator[str], failure: Exception | None) -> Iterator[str]:
    if failure:
        raise failure
    yield from text


def _chunk(lines: Sequence[str], layout: Layout, latest: int | None) -> Chunk | None:
    """Read lines; ``None`` if one of them is not a row of the usual kind."""
    try:
        fields = _split(lines, layout) or _read(lines, layout)
        if fields is None:
            return None
        times = timestamps_of(fields[cast("int", layout.time_at)], layout.times)
        symbols = () if layout.symbol else fields[layout.symbol_at]
        symbol_of = {text: read_symbol(text) for text in dict.fromkeys(symbols)}
    except (csv.Error, InvalidMessage):
        return None
    is_future = latest is not None and times.max() > latest
    first = layout.first_symbol
    if is_future or (first is not None and set(fields[layout.symbol_at]) != {first}):
        return None
    prices = fields[layout.price_at]
    text = "\n".join((*prices, ""))
    if text.count("\n") != len(prices) or not _PRICES.fullmatch(text):
        return None
    columns = Columns.of(prices, times)
    if layout.symbol:
        return Chunk.of_symbol(layout.symbol, columns)
    code_of_symbol = coded(symbol_of.values())
    code_of = {text: code_of_symbol[symbol] for text, symbol in symbol_of.items()}
    codes = map(code_of.__getitem__, symbols)
    return Chunk(list(code_of_symbol), np.fromiter(codes, np.int64, len(prices)), columns)


def _split(lines: Sequence[str], layout: Layout) -> list[list[str]] | None:
    """Split lines in which only delimiters and line ends matter to a reader.

    This creates no list per row, which Python's garbage collector would have to traverse.
    """
    delimiter, width = layout.delimiter, layout.width
    text = "".join((*lines, "" if lines[-1].endswith("\n") else "\n")).replace("\r\n", "\n")
    if '"' in text or f"{delimiter} " in text or len(max(lines, key=len)) > csv.field_size_limit():
        return None
    words = text.replace("\n", f"{delimiter}\n{delimiter}").split(delimiter)
    # All line ends are in their places only if each row has the right number of fields.
    if words[width :: width + 1] != ["\n"] * len(lines):
        return None
    return [words[place : -1 : width + 1] for place in range(width)]


def _read(lines: Sequence[str], layout: Layout) -> list[tuple[str, ...]] | None:
    """Read lines, if none is empty or ends within quotes."""
    rows = list(rows_in(lines, layout.delimiter))
    if set(map(len, rows)) != {layout.width}:
        return None
    return list(zip(*rows, strict=True))
