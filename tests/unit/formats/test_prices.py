from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from lib.formats.errors import CliError
from lib.formats.price_layout import Hints
from lib.formats.prices import BadRow, Price, PricesFile, price_in
from tests.unit.doubles import NOW, SECOND

Write = Callable[[str | bytes], Path]

COMMAS = "price must have a decimal point, and commas only between thousands, as in 1,612.34"
NO_PRICE = "price must be 0 or between 1e-30 and 1e30 in size, with at most 34 significant digits"
MARCH = 1_267_401_600_000_000  # 2010-03-01T00:00:00Z
NOON = MARCH + 12 * 3600 * SECOND


@pytest.fixture
def write(write: Callable[..., Path]) -> Write:
    return lambda content: write(content, "prices.csv")


def reason(
    path: Path, *, now_microseconds: int | None = None, needs_timestamps: bool = False
) -> str:
    """Return why this file is refused, without its folder."""
    prices = PricesFile(path, needs_timestamps=needs_timestamps, now_microseconds=now_microseconds)
    with pytest.raises(CliError) as refusal:
        list(prices)
    return str(refusal.value).removeprefix(f"{path.parent}/")


@pytest.mark.parametrize(
    ("word", "price"),
    [
        ("AAPL=201.5", Price("AAPL", Decimal("201.5"))),
        ("aapl=200.0", Price("AAPL", Decimal(200))),
        ("EURUSD=X=1.07", Price("EURUSD=X", Decimal("1.07"))),
        ("BTC-USD=1e5", Price("BTC-USD", Decimal(100_000))),
    ],
)
def test_a_word_is_a_symbol_and_its_price(word: str, price: Price) -> None:
    assert price_in(word) == price


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("AAPL", "the price is missing"),
        ("=1", "symbol must be 1 to 64 printable characters"),
        ("AAPL=", "price must be a JSON number"),
        ("AAPL=a lot", "price must be a JSON number"),
        ("AAPL=1e31", "price must be 0 or between 1e-30 and 1e30 in size"),
        ("EURUSD=X", "price must be a JSON number"),
    ],
)
def test_another_word_is_refused_with_the_rule_and_an_example(word: str, what: str) -> None:
    with pytest.raises(CliError) as refusal:
        price_in(word)
    assert str(refusal.value).startswith(f"{word}: {what}")
    assert str(refusal.value).endswith("; write SYMBOL=PRICE, say AAPL=201.5")


def test_a_file_is_read_row_by_row(write: Write) -> None:
    path = write(
        "timestamp,symbol,price\n2010-03-01T00:00:00Z,AAPL,1\n2010-03-01T12:00:00Z,ibm,2.50\n"
    )
    assert list(PricesFile(path)) == [
        Price("AAPL", Decimal(1), MARCH),
        Price("IBM", Decimal("2.5"), NOON),
    ]


def test_blanks_after_delimiters_and_a_missing_line_end_do_not_matter(write: Write) -> None:
    path = write("TIMESTAMP, Symbol , price\n2010-03-01T00:00:00Z, AAPL, 1")
    assert list(PricesFile(path)) == [Price("AAPL", Decimal(1), MARCH)]


def test_timestamps_may_be_left_out(write: Write) -> None:
    assert list(PricesFile(write("price,symbol\n1,AAPL\n"))) == [Price("AAPL", Decimal(1))]


def test_timestamps_may_be_needed(write: Write) -> None:
    assert reason(write("price,symbol\n1,AAPL\n"), needs_timestamps=True) == (
        "prices.csv line 1: no column is known to be the time, among price, symbol: "
        "name it with --time-column"
    )


def test_a_gzipped_file_is_read_as_what_is_in_it(write: Write) -> None:
    path = write(gzip.compress(b"symbol,price\nA,1\nB,2\n"))
    prices = PricesFile(path)
    assert list(prices) == [Price("A", Decimal(1)), Price("B", Decimal(2))]
    assert prices.bytes_read == prices.size_bytes


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"symbol,price\n" + b"A,1\n" * 1_000)[:-9],
        gzip.compress(b"symbol,price\nA,1\n")[:-1] + b"x",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff" + b"no gzip" * 10,
        b"\x1f\x8b",
    ],
    ids=["cut off", "wrong size", "not packed", "nothing but its mark"],
)
def test_a_damaged_gzip_file_is_rejected(write: Write, damaged: bytes) -> None:
    assert reason(write(damaged)) == "prices.csv: is not a complete gzip file"


@pytest.mark.parametrize(
    ("delimiter", "text", "price"),
    [
        (",", '"1,612.34"', "1612.34"),
        (",", '"1,612"', "1612"),
        (",", '"-1,234,567.8"', "-1234567.8"),
        (";", "1,612.34", "1612.34"),
        (",", "1234567890123456789012345678.123456", "1234567890123456789012345678.123456"),
        (",", '"12,345,678,901,234,567,890.12345678901234"', "12345678901234567890.12345678901234"),
    ],
)
def test_a_price_may_have_commas_between_its_thousands_and_stays_exact(
    write: Write, delimiter: str, text: str, price: str
) -> None:
    path = write(f"symbol{delimiter}price\nA{delimiter}{text}\n")
    assert list(PricesFile(path)) == [Price("A", Decimal(price))]


@pytest.mark.parametrize(
    ("delimiter", "text", "what"),
    [
        (";", "1,075", "price may have a decimal comma: write 1.075 or 1075, not 1,075"),
        ("\t", "1,075", "price may have a decimal comma: write 1.075 or 1075, not 1,075"),
        (";", "185,50", COMMAS),
        (";", "1.612,34", COMMAS),
        (",", '"1,23.5"', COMMAS),
        (",", '"0,123"', COMMAS),
    ],
)
def test_another_comma_in_a_price_is_rejected(
    write: Write, delimiter: str, text: str, what: str
) -> None:
    path = write(f"symbol{delimiter}price\nA{delimiter}{text}\n")
    assert reason(path) == f"prices.csv line 2: {what}"


def test_one_symbol_for_all_may_replace_one_but_not_several(write: Write) -> None:
    path = write("symbol,price\nBTC/USDT,1\nBTC/USDT,2\nETH/USDT,3\n")
    assert list(PricesFile(path, Hints("BTCUSDT")).rows()) == [
        Price("BTCUSDT", Decimal(1)),
        Price("BTCUSDT", Decimal(2)),
        BadRow(4, 4, "symbol must be the first row's, with --symbol for all"),
    ]


def test_all_rows_are_read_with_the_bad_ones_among_them(write: Write) -> None:
    path = write('symbol,price\nA,1\nB,x\n\n"C\nD"E,1\nF\nG,7\n')
    assert list(PricesFile(path).rows()) == [
        Price("A", Decimal(1)),
        BadRow(3, 3, "price must be a JSON number, or a string that holds one"),
        BadRow(5, 6, "',' expected after '\"'"),
        BadRow(7, 7, "must have 2 fields, one for each column"),
        Price("G", Decimal(7)),
    ]


def test_a_row_over_several_lines_is_named_by_all_of_them(write: Write) -> None:
    assert reason(write('symbol,price\nA,"1\n2"\n')).startswith("prices.csv lines 2 to 3: price")


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2010-03-01,AAPL,a lot", "price must be a JSON number, or a string that holds one"),
        ("2010-03-01,AAPL,-1e31", NO_PRICE),
        (
            "2010-03-01,,1",
            "symbol must be 1 to 64 printable characters, with no blank at either end",
        ),
        ("2010-03-01,AAPL", "must have 3 fields, one for each column"),
        ("2010-03-01,AAPL,1,234.50", "must have 3 fields, one for each column"),
        ('2010-03-01,"AAPL,1', "unexpected end of data"),
        ('2010-03-01,"AAPL"L,1', "',' expected after '\"'"),
        (f"2010-03-01,AAPL,{'1' * 200_000}", "field larger than field limit (131072)"),
    ],
)
def test_a_bad_row_is_named_by_its_line(write: Write, row: str, what: str) -> None:
    path = write(f"timestamp,symbol,price\n2010-03-01,AAPL,1\n\n{row}\n")
    assert reason(path) == f"prices.csv line 4: {what}"


def test_the_rows_before_a_bad_one_are_read(write: Write) -> None:
    prices = iter(PricesFile(write("symbol,price\nA,1\nB,x\n")))
    assert next(prices) == Price("A", Decimal(1))
    with pytest.raises(CliError, match="line 3"):
        next(prices)


def test_a_price_from_the_future_is_refused_where_the_present_is_given(write: Write) -> None:
    path = write(
        "timestamp,symbol,price\n2026-11-22T15:05:05.250Z,A,1\n2026-11-22T15:05:05.251Z,A,1\n"
    )
    assert reason(path, now_microseconds=NOW) == (
        "prices.csv line 3: timestamp is more than 60 s in the future"
    )


def test_without_the_present_a_price_may_be_of_any_time(write: Write) -> None:
    assert len(list(PricesFile(write("timestamp,symbol,price\n2999-01-01,A,1\n")))) == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    prices = PricesFile(tmp_path / "none.csv")
    for read in (lambda: list(prices), lambda: prices.size_bytes):
        with pytest.raises(CliError, match=r"none\.csv: No such file or directory"):
            read()


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(CliError, match="Is a directory"):
        list(PricesFile(tmp_path))


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_in_another_encoding_is_refused(write: Write, encoding: str) -> None:
    path = write("symbol,price,näme\n".encode(encoding))
    assert reason(path) == "prices.csv: must be text in UTF-8"


def test_a_file_is_read_anew_each_time(write: Write) -> None:
    prices = PricesFile(write("symbol,price\nA,1\n"))
    assert list(prices) == list(prices)
    assert prices.bytes_read == prices.size_bytes == 17


def test_progress_is_known_while_a_file_is_read_and_little_of_it_is_kept(write: Write) -> None:
    prices = PricesFile(write("symbol,price\n" + "AAPL,201.5\n" * 100_000))
    rows = iter(prices)
    shares = [prices.bytes_read / prices.size_bytes for _ in rows]
    assert shares[0] < 0.1
    assert 0.4 < shares[50_000] < 0.6
    assert shares[-1] == 1


def test_a_pipe_is_read_as_well(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("symbol,price\nA,1\n",))
    writer.start()
    prices = PricesFile(pipe)
    assert list(prices) == [Price("A", Decimal(1))]
    writer.join()
    assert (prices.bytes_read, prices.size_bytes) == (17, 0)
