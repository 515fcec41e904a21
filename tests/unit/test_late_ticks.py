"""Late ticks through commit and delivery, and what is kept for them."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from price_alerts import engine
from price_alerts.past import Mark, Past
from price_alerts.past_items import past_attributes, past_of
from price_alerts.terms import Condition
from price_alerts.ticks import Position
from tests.unit.doubles import Clock, Container, Topic, add_rules, items_of, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

WRITE_UNIT_BYTES = 1_024


def firings(table: Table) -> list[tuple[str, str]]:
    return [(str(item["price"]), item["rule"]) for item in items_of(table, "FIRINGS#")]


def test_what_a_late_tick_fires_is_recorded_and_announced(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    batch = container.process([tick(110, 1)])
    assert (batch.late_ticks, len(batch.published)) == (0, 1)
    assert firings(table) == [("110", "up")]
    assert len(topic.published) == 1


def test_a_late_message_that_comes_again_changes_nothing(
    container: Container, table: Table, clock: Clock, topic: Topic
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    for again in (container, Container(table, clock, topic)):
        again.process([tick(110, 1)])
        again.process([tick(110, 1), tick(102, 3)], repeated={"m-1"})
    assert firings(table) == [("110", "up")]
    assert len(topic.published) == 1


def test_another_container_puts_a_late_tick_in_its_place(
    container: Container, table: Table, clock: Clock, topic: Topic
) -> None:
    add_rules(table, rule("rise", 5, condition=Condition.RISES, window="1m"))
    container.process([tick(100), tick(103, 2)])
    Container(table, clock, topic).process([tick(98, 1)])
    assert firings(table) == [("103", "rise")]


def test_a_late_tick_that_changes_too_much_is_dropped_and_counted(
    container: Container, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    add_rules(table, rule("one", 105), rule("two", 105))
    container.process([tick(100), tick(101, 2)])
    batch = container.process([tick(110, 1), tick(102, 3)])
    assert (batch.late_ticks, batch.unfinished_message_ids) == (1, set())
    assert firings(table) == []


def test_a_late_tick_is_not_put_before_a_rule_that_was_added(
    container: Container, table: Table
) -> None:
    container.process([tick(100), tick(101, 2)])
    add_rules(table, rule("up", 105))
    assert container.process([tick(110, 1)]).late_ticks == 1
    assert firings(table) == []


def test_a_state_with_sixteen_messages_ticks_is_written_for_one_unit(
    container: Container, table: Table
) -> None:
    for second in range(20):
        name = str(uuid.UUID(int=2**100 + second))
        container.process([tick("201.25", second, message_id=name)])
    (state,) = items_of(table, "SYMBOL#")
    assert state["past"]["ticks"].count("201.25") == 16
    size = sum(len(name) + len(str(value)) for name, value in state.items())
    assert size < WRITE_UNIT_BYTES


names = st.one_of(
    st.uuids().map(str), st.uuids().map(lambda each: each.hex), st.text(max_size=40), st.just("=")
)
marks = st.lists(
    st.builds(
        Mark,
        st.builds(Position, st.integers(0, 2**53), names, st.integers(0, 499)),
        st.decimals("0.000000000000000001", "999999999999999999", allow_nan=False) | st.none(),
        st.just({}),
    ),
    min_size=1,
    max_size=17,
    unique_by=lambda mark: mark.position,
)


@given(marks)
def test_a_past_is_read_as_it_was_written(written: list[Mark]) -> None:
    written.sort(key=lambda mark: mark.position)
    past, last = Past(tuple(written)), written[-1]
    assume(last.price)
    assert past_of(past_attributes(past), last.position, last.price or Decimal(0)) == past


def test_what_the_last_ticks_did_is_forgotten_with_them_when_rules_change(
    container: Container, table: Table, clock: Clock, topic: Topic
) -> None:
    add_rules(table, rule("up", 105, condition=Condition.CROSSES))
    container.process([tick(100), tick(110, 1), tick(100, 2), tick(110, 3)])
    add_rules(table, rule("other", 500))
    another = Container(table, clock, topic)
    another.process([tick(109, 4)])
    assert container.process([tick(108, 5)]).unfinished_message_ids == set()
    assert Container(table, clock, topic).process([tick(100, 6)]).unfinished_message_ids == set()
    assert len(firings(table)) == 4
