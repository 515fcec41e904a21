from __future__ import annotations

import json
import string
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given

from price_alerts.adapters.items import STATE_SCHEMA, UnreadableItem
from price_alerts.adapters.state_items import firing_item, state_attributes, state_of
from price_alerts.domain.conditions import Condition, Distance, Side, Terms
from price_alerts.domain.engine import MAX_CHANGES_PER_COMMIT, MAX_ENTRIES_PER_COMMIT
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.state import Firing, Lease, Outbox, State, Step, Threshold
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import Band, level_key
from price_alerts.domain.windows import BUCKETS, EXTREMES, lines_of
from tests.unit.doubles import NOW, SECOND, as_stored, firing, told
from tests.unit.strategies import recents, states

LONGEST = Decimal(f"-{'9' * 17}.{'9' * 17}")
LONG = Decimal(f"-{'1' * 17}.{'1' * 17}")
LONGEST_PLACE = Decimal(f"-{'9' * 31}.{'9' * 128}")
LONGEST_PERCENTAGE = Decimal(f"{'9' * 65}.{'9' * 63}")
ITEM_LIMIT = 400 * 1024  # DynamoDB


@given(states)
def test_a_state_comes_back_as_it_was_written(state: State) -> None:
    assert state_of("AAPL", as_stored(state_attributes(state))) == state


def test_a_symbol_without_an_item_was_never_stored() -> None:
    assert state_of("AAPL", None) == State("AAPL")


def test_a_symbol_that_has_only_got_rules_has_no_price() -> None:
    assert state_of("AAPL", {"version": 1}) == State("AAPL", 1)


def test_a_state_is_stored_in_its_own_attributes() -> None:
    before, last = Position(NOW - SECOND, 0, 0, "m-0", 0), Position(NOW, 8, NOW - 1_000, "m-1", 3)
    state = State(
        symbol="AAPL",
        version=7,
        nonce="0a1b2c3d",
        price=Decimal("200.25"),
        position=last,
        threshold=Decimal(150),
        threshold_before=Threshold(Decimal(140), NOW),
        windows={"rise-1h": ((14_961, Decimal(149)),), "fall-1h": ()},
        bands={"price": Band(None, Decimal(210))},
        step=Step({"price": Decimal("149.5")}, "price", "2022#r-1"),
        recent=Recent((Mark(before, Decimal("149.5")), Mark(last, Decimal("200.25")))),
        outbox=Outbox(
            version=6,
            firings=(firing(),),
            changes={"r-1": Progress(Status.ACTIVE, Side.LOW, NOW, "f-1")},
            checked_rule_ids=("r-2",),
            spent=(("price", "2022#r-3"),),
        ),
        lease=Lease("a", 5),
    )
    assert state_attributes(state) == {
        "schema": 3,
        "version": 7,
        "nonce": "0a1b2c3d",
        "price": Decimal("200.25"),
        "timestamp_microseconds": NOW,
        "sequence": 8,
        "message_sent_at_microseconds": NOW - 1_000,
        "message_id": "m-1",
        "message_ordinal": 3,
        "threshold": 150,
        "threshold_before": [140, NOW],
        "rise-1h": [[14_961, 149]],
        "fall-1h": [],
        "band": {"price": [None, 210]},
        "step": {"before": {"price": "149.5"}, "line": "price", "after_key": "2022#r-1"},
        "recent": {"ticks": f'[[{NOW - SECOND},"=m-0",0,"149.5"]]'},
        "recent_version": 7,
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
            "spent": [["price", "2022#r-3"]],
        },
        "lease_owner": "a",
        "lease_until_microseconds": 5,
    }


def test_an_outbox_of_many_rules_is_compressed() -> None:
    changes = {f"r-{number}": Progress() for number in range(101)}
    state = State("AAPL", 7, outbox=Outbox(6, firings=(firing(),), changes=changes))
    outbox = state_attributes(state)["outbox"]
    assert outbox.keys() == {"version", "content"}
    assert json.loads(zlib.decompress(outbox["content"])) == {
        "firings": [
            {
                "firing_id": "0123456789abcdef0123456789abcdef",
                "rule": "high-price-threshold",
                "condition": "above",
                "levels": [{"N": "150"}],
                "previous_price": {"N": "149.5"},
                "price": {"N": "200.25"},
                "timestamp_microseconds": NOW,
                "message_id": "m-1",
                "message_ordinal": 0,
                "fired_at_microseconds": NOW + SECOND,
            }
        ],
        "changes": {rule_id: {"status": "active"} for rule_id in changes},
        "checked_rule_ids": [],
        "spent": [],
    }
    assert state_of("AAPL", as_stored(state_attributes(state))) == state


# --- what other code wrote -------------------------------------------------------------------


def test_a_state_of_the_release_before_has_no_nonce_and_remembers_no_recent_ticks() -> None:
    former = {
        "version": 7,
        "price": Decimal(200),
        "timestamp_microseconds": NOW,
        "message_id": "m-1",
        "message_ordinal": 0,
        "past": {"ticks": "[]"},
        "outbox": {"version": 6, "firings": [], "changes": {}, "checked_rule_ids": ["r-1"]},
    }
    assert state_of("AAPL", as_stored(former)) == State(
        "AAPL",
        version=7,
        price=Decimal(200),
        position=Position(NOW, 0, 0, "m-1", 0),
        outbox=Outbox(6, checked_rule_ids=("r-1",)),
    )


@given(states, recents())
def test_recent_ticks_are_forgotten_by_who_moves_a_symbol_without_knowing_of_them(
    state: State, recent: Recent
) -> None:
    """Its rules, or its price, have changed since."""
    position, price = recent.marks[-1]
    state = replace(state, position=position, price=price, recent=recent)
    moved = state_attributes(state) | {"version": state.version + 1}
    assert state_of("AAPL", as_stored(moved)) == replace(
        state, version=state.version + 1, recent=None
    )


def test_a_state_of_newer_code_is_not_read() -> None:
    with pytest.raises(UnreadableItem, match="the format 4, and this code reads up to 3"):
        state_of("AAPL", as_stored({"schema": STATE_SCHEMA + 1, "version": 1}))


# --- firings ---------------------------------------------------------------------------------


def test_a_firing_is_recorded_with_the_words_in_which_it_is_published() -> None:
    assert firing_item(told(), NOW + 2 * SECOND) == {
        "pk": "FIRINGS#AAPL#6",
        "sk": "2026-11-22T15:04:05.250000Z#0123456789abcdef0123456789abcdef",
        "schema": 2,
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
        "day": "2026-11-22#6",
        "owner": "stack",
        "note": "",
        "text": "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before.",
        "sent": True,
        "sent_at": "2026-11-22T15:04:07.250000Z",
    }


def test_a_firing_that_sns_rejects_for_good_is_recorded_with_the_reason_and_the_time() -> None:
    published = firing_item(told(), NOW)
    rejected = firing_item(told(), NOW, "InvalidParameter")
    assert rejected == published | {"sent": False, "undeliverable": "InvalidParameter"}


def test_the_day_of_a_firing_is_that_on_which_it_was_decided() -> None:
    assert firing_item(told(position=Position(0, 0, 0, "m-1", 0)), NOW)["day"].startswith(
        "2026-11-22#"
    )


def test_a_first_firing_has_no_previous_price() -> None:
    assert "previous_price" not in firing_item(told(previous_price=None), NOW)


def test_the_index_of_rules_holds_no_firings() -> None:
    assert "rule_id" not in firing_item(told(), NOW + 2 * SECOND)


# --- how large a state can be ----------------------------------------------------------------


def largest_state(kept_ticks: int, trail_ticks: int) -> State:
    """Build a state with as much of everything as there can be, and hardly anything twice."""
    random = Random(kept_ticks)

    def name(length: int, characters: str = string.ascii_letters + string.digits + "._-") -> str:
        return "".join(random.choices(characters, k=length))

    def number(first: int = 5) -> Decimal:
        return Decimal(f"-{first}{name(16, string.digits)}.{name(17, string.digits)}")

    def position() -> Position:
        message_id = str(uuid.UUID(int=random.getrandbits(128)))
        return Position(NOW + random.randrange(10**13), 0, 0, message_id, random.randrange(500))

    ticks = sorted(position() for _ in range(kept_ticks + 1))
    last = ticks[-1]
    trail_positions = ticks[len(ticks) - trail_ticks :]
    announced = tuple(Announced(tick, tick) for tick in trail_positions)
    entries = 2 + trail_ticks
    rule_ids = [
        name(64) for _ in range(min(MAX_CHANGES_PER_COMMIT, MAX_ENTRIES_PER_COMMIT // entries))
    ]
    firing_ids = {rule_id: name(32, string.hexdigits[:16]) for rule_id in rule_ids}
    levels = {rule_id: (number(8), number(7)) for rule_id in rule_ids}

    def before() -> Progress:
        firing_id = name(32, string.hexdigits[:16])
        return Progress(Status.ACTIVE, Side.HIGH, NOW + random.randrange(10**13), firing_id)

    def change(rule_id: str) -> Progress:
        changes = tuple((tick, before()) for tick in trail_positions)
        return Progress(Status.TRIGGERED, None, NOW, firing_ids[rule_id], Trail(changes, announced))

    firings = tuple(
        Firing(
            firing_id=firing_ids[rule_id],
            rule_id=rule_id,
            symbol="币" * 64,
            terms=Terms(
                Condition.EXITS,
                levels[rule_id],
                rearm=Distance(Decimal(f"0.1{name(33, string.digits)}")),
            ),
            previous_price=LONGEST,
            price=LONGEST,
            position=last,
            fired_at_microseconds=NOW,
        )
        for rule_id in rule_ids
    )
    windows = {
        window: tuple((NOW // SECOND + bucket, number()) for bucket in range(BUCKETS + 1))
        for window in EXTREMES
    }
    lines = lines_of(windows)
    recent = Recent(
        marks=tuple(Mark(tick, number()) for tick in ticks),
        windows=windows,
        begun=dict.fromkeys(windows, last),
        own=Trail(announced=tuple(Announced(tick, tick) for tick in ticks)),
        own_since=last,
        rules_since=last,
    )
    return State(
        symbol="币" * 64,
        version=10**9,
        price=LONGEST,
        position=last,
        threshold=LONGEST,
        threshold_before=Threshold(LONG, NOW),
        windows=windows,
        bands=dict.fromkeys(lines, Band(LONGEST_PLACE, LONGEST_PLACE)),
        step=Step(dict.fromkeys(lines, LONGEST_PERCENTAGE), lines[-1], "9" * 60 + "#" + "r" * 64),
        recent=recent if kept_ticks else None,
        outbox=Outbox(
            version=10**9,
            firings=firings,
            changes={rule_id: change(rule_id) for rule_id in rule_ids},
            checked_rule_ids=tuple(rule_ids),
            # One that fires once has no levels of re-arming.
            spent=tuple(
                (lines[-1], f"{level_key(level)}#{rule_id}")
                for rule_id in rule_ids
                for level in levels[rule_id]
            ),
        ),
        lease=Lease("o" * 32, NOW),
        nonce="n" * 8,
    )


def size_of(value: Mapping[str, Any]) -> int:
    """Measure a value as DynamoDB does: its developer guide, "Item sizes and formats"."""
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return len(content.replace(".", "")) // 2 + 2
    if kind == "L":
        return 3 + sum(1 + size_of(entry) for entry in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + size_of(entry) for name, entry in content.items())
    return len(content) if kind == "B" else 1


@pytest.mark.parametrize(("kept_ticks", "trail_ticks"), [(0, 0), (16, 1), (16, 16), (100, 100)])
def test_the_largest_state_stays_below_what_an_item_may_hold(
    kept_ticks: int, trail_ticks: int
) -> None:
    attributes = state_attributes(largest_state(kept_ticks, trail_ticks))
    size = size_of({"M": {name: TypeSerializer().serialize(v) for name, v in attributes.items()}})
    assert 80_000 < size < ITEM_LIMIT
