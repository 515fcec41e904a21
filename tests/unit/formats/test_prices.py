from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backtest.columns import chunks_of
from lib.client.publishing import _body
from lib.formats import checked_prices
from lib.formats.checked_prices import checked, in_time_order, numbered
from lib.formats.errors import CliError
from lib.formats.price_layout import Hints
from lib.formats.prices import BadRow, Price, PricesFile, price_in
from price_alerts.domain.ticks import parse_message
from tests.unit.doubles import NOW

Write = Callable[[str | bytes], Path]

COMMAS = "price must have a decimal point, and commas only between thousands, as in 1,612.34"
DECIMAL_COMMA = "price may have a decimal comma: write 1.075 or 1075, not 1,075"
NO_PRICE = "price must be a JSON number, or a string that holds one"
MARCH = 1_267_401_600_000_000  # 2010-03-01T00:00:00Z
ONE, TWO = Price("A", Decimal(1)), Price("B", Decimal(2))


@pytest.fixture
def write(write: Callable[..., Path]) -> Write:
    return lambda content: write(content, "prices.csv")


def reason(path: Path, now_microseconds: int | None = None) -> str:
    """Return why this file is rejected, without its folder."""
    with pytest.raises(CliError) as error:
        list(PricesFile(path, now_microseconds=now_microseconds))
    return str(error.value).removeprefix(f"{path.parent}/prices.csv")


@pytest.mark.parametrize(
    ("word", "symbol", "price"),
    [("aapl=200.0", "AAPL", "200"), ("EURUSD=X=1.07", "EURUSD=X", "1.07"), ("B=1e5", "B", "1E5")],
)
def test_a_word_is_a_symbol_and_its_price(word: str, symbol: str, price: str) -> None:
    assert price_in(word) == Price(symbol, Decimal(price))


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("AAPL", "the price is missing"),
        ("=1", "symbol must be 1 to 64 printable characters, with no blank at either end"),
        (
            "EURUSD=X",
            "'X' is not a number (0 or between 1e-30 and 1e30 in size, with at most 34 significant "
            "digits): write 200, 0.25 or -3",
        ),
        ("AAPL=-1,000.5", "'-1,000.5' has commas: write -1000.5"),
    ],
)
def test_another_word_is_rejected_with_an_example(word: str, what: str) -> None:
    with pytest.raises(CliError) as error:
        price_in(word)
    assert str(error.value) == f"{word}: {what}; write SYMBOL=PRICE, say AAPL=201.5"


@pytest.mark.parametrize(
    ("content", "prices"),
    [
        ("price,symbol\n1,a\n2,B\n", [ONE, TWO]),
        (
            "TIMESTAMP, Symbol , price\n2010-03-01, A, 1",
            [ONE._replace(timestamp_microseconds=MARCH)],
        ),
        (gzip.compress(b"symbol,price\nA,1\nB,2\n", mtime=0), [ONE, TWO]),
        ("timestamp,symbol,price\n2999-01-01,A,1\n", None),
    ],
)
def test_a_file_is_read_again_each_time(
    write: Write, content: str | bytes, prices: list[Price] | None
) -> None:
    file = PricesFile(write(content))
    read = list(file)
    assert read == list(file) == (prices or read)
    assert file.bytes_read == file.size_bytes == len(content)


@pytest.mark.parametrize(
    ("delimiter", "text", "price"),
    [
        (",", '"1,612"', "1612"),
        (",", '"-1,234,567.8"', "-1234567.8"),
        (";", "1,612.34", "1612.34"),
        (",", '"12,345,678,901,234,567,890.12345678901234"', "12345678901234567890.12345678901234"),
    ],
)
def test_a_price_may_have_commas_between_thousands_and_stays_exact(
    write: Write, delimiter: str, text: str, price: str
) -> None:
    path = write(f"symbol{delimiter}price\nA{delimiter}{text}\n")
    assert list(PricesFile(path)) == [Price("A", Decimal(price))]


@pytest.mark.parametrize(
    ("delimiter", "text", "what"),
    [
        (";", "1,075", DECIMAL_COMMA),
        ("\t", "1,075", DECIMAL_COMMA),
        (";", "185,50", COMMAS),
        (";", "1.612,34", COMMAS),
        (",", '"1,23.5"', COMMAS),
        (",", '"0,123"', COMMAS),
    ],
)
def test_another_comma_is_rejected(write: Write, delimiter: str, text: str, what: str) -> None:
    assert reason(write(f"symbol{delimiter}price\nA{delimiter}{text}\n")) == f" line 2: {what}"


FIELDS = "must have 2 fields, one for each column"
QUOTE = "',' expected after '\"'"


def test_bad_rows_are_read_with_the_others_and_named_by_their_lines(write: Write) -> None:
    big = "1" * 200_000
    path = write(f'symbol,price\nA,1\nB,x\n\n"C\nD"E,1\nF\nG,1,2\nH,{big}\nB,2\nB,"1\n')
    assert list(PricesFile(path).rows()) == [
        ONE,
        BadRow(3, 3, NO_PRICE),
        BadRow(5, 6, QUOTE),
        BadRow(7, 7, FIELDS),
        BadRow(8, 8, FIELDS),
        BadRow(9, 9, "field larger than field limit (131072)"),
        TWO,
        BadRow(11, 11, "unexpected end of data"),
    ]
    assert str(BadRow(5, 6, "x")) == "lines 5 to 6: x"
    prices = iter(PricesFile(path))
    assert next(prices) == ONE
    with pytest.raises(CliError, match=f"prices.csv line 3: {NO_PRICE}"):
        next(prices)


def test_one_symbol_for_all_may_replace_one_but_not_several(write: Write) -> None:
    path = write("symbol,price\nA/B,1\nA/B,1\nC/B,3\n")
    bad = BadRow(4, 4, "symbol must be the first row's, with --symbol for all")
    assert list(PricesFile(path, Hints("A")).rows()) == [ONE, ONE, bad]


def test_a_price_from_the_future_is_rejected(write: Write) -> None:
    path = write(
        "timestamp,symbol,price\n2026-11-22T15:05:05.250Z,A,1\n2026-11-22T15:05:05.251Z,A,1"
    )
    assert reason(path, NOW) == " line 3: timestamp is more than 60 s in the future"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            gzip.compress(b"symbol,price\n" + b"A,1\n" * 1_000, mtime=0)[:-9],
            ": is not a complete gzip file",
        ),
        (
            gzip.compress(b"symbol,price\nA,1\n", mtime=0)[:-1] + b"x",
            ": is not a complete gzip file",
        ),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + b"x" * 70, ": is not a complete gzip file"),
        (b"\x1f\x8b", ": is not a complete gzip file"),
        ("symbol,price,näme\n".encode("latin-1"), ": must be text in UTF-8"),
        ("symbol,price\n".encode("utf-16"), ": must be text in UTF-8"),
    ],
)
def test_a_damaged_file_is_rejected(write: Write, content: bytes, what: str) -> None:
    assert reason(write(content)) == what


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    file = PricesFile(tmp_path / "none.csv")
    for read in (lambda: list(file), lambda: file.size_bytes):
        with pytest.raises(CliError, match=r"none\.csv: No such file or directory"):
            read()
    with pytest.raises(CliError, match="Is a directory"):
        list(PricesFile(tmp_path))


def test_a_file_is_read_little_by_little(write: Write) -> None:
    file = PricesFile(write("symbol,price\n" + "AAPL,201.5\n" * 20_000))
    shares = [file.bytes_read / file.size_bytes for _ in file]
    assert shares[0] < 0.4 < shares[10_000] < 0.7 < shares[-1] == 1


# --- what is published -------------------------------------------------------------------

prices = st.integers(1, 9).map(Decimal)
row = st.builds(Price, st.sampled_from("AB"), prices, st.integers(0, 4), st.just(0))
rows = st.lists(row, min_size=1, max_size=12)
newest_first = rows.map(lambda drawn: sorted(drawn, key=lambda each: -(each[2] or 0)))


@given(rows | newest_first)
@settings(max_examples=25)
def test_prices_are_sorted_as_a_backtest_sorts_them(drawn: list[Price]) -> None:
    (chunk,) = chunks_of(drawn)
    columns = (ordered := chunk.in_time_order()).columns
    assert in_time_order(drawn) == [
        Price(ordered.symbols[code], columns.price(place), int(columns.times[place]))
        for place, code in enumerate(ordered.codes.tolist())
    ]


@given(rows, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_prices_of_one_time_keep_their_order_however_sqs_delivers_them(
    drawn: list[Price], random: Random
) -> None:
    meant = in_time_order(drawn)
    messages = [[price] for price in numbered(meant)]
    random.shuffle(messages)  # all of one request have one time, and any id
    arrived = [
        tick
        for number, message in enumerate(messages)
        for tick in parse_message(_body(message), f"m-{number}", NOW, NOW).ticks
    ]
    arrived.sort(key=lambda tick: tick.position)
    for symbol in "AB":
        assert [tick.price for tick in arrived if tick.symbol == symbol] == [
            row.price for row in meant if row.symbol == symbol
        ]


def test_prices_are_numbered_by_symbol_and_time() -> None:
    a, b, later = (Price(symbol, Decimal(1), at) for symbol, at in (("A", 5), ("B", 5), ("A", 6)))
    found = list(numbered([a, b, a, a, later, b]))
    assert [price.sequence for price in found] == [0, 0, 1, 2, 0, 1]
    assert list(numbered([ONE] * 3)) == [ONE] * 3


@pytest.mark.parametrize("is_pipe", [False, True])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("symbol,price\nB,1\nA,2\nB\nB,1\n", "B1 A2 B1"),
        ("symbol,price,timestamp\nB,1,2010-03-02\nA,2,2010-03-02\nB\nA,3,2010-03-03\n", "B1 A2 A3"),
        ("symbol,price,timestamp\nB,1,2010-03-02\nA,2,2010-03-01\nB\nA,3,2010-03-02\n", "A2 B1 A3"),
    ],
    ids=["without times", "in order", "out of order"],
)
def test_a_checked_file_has_its_prices_in_the_order_of_time_and_its_bad_rows_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, expected: str, is_pipe: bool
) -> None:
    monkeypatch.setattr(checked_prices, "_ROWS_PER_REPORT", 2)
    path, reports = tmp_path / "prices.csv", list[None]()
    if is_pipe:
        os.mkfifo(path)
        threading.Thread(target=path.write_text, args=(content,)).start()
    else:
        path.write_text(content)
    file = PricesFile(path)
    found = checked(file, is_pipe=is_pipe, on_progress=lambda: reports.append(None))
    assert " ".join(f"{price.symbol}{price.price}" for price in found.prices) == expected
    assert (found.count, len(found.bad_rows), len(reports)) == (3, 1, 1)
    assert (file.bytes_read, file.size_bytes) == (len(content), 0 if is_pipe else len(content))
