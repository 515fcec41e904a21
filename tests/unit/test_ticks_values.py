"""Prices, symbols and times on their own, without a message."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.domain.ticks import (
    InvalidMessage,
    check_symbol,
    format_moment,
    format_timestamp,
    is_number,
    parse_price,
    parse_symbol,
)

SECOND = 1_000_000
NOW = 1_795_359_845_250_000
MOST = "9" * 34


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *(("1", True), ("0.1", True), ("1E+30", True), ("1E-30", True), (f"0.{MOST}", True)),
        *(("0", True), ("-0", True), ("-1", True), ("-1E-30", True), ("-1E+30", True)),
        *(("0E-99", True), (f"{MOST}E-60", True), ("1.000000000000000000000000000000000000", True)),
        *(("1.1E+30", False), ("9E-31", False), (f"0.{MOST}1", False), ("-1E+31", False)),
        *(("NaN", False), ("sNaN", False), ("Infinity", False), ("-Infinity", False)),
        *(("1E+999999", False), ("1E-999999", False)),
    ],
)
def test_a_number_has_34_digits_and_the_size_of_a_price(number: str, expected: bool) -> None:
    assert is_number(Decimal(number)) is expected


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(0, 10**16, places=18))
def test_what_is_a_number_is_read_as_a_price(number: Decimal) -> None:
    try:
        read = parse_price(str(number))
    except InvalidMessage:
        read = None
    assert read == (number if is_number(number) and len(str(number)) <= 100 else None)


@given(st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30))
def test_every_double_of_a_feed_is_read_exactly(number: float) -> None:
    assert parse_price(repr(number)) == Decimal(repr(number))


@pytest.mark.parametrize("symbol", ["A", "ES1!", "M&M.NS", "NIFTY 50", "币安人生USDT", "A" * 64])
def test_a_symbol_is_written_in_upper_case(symbol: str) -> None:
    check_symbol(symbol)


@pytest.mark.parametrize("symbol", ["", "a", "Aa", " A", "A ", "ä", "A\n", "A\u00a0B", "A" * 65])
def test_nothing_else_is_a_symbol(symbol: str) -> None:
    with pytest.raises(InvalidMessage):
        check_symbol(symbol)


@given(st.text(min_size=1, max_size=64))
def test_a_symbol_that_was_read_is_one(written: str) -> None:
    try:
        symbol = parse_symbol(written)
    except InvalidMessage:
        return
    check_symbol(symbol)


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
