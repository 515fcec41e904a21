"""How a file of prices is laid out, and what its times mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.formats.errors import CliError
from lib.formats.price_layout import Hints, Layout, layout_of
from lib.formats.price_times import LATEST_MICROSECONDS, Times, is_day_first, read_time
from price_alerts.domain.ticks import InvalidMessage, format_moment

OF_X = Hints("X")
KLINE = "1704067200000,42283.58,42554.57,42261.02,42475.23,1271.6,1704070799999,5.39,1,6.8,2.8,0\n"


def layout(text: str, hints: Hints = OF_X, *, needs_times: bool = True) -> Layout:
    return layout_of(text.splitlines(keepends=True), hints, needs_times=needs_times)


@pytest.mark.parametrize(
    ("text", "hints", "places"),
    [
        ("Date,Open,High,Low,Close,Adj Close,Volume\n", OF_X, (0, 4, 1)),
        ("Date,Open,High,Low,Adj Close,Close,Volume\n", OF_X, (0, 5, 1)),
        ("DATETIME,CLOSE\n", OF_X, (0, 1, 1)),
        ("unix,date,symbol,open,high,low,close,Volume BTC\n", OF_X, (0, 6, 1)),
        ("Unix Timestamp,Date,Symbol,Open,Close\n", OF_X, (0, 4, 1)),
        ('"Date","Price","Open","High","Low","Vol.","Change %"\n', OF_X, (0, 1, 1)),
        ("open_time,open,high,low,close,volume,close_time\n", OF_X, (0, 4, 1)),
        ("price;volume;timestamp\n", OF_X, (2, 0, 1)),
        (" Price \t Time \n", OF_X, (1, 0, 1)),
        ("close,date,time,timestamp,symbol,price,ticks\n", Hints(), (3, 5, 1)),
        ("when,Close,Adj Close,date\n", Hints("X", " adj close", "When"), (0, 2, 1)),
        (",Close\n", Hints("X", time_column=""), (0, 1, 1)),
        (KLINE, OF_X, (0, 4, 0)),
        (KLINE.replace("00000,", "00000000,", 1), OF_X, (0, 4, 0)),  # in microseconds
        ("\n" + KLINE.replace(",", ";"), OF_X, (0, 4, 0)),
        (KLINE, Hints("X", "open", "7"), (6, 1, 0)),
        (KLINE, Hints("X", time_column="12"), (11, 4, 0)),  # a row contains 12, too
        ("https://www.example.com\ndate,close\n2024-01-01,1\n", OF_X, (0, 1, 2)),
        ("A text, it says\n\ndate,close\n2024-01-01,1\n", OF_X, (0, 1, 3)),
        ("Prices\n" * 9 + "date,close\n2024-01-01,1\n", OF_X, (0, 1, 10)),
    ],
)
def test_the_columns_of_time_and_price_and_the_first_row_are_found(
    text: str, hints: Hints, places: tuple[int, int, int]
) -> None:
    found = layout(text, hints)
    assert (found.time_at, found.price_at, found.lines_before) == places
    assert found.width == len(text.splitlines()[-1].split(found.delimiter))


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
        ("Close,Date", Hints("X", None, "At"), "no column is called At, among {}", "time-column"),
        (
            "1704067200000,1,2,3,4",
            OF_X,
            "no column is known to be the price, among {}",
            "price-col",
        ),
        ("1704067200000,1,2,3,four,5", OF_X, "no column is known to be the price,", "price-column"),
        ("20240101,1,2,3,4,5", OF_X, "no column is known to be the price, among {}", "price-col"),
        (
            ",".join("abcdefghijklmnopqrstu"),
            OF_X,
            "no column is known",
            "s, t, …: name it with --p",
        ),
    ],
)
def test_a_missing_or_ambiguous_column_is_to_be_named(
    header: str, hints: Hints, what: str, option: str
) -> None:
    with pytest.raises(CliError) as error:
        layout(f"{header}\n", hints)
    assert str(error.value).startswith(f"line 1: {what.format(header.replace(',', ', '))}")
    assert option in str(error.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("\n\n", "line 1: must name the columns, say timestamp,symbol,price"),
        ("", "line 1: must name the columns, say timestamp,symbol,price"),
        (
            "2024-01-01,1\ndate,close\n2024-01-02,2\n",
            "line 2: names the columns, but line 1 above holds a price",
        ),
    ],
)
def test_a_file_must_begin_with_the_names_of_its_columns(text: str, what: str) -> None:
    with pytest.raises(CliError, match=what):
        layout(text)


@pytest.mark.parametrize(
    ("text", "hints", "first"),
    [
        ("date,close,ticker\n2024-01-01,1,btc\n", OF_X, "btc"),
        ("date,close,ticker\n", OF_X, None),
        ("date,close\n2024-01-01,1\n", OF_X, None),
        ("date,close,ticker,symbol\n2024-01-01,1,a,b\n", OF_X, None),
        ("date,close,ticker\n2024-01-01,1,btc\n", Hints(), None),
    ],
)
def test_one_symbol_for_all_is_compared_with_a_column_of_symbols(
    text: str, hints: Hints, first: str | None
) -> None:
    assert layout(text, hints).first_symbol == first


def test_times_may_be_left_out_where_they_are_not_needed() -> None:
    when = Hints("X", time_column="when")
    assert layout("price,volume\n", needs_times=False).time_at is None
    assert layout("price,Date\n", needs_times=False).time_at == 1
    assert layout("price,when\n", when, needs_times=False).time_at == 1
    with pytest.raises(CliError, match="no column is called when"):
        layout("price,date\n", when, needs_times=False)


# --- times -------------------------------------------------------------------------------

USUAL = Times()
NEW_YORK = Times(ZoneInfo("America/New_York"))
DAY_FIRST, MONTH_FIRST = Times(None, is_day_first=True), Times(None, is_day_first=False)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Date", "01/31/2024", "02/01/2024"], False),
        (["31/01/2024"], True),
        (["01/02/2024 09:30", "12/12/2024 09:30", "13/02/2024 09:30"], True),
        (["01/02/2024", "2024-01-31"], None),
    ],
)
def test_a_day_above_12_shows_whether_dates_begin_with_it(
    texts: list[str], expected: bool | None
) -> None:
    assert is_day_first(texts) is expected
    text = "".join(f"{text},1\n" for text in texts)
    assert layout(f"date,close\nx\n{text}").times == Times(None, expected)


@pytest.mark.parametrize(
    ("text", "times", "moment"),
    [
        ("2024-01-02", USUAL, "2024-01-02T00:00:00Z"),
        ("2024-07-02", NEW_YORK, "2024-07-02T04:00:00Z"),
        ("2024-01-02 09:30:00.5", NEW_YORK, "2024-01-02T14:30:00.500000Z"),
        ("2024-01-02T09:30:00+01:00", NEW_YORK, "2024-01-02T08:30:00Z"),
        ("1704187800", NEW_YORK, "2024-01-02T09:30:00Z"),
        ("1.7041878e9", USUAL, "2024-01-02T09:30:00Z"),
        ("Sep 5, 2023", NEW_YORK, "2023-09-05T04:00:00Z"),
        ("02/01/2024", DAY_FIRST, "2024-01-02T00:00:00Z"),
        ("1/2/2024 09:30Z", MONTH_FIRST, "2024-01-02T09:30:00Z"),
        ("9999-12-31T23:59:59.999999Z", USUAL, "9999-12-31T23:59:59.999999Z"),
        # A date is its first moment, where midnight comes twice, or is skipped:
        ("2023-11-05", Times(ZoneInfo("America/Havana")), "2023-11-05T04:00:00Z"),
        ("2022-03-27", Times(ZoneInfo("Asia/Beirut")), "2022-03-26T22:00:00Z"),
    ],
)
def test_a_time_is_read_in_its_own_zone_or_the_one_that_was_named(
    text: str, times: Times, moment: str
) -> None:
    assert format_moment(read_time(text, times)) == moment
    assert format_moment(LATEST_MICROSECONDS) == "9999-12-31T23:59:59.999999Z"


@pytest.mark.parametrize(
    ("text", "times", "what"),
    [
        ("2024-01-02 09:30", USUAL, "has no zone: name it with --time-zone, say UTC"),
        ("2024-11-03 01:30", NEW_YORK, "is when clocks change in America/New_York: write it w"),
        ("2024-03-10 02:30", NEW_YORK, "is when clocks change"),
        ("01/02/2024", USUAL, "may start with the day or the month: write YYYY-MM-DD"),
        ("13/02/2024", MONTH_FIRST, "must be ISO 8601 with a zone"),
        ("Foo 02, 2024", USUAL, "must be ISO 8601 with a zone"),
        ("Feb 30, 2024", USUAL, "must be ISO 8601 with a zone"),
        ("", USUAL, "must be ISO 8601 with a zone, or an epoch in seconds"),
        ("-1", USUAL, "must be an epoch in seconds"),
        ("1969-12-31", USUAL, "must not be before 1970"),
        ("9999-12-31T23:00:00-02:00", USUAL, "must be before the year 10000 in UTC"),
        ("9999-12-31 20:00", NEW_YORK, "must be before the year 10000 in UTC"),
        ("20240102", USUAL, "must be written with hyphens, say 2010-03-01"),
    ],
)
def test_an_ambiguous_or_wrong_time_is_rejected(text: str, times: Times, what: str) -> None:
    with pytest.raises(InvalidMessage) as error:
        read_time(text, times)
    assert str(error.value).startswith(f"timestamp {what}")


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1)),
    st.sampled_from(["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
)
@settings(max_examples=50)
def test_a_local_time_is_read_as_that_time_there(local: datetime, zone: str) -> None:
    there = ZoneInfo(zone)
    try:
        time = read_time(local.isoformat(" "), Times(there))
    except InvalidMessage:
        around = [(local + timedelta(hours=hours)).replace(tzinfo=there) for hours in (-25, 25)]
        assert around[0].utcoffset() != around[1].utcoffset()
    else:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
        assert moment.astimezone(there).replace(tzinfo=None) == local
