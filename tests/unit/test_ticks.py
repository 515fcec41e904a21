from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from price_alerts.domain.ticks import Position, Tick, parse_message
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


def only_tick(body: str, *, sent: int | None = None, now: int = NOW) -> Tick:
    (tick,) = parse_message(body, "m-1", sent, now).ticks
    return tick


def timestamp_of(literal: str, *, now: int = NOW) -> int:
    return only_tick(body_of(timestamp=literal), now=now).position.timestamp_microseconds


def test_a_message_holds_one_tick_with_its_position() -> None:
    body = '{"symbol": "AAPL", "price": 200.0, "timestamp": "2026-11-22T15:04:05.250Z"}'
    assert only_tick(body) == Tick("AAPL", Decimal(200), Position(NOW, 0, 0, "m-1", 0))


def test_a_message_holds_an_array_of_ticks_in_their_order() -> None:
    body = '[{"symbol": "AAPL", "price": 1}, {"symbol": "MSFT", "price": 2}]'
    assert parse_message(body, "m-1", None, NOW).ticks == (
        Tick("AAPL", Decimal(1), Position(NOW, 0, 0, "m-1", 0)),
        Tick("MSFT", Decimal(2), Position(NOW, 0, 0, "m-1", 1)),
    )


def test_a_bad_tick_does_not_hold_back_its_neighbours() -> None:
    halted = body_of(symbol='"HALT"', price='"n/a"')
    body = f"[{body_of()}, {halted}, {body_of()}, 5]"
    ticks, faults = parse_message(body, "m-1", None, NOW)
    assert [tick.position.ordinal for tick in ticks] == [0, 2]
    assert faults == (BAD_PRICE.replace("0", "1", 1), "tick 3: must be a JSON object")


@pytest.mark.parametrize("literal", ["1.5", "-1", '"abc"', "true", "1" * 31])
def test_a_sequence_that_is_no_whole_number_is_rejected(literal: str) -> None:
    reason = "tick 0: sequence must be a whole number of up to 30 digits"
    assert reason_of(body_of(sequence=literal)) == reason


def test_positions_order_by_time_then_message_then_place() -> None:
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
        ("brk.b", "BRK.B"),
        ("BTC-USD", "BTC-USD"),
        ("eur/usd", "EUR/USD"),
        ("NASDAQ:AAPL", "NASDAQ:AAPL"),
        ("ES=F", "ES=F"),
        ("^gspc", "^GSPC"),
        ("A_1", "A_1"),
        ("ES1!", "ES1!"),
        ("M&M.NS", "M&M.NS"),
        ("Nifty 50", "NIFTY 50"),
        ("A#B%", "A#B%"),
        ("币安人生usdt", "币安人生USDT"),
        ("straße", "STRASSE"),
        ("a" * 64, "A" * 64),
    ],
)
def test_a_symbol_is_read_in_upper_case(written: str, symbol: str) -> None:
    assert only_tick(body_of(symbol=json.dumps(written))).symbol == symbol


@pytest.mark.parametrize(
    "value",
    [
        "",
        "A" * 65,
        "ß" * 33,
        " A",
        "A ",
        "A\n",
        "\0",
        "A\u00a0B",
        "A\u200b",
        5,
        0.5,
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


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "literal",
    [
        *("true", "false", "[]", "{}", "[1]", '{"amount": 1}'),
        *("1e9999999999999999999", "-1e9999999999999999999", "1e-9999999999999999999"),
        *("1" * 4_301, "1" * 101),
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


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "literal",
    [
        *("1" * 35, "1" * 39, "1.1e30", "1" * 30 + "." + "1" * 5),
        *("1." + "1" * 34, "0." + "0" * 30 + "1", "1e-31", "-1e31"),
        *("1e999", "1e999999999", "1e999999999999999999", "1e-999999999", "1e-999999999999999999"),
    ],
)
def test_a_price_that_no_feed_has_is_refused(literal: str) -> None:
    assert reason_of(body_of(price=literal)) == LIMITS


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"s":"BTCUSDT","p":"1"}', "symbol"),
        ('{"symbol":null,"price":1}', "symbol"),
        ('{"symbol":"A"}', "price"),
        ('{"symbol":"A","price":null}', "price"),
    ],
)
def test_a_field_that_is_missing_is_named(body: str, name: str) -> None:
    assert reason_of(body) == f"tick 0: {name} is missing"


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


def test_the_hour_that_comes_twice_in_autumn_is_told_apart_by_its_offset() -> None:
    summer, winter = '"2026-10-25T02:30:00+02:00"', '"2026-10-25T02:30:00+01:00"'
    assert timestamp_of(winter) - timestamp_of(summer) == 3600 * SECOND


@pytest.mark.parametrize(
    "value",
    [
        *(True, [], {}, "", "now", "20261122", "2026-11-22", "2026-11-22T15:04:05"),
        *("2026-11-22T25:00:00Z", "2026-02-30T00:00:00Z"),
    ],
)
def test_a_timestamp_without_a_zone_or_sense_is_refused(value: object) -> None:
    assert reason_of(body_of(timestamp=json.dumps(value))) == BAD_TIMESTAMP


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "literal",
    ["-1", "-0.001", "1e20", "1e999999999", "1e999999999999999999", "1e9999999999999999999"],
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
