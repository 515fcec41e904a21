"""Rules of the table through the commit protocol, one delivery at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from price_alerts import engine
from price_alerts.rules import Trigger
from price_alerts.state import Outbox, State
from price_alerts.terms import Condition
from price_alerts.watches import ANYWHERE
from tests.unit.doubles import (
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    firing,
    items_of,
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


def refuse_once(table: Table, monkeypatch: pytest.MonkeyPatch, transaction: int) -> None:
    """Let one transaction of those that follow be in somebody else's way."""
    client = table.meta.client
    write: Callable[..., Any] = client.transact_write_items
    made = itertools.count()

    def refuse(TransactItems: list[Any]) -> Any:  # noqa: N803  # boto3's
        if next(made) == transaction:
            reasons = [{"Code": "TransactionConflict"} for _ in TransactItems]
            answer: Any = {
                "Error": {"Code": "TransactionCanceledException"},
                "CancellationReasons": reasons,
            }
            raise ClientError(answer, "TransactWriteItems")
        return write(TransactItems=TransactItems)

    monkeypatch.setattr(client, "transact_write_items", refuse)


def test_a_rule_fires_with_its_owner_note_and_message(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, rule("r-1", 150, owner="ann", note="Sell.", message="{symbol}! {note}"))
    container.process(ticks(149, 151))
    (item,) = items_of(table, "FIRINGS#")
    assert (item["owner"], item["note"], item["text"]) == ("ann", "Sell.", "AAPL! Sell.")
    assert topic.published == [item["firing_id"]]


def test_a_rule_that_fires_once_is_triggered_and_not_watched_any_more(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("r-1", 150, trigger=Trigger.ONCE))
    container.process(ticks(149, 151, 149, 151))
    assert recorded(table) == [("r-1", "151", True)]
    assert [item["status"] for item in items_of(table, "SYMBOL#AAPL", "RULE#")] == ["triggered"]
    assert items_of(table, "WATCH#") == []


def test_a_rule_that_was_added_while_a_container_was_warm_is_seen(
    container: Container, table: Table
) -> None:
    container.process([tick(149, 0)])
    add_rules(table, rule("r-1", 150))
    container.process([tick(151, 1)])
    assert recorded(table) == [("r-1", "151", True)]


@pytest.mark.parametrize("transaction", [0, 1], ids=["delivery", "mark"])
def test_a_conflict_during_a_delivery_loses_and_repeats_nothing(
    container: Container,
    table: Table,
    topic: Topic,
    monkeypatch: pytest.MonkeyPatch,
    transaction: int,
) -> None:
    add_rules(table, rule("r-1", 150), rule("r-2", 150))
    container.process([tick(149, 0)])
    refuse_once(table, monkeypatch, transaction)
    batch = container.process([tick(151, 1)])
    assert (batch.unfinished_message_ids, batch.conflicts, batch.failures) == (set(), 1, [])
    assert recorded(table) == [("r-1", "151", True), ("r-2", "151", True)]
    assert len(topic.published) == 2


def test_a_jump_over_more_rules_than_a_commit_takes_fires_them_all(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(250)))
    assert container.process(ticks(149, 151)).unfinished_message_ids == set()
    assert {(price, sent) for _, price, sent in recorded(table)} == {("151", True)}
    assert len({rule_id for rule_id, *_ in recorded(table)}) == 250
    assert len(topic.published) == len(set(topic.published)) == 250


@pytest.fixture
def unfinished(
    table: Table, clock: Clock, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> Container:
    """A container that ran out of time when a tick had fired one of three rules."""
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    add_rules(table, *(rule(f"r-{number}", 150) for number in range(3)))
    container = Container(table, clock, topic, high_price=None)
    topic.on_publish = lambda when: setattr(clock, "now", clock.now + 5 * SECOND)
    assert container.process(ticks(149, 151)).unfinished_message_ids == {"m-0", "m-1"}
    state = container.store.load("AAPL")
    assert (state.outbox, state.price) == (None, Decimal(151))
    assert state.step
    topic.on_publish = lambda when: None
    return container


def test_a_step_is_finished_by_the_message_that_began_it(
    unfinished: Container, table: Table
) -> None:
    assert unfinished.process(ticks(149, 151)).unfinished_message_ids == set()
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


def test_an_outbox_of_more_than_a_hundred_firings_is_delivered_after_a_crash(
    table: Table, clock: Clock, topic: Topic
) -> None:
    firings = tuple(firing(firing_id=f"f-{number}") for number in range(101))
    stuck = State("AAPL", 1, bands={"price": ANYWHERE}, outbox=Outbox(1, firings))
    container = Container(table, clock, topic)
    container.store.commit(State("AAPL"), stuck)
    assert container.process([tick(149)]).unfinished_message_ids == set()
    assert len(recorded(table)) == len(topic.published) == 101


def test_a_price_line_that_is_new_to_a_symbol_waits_for_a_price_before(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("event", 150), rule("state", 150, condition=Condition.ABOVE))
    container.process([tick(151)])
    assert recorded(table) == [("state", "151", True)]
