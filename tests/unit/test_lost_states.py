"""A symbol whose state is lost although it has rules: it begins again, and they count as new."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.client.rule_store import RuleStore
from price_alerts.adapters.items import rule_item, watch_items
from price_alerts.adapters.store import Store
from price_alerts.domain.conditions import Condition
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import State
from price_alerts.domain.watches import ANYWHERE
from price_alerts.ports import Conflict
from tests.unit.client.doubles import answer_with
from tests.unit.doubles import (
    Clock,
    Container,
    Topic,
    add_rules,
    items_of,
    returning,
    rule,
    tick,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

STATE_KEY = {"pk": "SYMBOL#AAPL", "sk": "STATE"}
ABOVE = rule("above", 150, condition=Condition.ABOVE)
RISE = rule("rise", 5, condition=Condition.RISES, window="1h")


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container without a rule of the stack's own."""
    return Container(table, clock, topic, high_price=None)


def lose_state(table: Table, *rules: Rule) -> None:
    """Leave rules without a state; none of them is new, and their watches are gone, too."""
    for written in rules:
        table.put_item(Item=rule_item(written))
    table.delete_item(Key=STATE_KEY)


def watches_in(table: Table) -> list[dict[str, Any]]:
    return items_of(table, "WATCH#AAPL#")


def fired(table: Table) -> list[tuple[str, str]]:
    """Return rule and price of each firing."""
    return sorted((item["rule"], str(item["price"])) for item in items_of(table, "FIRINGS#"))


# --- what is read ----------------------------------------------------------------------------


def test_a_lost_state_begins_above_all_revisions_of_the_rules(store: Store, table: Table) -> None:
    """A rule takes only what is decided after it changed last."""
    lose_state(table, rule("a", 150, revision=7), rule("b", 150, revision=12), rule("c", 150))
    state = store.load("AAPL")
    assert (state.version, state.is_lost, state.position) == (12, True, None)
    assert store.commit(state, replace(state, version=13, is_lost=False)).version == 13


def test_rules_that_no_revision_is_known_of_have_a_lost_state_too(
    store: Store, table: Table
) -> None:
    lose_state(table, rule("a", 150))
    state = store.load("AAPL")
    assert (state.version, state.is_lost, state.bands) == (0, True, None)


def test_a_lost_state_begins_the_windows_that_active_rules_need(store: Store, table: Table) -> None:
    fall = rule("fall", 5, condition=Condition.FALLS, window="1m")
    paused = replace(fall, rule_id="paused", progress=Progress(Status.PAUSED))
    paused = replace(paused, terms=replace(fall.terms, window="7d"))
    lose_state(table, ABOVE, RISE, fall, paused)
    assert store.load("AAPL").windows == {"rise-1h": (), "fall-1m": ()}


def test_active_rules_are_new_again_and_watched(store: Store, table: Table) -> None:
    paused = rule("paused", 150, progress=Progress(Status.PAUSED))
    triggered = rule("done", 150, progress=Progress(Status.TRIGGERED))
    lose_state(table, ABOVE, RISE, paused, triggered)
    assert watches_in(table) == []
    store.load("AAPL")
    wanted = [*watch_items(ABOVE), *watch_items(RISE)]
    assert watches_in(table) == sorted(wanted, key=lambda item: (item["pk"], item["sk"]))


def test_more_rules_than_one_request_can_hold_are_new_again(store: Store, table: Table) -> None:
    rules = [rule(f"r-{number}", 150, condition=Condition.ABOVE) for number in range(60)]
    with table.batch_writer() as batch:
        for written in rules:
            batch.put_item(Item=rule_item(written))
    store.load("AAPL")
    assert len(watches_in(table)) == 120


def test_a_rule_that_cannot_be_read_keeps_no_other_from_beginning_again(
    store: Store, table: Table
) -> None:
    lose_state(table, ABOVE)
    table.put_item(Item=rule_item(rule("spoilt", 150)) | {"levels": []})
    assert store.load("AAPL").is_lost
    assert {item["sk"].partition("#")[2] or item["sk"] for item in watches_in(table)} == {"above"}


def test_who_begins_a_lost_state_second_finds_the_first(store: Store, table: Table) -> None:
    lose_state(table, rule("a", 150, revision=7))
    lost = store.load("AAPL")
    begun = replace(lost, version=8, is_lost=False, bands={"price": ANYWHERE})
    first = store.commit(lost, begun)
    with pytest.raises(Conflict) as conflict:
        store.commit(lost, begun)
    assert conflict.value.current == first


def test_a_state_that_is_lost_while_a_container_is_warm_is_a_conflict_with_the_lost_one(
    store: Store, table: Table
) -> None:
    known = store.commit(State("AAPL"), State("AAPL", 1))
    lose_state(table, rule("a", 150, revision=7))
    with pytest.raises(Conflict) as conflict:
        store.commit(known, State("AAPL", 2))
    assert (conflict.value.current.version, conflict.value.current.is_lost) == (7, True)


def before_each_transaction(table: Table, *answers: Callable[[], Any]) -> None:
    """Have something happen before each transaction; an answer takes its place."""
    left = iter(answers)
    answer_with(table.meta.client, "TransactWriteItems", lambda _: next(left, lambda: None)())


def test_who_is_slow_to_find_a_state_lost_makes_no_rule_new_that_has_seen_a_tick(
    store: Store, table: Table, clock: Clock, topic: Topic
) -> None:
    """Between its reads, the symbol gets its first rule and its first price."""
    lose_state(table, ABOVE)

    def another_container_applies_a_tick() -> None:
        Container(table, clock, topic, high_price=None).process([tick(160)])

    before_each_transaction(table, another_container_applies_a_tick)
    state = store.load("AAPL")
    assert not state.is_lost
    assert [item for item in watches_in(table) if item["pk"].endswith("#new")] == []


def cancelled(code: str) -> dict[str, Any]:
    return {
        "Error": {"Code": "TransactionCanceledException", "Message": ""},
        "ResponseMetadata": {"HTTPStatusCode": 400},
        "CancellationReasons": [{"Code": "None"}, {"Code": code}],
    }


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError"])
def test_a_lost_state_that_others_are_writing_too_is_begun_again(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr("price_alerts.adapters.store.time.sleep", lambda _: None)
    lose_state(table, ABOVE)
    before_each_transaction(table, *[lambda: cancelled(code)] * 4)
    assert store.load("AAPL").is_lost
    assert len(watches_in(table)) == len(watch_items(ABOVE))


@pytest.mark.parametrize(("code", "times"), [("TransactionConflict", 5), ("ValidationError", 1)])
def test_a_lost_state_that_cannot_be_begun_again_is_an_error(
    store: Store, table: Table, monkeypatch: pytest.MonkeyPatch, code: str, times: int
) -> None:
    monkeypatch.setattr("price_alerts.adapters.store.time.sleep", lambda _: None)
    lose_state(table, ABOVE)
    before_each_transaction(table, *[lambda: cancelled(code)] * times)
    with pytest.raises(ClientError, match="TransactionCanceled"):
        store.load("AAPL")


# --- what comes of it ------------------------------------------------------------------------


@pytest.mark.parametrize("is_warm", [True, False])
def test_a_rule_that_tells_what_is_so_looks_at_the_next_tick_again(
    table: Table, clock: Clock, topic: Topic, is_warm: bool
) -> None:
    first = Container(table, clock, topic, high_price=None)
    add_rules(table, ABOVE)
    first.process([tick(160)])
    table.delete_item(Key=STATE_KEY)
    second = first if is_warm else Container(table, clock, topic, high_price=None)
    assert returning(second.process([tick(170, 1)])) == set()
    assert fired(table) == [("above", "160"), ("above", "170")]


def test_a_rule_that_waits_for_an_event_waits_for_a_price_before(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("up", 150))
    container.process([tick(140)])
    table.delete_item(Key=STATE_KEY)
    container.process([tick(160, 1)])
    assert fired(table) == []
    container.process([tick(140, 2), tick(160, 3)])
    assert fired(table) == [("up", "160")]


def test_a_move_is_measured_from_the_first_price_that_is_known(
    container: Container, table: Table
) -> None:
    add_rules(table, RISE)
    container.process([tick(100)])
    table.delete_item(Key=STATE_KEY)
    container.process([tick(106, 1), tick(110, 2)])
    assert fired(table) == []
    container.process([tick(111, 3)])
    assert fired(table) == [("rise", "111")]


def test_a_rule_that_fires_once_and_has_fired_does_not_fire_again(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("once", 150, condition=Condition.ABOVE, trigger=Trigger.ONCE))
    container.process([tick(160)])
    table.delete_item(Key=STATE_KEY)
    container.process([tick(140, 1), tick(160, 2)])
    assert fired(table) == [("once", "160")]


def test_a_rule_takes_no_part_in_ticks_from_before_it_was_added(
    container: Container, table: Table
) -> None:
    container.process([tick(100, 5)])
    add_rules(table, ABOVE)
    table.delete_item(Key=STATE_KEY)
    container.process([tick(160, 4)])
    assert fired(table) == []
    container.process([tick(140, 6), tick(170, 7)])
    assert fired(table) == [("above", "170")]


def test_what_a_rule_has_come_to_is_kept_though_the_state_was_lost(
    container: Container, table: Table
) -> None:
    """The rule's own revision must not be ahead of what changes it next."""
    add_rules(table, rule("every", 150, rearm="10"))
    container.process([tick(140), tick(160, 1)])
    table.delete_item(Key=STATE_KEY)
    container.process([tick(160, 2), tick(139, 3), tick(161, 4)])
    (stored,) = items_of(table, "SYMBOL#AAPL", "RULE#")
    assert (stored["disarmed"], fired(table)) == ("high", [("every", "160"), ("every", "161")])


def test_a_rule_can_be_added_beside_rules_whose_state_is_lost(
    container: Container, table: Table, clock: Clock
) -> None:
    add_rules(table, ABOVE, RISE)
    table.delete_item(Key=STATE_KEY)
    RuleStore(table, clock.sleep, clock).add(rule("new", 155, condition=Condition.ABOVE))
    state = container.store.load("AAPL")
    assert (state.is_lost, state.windows) == (False, {"rise-1h": ()})
    container.process([tick(160)])
    assert fired(table) == [("above", "160"), ("new", "160")]
    assert container.store.load("AAPL").price == Decimal(160)
