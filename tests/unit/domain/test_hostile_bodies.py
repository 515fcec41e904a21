"""One bad message must not harm its neighbours: no exception may come out."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from price_alerts.domain.ticks import check_symbol, is_number, parse_message
from tests.unit.doubles import NOW, SECOND, body_of, reason_of

MARKER = "confidential"

NOT_JSON = "the body is not JSON"
NOT_TEXT = "the body must be text"
TOO_LONG = "the body must not be longer than 262144 bytes"
TOO_MANY = "the body must not hold more than 50000 commas"
TOO_DEEP = "nested too deeply"
SURROGATE = "a lone surrogate is not text"
TWICE = "an object has the same key twice"
CONSTANT = "NaN and Infinity are not JSON"
NO_OBJECT = "tick 0: must be a JSON object"
COUNT = "a message must hold 1 to 500 ticks"
BAD_SYMBOL = "tick 0: symbol must be 1 to 64 printable characters, with no blank at either end"
BAD_PRICE = "tick 0: price must be a JSON number, or a string that holds one"


def array_of(count: int) -> str:
    return f"[{', '.join([body_of()] * count)}]"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("", NOT_JSON, id="empty"),
        pytest.param("price: 5", NOT_JSON, id="not JSON"),
        pytest.param(body_of() + " x", NOT_JSON, id="text after it"),
        pytest.param("\ufeff" + body_of(), NOT_JSON, id="byte order mark"),
        pytest.param(None, NOT_TEXT, id="no body"),
        pytest.param(b"{}", NOT_TEXT, id="bytes"),
        pytest.param({"symbol": "AAPL", "price": 1}, NOT_TEXT, id="decoded already"),
        pytest.param("null", NO_OBJECT, id="null"),
        pytest.param("5", NO_OBJECT, id="number"),
        pytest.param('"AAPL"', NO_OBJECT, id="string"),
        pytest.param("[[]]", NO_OBJECT, id="array in an array"),
        pytest.param("[]", COUNT, id="empty array"),
        pytest.param(array_of(501), COUNT, id="501 ticks"),
        pytest.param("[" * 200_000, TOO_DEEP, id="200,000 brackets"),
        pytest.param(f"[{'1,' * 50_000}1", NOT_JSON, id="50,000 commas"),
        pytest.param(f"[{'1,' * 50_001}1", TOO_MANY, id="50,001 commas"),
        pytest.param(body_of().ljust(2**18 + 1), TOO_LONG, id="too long"),
        pytest.param(body_of(extra=f'"{"é" * 2**17}"'), TOO_LONG, id="too many bytes"),
        pytest.param(body_of(price="NaN"), CONSTANT, id="NaN"),
        pytest.param(body_of(price="Infinity"), CONSTANT, id="Infinity"),
        pytest.param(body_of(price="-Infinity"), CONSTANT, id="-Infinity"),
        pytest.param(body_of(extra="NaN"), CONSTANT, id="ignored NaN"),
        pytest.param('{"symbol": "A", "price": 1, "price": 2}', TWICE, id="key twice"),
        pytest.param(r'{"symbol": "A", "price": 1, "\u0070rice": 2}', TWICE, id="escaped key"),
        pytest.param(body_of(extra='{"a": 1, "a": 1}'), TWICE, id="nested key twice"),
        pytest.param(body_of(symbol=r'"\ud800"'), SURROGATE, id="surrogate symbol"),
        pytest.param(body_of(extra=r'"\ud800"'), SURROGATE, id="ignored surrogate"),
        pytest.param(body_of(extra=r'["\udfff"]'), SURROGATE, id="surrogate in an array"),
        pytest.param(body_of(extra=r'{"\ud800": 1}'), SURROGATE, id="surrogate key"),
        pytest.param(body_of(extra='"\ud800"'), SURROGATE, id="raw surrogate"),
    ],
)
def test_a_hostile_body_is_rejected_with_its_reason(body: Any, reason: str) -> None:
    assert reason_of(body) == reason


@pytest.mark.parametrize(
    "literal",
    [
        "null",
        "[1, {}]",
        '{"a": {"b": 2}}',
        "1" * 5_000,
        "1e999",
        "1e9999999999999999999",
        r'"\ud83d\ude00"',
        '"\U0001f600"',
    ],
)
def test_unknown_fields_are_ignored(literal: str) -> None:
    expected = parse_message(body_of(), "m-1", None, NOW)
    assert parse_message(body_of(extra=literal), "m-1", None, NOW) == expected


def test_the_longest_body_and_the_most_ticks_are_read() -> None:
    longest = f"[{', '.join([body_of()] * 500)}]".ljust(256 * 1024)
    assert len(parse_message(longest, "m-1", None, NOW).ticks) == 500


@pytest.mark.parametrize(
    "body",
    [
        body_of(symbol=f'"{MARKER} "'),
        body_of(price=f'"{MARKER}"'),
        body_of(timestamp=f'"{MARKER}"'),
        f'{{"{MARKER}": 1, "{MARKER}": 2}}',
        f'{{"{MARKER}": "\\ud800"}}',
        f'["{MARKER}"]',
        MARKER,
    ],
)
def test_a_reason_quotes_nothing_of_the_body(body: str) -> None:
    assert MARKER not in reason_of(body)


_hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.just(MARKER) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.just(MARKER), inner, max_size=3)
    ),
    max_leaves=5,
)
_entry = st.fixed_dictionaries(
    {"symbol": st.just("AAPL") | _hostile, "price": st.just(1) | _hostile},
    optional={"timestamp": st.just(NOW // 1000) | _hostile, MARKER: _hostile},
)
_literals = st.text(alphabet='[]{}":,\\ud80123456789eE+-. \ud800')


@settings(max_examples=40)
@given(
    st.text()
    | _literals
    | _literals.map(lambda text: body_of(extra=text))
    | _literals.map(lambda text: body_of(price=text))
    | _literals.map(lambda text: body_of(timestamp=text))
)
def test_any_text_is_read_or_rejected(body: str) -> None:
    assert any(parse_message(body, "m-1", None, NOW))


@settings(max_examples=60)
@given((_hostile | _entry | st.lists(_entry)).map(json.dumps))
def test_what_is_read_keeps_the_rules_and_a_reason_quotes_nothing(body: str) -> None:
    ticks, faults = parse_message(body, "m-1", None, NOW)
    assert not any(MARKER in fault for fault in faults)
    for tick in ticks:
        check_symbol(tick.symbol)
        assert is_number(tick.price)
        assert 0 <= tick.position.timestamp_microseconds <= NOW + 60 * SECOND


LARGEST = {
    "500 ticks": array_of(500),
    "brackets": "[" * 200_000,
    "objects": '{"a":' * 50_000,
    "digits": body_of(price="9" * 200_000),
    "exponent": body_of(price="1e" + "9" * 200_000),
    "text": body_of(note=f'"{"x" * 250_000}"'),
    "escapes": body_of(note='"' + "\\u0041" * 40_000 + '"'),
    "keys": "{" + ",".join(f'"{number}":1' for number in range(20_000)) + "}",
    "numbers": "[" + ",".join(["1"] * 120_000) + "]",
    "fewer numbers": "[" + ",".join(["1"] * 50_000) + "]",
    "symbol": body_of(symbol=f'"{"A" * 250_000}"'),
    "timestamp": body_of(timestamp=f'"{"2026-" * 50_000}"'),
}


@pytest.mark.no_cover
@pytest.mark.timeout(5)
@pytest.mark.parametrize("body", LARGEST.values(), ids=LARGEST)
def test_no_body_takes_more_than_50_megabytes(body: str) -> None:
    assert len(body) <= 2**18
    tracemalloc.start()
    try:
        parse_message(body, "m-1", None, NOW)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
