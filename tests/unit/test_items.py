from __future__ import annotations

from decimal import Decimal

from hypothesis import given

from price_alerts.items import rule_item, rule_of, watch_items, watch_of
from price_alerts.rules import Progress, Rule, Status, Trigger
from price_alerts.terms import Condition, Distance, Side, Terms
from price_alerts.watches import Watch
from tests.unit.doubles import NOW, SECOND, as_stored, rule
from tests.unit.strategies import rules

DAY = 86_400

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
    progress=Progress(Status.ACTIVE, Side.HIGH, NOW - SECOND, "f-1"),
)


@given(rules)
def test_a_rule_comes_back_as_it_was_written(written: Rule) -> None:
    assert rule_of(as_stored(rule_item(written))) == written


@given(rules)
def test_watches_come_back_at_all_levels_of_their_rule(written: Rule) -> None:
    watches = [watch_of(as_stored(item)) for item in watch_items(written) if "rule" in item]

    assert [watch.level for watch in watches] == list(written.terms.watched_levels)
    assert {(watch.rule_id, watch.terms) for watch in watches} == {(written.rule_id, written.terms)}


def test_a_rule_is_stored_in_its_own_attributes() -> None:
    assert rule_item(FULL) == {
        "pk": "SYMBOL#AAPL",
        "sk": "RULE#r-1",
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
        "status": "active",
        "disarmed": "high",
        "last_fired_at_microseconds": NOW - SECOND,
        "last_firing_id": "f-1",
    }


def test_what_a_rule_does_not_have_takes_no_attribute() -> None:
    assert (
        rule_item(rule("r-1", 200))
        .keys()
        .isdisjoint(
            {"percent", "window", "rearm", "rearm_percent", "expires_at_microseconds"}
            | {"expires_at_epoch", "disarmed", "last_fired_at_microseconds", "last_firing_id"}
        )
    )


def test_a_watch_of_a_move_stands_on_the_line_of_its_kind() -> None:
    first, *_ = watch_items(FULL)
    assert first == {
        "pk": "WATCH#AAPL#rise-1h-percent",
        "sk": "20035#r-1",
        "rule": "r-1",
        "condition": "rises",
        "levels": [5],
        "percent": True,
        "window": "1h",
        "rearm": Decimal("1.5"),
        "rearm_percent": True,
        "expires_at_epoch": NOW // SECOND + DAY,
    }


def test_a_watch_of_a_price_is_kept_for_ever() -> None:
    (item,) = watch_items(rule("r-1", 200))
    assert (item["pk"], "expires_at_epoch" in item) == ("WATCH#AAPL#price", False)


def test_a_rule_that_can_be_so_at_once_is_among_the_new_ones() -> None:
    *_, item = watch_items(rule("r-1", 200, condition=Condition.ABOVE))
    assert item == {"pk": "WATCH#AAPL#new", "sk": "r-1"}


def test_a_rule_that_waits_for_an_event_is_not_among_the_new_ones() -> None:
    assert {item["pk"] for item in watch_items(rule("r-1", 200))} == {"WATCH#AAPL#price"}


def test_watches_are_found_by_their_symbol_line_and_level() -> None:
    watch = Watch("202215#r-1", "r-1", rule("r-1", 215).terms)
    assert [watch_of(item) for item in watch_items(rule("r-1", 215))] == [watch]
