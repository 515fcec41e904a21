from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from price_alerts.adapters.items import (
    SCHEMA,
    UnreadableItem,
    claim_item,
    rule_item,
    rule_of,
    watch_items,
    watch_of,
)
from price_alerts.domain.conditions import Condition, Distance, Side, Terms
from price_alerts.domain.progress import Announced, Progress, Status, Trail
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import Watch
from tests.unit.doubles import NOW, SECOND, as_stored, rule
from tests.unit.strategies import stored_rules

DAY = 86_400
MESSAGE_ID = "00112233-4455-6677-8899-aabbccddeeff"
AT = Position(NOW, 0, 0, MESSAGE_ID, 3)

FULL = Rule(
    rule_id="r-1",
    symbol="AAPL",
    terms=Terms(Condition.RISES, (Decimal(5),), True, "1h", Distance(Decimal("1.5"), True)),
    trigger=Trigger.EVERY,
    cooldown_seconds=60,
    expires_at_microseconds=NOW,
    owner="ann",
    note="Sell.",
    message="{symbol}!",
    since=AT,
    revision=7,
    progress=Progress(
        Status.ACTIVE,
        Side.HIGH,
        NOW - SECOND,
        "f-1",
        Trail(((AT, Progress()),), (Announced(AT, AT),)),
    ),
)


@given(stored_rules)
def test_a_rule_comes_back_as_it_was_written(written: Rule) -> None:
    assert rule_of(as_stored(rule_item(written))) == written


@given(stored_rules)
def test_watches_come_back_at_all_levels_of_their_rule(written: Rule) -> None:
    watches = [watch_of(as_stored(item)) for item in watch_items(written) if "rule" in item]

    assert [watch.level for watch in watches] == list(written.terms.watched_levels)
    assert {(watch.rule_id, watch.terms) for watch in watches} == {(written.rule_id, written.terms)}


def test_a_rule_is_stored_in_its_own_attributes() -> None:
    assert rule_item(FULL) == {
        "pk": "SYMBOL#AAPL#1",
        "sk": "RULE#r-1",
        "schema": 2,
        "rule_id": "r-1",
        "symbol": "AAPL",
        "condition": "rises",
        "levels": [5],
        "percent": True,
        "window": "1h",
        "rearm": Decimal("1.5"),
        "rearm_percent": True,
        "trigger": "every",
        "cooldown_seconds": 60,
        "expires_at_microseconds": NOW,
        "expires_at_epoch": NOW // SECOND + 30 * DAY,
        "owner": "ann",
        "note": "Sell.",
        "message": "{symbol}!",
        "since": f'[{NOW},"ABEiM0RVZneImaq7zN3u_w",3]',
        "revision": 7,
        "status": "active",
        "disarmed": "high",
        "last_fired_at_microseconds": NOW - SECOND,
        "last_firing_id": "f-1",
        "trail": (
            f'[["active","high",{NOW - SECOND},"f-1"],'
            f'[[{NOW},"ABEiM0RVZneImaq7zN3u_w",3,"active",null,null,null,1]],'
            "[]]"
        ),
    }


def test_what_a_rule_does_not_have_takes_no_attribute() -> None:
    assert (
        rule_item(rule("r-1", 200))
        .keys()
        .isdisjoint(
            {"percent", "window", "rearm", "rearm_percent", "expires_at_microseconds"}
            | {"expires_at_epoch", "since", "disarmed", "trail"}
            | {"last_fired_at_microseconds", "last_firing_id"}
        )
    )


def test_a_watch_of_a_move_stands_on_the_line_of_its_kind() -> None:
    first, *_ = watch_items(FULL)
    assert first == {
        "pk": "WATCH#AAPL#rise-1h-percent",
        "sk": "20035#r-1",
        "schema": 2,
        "rule": "r-1",
        "condition": "rises",
        "levels": [5],
        "percent": True,
        "window": "1h",
        "rearm": Decimal("1.5"),
        "rearm_percent": True,
        "expires_at_epoch": NOW // SECOND + 30 * DAY,
    }


def test_a_watch_of_a_price_is_kept_for_ever() -> None:
    (item,) = watch_items(rule("r-1", 200))
    assert (item["pk"], "expires_at_epoch" in item) == ("WATCH#AAPL#price", False)


def test_a_rule_that_can_be_so_at_once_is_among_the_new_ones() -> None:
    *_, item = watch_items(rule("r-1", 200, condition=Condition.ABOVE))
    assert item == {"pk": "WATCH#AAPL#new", "sk": "r-1", "schema": 2}


def test_a_rule_that_waits_for_an_event_is_not_among_the_new_ones() -> None:
    assert {item["pk"] for item in watch_items(rule("r-1", 200))} == {"WATCH#AAPL#price"}


def test_watches_are_found_by_their_symbol_line_and_level() -> None:
    watch = Watch("202215#r-1", "r-1", rule("r-1", 215).terms)
    assert [watch_of(item) for item in watch_items(rule("r-1", 215))] == [watch]


def test_an_id_is_taken_for_as_long_as_its_rule_is_there() -> None:
    assert claim_item(FULL) == {
        "pk": "RULE_ID#r-1",
        "sk": "CLAIM",
        "schema": 2,
        "symbol": "AAPL",
        "expires_at_epoch": NOW // SECOND + 30 * DAY,
    }


# --- what other code wrote -------------------------------------------------------------------


def test_a_rule_of_the_release_before_has_seen_no_change_and_was_always_there() -> None:
    former = rule_item(rule("r-1", 200))
    del former["schema"], former["revision"]
    assert rule_of(as_stored(former)) == rule("r-1", 200)


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "triggered"},
        {"last_firing_id": "f-2"},
        {"last_fired_at_microseconds": NOW},
        {"disarmed": "low"},
    ],
)
def test_a_trail_is_forgotten_by_who_changes_a_rule_without_knowing_of_trails(
    changed: dict[str, Any],
) -> None:
    assert rule_of(as_stored(rule_item(FULL) | changed)).progress.trail == Trail()


def test_a_rule_of_newer_code_is_not_read() -> None:
    newer = rule_item(FULL) | {"schema": SCHEMA + 1}
    with pytest.raises(UnreadableItem, match="the format 3, and this code reads up to 2"):
        rule_of(as_stored(newer))


def test_a_watch_of_newer_code_has_its_place_and_no_terms() -> None:
    (item,) = watch_items(rule("r-1", 215))
    newer = {**item, "schema": SCHEMA + 1, "rule": {"id": "r-1"}}
    assert watch_of(as_stored(newer)) == Watch("202215#r-1", "r-1", None)


SPOILT: list[dict[str, Any]] = [
    {"levels": []},
    {"levels": Decimal(5)},
    {"levels": [Decimal(-5)]},
    {"condition": "wobbles"},
    {"window": "2h"},
    {"rearm": Decimal(0)},
]
SPOILT_IN_ITS_TYPES: list[dict[str, Any]] = [
    {"levels": ["150"]},
    {"rearm": "1"},
    {"schema": "two"},
]


@pytest.mark.parametrize(
    "spoilt",
    [
        *SPOILT,
        *SPOILT_IN_ITS_TYPES,
        {"owner": ["ann"]},
        {"since": "[1,2,3]"},
        {"trigger": "twice"},
        {"status": "lost"},
        {"disarmed": "left"},
        {"cooldown_seconds": "soon"},
        {"message": "{secret}"},
        {"owner": Decimal(1)},
        {"since": "yesterday"},
        {"since": Decimal(1)},
        {"revision": "last"},
        {"trail": "[]"},
        {"trail": "none"},
    ],
    ids=str,
)
def test_a_rule_that_was_spoilt_by_hand_is_not_read(spoilt: dict[str, Any]) -> None:
    with pytest.raises(UnreadableItem):
        rule_of(as_stored(rule_item(FULL) | spoilt))


@pytest.mark.parametrize("name", ["rule_id", "symbol", "levels", "status", "owner"])
def test_a_rule_that_lacks_something_is_not_read(name: str) -> None:
    item = rule_item(FULL)
    del item[name]
    with pytest.raises(UnreadableItem):
        rule_of(as_stored(item))


def test_why_a_rule_is_not_read_says_nothing_of_what_it_holds() -> None:
    with pytest.raises(UnreadableItem) as reason:
        rule_of(as_stored(rule_item(replace(FULL, note="secret")) | {"trigger": "secret"}))
    assert "secret" not in str(reason.value)


@pytest.mark.parametrize("spoilt", [*SPOILT, *SPOILT_IN_ITS_TYPES], ids=str)
def test_a_watch_that_was_spoilt_by_hand_has_no_terms(spoilt: dict[str, Any]) -> None:
    first, *_ = watch_items(FULL)
    assert watch_of(as_stored(first | spoilt)) == Watch("20035#r-1", "r-1", None)


@pytest.mark.parametrize("name", ["levels", "condition"])
def test_a_watch_that_lacks_something_has_no_terms(name: str) -> None:
    first, *_ = watch_items(FULL)
    del first[name]
    assert watch_of(as_stored(first)) == Watch("20035#r-1", "r-1", None)
