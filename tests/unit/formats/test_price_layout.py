from __future__ import annotations

import pytest

from lib.formats.errors import CliError
from lib.formats.price_layout import Hints, Layout, layout_of
from lib.formats.price_times import Times

OF_X = Hints("X")
KLINE = (
    "1704067200000,42283.58,42554.57,42261.02,42475.23,1271.6,1704070799999,5.39,47134,6.8,2.8,0\n"
)


def layout(text: str, hints: Hints = OF_X, *, needs_times: bool = True) -> Layout:
    return layout_of(text.splitlines(keepends=True), hints, needs_times=needs_times)


def reason(text: str, hints: Hints = OF_X, *, needs_times: bool = True) -> str:
    with pytest.raises(CliError) as refusal:
        layout(text, hints, needs_times=needs_times)
    return str(refusal.value)


def columns(text: str, hints: Hints = OF_X) -> tuple[int | None, int]:
    """Return the places of the time and of the price."""
    found = layout(text, hints)
    return found.time_at, found.price_at


@pytest.mark.parametrize(
    ("header", "places"),
    [
        ("Date,Open,High,Low,Close,Adj Close,Volume", (0, 4)),
        ("Date,Open,High,Low,Adj Close,Close,Volume", (0, 5)),
        ("Datetime,Close", (0, 1)),
        ("DATE,CLOSE", (0, 1)),
        ("unix,date,symbol,open,high,low,close,Volume BTC", (0, 6)),
        ("Unix Timestamp,Date,Symbol,Open,Close", (0, 4)),
        ('"Date","Price","Open","High","Low","Vol.","Change %"', (0, 1)),
        ("time,open,high,low,close,Volume", (0, 4)),
        ("open_time,open,high,low,close,volume,close_time,quote_volume", (0, 4)),
        ("price;volume;timestamp", (2, 0)),
        ("price\ttime", (1, 0)),
        (" Price , Time ", (1, 0)),
    ],
)
def test_the_usual_names_are_found(header: str, places: tuple[int, int]) -> None:
    assert columns(f"{header}\n") == places


def test_the_project_s_own_names_are_found_whatever_is_beside_them() -> None:
    found = layout("close,date,time,timestamp,symbol,price,ticks\n", Hints())
    assert (found.time_at, found.symbol_at, found.price_at) == (3, 4, 5)
    assert (found.symbol, found.width, found.lines_before) == (None, 7, 1)


def test_columns_may_be_named_in_any_case() -> None:
    hints = Hints("X", " adj close", "When")
    assert columns("when,Close,Adj Close,date\n", hints) == (0, 2)


def test_a_column_without_a_name_may_be_asked_for() -> None:
    assert columns(",Close\n", Hints("X", time_column="")) == (0, 1)


def test_bars_without_names_are_known_by_their_first_row() -> None:
    found = layout(KLINE)
    assert (found.lines_before, found.width, found.time_at, found.price_at) == (0, 12, 0, 4)
    assert columns(KLINE.replace("00000,", "00000000,", 1)) == (0, 4)  # in microseconds
    assert columns(KLINE.replace(",", ";")) == (0, 4)
    assert columns("\n" + KLINE) == (0, 4)


def test_the_columns_of_bars_without_names_may_be_asked_for() -> None:
    assert columns(KLINE, Hints("X", "open", "7")) == (6, 1)
    assert columns(KLINE, Hints("X", time_column="12")) == (11, 4)  # a row holds it, too


@pytest.mark.parametrize(
    "row",
    [
        "1704067200000,1,2,3,4",
        "1704067200000,1,2,3,four,5",
        "20240101,1,2,3,4,5",
        "2024-01-01,1,2,3,4,5",
    ],
)
def test_other_rows_without_names_are_rejected(row: str) -> None:
    names = row.replace(",", ", ")
    assert reason(f"{row}\n") == (
        f"line 1: no column is known to be the price, among {names}: name it with --price-column"
    )


@pytest.mark.parametrize(
    "text", ["https://www.example.com\n", "A text, it says\n\n", "Prices\n" * 9]
)
def test_lines_of_text_may_be_above_the_names(text: str) -> None:
    found = layout(f"{text}date,close\n2024-01-01,1\n")
    assert found.lines_before == text.count("\n") + 1
    assert found.delimiter == ","


def test_a_price_above_the_names_is_not_passed_over() -> None:
    assert reason("2024-01-01,1\ndate,close\n2024-01-02,2\n") == (
        "line 2: names the columns, but line 1 above holds a price"
    )


@pytest.mark.parametrize(
    ("header", "hints", "what", "option"),
    [
        ("Date,Price,Close", OF_X, "Price and Close may each be the price", "price-column"),
        ("Date,Time,Close", OF_X, "Date and Time may each be the time", "time-column"),
        ("unix,timestamp,Close", OF_X, "unix and timestamp may each be the time", "time-column"),
        ("ticker,symbol,date,close", Hints(), "ticker and symbol may each be the symbol", "symbol"),
        ("a,A,date", Hints("X", "a"), "a and A may each be the price", "price-column"),
        ("Date,Last", OF_X, "no column is known to be the price, among {}", "price-column"),
        ("Close,At", OF_X, "no column is known to be the time, among {}", "time-column"),
        ("Date,Close", Hints(), "no column is known to be the symbol, among {}", "symbol"),
        ("Date,Close", Hints("X", "a"), "no column is called a, among {}", "price-column"),
        ("Close,Date", Hints("X", None, "At"), "no column is called At, among {}", "time-column"),
    ],
)
def test_columns_that_are_missing_or_unclear_are_asked_for_by_their_option(
    header: str, hints: Hints, what: str, option: str
) -> None:
    said = what.format(header.replace(",", ", "))
    assert reason(f"{header}\n", hints) == f"line 1: {said}: name it with --{option}"


def test_of_very_many_columns_some_are_shown() -> None:
    assert "among 0, 1, 2," in reason(",".join(map(str, range(21))))
    assert ", 19, …: name it" in reason(",".join(map(str, range(21))))


def test_a_file_without_names_says_how_they_may_look() -> None:
    for text in ("", "\n\n"):
        assert reason(text) == "line 1: must name the columns, say timestamp,symbol,price"


def test_one_symbol_for_all_is_held_against_a_column_of_symbols() -> None:
    assert layout("date,close,ticker\n2024-01-01,1,btc\n").first_symbol == "btc"
    assert layout("date,close,ticker\n").first_symbol is None
    assert layout("date,close\n2024-01-01,1\n").first_symbol is None
    assert layout("date,close,ticker,symbol\n2024-01-01,1,a,b\n").first_symbol is None
    assert layout("date,close,ticker\n2024-01-01,1,btc\n", Hints()).first_symbol is None


def test_times_are_needed_only_where_they_are_asked_for() -> None:
    assert layout("price,volume\n", needs_times=False).time_at is None
    assert layout("price,Date\n", needs_times=False).time_at == 1
    hints = Hints("X", time_column="when")
    assert layout("price,when\n", hints, needs_times=False).time_at == 1
    assert "no column is called when" in reason("price,date\n", hints, needs_times=False)


def test_the_rows_say_whether_dates_begin_with_the_day() -> None:
    for date, is_day_first in (("31/01/2024", True), ("01/31/2024", False), ("2024-01-31", None)):
        assert layout(f"date,close\nx\n{date},1\n").times == Times(None, is_day_first)
    assert layout("price\n", needs_times=False).times == Times()
