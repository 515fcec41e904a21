from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.ticks import Position, Tick, parse_message
from tests.unit.doubles import NOW, SECOND, body_of, reason_of

BAD_SYMBOL = "tick 0: symbol must be 1 to 32 characters of A-Z 0-9 . - _ / : = ^"
BAD_PRICE = "tick 0: price must be a JSON number, or a string that holds one"
NO_PRICE = "tick 0: price must be greater than zero"
DIGITS = "tick 0: price must have at most 18 digits before and after the point"
BAD_EPOCH = "tick 0: timestamp must be an epoch in seconds or milliseconds"
BAD_TIMESTAMP = "tick 0: timestamp must be ISO 8601 with a zone, or an epoch"
TOO_EARLY = "tick 0: timestamp must not be before 1970"
FUTURE = "tick 0: timestamp is more than 60 s in the future"


def only_tick(body: str, *, sent: int | None = None, now: int = NOW) -> Tick:
    (tick,) = parse_message(body, "m-1", sent, now)
    return tick


def timestamp_of(literal: str, *, now: int = NOW) -> int:
    return only_tick(body_of(timestamp=literal), now=now).position.timestamp_microseconds


def test_a_message_holds_one_tick_with_its_position() -> None:
    body = '{"symbol": "AAPL", "price": 200.0, "timestamp": "2026-11-22T15:04:05.250Z"}'
    assert only_tick(body) == Tick("AAPL", Decimal(200), Position(NOW, "m-1", 0))


def test_a_message_holds_an_array_of_ticks_in_their_order() -> None:
    body = '[{"symbol": "AAPL", "price": 1}, {"symbol": "MSFT", "price": 2}]'
    assert parse_message(body, "m-1", None, NOW) == (
        Tick("AAPL", Decimal(1), Position(NOW, "m-1", 0)),
        Tick("MSFT", Decimal(2), Position(NOW, "m-1", 1)),
    )


def test_positions_order_by_time_then_message_then_place() -> None:
    positions = [Position(2, "b", 0), Position(2, "a", 2), Position(2, "a", 1), Position(1, "b", 9)]
    assert sorted(positions) == positions[::-1]


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        ("brk.b", "BRK.B"),
        ("BTC-USD", "BTC-USD"),
        ("eur/usd", "EUR/USD"),
        ("NASDAQ:AAPL", "NASDAQ:AAPL"),
        ("ES=F", "ES=F"),
        ("^gspc", "^GSPC"),
        ("A_1", "A_1"),
        ("a" * 32, "A" * 32),
    ],
)
def test_a_symbol_is_read_in_upper_case(written: str, symbol: str) -> None:
    assert only_tick(body_of(symbol=json.dumps(written))).symbol == symbol


@pytest.mark.parametrize(
    "value",
    [
        "",
        "A" * 33,
        "A B",
        "A\n",
        "\0",
        "Ä",
        "ß",
        "\u017f",
        "A#B",
        "A+B",
        5,
        0.5,
        None,
        True,
        [],
        {},
    ],
)
def test_any_other_symbol_is_refused(value: object) -> None:
    assert reason_of(body_of(symbol=json.dumps(value))) == BAD_SYMBOL


@pytest.mark.parametrize(
    ("literal", "price"),
    [
        ("0.1", "0.1"),
        ("200.0", "200"),
        ('"200.50"', "200.5"),
        ("1e3", "1000"),
        ("25E-1", "2.5"),
        ("1e17", "1" + "0" * 17),
        ("1e-18", "0." + "0" * 17 + "1"),
        ("999999999999999999.999999999999999999", "999999999999999999.999999999999999999"),
        ('"123456789012345678.876543210987654321"', "123456789012345678.876543210987654321"),
    ],
)
def test_a_price_is_read_exactly(literal: str, price: str) -> None:
    assert f"{only_tick(body_of(price=literal)).price:f}" == price


@given(st.integers(1, 10**36 - 1))
def test_every_price_of_18_and_18_digits_survives(units: int) -> None:
    digits = f"{units:037d}"
    literal = f"{digits[:-18].lstrip('0') or '0'}.{digits[-18:]}"
    numerator, denominator = only_tick(body_of(price=literal)).price.as_integer_ratio()
    assert numerator * 10**18 == units * denominator


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "literal",
    [
        *("null", "true", "false", "[]", "{}", "[1]", '{"amount": 1}'),
        *("1e9999999999999999999", "-1e9999999999999999999", "1e-9999999999999999999"),
        *("1" * 4_301, "1" * 65),
    ],
)
def test_a_price_that_is_no_usable_number_is_refused(literal: str) -> None:
    assert reason_of(body_of(price=literal)) == BAD_PRICE


@pytest.mark.parametrize(
    "text",
    [
        *("", "abc", "1_000", " 1", "1 ", "1\n", "\uff11\uff12", "+1", ".5", "1.", "0x1", "01"),
        *("NaN", "sNaN", "Infinity", "1e", "1,5", "--1", "1.2.3", "½"),
    ],
)
def test_a_price_in_a_string_is_written_as_json_writes_numbers(text: str) -> None:
    assert reason_of(body_of(price=json.dumps(text))) == BAD_PRICE


@pytest.mark.parametrize("literal", ["0", "0.0", "0e5", "-0", "-0.0", "-1", '"-5"', "-1e-18"])
def test_a_price_that_is_not_above_zero_is_refused(literal: str) -> None:
    assert reason_of(body_of(price=literal)) == NO_PRICE


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "literal",
    [
        *("1" * 19, "1" * 39, "1e18", "1" * 19 + ".5"),
        *("1." + "1" * 19, "0." + "0" * 18 + "1", "1e-19", "1." + "0" * 19),
        *("1e999", "1e999999999", "1e999999999999999999", "1e-999999999", "1e-999999999999999999"),
    ],
)
def test_a_price_of_too_many_digits_is_refused(literal: str) -> None:
    assert reason_of(body_of(price=literal)) == DIGITS


@pytest.mark.parametrize(
    ("literal", "microseconds"),
    [
        ('"2026-11-22T15:04:05.250Z"', NOW),
        ('"2026-11-22T16:04:05.25+01:00"', NOW),
        ('"2026-11-22T09:34:05.250000-05:30"', NOW),
        ("1795359845", NOW - 250_000),
        ("1795359845.25", NOW),
        ("1795359845250", NOW),
        ("1795359845250.5", NOW + 500),
        ("1.79535984525e9", NOW),
        ('"1970-01-01T00:00:00Z"', 0),
        ("0", 0),
        ("1e-400", 0),
    ],
)
def test_a_timestamp_is_iso_8601_or_an_epoch(literal: str, microseconds: int) -> None:
    assert timestamp_of(literal) == microseconds


@pytest.mark.parametrize(
    ("literal", "microseconds"),
    [
        ("99999999999", 99_999_999_999_000_000),
        ("99999999999.999999", 99_999_999_999_999_999),
        ("100000000000", 100_000_000_000_000),
        ("99999999999999", 99_999_999_999_999_000),
    ],
)
def test_an_epoch_of_twelve_digits_is_in_milliseconds(literal: str, microseconds: int) -> None:
    assert timestamp_of(literal, now=10**17) == microseconds


def test_the_hour_that_comes_twice_in_autumn_is_told_apart_by_its_offset() -> None:
    summer, winter = '"2026-10-25T02:30:00+02:00"', '"2026-10-25T02:30:00+01:00"'
    assert timestamp_of(winter) - timestamp_of(summer) == 3600 * SECOND


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, [], {}, "", "now", "1795359845", "2026-11-22", "2026-11-22T15:04:05"),
        *("2026-11-22T25:00:00Z", "2026-02-30T00:00:00Z"),
    ],
)
def test_a_timestamp_without_a_zone_or_sense_is_refused(value: object) -> None:
    assert reason_of(body_of(timestamp=json.dumps(value))) == BAD_TIMESTAMP


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "literal",
    ["-1", "-0.001", "1e14", "1e999999999", "1e999999999999999999", "1e9999999999999999999"],
)
def test_an_epoch_out_of_range_is_refused(literal: str) -> None:
    assert reason_of(body_of(timestamp=literal), now=10**18) == BAD_EPOCH


@pytest.mark.parametrize(
    "literal", ['"1969-12-31T23:59:59.999999Z"', '"0001-01-01T00:00:00+14:00"']
)
def test_a_timestamp_before_1970_is_refused(literal: str) -> None:
    assert reason_of(body_of(timestamp=literal)) == TOO_EARLY


@pytest.mark.parametrize("literal", ['"2026-11-22T15:05:05.250000Z"', "1795359905.25"])
def test_a_timestamp_may_be_just_a_minute_ahead(literal: str) -> None:
    assert timestamp_of(literal) == NOW + 60 * SECOND


@pytest.mark.parametrize(
    "literal",
    ['"2026-11-22T15:05:05.250001Z"', "1795359905.250001", '"9999-12-31T23:59:59-14:00"'],
)
def test_a_timestamp_further_ahead_is_refused(literal: str) -> None:
    assert reason_of(body_of(timestamp=literal)) == FUTURE


@pytest.mark.parametrize(("sent", "expected"), [(NOW - 5, NOW - 5), (0, 0), (None, NOW)])
def test_without_a_timestamp_the_tick_is_as_old_as_its_message(
    sent: int | None, expected: int
) -> None:
    assert only_tick(body_of(), sent=sent).position.timestamp_microseconds == expected


def test_a_timestamp_of_its_own_goes_before_that_of_the_message() -> None:
    position = only_tick(body_of(timestamp="1700000000"), sent=NOW).position
    assert position.timestamp_microseconds == 1_700_000_000 * SECOND
