"""What feeds emit is read as it is: one message of each feed, and what surrounds them."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.domain.shapes import SHAPES, shape_of, shapes_with
from price_alerts.domain.ticks import Content, bar_path, parse_message, parse_timestamp
from tests.unit.doubles import NOW

MESSAGES = yaml.safe_load((Path(__file__).parents[2] / "data/feeds/messages.yaml").read_text())
SENT_AT = NOW - 5_000_000
PLAIN = {"symbol": "AAPL", "price": "1"}
BAR = {"symbol": "X", "open": 1, "high": 4, "low": 0, "close": 2}
SNS = {"Type": "Notification", "TopicArn": "t"}


def wrapped(envelopes: int) -> Any:
    body: Any = PLAIN
    for _ in range(envelopes):
        body = {"stream": "x", "data": body}
    return body


def read(body: Any, own: Any = None) -> Content:
    text = body if isinstance(body, str) else json.dumps(body)
    return parse_message(text, "m-1", SENT_AT, NOW, shapes_with(own or {}))


def prices_of(content: Content) -> list[tuple[str, str]]:
    return [(tick.symbol, str(tick.price)) for tick in content.ticks]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["shape"])
def test_a_message_of_each_feed_is_recognised_and_read_as_it_is(message: Any) -> None:
    document = json.loads(message["body"])
    entries = document if isinstance(document, list) else [document]
    assert message["shape"] in {getattr(shape_of(entry), "name", None) for entry in entries}
    wanted = []
    for symbol, price, *more in message["prices"]:
        timestamp = parse_timestamp(more[0]) if more else SENT_AT
        wanted.append((symbol, Decimal(price), timestamp, more[1] if more[1:] else 0))
    ticks, faults = read(message["body"])
    assert faults == ()
    assert [(tick.symbol, tick.price, *tick.position[:2]) for tick in ticks] == wanted


def test_there_is_a_message_of_each_shape() -> None:
    assert {message["shape"] for message in MESSAGES} == {shape.name for shape in SHAPES}


def test_each_price_of_a_message_has_a_place_of_its_own() -> None:
    ticks = read([BAR, PLAIN, {"T": "success"}, BAR]).ticks
    assert [tick.position.ordinal for tick in ticks] == [0, 1, 2, 3, 4, 6, 7, 8, 9]


def test_an_envelope_may_be_in_an_envelope() -> None:
    event = {"detail-type": "d", "source": "s", "detail": {"stream": "x", "data": PLAIN}}
    sns = {**SNS, "Message": json.dumps([event, PLAIN])}
    assert prices_of(read(sns)) == [("AAPL", "1"), ("AAPL", "1")]


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({**SNS, "Message": "AAPL 200"}, ("tick 0: Message of SNS: the body is not JSON",)),
        ({**SNS, "Message": '{"s": 1}'}, ("tick 0: symbol is missing",)),
        ({**SNS, "Message": "7"}, ("tick 0: must be a JSON object",)),
        (wrapped(7), ("tick 0: nested too deeply",)),
        ({"channel": "market_trades", "events": [{"type": "update"}, 7]}, ()),
        ({"T": "b", "S": "X", "o": 1, "h": 4, "c": 2}, ("tick 0: price is missing",)),
        ([BAR] * 126, ("a message must hold 1 to 500 ticks",)),
    ],
)
def test_what_is_wrong_with_a_feeds_message_is_reported(body: Any, faults: Any) -> None:
    assert read(body) == Content((), faults)


def test_the_most_nested_envelopes_and_the_most_bars_are_read() -> None:
    assert prices_of(read(wrapped(6))) == [("AAPL", "1")]
    assert len(read([BAR] * 125).ticks) == 500


def test_an_item_that_is_no_object_does_not_hold_back_its_neighbours() -> None:
    ticks, faults = read({"type": "trade", "data": [1, {"s": "X", "p": 1, "t": 1763823845250}]})
    assert [tick.symbol for tick in ticks] == ["X"]
    assert faults == ("tick 0: must be a JSON object",)


_prices = st.decimals(-1_000, 1_000, places=2)


@given(_prices, _prices, _prices, _prices)
def test_a_bar_takes_the_shorter_of_both_ways(
    first: Decimal, last: Decimal, one: Decimal, other: Decimal
) -> None:
    high, low = max(first, last, one, other), min(first, last, one, other)

    def length(*path: Decimal) -> Decimal:
        return sum((abs(then - now) for now, then in pairwise(path)), Decimal(0))

    ways = length(first, low, high, last), length(first, high, low, last)
    assert length(*bar_path(first, high, low, last)) == min(ways)


# --- shapes of one's own ---------------------------------------------------------------------

OWN = {
    "broker": {
        "when": {"kind": ["quote", True], "body.px": None},
        "items": "body",
        "symbol": "sym",
        "price": "px",
        "timestamp": "at",
        "sequence": "no",
    },
    "candle": {"when": {"kind": "bar"}, "symbol": "sym", "bar": ["o", "h", "l", "c"]},
    "wrapped": {"when": {"payload": None}, "items": "payload"},
    "pulse": {"when": {"kind": "pulse"}, "skip": True},
}


@pytest.mark.parametrize(
    ("body", "prices"),
    [
        ({"kind": "quote", "body": {"sym": "x", "px": 5, "no": 3}}, [("X", "5")]),
        ({"kind": True, "body": [{"sym": "x", "px": 5}]}, []),
        ({"kind": True, "body": {"sym": "x", "px": 5}}, [("X", "5")]),
        ({"kind": "bar", "sym": "x", "o": 1, "h": 4, "l": 0, "c": 1}, list("1041")),
        ({"payload": '{"kind": "pulse"}'}, []),
        ({"payload": {"kind": "quote", "body": {"sym": "x", "px": 5}}}, [("X", "5")]),
        ({"kind": "pulse", "symbol": "X", "price": 1}, []),
    ],
)
def test_a_shape_of_ones_own_comes_before_those_that_are_built_in(body: Any, prices: Any) -> None:
    wanted = [each if isinstance(each, tuple) else ("X", each) for each in prices]
    assert prices_of(read(body, OWN)) == wanted


def test_a_value_that_is_wanted_is_not_taken_for_another() -> None:
    own = {"on": {"when": {"on": True}, "skip": True}}
    assert read({"on": 1}, own).faults == ("tick 0: symbol is missing",)
    assert read({"on": "True"}, own).faults == ("tick 0: symbol is missing",)
    assert read({"on": True}, own) == Content(())
