"""Symbols, prices and times in messages; test_hostile_bodies.py has what surrounds them."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from price_alerts.domain.ticks import (
    Content,
    InvalidMessage,
    Position,
    Tick,
    check_symbol,
    format_moment,
    format_timestamp,
    is_number,
    parse_message,
    parse_price,
    parse_symbol,
)
from tests.unit.doubles import NOW, SECOND, body_of, reason_of

BAD_SYMBOL = "tick 0: symbol must be 1 to 64 printable characters, with no blank at either end"
BAD_PRICE = "tick 0: price must be a JSON number, or a string that holds one"
LIMITS = (
    "tick 0: price must be 0 or between 1e-30 and 1e30 in size, with at most 34 significant digits"
)
EPOCH = "an epoch in seconds, milliseconds, microseconds or nanoseconds"
BAD_EPOCH = f"tick 0: timestamp must be {EPOCH}"
BAD_TIMESTAMP = f"tick 0: timestamp must be ISO 8601 with a zone, or {EPOCH}"
TOO_EARLY = "tick 0: timestamp must not be before 1970"
FUTURE = "tick 0: timestamp is more than 60 s in the future"
BAD_SEQUENCE = "tick 0: sequence must be a whole number of up to 30 digits"
MOST = "9" * 34


def only_tick(body: str, *, sent: int | None = None, now: int = NOW) -> Tick:
    (tick,) = parse_message(body, "m-1", sent, now).ticks
    return tick


def timestamp_of(literal: str, *, now: int = NOW) -> int:
    return only_tick(body_of(timestamp=literal), now=now).position.timestamp_microseconds


def test_a_message_holds_ticks_with_their_positions_and_reasons_for_the_others() -> None:
    dated = '{"symbol": "AAPL", "price": 200.0, "timestamp": "2026-11-22T15:04:05.250Z"}'
    body = f"[{dated}, {body_of(symbol='5')}, {body_of(sequence='7')}, 5]"
    sent = NOW - SECOND
    assert parse_message(body, "m-1", sent, NOW) == Content(
        (
            Tick("AAPL", Decimal(200), Position(NOW, 0, sent, "m-1", 0)),
            Tick("AAPL", Decimal(1), Position(sent, 7, sent, "m-1", 2)),
        ),
        (BAD_SYMBOL.replace("0", "1", 1), "tick 3: must be a JSON object"),
    )


@pytest.mark.parametrize(("sent", "expected"), [(NOW - 5, NOW - 5), (0, 0), (None, NOW)])
def test_without_a_timestamp_the_tick_is_as_old_as_its_message(
    sent: int | None, expected: int
) -> None:
    position = only_tick(body_of(), sent=sent).position
    assert position == Position(expected, 0, sent or 0, "m-1", 0)


def test_positions_are_ordered_by_time_then_message_then_place() -> None:
    positions = [
        Position(2, 0, 0, "b", 0),
        Position(2, 0, 0, "a", 2),
        Position(2, 0, 0, "a", 1),
        Position(1, 0, 0, "b", 9),
    ]
    assert sorted(positions) == positions[::-1]


@pytest.mark.parametrize(
    ("written", "symbol"),
    [
        *((each, each) for each in ("BTC-USD", "NASDAQ:AAPL", "ES=F", "A_1", "ES1!", "M&M.NS")),
        *(("brk.b", "BRK.B"), ("eur/usd", "EUR/USD"), ("^gspc", "^GSPC"), ("Nifty 50", "NIFTY 50")),
        *(("A#B%", "A#B%"), ("币安人生usdt", "币安人生USDT"), ("straße", "STRASSE")),
        ("a" * 64, "A" * 64),
    ],
)
def test_a_symbol_is_read_in_upper_case(written: str, symbol: str) -> None:
    assert only_tick(body_of(symbol=json.dumps(written))).symbol == symbol


@pytest.mark.parametrize(
    "value",
    [
        *("", "A" * 65, "ß" * 33, " A", "A ", "A\n", "\0", "A\u00a0B", "A\u200b"),
        *(5, 0.5, True, [], {}),
    ],
)
def test_any_other_symbol_is_rejected(value: object) -> None:
    assert reason_of(body_of(symbol=json.dumps(value))) == BAD_SYMBOL


@given(st.text(min_size=1, max_size=64))
def test_a_symbol_that_was_read_is_one(written: str) -> None:
    try:
        symbol = parse_symbol(written)
    except InvalidMessage:
        assume(False)
    check_symbol(symbol)


def test_a_symbol_has_capital_letters() -> None:
    with pytest.raises(InvalidMessage, match="symbol must have capital letters"):
        check_symbol("Aa")


@pytest.mark.parametrize(
    ("literal", "price"),
    [
        *(
            ("0.1", "0.1"),
            ("200.0", "200"),
            ('"200.50"', "200.5"),
            ("1e3", "1000"),
            ("25E-1", "2.5"),
        ),
        ("1e30", "1" + "0" * 30),
        ("1e-30", "0." + "0" * 29 + "1"),
        ("6.347997206881229e-05", "0.00006347997206881229"),
        ("-37.63", "-37.63"),
        *((zero, "0") for zero in ("0", "0.0", "0e5", "-0", "-0.0", "0e-99")),
        ("99999999999999999.99999999999999999", "99999999999999999.99999999999999999"),
        ('"1.0000000000000000000000000000000000000"', "1"),
    ],
)
def test_a_price_is_read_exactly(literal: str, price: str) -> None:
    assert f"{only_tick(body_of(price=literal)).price:f}" == price


@given(st.integers(1, 10**34 - 1), st.integers(-63, 0))
def test_every_price_of_34_digits_survives(digits: int, exponent: int) -> None:
    size = Fraction(digits) * Fraction(10) ** exponent
    assume(Fraction(1, 10**30) <= size <= 10**30)
    price = only_tick(body_of(price=f'"{digits}e{exponent}"')).price
    assert Fraction(*price.as_integer_ratio()) == size


@given(st.floats(1e-30, 1e30) | st.floats(-1e30, -1e-30))
def test_every_double_of_a_feed_is_read_exactly(number: float) -> None:
    assert parse_price(repr(number)) == Decimal(repr(number))


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(0, 10**16, places=18))
def test_what_is_a_number_is_read_as_a_price(number: Decimal) -> None:
    try:
        read = parse_price(str(number))
    except InvalidMessage:
        read = None
    assert read == (number if is_number(number) and len(str(number)) <= 100 else None)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *((each, True) for each in ("0", "-0", "1", "-1", "0E-99", f"{MOST}E-60", f"0.{MOST}")),
        *((f"{sign}{each}", True) for each in ("1E+30", "1E-30") for sign in ("", "-")),
        ("1.000000000000000000000000000000000000", True),
        *((each, False) for each in ("1.1E+30", "9E-31", f"0.{MOST}1", "-1E+31")),
        *((each, False) for each in ("NaN", "sNaN", "Infinity", "-Infinity")),
        *((each, False) for each in ("1E+999999", "1E-999999")),
    ],
)
def test_a_number_has_34_digits_and_the_size_of_a_price(number: str, expected: bool) -> None:
    assert is_number(Decimal(number)) is expected


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    ("name", "literal", "reason"),
    [
        *(
            ("price", literal, BAD_PRICE)
            for literal in (
                *("true", "false", "[]", "{}", "[1]", '{"amount": 1}'),
                *("1e9999999999999999999", "-1e9999999999999999999", "1e-9999999999999999999"),
                *("1" * 4_301, "1" * 101),
                *map(json.dumps, ("", "abc", "1_000", " 1", "1 ", "1\n", "\uff11\uff12", "+1")),
                *map(json.dumps, (".5", "1.", "0x1", "01", "NaN", "sNaN", "Infinity", "1e")),
                *map(json.dumps, ("1,5", "--1", "1.2.3", "½")),
            )
        ),
        *(
            ("price", literal, LIMITS)
            for literal in (
                *("1" * 35, "1" * 39, "1.1e30", "1" * 30 + "." + "1" * 5, "1." + "1" * 34),
                *("0." + "0" * 30 + "1", "1e-31", "-1e31", "1e999", "1e999999999"),
                *("1e999999999999999999", "1e-999999999", "1e-999999999999999999"),
            )
        ),
        *(
            ("timestamp", literal, BAD_TIMESTAMP)
            for literal in (
                *("true", "[]", "{}", '""', '"now"', '"20261122"', '"2026-11-22"'),
                *('"2026-11-22T15:04:05"', '"2026-11-22T25:00:00Z"', '"2026-02-30T00:00:00Z"'),
            )
        ),
        *(
            ("timestamp", literal, BAD_EPOCH)
            for literal in (
                *("-1", "-0.001", "1e20", "1e999999999", "1e999999999999999999"),
                "1e9999999999999999999",
            )
        ),
        ("timestamp", '"1969-12-31T23:59:59.999999Z"', TOO_EARLY),
        ("timestamp", '"0001-01-01T00:00:00+14:00"', TOO_EARLY),
        ("timestamp", '"2026-11-22T15:05:05.250001Z"', FUTURE),
        ("timestamp", "1795359905.250001", FUTURE),
        ("timestamp", '"9999-12-31T23:59:59-14:00"', FUTURE),
        *(
            ("sequence", literal, BAD_SEQUENCE)
            for literal in ("1.5", "-1", '"abc"', "true", "1" * 31)
        ),
        *((name, "null", f"tick 0: {name} is missing") for name in ("symbol", "price")),
    ],
)
def test_a_field_that_makes_no_sense_is_rejected(name: str, literal: str, reason: str) -> None:
    assert reason_of(body_of(**{name: literal})) == reason


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
        ("1795359845250001", NOW + 1),
        ("1795359845250001999", NOW + 1),
        ('"1795359845250"', NOW),
        ('"1795359845.25"', NOW),
        ('"2026-11-22T15:04:05.250001999Z"', NOW + 1),
        ("null", NOW),
        ("1.79535984525e9", NOW),
        ('"1970-01-01T00:00:00Z"', 0),
        ("0", 0),
        ("1e-400", 0),
        # A minute ahead is a clock that is fast.
        ('"2026-11-22T15:05:05.250000Z"', NOW + 60 * SECOND),
        ("1795359905.25", NOW + 60 * SECOND),
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
        ("100000000000000", 100_000_000_000_000),
        ("99999999999999999", 99_999_999_999_999_999),
        ("100000000000000000", 100_000_000_000_000),
        ("99999999999999999999.9", 99_999_999_999_999_999),
    ],
)
def test_the_unit_of_an_epoch_is_known_by_its_size(literal: str, microseconds: int) -> None:
    assert timestamp_of(literal, now=10**17) == microseconds


@pytest.mark.parametrize(
    ("microseconds", "fixed", "brief"),
    [
        (0, "1970-01-01T00:00:00.000000Z", "1970-01-01T00:00:00Z"),
        (NOW + 1, "2026-11-22T15:04:05.250001Z", "2026-11-22T15:04:05.250001Z"),
    ],
)
def test_a_time_is_written_with_a_fixed_width_or_for_people(
    microseconds: int, fixed: str, brief: str
) -> None:
    assert (format_timestamp(microseconds), format_moment(microseconds)) == (fixed, brief)
