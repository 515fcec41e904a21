from __future__ import annotations

import json
from decimal import Decimal

from boto3.dynamodb.types import TypeSerializer
from hypothesis import given

from price_alerts.engine import MAX_CHANGES_PER_COMMIT
from price_alerts.rules import Progress, Status
from price_alerts.state import Firing, Lease, Outbox, State, Step
from price_alerts.state_items import firing_item, state_attributes, state_of
from price_alerts.terms import Condition, Distance, Side, Terms
from price_alerts.ticks import Position
from price_alerts.watches import Band
from price_alerts.windows import BUCKETS, EXTREMES, lines_of
from tests.unit.doubles import NOW, SECOND, as_stored, firing, told
from tests.unit.strategies import states

LONGEST = Decimal("999999999999999999.999999999999999999")
LONG = Decimal("111111111111111111.111111111111111111")
LONGEST_PERCENTAGE = Decimal(f"{'9' * 39}.{'9' * 18}")
ITEM_LIMIT = 400 * 1024  # DynamoDB


@given(states)
def test_a_state_comes_back_as_it_was_written(state: State) -> None:
    assert state_of("AAPL", as_stored(state_attributes(state))) == state


def test_a_symbol_without_an_item_was_never_stored() -> None:
    assert state_of("AAPL", None) == State("AAPL")


def test_a_symbol_that_has_only_got_rules_has_no_price() -> None:
    assert state_of("AAPL", {"version": 1}) == State("AAPL", 1)


def test_a_state_is_stored_in_its_own_attributes() -> None:
    state = State(
        symbol="AAPL",
        version=7,
        price=Decimal("200.25"),
        position=Position(NOW, "m-1", 3),
        threshold=Decimal(150),
        windows={"rise-1h": ((14_961, Decimal(149)),), "fall-1h": ()},
        bands={"price": Band(None, Decimal(210))},
        step=Step({"price": Decimal("149.5")}, "price", "2022#r-1"),
        outbox=Outbox(
            version=6,
            firings=(firing(),),
            changes={"r-1": Progress(Status.ACTIVE, Side.LOW, NOW, "f-1")},
            checked_rule_ids=("r-2",),
        ),
        lease=Lease("a", 5),
    )
    assert state_attributes(state) == {
        "version": 7,
        "price": Decimal("200.25"),
        "timestamp_microseconds": NOW,
        "message_id": "m-1",
        "message_ordinal": 3,
        "threshold": 150,
        "rise-1h": [[14_961, 149]],
        "fall-1h": [],
        "band": {"price": [None, 210]},
        "step": {"before": {"price": "149.5"}, "line": "price", "after_key": "2022#r-1"},
        "outbox": {
            "version": 6,
            "firings": [
                {
                    "firing_id": "0123456789abcdef0123456789abcdef",
                    "rule": "high-price-threshold",
                    "condition": "above",
                    "levels": [150],
                    "previous_price": Decimal("149.5"),
                    "price": Decimal("200.25"),
                    "timestamp_microseconds": NOW,
                    "message_id": "m-1",
                    "message_ordinal": 0,
                    "fired_at_microseconds": NOW + SECOND,
                }
            ],
            "changes": {
                "r-1": {
                    "status": "active",
                    "disarmed": "low",
                    "last_fired_at_microseconds": NOW,
                    "last_firing_id": "f-1",
                }
            },
            "checked_rule_ids": ["r-2"],
        },
        "lease_owner": "a",
        "lease_until_microseconds": 5,
    }


def test_a_firing_is_recorded_with_the_words_in_which_it_is_told() -> None:
    assert firing_item(told()) == {
        "pk": "FIRINGS#AAPL",
        "sk": "2026-11-22T15:04:05.250000Z#0123456789abcdef0123456789abcdef",
        "firing_id": "0123456789abcdef0123456789abcdef",
        "rule": "high-price-threshold",
        "symbol": "AAPL",
        "condition": "above",
        "levels": [150],
        "previous_price": Decimal("149.5"),
        "price": Decimal("200.25"),
        "timestamp": "2026-11-22T15:04:05.250000Z",
        "timestamp_microseconds": NOW,
        "message_id": "m-1",
        "message_ordinal": 0,
        "fired_at": "2026-11-22T15:04:06.250000Z",
        "fired_at_microseconds": NOW + SECOND,
        "day": "2026-11-22",
        "owner": "stack",
        "note": "",
        "text": "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before.",
        "sent": False,
    }


def test_the_day_of_a_firing_is_that_on_which_it_was_decided() -> None:
    assert firing_item(told(position=Position(0, "m-1", 0)))["day"] == "2026-11-22"


def test_a_first_firing_has_no_previous_price() -> None:
    assert "previous_price" not in firing_item(told(previous_price=None))


def test_the_index_of_rules_holds_no_firings() -> None:
    assert "rule_id" not in firing_item(told())


def largest_state() -> State:
    terms = Terms(Condition.EXITS, (LONG, LONGEST), rearm=Distance(LONG))
    last = Position(NOW, "m" * 100, 499)
    fired = Firing("f" * 32, "r" * 64, "A" * 32, terms, LONGEST, LONGEST, last, NOW)
    progress = Progress(Status.TRIGGERED, Side.HIGH, NOW, "f" * 32)
    rule_ids = [f"{number:r>64}" for number in range(MAX_CHANGES_PER_COMMIT)]
    windows = {
        name: tuple((NOW // SECOND + bucket, LONGEST) for bucket in range(BUCKETS))
        for name in EXTREMES
    }
    lines = lines_of(windows)
    return State(
        symbol="A" * 32,
        version=10**9,
        price=LONGEST,
        position=last,
        threshold=LONGEST,
        windows=windows,
        bands=dict.fromkeys(lines, Band(LONGEST, LONGEST)),
        step=Step(dict.fromkeys(lines, LONGEST_PERCENTAGE), lines[-1], "9" * 60 + "#" + "r" * 64),
        outbox=Outbox(
            version=10**9,
            firings=(fired,) * (MAX_CHANGES_PER_COMMIT + 1),  # one of them the stack's own rule's
            changes=dict.fromkeys(rule_ids, progress),
            checked_rule_ids=tuple(rule_ids),
        ),
        lease=Lease("o" * 32, NOW),
    )


def test_the_largest_state_stays_far_below_what_an_item_may_hold() -> None:
    attributes = state_attributes(largest_state())

    sent = {name: TypeSerializer().serialize(value) for name, value in attributes.items()}

    assert 100_000 < len(json.dumps(sent)) < ITEM_LIMIT / 2
