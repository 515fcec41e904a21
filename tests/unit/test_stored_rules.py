"""Rules of the table through the commit protocol, one delivery after another."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts.domain import engine
from price_alerts.domain.conditions import Condition
from price_alerts.domain.rules import Trigger
from price_alerts.domain.state import Outbox, State
from price_alerts.domain.ticks import format_timestamp
from price_alerts.domain.watches import ANYWHERE
from tests.unit.doubles import (
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    before_updates,
    firing,
    items_of,
    returning,
    rule,
    tick,
    ticks,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    """A container without a rule of the stack's own."""
    return Container(table, clock, topic, high_price=None)


def recorded(table: Table) -> list[tuple[str, str, bool]]:
    """Return rule, price and sent of all firings, in the order of their times and rules."""
    items = items_of(table, "FIRINGS#")
    items.sort(key=lambda item: (item["timestamp_microseconds"], item["rule"]))
    return [(item["rule"], str(item["price"]), item["sent"]) for item in items]


def refuse_update(table: Table, place: int) -> None:
    """Let one update of those that follow be in the way of somebody else's transaction."""
    made = itertools.count()

    def refuse(**_: Any) -> None:
        if next(made) == place:
            code = "TransactionConflictException"
            raise ClientError({"Error": {"Code": code}}, "UpdateItem")

    table.meta.client.meta.events.register("before-call.dynamodb.UpdateItem", refuse)


def test_a_rule_fires_with_its_owner_note_and_message(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, rule("r-1", 150, owner="ann", note="Sell.", message="{symbol}! {note}"))
    container.process(ticks(149, 151))
    (item,) = items_of(table, "FIRINGS#")
    assert (item["owner"], item["note"], item["text"]) == ("ann", "Sell.", "AAPL! Sell.")
    assert topic.published == [item["firing_id"]]


def test_a_firing_is_written_once_after_it_was_published(
    container: Container, table: Table, topic: Topic, clock: Clock
) -> None:
    written: list[Any] = []
    there_before: list[Any] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        entries = params["RequestItems"][table.name]
        written.extend(entry["PutRequest"]["Item"] for entry in entries if "PutRequest" in entry)

    def publish(when: str) -> None:
        there_before.extend(items_of(table, "FIRINGS#"))
        clock.now += SECOND

    add_rules(table, rule("r-1", 150))
    table.meta.client.meta.events.register("provide-client-params.dynamodb.BatchWriteItem", note)
    topic.on_publish = publish
    container.process(ticks(149, 151))
    (item,) = items_of(table, "FIRINGS#")
    assert there_before == []
    assert [entry["firing_id"] for entry in written] == [item["firing_id"]]
    assert (item["sent"], item["sent_at"]) == (True, format_timestamp(clock.now))


def watches(table: Table) -> list[str]:
    return [item["sk"] for item in items_of(table, "WATCH#")]


def test_a_rule_that_fires_once_is_triggered_and_not_watched_any_more(
    table: Table, clock: Clock, topic: Topic
) -> None:
    add_rules(table, rule("r-1", 150, trigger=Trigger.ONCE))
    container = Container(table, clock, topic, high_price=None, kept_ticks=0)
    container.process(ticks(149, 151, 149, 151))
    assert recorded(table) == [("r-1", "151", True)]
    assert [item["status"] for item in items_of(table, "SYMBOL#AAPL", "RULE#")] == ["triggered"]
    assert watches(table) == []


def test_a_rule_that_has_triggered_is_watched_as_long_as_a_late_tick_may_change_that(
    table: Table, clock: Clock, topic: Topic
) -> None:
    add_rules(table, rule("r-1", 150, trigger=Trigger.ONCE))
    container = Container(table, clock, topic, high_price=None, kept_ticks=2)
    container.process(ticks(149, 151))
    add_rules(table, rule("other", 150, trigger=Trigger.ONCE))  # all around is read again
    container.process([tick(149, 2)])
    assert watches(table) == ["20215#other", "20215#r-1"]
    add_rules(table, rule("another", 500))
    container.process([tick(149, 3), tick(151, 4)])
    assert watches(table) == ["20215#other", "2025#another"]
    assert recorded(table) == [("r-1", "151", True), ("other", "151", True)]


def test_a_rule_that_was_added_while_a_container_was_warm_is_seen(
    container: Container, table: Table
) -> None:
    container.process([tick(149, 0)])
    add_rules(table, rule("r-1", 150))
    container.process([tick(151, 1)])
    assert recorded(table) == [("r-1", "151", True)]


@pytest.mark.parametrize("place", range(4), ids=["commit", "first rule", "second rule", "clearing"])
def test_a_transaction_in_the_way_of_any_update_loses_and_repeats_nothing(
    container: Container, table: Table, topic: Topic, place: int
) -> None:
    add_rules(table, rule("r-1", 150, rearm="1"), rule("r-2", 150, rearm="1"))
    container.process([tick(149, 0)])
    refuse_update(table, place)
    batch = container.process([tick(151, 1)])
    assert (returning(batch), batch.conflicts) == (set(), 1)
    assert recorded(table) == [("r-1", "151", True), ("r-2", "151", True)]
    assert len(topic.published) == 2
    state = container.store.load("AAPL")
    assert (state.outbox, state.lease) == (None, None)
    rules = items_of(table, "SYMBOL#AAPL", "RULE#")
    assert [stored["disarmed"] for stored in rules] == ["high", "high"]


def test_a_jump_over_more_rules_than_a_commit_takes_fires_them_all(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(250)))
    assert returning(container.process(ticks(149, 151))) == set()
    assert {(price, sent) for _, price, sent in recorded(table)} == {("151", True)}
    assert len({rule_id for rule_id, *_ in recorded(table)}) == 250
    assert len(topic.published) == len(set(topic.published)) == 250


@pytest.fixture(params=["published", "cleared"])
def unfinished(
    request: pytest.FixtureRequest,
    table: Table,
    clock: Clock,
    topic: Topic,
    monkeypatch: pytest.MonkeyPatch,
) -> Container:
    """A container that ran out of time when a tick had fired one of three rules."""
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(3)))
    container = Container(table, clock, topic, high_price=None)

    def run_out_of_time(_: object = None) -> None:
        clock.now += 10 * SECOND

    if request.param == "published":
        topic.on_publish = run_out_of_time
    else:  # by the last of three updates: a commit, the rule, and that all of it is delivered
        updates = itertools.count(1)
        before_updates(table, lambda _: run_out_of_time() if next(updates) == 3 else None, times=3)
    assert returning(container.process(ticks(149, 151))) == {"m-0", "m-1"}
    state = container.store.load("AAPL")
    assert (state.outbox is None, state.price) == (request.param == "cleared", Decimal(151))
    assert state.step
    topic.on_publish = lambda when: None
    return container


def test_a_step_is_finished_by_the_message_that_began_it(
    unfinished: Container, table: Table
) -> None:
    assert returning(unfinished.process(ticks(149, 151))) == set()
    assert recorded(table) == [(f"r-{number}", "151", True) for number in range(3)]


def test_a_step_is_finished_before_the_next_tick_counts(
    unfinished: Container, table: Table
) -> None:
    unfinished.process(ticks(149, 151, 149, 152))
    assert recorded(table) == [
        (f"r-{number}", price, True) for price in ("151", "152") for number in range(3)
    ]


def test_a_threshold_that_is_switched_off_leaves_no_firing_behind(
    container: Container, table: Table, topic: Topic
) -> None:
    stuck = State(
        "AAPL", 1, Decimal(200), tick(200).position, Decimal(150), outbox=Outbox(1, (firing(),))
    )
    container.store.commit(State("AAPL"), stuck)
    container.process([tick(149, 1)])
    assert recorded(table) == [("high-price-threshold", "200.25", True)]
    assert topic.published == [firing().firing_id]


def test_an_outbox_of_many_requests_is_delivered_after_a_crash(
    table: Table, clock: Clock, topic: Topic
) -> None:
    firings = tuple(firing(firing_id=f"f-{number}") for number in range(101))
    stuck = State("AAPL", 1, bands={"price": ANYWHERE}, outbox=Outbox(1, firings))
    container = Container(table, clock, topic)
    container.store.commit(State("AAPL"), stuck)
    assert returning(container.process([tick(149)])) == set()
    assert len(recorded(table)) == len(topic.published) == 101


def test_a_price_line_that_is_new_to_a_symbol_waits_for_a_price_before(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("event", 150), rule("state", 150, condition=Condition.ABOVE))
    container.process([tick(151)])
    assert recorded(table) == [("state", "151", True)]
