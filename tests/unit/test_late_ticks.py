"""Late ticks through commit and delivery, and what is kept for them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.adapters.recent_items import recent_attributes, recent_of
from price_alerts.domain import engine
from price_alerts.domain.conditions import Condition
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.rules import Trigger
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.ports import Conflict
from tests.unit.doubles import (
    SECOND,
    Clock,
    Container,
    Topic,
    add_rules,
    before_updates,
    items_of,
    returning,
    rule,
    tick,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

WRITE_UNIT_BYTES = 1_024
MINUTE = 60 * SECOND


def firings(table: Table) -> list[tuple[str, str]]:
    return [(str(item["price"]), item["rule"]) for item in items_of(table, "FIRINGS#")]


@pytest.fixture
def another(table: Table, clock: Clock, topic: Topic) -> Container:
    return Container(table, clock, topic)


def test_a_message_twice_in_a_batch_takes_no_more_room_among_the_recent_ticks(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("up", 150))
    message = [tick(90, 10 * second, message_id="m", ordinal=second) for second in range(20)]
    container.process(message * 2)
    nine_behind = tick(160, 10 * 10 + 5)
    container.process([nine_behind])
    assert ("160", "up") in firings(table)


def test_what_a_late_tick_fires_is_recorded_and_published(
    container: Container, table: Table, topic: Topic
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    batch = container.process([tick(110, 1)])
    assert (batch.late_ticks, len(batch.published)) == (0, 1)
    assert firings(table) == [("110", "up")]
    assert len(topic.published) == 1


def test_a_late_message_that_comes_again_changes_nothing(
    container: Container, table: Table, another: Container, topic: Topic
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    for again in (container, another):
        again.process([tick(110, 1)])
        again.process([tick(110, 1), tick(102, 3)], repeated={"m-1"})
    assert firings(table) == [("110", "up")]
    assert len(topic.published) == 1


def test_another_container_puts_a_late_tick_in_its_place(
    container: Container, table: Table, another: Container
) -> None:
    add_rules(table, rule("rise", 5, condition=Condition.RISES, window="1m"))
    container.process([tick(100), tick(103, 2)])
    another.process([tick(98, 1)])
    assert firings(table) == [("103", "rise")]


def test_a_late_tick_that_changes_more_rules_than_a_commit_holds_changes_them_all(
    container: Container, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    add_rules(table, rule("one", 105), rule("two", 105))
    container.process([tick(100), tick(101, 2)])
    batch = container.process([tick(110, 1), tick(102, 3)])
    assert (batch.late_ticks, returning(batch)) == (0, set())
    assert sorted(firings(table)) == [("110", "one"), ("110", "two")]


def test_a_late_tick_is_put_before_a_rule_that_was_added_and_does_not_fire_it(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("old", 105))
    container.process([tick(100), tick(101, 2)])
    add_rules(table, rule("new", 105))
    assert container.process([tick(110, 1)]).late_ticks == 0
    assert firings(table) == [("110", "old")]


def test_a_late_tick_is_put_behind_a_change_of_rules(
    container: Container, table: Table, another: Container
) -> None:
    add_rules(table, rule("up", 105, condition=Condition.CROSSES))
    container.process([tick(100), tick(110, 1), tick(100, 2), tick(110, 3)])
    add_rules(table, rule("other", 104))
    another.process([tick(109, 5)])
    assert returning(container.process([tick(100, 4)])) == set()
    assert sorted(firings(table)[3:]) == [("100", "up"), ("109", "other"), ("109", "up")]


def test_a_tick_that_is_late_for_a_conflict_is_put_in_its_place(
    container: Container, table: Table, another: Container, clock: Clock
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100)])
    before_updates(table, lambda _: another.process([tick(101, 2)]))
    batch = container.process([tick(110, 1)])
    assert (returning(batch), batch.conflicts, batch.late_ticks) == (set(), 1, 0)
    assert (firings(table), clock.naps) == ([("110", "up")], [])


def test_a_late_tick_is_put_in_its_place_though_others_move_the_symbol_meanwhile(
    container: Container, table: Table, another: Container
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    others = iter([tick(102, second) for second in range(3, 9)])
    before_updates(table, lambda _: another.process([next(others)]), times=6)
    batch = container.process([tick(110, 1)])
    assert (returning(batch), batch.conflicts) == (set(), 6)
    assert firings(table) == [("110", "up")]


def test_a_late_tick_whose_symbol_stays_unfinished_for_conflicts_comes_again(
    container: Container, table: Table, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    current = container.store.load("AAPL")

    def come_second(*_: object) -> State:
        clock.now += SECOND // 10
        raise Conflict(current)

    with monkeypatch.context() as always:
        always.setattr(container.store, "commit", come_second)
        batch = container.process([tick(110, 1), tick(102, 3)])
    assert (returning(batch), batch.late_ticks) == ({"m-1", "m-3"}, 0)
    assert returning(container.process([tick(110, 1), tick(102, 3)])) == set()
    assert firings(table) == [("110", "up")]


def test_a_late_tick_behind_somebodys_delivery_comes_again(
    container: Container, table: Table, clock: Clock
) -> None:
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    store = container.store
    before = store.load("AAPL")
    lease = Lease("somebody", clock.now + MINUTE)
    store.commit(before, replace(before, version=9, outbox=Outbox(9), lease=lease))
    batch = container.process([tick(110, 1)])
    assert (returning(batch), batch.late_ticks) == ({"m-1"}, 0)
    clock.now += MINUTE
    assert returning(container.process([tick(110, 1)])) == set()
    assert firings(table) == [("110", "up")]


def slow_down(table: Table, clock: Clock, after_updates: int) -> None:
    """Let time run out with an update of the state."""
    updates: list[object] = []

    def pass_time(params: object) -> None:
        updates.append(params)
        if len(updates) == after_updates:
            clock.now += 9 * SECOND

    before_updates(table, pass_time, times=after_updates)


@pytest.mark.parametrize("after_updates", [1, 2, 3, 4, 5, 6])
def test_a_late_tick_is_not_lost_wherever_time_runs_out(
    container: Container, table: Table, clock: Clock, topic: Topic, after_updates: int
) -> None:
    """Of the late tick, and of the next one: commit, change of the rule, and clearing."""
    add_rules(table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    path = [tick(110, 1), tick(120, 3)]
    slow_down(table, clock, after_updates)
    batch = container.process(path)
    assert batch.failures == []
    clock.now += MINUTE
    again = [each for each in path if each.position.message_id in returning(batch)]
    assert returning(container.process(again)) == set()
    assert firings(table) == [("110", "up"), ("120", "up")]
    assert len(topic.published) == 2


def test_late_ticks_that_are_applied_do_not_count_as_dropped(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=1)
    container.process([tick(100), tick(100, 10)])
    batch = container.process([tick(200, 3), tick(100, 5)])
    assert [str(firing.price) for firing in batch.published] == ["200"]
    assert (returning(batch), batch.late_ticks) == (set(), 0)


def test_a_rule_that_has_triggered_fires_for_no_late_tick(
    container: Container, table: Table
) -> None:
    add_rules(table, rule("once", 105, trigger=Trigger.ONCE))
    container.process([tick(100), tick(110, 2)])
    container.process([tick(120, 1)])
    assert firings(table) == [("110", "once")]


def test_the_watches_of_a_rule_that_has_triggered_go_once_no_late_tick_can_change_that(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=2)
    add_rules(table, rule("once", 105, trigger=Trigger.ONCE), rule("every", 105))
    container.process([tick(100), tick(110, 1)])
    assert {item["rule"] for item in items_of(table, "WATCH#")} == {"once", "every"}
    container.process([tick(price, second) for second, price in enumerate([100, 110] * 3, 2)])
    assert {item["rule"] for item in items_of(table, "WATCH#")} == {"every"}


def test_where_no_late_ticks_are_kept_the_watches_of_a_rule_that_triggers_go_at_once(
    table: Table, clock: Clock, topic: Topic
) -> None:
    container = Container(table, clock, topic, kept_ticks=0)
    add_rules(table, rule("once", 105, trigger=Trigger.ONCE))
    container.process([tick(100), tick(110, 1)])
    assert items_of(table, "WATCH#") == []


def test_a_state_with_sixteen_messages_ticks_is_written_for_one_unit(
    container: Container, table: Table
) -> None:
    for second in range(20):
        name = str(uuid.UUID(int=2**100 + second))
        container.process([tick("201.25", second, message_id=name)])
    (state,) = items_of(table, "SYMBOL#")
    assert state["recent"]["ticks"].count("201.25") == 16
    size = sum(len(name) + len(str(value)) for name, value in state.items())
    assert size < WRITE_UNIT_BYTES


names = st.one_of(
    st.uuids().map(str), st.uuids().map(lambda each: each.hex), st.text(max_size=40), st.just("=")
)
marks = st.lists(
    st.builds(
        Mark,
        st.builds(
            Position,
            st.integers(0, 2**53),
            st.integers(0, 10**30 - 1),
            st.integers(0, 2**43).map(lambda milliseconds: milliseconds * 1_000),
            names,
            st.integers(0, 499),
        ),
        st.decimals("0.000000000000000001", "999999999999999999", allow_nan=False),
    ),
    min_size=1,
    max_size=17,
    unique_by=lambda mark: mark.position,
)


@given(marks)
def test_recent_ticks_are_read_as_they_were_written(written: list[Mark]) -> None:
    written.sort(key=lambda mark: mark.position)
    recent, last = Recent(tuple(written)), written[-1]
    assert recent_of(recent_attributes(recent), last.position, Decimal(last.price)) == recent
