"""A file read by columns, against the same file read row by row."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.backtest import price_columns
from lib.backtest.columns import Chunk
from lib.backtest.price_columns import FileChunks, chunks_in
from lib.formats.errors import CliError
from lib.formats.price_layout import Hints
from lib.formats.prices import Price, PricesFile
from tests.unit.doubles import NOW

HEADER = "timestamp,symbol,price\n"
ROW = "2010-03-01T00:00:00Z,AAPL,1\n"


def prices_in(chunks: Iterable[Chunk]) -> Iterator[Price]:
    """Yield a file's prices symbol by symbol in each chunk, exactly."""
    for chunk in chunks:
        for symbol, columns in chunk.by_symbol():
            for place, time in enumerate(columns.times.tolist()):
                price = columns.price(place)
                assert columns.floats[place] == float(price)
                yield Price(symbol, price, time)


def outcome(prices: Iterable[Price]) -> tuple[list[Price], str]:
    """Return what was read, by symbol, and what was wrong."""
    read: list[Price] = []
    try:
        read.extend(prices)
    except CliError as reason:
        return [], str(reason)
    return sorted(read, key=lambda price: price.symbol), ""


def by_columns(path: Path, lines_at_once: int, **named: Any) -> tuple[list[Price], str]:
    file = PricesFile(path, needs_timestamps=True, **named)
    return outcome(prices_in(chunks_in(file, lines_at_once)))


def by_rows(path: Path, **named: Any) -> tuple[list[Price], str]:
    return outcome(PricesFile(path, needs_timestamps=True, **named))


USUAL = "2010-03-01T00:00:00Z"
TIMES = (
    *(USUAL, "2010-03-01T12:34:56Z", "2012-02-29T23:59:59Z", "2010-03-01 00:00:00Z"),
    *("2010-03-01", "2012-02-29", "2010-03-01T00:00:00.25+02:00", "2010-03-01T00:00:00.1Z"),
    *("2010-03-01T00:00:00.123456789Z", "2010-03-01T00:00:00+0200", "1970-01-01", "0"),
    *("1267401600", "1267401600000", "1267401600.5", "1.2674016e9", "2999-01-01T00:00:00Z"),
    *("1970-01-01T00:30:00-01:00", " 2010-03-01", '"2010-03-01"', "13/01/2010", "12/01/2010"),
    *("2010-03-01 09:30:00", "2010-03-01T09:30", "9999-12-31", '"Mar 01, 2010"'),
)
BAD_TIMES = (
    *("2011-02-29", "2010-02-30T00:00:00Z", "2010-13-01T00:00:00Z", "2010-00-01T00:00:00Z"),
    *("2010-03-00T00:00:00Z", "2010-03-01T24:00:00Z", "2010-03-01T00:60:00Z", "20100301"),
    *("2010-03-01T00:00:60Z", "2010-03-01T00:00:00", "1970-01-01T00:30:00+01:00", "1969-12-31"),
    *("0000-01-01T00:00:00Z", "01267401600", "126740160000000", "2010-03-01T00:00:00z", "", "-1"),
    *("9999-12-31T23:59:59-01:00", "2010-03-14 02:30:00", "2010-11-07 01:30:00"),
    *("\u0662010-03-01T00:00:00Z", "2010-03-01T00:00:00.Z", "2010-03-01T00:00:00Z ", "a"),
)
SYMBOLS = ("AAPL", "aapl", "IBM", "EURUSD=X", '"AAPL"', " IBM")
PRICES = (
    *("1", "1.50", "201.5", "0.000000000000000001", "999999999999999999.999999999999999999"),
    *("1e2", "1E+2", "1.5e-3", '"7"', " 1", "10.0", "100000000000000000.1"),
)
BAD_PRICES = (
    *("0", "0.0", "0e1", "-1", "NaN", "Infinity", "1_0", "1 ", "", "01", ".5", "5.", "+1", "a"),
    *('"1,234.5"', '"1,234"', '"1,5"', "1,234.5"),
    *("\u0661", "1000000000000000000", "0.0000000000000000001", '"1\n1"', '"1\n"', "1,234"),
)
BAD_ROWS = (
    *("2010-03-01,,1", "2010-03-01,A\u00c4,1", "2010-03-01,AAPL", "2010-03-01,AAPL,1,2", " ", ","),
    *('2010-03-01,"AAPL,1', '2010-03-01,"AAPL"L,1', "2010-03-01,AAPL,1\0"),
    "2010-03-01,AAPL,1\r2010-03-01,AAPL,2",
)

row = "{},{},{}".format
rows = st.one_of(
    st.builds(row, st.just(USUAL), st.just("A"), st.sampled_from(PRICES[:4])),
    st.builds(row, *map(st.sampled_from, (TIMES, SYMBOLS, PRICES))),
    st.just(""),
)
bad_rows = st.one_of(
    st.builds(row, *map(st.sampled_from, (BAD_TIMES, SYMBOLS, PRICES))),
    st.builds(row, *map(st.sampled_from, (TIMES, SYMBOLS, BAD_PRICES))),
    st.sampled_from(BAD_ROWS),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def test_an_odd_row_among_usual_ones_is_what_it_is_alone(path: Path) -> None:
    odd = [
        *(row(time, "A", "1") for time in (*TIMES, *BAD_TIMES)),
        *(row(USUAL, symbol, "1") for symbol in SYMBOLS),
        *(row(USUAL, "A", price) for price in (*PRICES, *BAD_PRICES)),
        *BAD_ROWS,
    ]
    for each in odd:
        path.write_text(HEADER + ROW + f"{each}\n" + ROW, newline="")

        assert by_columns(path, 100) == by_rows(path), each


def file_of(
    good: list[str], bad: list[str], place: int, *form: str, delimiter: str, is_packed: bool
) -> bytes:
    line_end, last_end = form
    lines = ["timestamp,symbol,price", *good[:place], *bad, *good[place:]]
    content = (line_end.join(lines) + last_end).replace(",", delimiter).encode("utf-8-sig")
    return gzip.compress(content) if is_packed else content


files = st.builds(
    file_of,
    st.lists(rows, max_size=12),
    st.lists(bad_rows, max_size=2),
    st.integers(0, 12),
    st.sampled_from(("\n", "\r\n", "\r")),
    st.sampled_from(("", "\n", "\n\n")),
    delimiter=st.sampled_from(",;\t"),
    is_packed=st.booleans(),
)
any_hints = st.builds(
    Hints,
    st.sampled_from((None, "X")),
    st.sampled_from((None, "price")),
    st.none(),
    st.sampled_from((None, ZoneInfo("America/New_York"), ZoneInfo("UTC"))),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files, st.integers(1, 14), any_hints)
def test_columns_are_the_rows_and_reject_what_they_reject(
    path: Path, content: bytes, lines_at_once: int, hints: Hints
) -> None:
    path.write_bytes(content)

    assert by_columns(path, lines_at_once, hints=hints) == by_rows(path, hints=hints)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text('timestamp,symbol price\n\r"0159.T-:Z', max_size=60), st.integers(1, 4))
def test_whatever_is_in_a_file_columns_are_the_rows(
    path: Path, text: str, lines_at_once: int
) -> None:
    path.write_text(HEADER + ROW + text, newline="")

    assert by_columns(path, lines_at_once) == by_rows(path)


def test_rows_may_be_cut_anywhere(path: Path) -> None:
    note = "timestamp,symbol,price,note\n"
    for content in (
        '"timestamp","symbol","price","a\nnote"\n' + '2010-03-01,AAPL,1,"a\n\nb"\n' * 3,
        note + f"2010-03-01,AAPL,1,{'n' * 131_073}\n",
        note + f"2010-03-01,AAPL,1,{'n' * 131_072}\n",
        HEADER + "2010-03-01,AAPL\n2010-03-01,1,AAPL,1\n",
        note + "2010-03-01,AAPL,1\nx,2010-03-01,AAPL,1,n\n",
        HEADER + "".join(f"2010-03-01T00:00:00.{'1' * digits}Z,A,1\n" for digits in range(1, 25)),
    ):
        path.write_text(content)
        for lines_at_once in (1, 2, 3, 100):
            assert by_columns(path, lines_at_once) == by_rows(path), content[:99]


def cut_off(text: str) -> bytes:
    return gzip.compress(text.encode())[:-9]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            (HEADER + "2010-03-01,AAPL,1e31\n" + ROW * 500).encode() + b"\xff",
            " line 2: price must be 0 or between 1e-30 and 1e30 in size",
        ),
        (
            (HEADER + ROW * 501).encode() + b"\xff\n" + ROW.encode() * 500,
            ": must be text in UTF-8",
        ),
        (
            (HEADER + ROW + '2010-03-01,"' + "A\n" * 10_000).encode() + b"\xff",
            ": must be text in UTF-8",
        ),
        (cut_off(HEADER + ROW * 5_000), ": is not a complete gzip file"),
        (
            cut_off(HEADER + ROW * 500 + "2010-03-01,AAPL,x\n" + ROW * 4_000),
            " line 502: price must be",
        ),
    ],
    ids=["bad row, no text", "no text", "no text in quotes", "cut off", "bad row, cut off"],
)
def test_the_first_fault_in_a_file_is_reported(path: Path, content: bytes, what: str) -> None:
    path.write_bytes(content)

    found = by_columns(path, 10_000)

    assert found == by_columns(path, 500) == by_rows(path)
    assert found[1].startswith(f"{path}{what}")


def test_a_file_that_is_not_there_is_named(path: Path) -> None:
    assert by_columns(path, 1) == ([], f"{path}: No such file or directory")


@pytest.mark.parametrize(("now", "is_rejected"), [(NOW, True), (NOW + 1, False)])
def test_a_price_from_the_future_is_rejected_where_the_present_is_given(
    path: Path, now: int, is_rejected: bool
) -> None:
    path.write_text(HEADER + ROW + "2026-11-22T15:05:05.250001Z,A,1\n")

    found = by_columns(path, 10, now_microseconds=now)

    assert found == by_rows(path, now_microseconds=now)
    assert bool(found[1]) == is_rejected


def test_usual_rows_are_never_read_one_by_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = ("2010-03-01T00:00:00.250Z", "2010-03-01 00:00:00+02:00", "2010-03-01", "1267401600250")
    rows = [
        f"{time},{symbol},{price}\r\n"
        for time in times
        for symbol, price in (("a", "1.50"), ("B", "2"))
    ]
    rows += ['"2010-03-01","AAPL","1"\n'] * 2 + ["2010-03-01, AAPL, 1\n"] * 2
    path.write_text(HEADER + "".join(rows), newline="")
    expected = by_rows(path)

    monkeypatch.setattr(PricesFile, "read_rows", None)

    assert by_columns(path, 2) == expected


def test_a_symbol_is_in_a_chunk_once(path: Path) -> None:
    path.write_text(HEADER + "2010-03-01,A,1\n2010-03-01,B,2\n2010-03-02,C,3\n2010-03-02,A,4\n")

    (chunk,) = chunks_in(PricesFile(path, needs_timestamps=True), 2)

    assert chunk.symbols == ["A", "B", "C"]
    assert [(symbol, columns.prices.tolist()) for symbol, columns in chunk.by_symbol()] == [
        ("A", ["1", "4"]),
        ("B", ["2"]),
        ("C", ["3"]),
    ]


def test_little_of_a_file_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(HEADER + ROW * 20_000)
    monkeypatch.setattr(price_columns, "_PARTS_AT_ONCE", 2)
    file = PricesFile(path, needs_timestamps=True)

    shares = [file.bytes_read / file.size_bytes for _ in chunks_in(file, 200)]

    assert len(shares) == 50
    assert shares[0] < 0.2
    assert 0.4 < shares[24] < 0.6
    assert shares[-1] == 1


def test_a_pipe_is_read_as_well(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(HEADER + ROW * 2,))
    writer.start()

    (chunk,) = FileChunks(PricesFile(pipe, needs_timestamps=True))

    writer.join()
    assert chunk.columns.price(1) == Decimal(1)
    assert np.array_equal(chunk.columns.floats, [1, 1])
