"""Prices, symbols and times on their own, without a message."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.ticks import (
    InvalidMessage,
    format_moment,
    format_timestamp,
    is_price,
    is_symbol,
    parse_price,
    parse_symbol,
)

SECOND = 1_000_000
NOW = 1_795_359_845_250_000
MOST = "9" * 18


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *(("1", True), ("0.1", True), ("1E+17", True), ("1E-18", True), (f"{MOST}.{MOST}", True)),
        *(("0", False), ("-0", False), ("-1", False), ("-1E-18", False)),
        *(("1E+18", False), ("1E-19", False), ("1.0000000000000000001", False)),
        *(("NaN", False), ("sNaN", False), ("Infinity", False), ("-Infinity", False)),
        *(("1E+999999", False), ("1E-999999", False)),
    ],
)
def test_a_price_is_above_zero_with_18_digits_on_each_side(number: str, expected: bool) -> None:
    assert is_price(Decimal(number)) is expected


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(0, 10**18, places=18))
def test_what_is_a_price_is_read_as_one(number: Decimal) -> None:
    try:
        read = parse_price(str(number))
    except InvalidMessage:
        read = None
    assert read == (number if is_price(number) else None)


@pytest.mark.parametrize("symbol", ["A", "BRK.B", "EUR/USD", "A_1-2:3=4^5", "7", "A" * 32])
def test_a_symbol_is_written_in_upper_case(symbol: str) -> None:
    assert is_symbol(symbol)


@pytest.mark.parametrize("symbol", ["", "a", "Aa", "A B", "A#B", "Ä", "A\n", "A" * 33])
def test_nothing_else_is_a_symbol(symbol: str) -> None:
    assert not is_symbol(symbol)


@pytest.mark.parametrize("written", ["aapl", "brk.b", "BTC-usd"])
def test_a_symbol_that_was_read_is_one(written: str) -> None:
    assert is_symbol(parse_symbol(written))


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (NOW, "2026-11-22T15:04:05.250000Z"),
        (NOW + 1, "2026-11-22T15:04:05.250001Z"),
    ],
)
def test_a_time_is_written_with_a_fixed_width(microseconds: int, text: str) -> None:
    assert format_timestamp(microseconds) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (NOW, "2026-11-22T15:04:05.250000Z")],
)
def test_a_moment_is_written_with_a_fraction_only_if_it_has_one(
    microseconds: int, text: str
) -> None:
    assert format_moment(microseconds) == text
