"""Files as people download them: what is read of each, row by row and by columns."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import UTC, datetime, timedelta, timezone
from decimal import Context, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backtest.price_columns import chunks_in
from lib.formats.price_layout import Hints
from lib.formats.prices import Price, PricesFile
from price_alerts.domain.ticks import format_moment

YAHOO = """\
Date,Open,High,Low,Close,Adj Close,Volume
2024-01-02,187.149994,188.440002,183.889999,185.639999,184.734970,82488700
2024-01-03,184.220001,185.880005,183.429993,184.250000,183.351761,58414500
"""
YFINANCE = """\
Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits
2024-01-02 09:30:00-05:00,187.14999389648438,188.44,186.88,187.02999877929688,9021371,0.0,0.0
"""
YFINANCE_DOWNLOAD = """\
Price,Close,High,Low,Open,Volume
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL
Date,,,,,
2024-01-02,184.08,186.86,182.35,185.58,82488700
"""
BINANCE = """\
1704067200000,42283.58000000,42554.57000000,42261.02000000,42475.23000000,1271.68108000,\
1704070799999,53957248.97378900,47134,682.57581000,28957416.81964500,0
1704070800000,42475.23000000,42775.00000000,42431.65000000,42613.56000000,1196.37856000,\
1704074399999,50984690.78420820,46649,625.80000000,26700000.00000000,0
"""
CRYPTO_DATA_DOWNLOAD = """\
https://www.CryptoDataDownload.com
unix,date,symbol,open,high,low,close,Volume BTC,Volume USDT,tradecount
1704153600000,2024-01-02 00:00:00,BTCUSDT,44179.55,45879.63,44148.34,44946.91,65146.4,29.5,2131304
1704067200000,2024-01-01 00:00:00,BTCUSDT,42283.58,44184.1,42180.77,44179.55,27174.3,11.5,1112064
"""
INVESTING = """\
"Date","Price","Open","High","Low","Vol.","Change %"
"01/31/2024","2,067.40","2,056.40","2,074.90","2,050.20","243.82K","0.79%"
"01/30/2024","1,612.34","1,952.30","2,067.90","1,948.70","","0.26%"
"""
TRADING_VIEW = """\
time,open,high,low,close,Volume
1704205800,187.15,187.3,186.9,187.0,100
"""
BTC = [
    ("BTCUSDT", "42475.23", "2024-01-01T00:00:00Z"),
    ("BTCUSDT", "42613.56", "2024-01-01T01:00:00Z"),
]
NEWEST_FIRST = [
    ("BTCUSDT", "44946.91", "2024-01-02T00:00:00Z"),
    ("BTCUSDT", "44179.55", "2024-01-01T00:00:00Z"),
]
GOLD = [("GC", "2067.4", "2024-01-31T00:00:00Z"), ("GC", "1612.34", "2024-01-30T00:00:00Z")]
NEW_YORK = ZoneInfo("America/New_York")


def read(path: Path, hints: Hints) -> list[tuple[str, str, str]]:
    """Read a file in both ways, which must agree."""
    rows = list(PricesFile(path, hints, needs_timestamps=True))
    by_columns = [
        Price(symbol, columns.price(place), time)
        for portion in chunks_in(PricesFile(path, hints, needs_timestamps=True))
        for symbol, columns in portion.by_symbol()
        for place, time in enumerate(columns.times.tolist())
    ]
    rows.sort(key=lambda row: row.symbol)
    assert sorted(by_columns, key=lambda row: row.symbol) == rows
    assert all(type(row.price) is Decimal for row in rows)
    return [
        (row.symbol, f"{row.price:f}", format_moment(row.timestamp_microseconds or 0))
        for row in rows
    ]


@pytest.mark.parametrize(
    ("content", "hints", "expected"),
    [
        (
            YAHOO,
            Hints("AAPL", "adj close", None, NEW_YORK),
            [
                ("AAPL", "184.73497", "2024-01-02T05:00:00Z"),
                ("AAPL", "183.351761", "2024-01-03T05:00:00Z"),
            ],
        ),
        (YFINANCE, Hints("AAPL"), [("AAPL", "187.02999877929688", "2024-01-02T14:30:00Z")]),
        (YFINANCE_DOWNLOAD, Hints("AAPL"), [("AAPL", "184.08", "2024-01-02T00:00:00Z")]),
        (BINANCE, Hints("BTCUSDT"), BTC),
        (CRYPTO_DATA_DOWNLOAD, Hints(), NEWEST_FIRST),
        (CRYPTO_DATA_DOWNLOAD, Hints(None, None, "date", ZoneInfo("UTC")), NEWEST_FIRST),
        (INVESTING, Hints("GC"), GOLD),
        (INVESTING.replace("01/31/", "Jan 31, ").replace("01/30/", "Jan 30, "), Hints("GC"), GOLD),
        (INVESTING.replace("01/31/", "31/01/").replace("01/30/", "30/01/"), Hints("GC"), GOLD),
        (TRADING_VIEW, Hints("AAPL"), [("AAPL", "187", "2024-01-02T14:30:00Z")]),
        (
            TRADING_VIEW.replace("1704205800", "2024-01-02 09:30:00"),
            Hints("AAPL", None, None, NEW_YORK),
            [("AAPL", "187", "2024-01-02T14:30:00Z")],
        ),
    ],
)
def test_an_export_is_read_as_it_was_downloaded(
    tmp_path: Path, content: str, hints: Hints, expected: list[tuple[str, str, str]]
) -> None:
    path = tmp_path / "export.csv"
    stored = content.replace("\n", "\r\n").encode("utf-8-sig")
    for each in (content.encode(), gzip.compress(stored)):
        path.write_bytes(each)
        assert read(path, hints) == expected


def read_naively(text: str, delimiter: str) -> list[tuple[str, str, str]]:
    """Read a file of valid rows naively."""
    found = []
    for row in csv.DictReader(text.splitlines(), delimiter=delimiter, skipinitialspace=True):
        values = {(key or "").strip().lower(): value for key, value in row.items()}
        time = values["timestamp"]
        if time.isdigit():
            moment = datetime.fromtimestamp(int(time) / 10 ** (len(time) - 10), UTC)
        else:
            moment = datetime.fromisoformat(time)
            moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        price = f"{Decimal(values['price'].replace(',', '')).normalize(Context(prec=99)):f}"
        found.append((values["symbol"].upper(), price, format_moment(microseconds_of(moment))))
    return sorted(found, key=lambda row: row[0])


def microseconds_of(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


moments = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
times = st.one_of(
    moments.map(lambda moment: moment.isoformat()),
    moments.map(lambda moment: moment.isoformat(" ", "milliseconds")),
    moments.map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
    moments.map(lambda moment: f"{moment:%Y-%m-%d}"),
    st.integers(10**9, 4 * 10**9).map(str),
    st.integers(10**12, 4 * 10**12).map(str),
)
prices = st.one_of(
    st.decimals(-1000, 1000, places=2).map(str),
    st.decimals(1000, 10**15, places=3).map("{:,}".format),
    st.integers(10**4, 10**34 - 1).map(lambda digits: f"0.{digits:034}"),
)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a file of valid rows, and its delimiter."""
    text, delimiter = io.StringIO(), draw(st.sampled_from(",;\t"))
    header = draw(st.permutations(("Timestamp", " symbol", "PRICE", "note")))
    writer = csv.DictWriter(
        text,
        header,
        delimiter=delimiter,
        lineterminator=draw(st.sampled_from(("\n", "\r\n", "\n\n"))),
        quoting=draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL))),
    )
    writer.writeheader()
    for _ in range(draw(st.integers(0, 6))):
        row = draw(times), draw(st.sampled_from(("AAPL", "ibm", "EURUSD=X"))), draw(prices), "a, b"
        writer.writerow(dict(zip(("Timestamp", " symbol", "PRICE", "note"), row, strict=True)))
    return text.getvalue(), delimiter


@given(files())
@settings(max_examples=30)
def test_a_file_is_read_as_by_a_naive_reader(
    tmp_path_factory: pytest.TempPathFactory, file: tuple[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "drawn.csv"
    path.write_text(file[0], newline="")

    assert read(path, Hints()) == read_naively(*file)
