"""Late ticks through commit and delivery."""

from __future__ import annotations

import itertools
import uuid
from dataclasses import replace

import pytest

from price_alerts.domain import engine
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.ports import Conflict
from tests.unit.doubles import (
    SECOND,
    Container,
    add_rules,
    before_updates,
    items_of,
    recorded,
    returning,
    rule,
    tick,
)

MINUTE = 60 * SECOND
LATE = [("up", "110", True)]


@pytest.fixture
def moved(container: Container) -> Container:
    """A container that has moved AAPL over a gap, with a rule at 105."""
    add_rules(container.table, rule("up", 105))
    container.process([tick(100), tick(101, 2)])
    return container


@pytest.fixture
def another(container: Container) -> Container:
    return Container(container.table, container.clock, container.topic)


def test_a_late_tick_fires_once_however_often_it_comes(
    moved: Container, another: Container
) -> None:
    assert moved.process([tick(110, 1)]).late_ticks == 0
    for again in (moved, another):
        again.process([tick(110, 1)])
        again.process([tick(110, 1), tick(102, 3)], repeated={"m-1"})
    assert (recorded(moved.table), len(moved.topic.published)) == (LATE, 1)


def test_a_message_twice_in_a_batch_takes_no_more_room_among_the_recent_ticks(
    moved: Container,
) -> None:
    message = [tick(90, 10 * second, message_id="m", ordinal=second) for second in range(1, 20)]
    moved.process(message * 2)
    moved.process([tick(110, 105)])
    assert recorded(moved.table) == LATE


def test_a_late_tick_that_changes_more_rules_than_a_commit_holds_changes_them_all(
    moved: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 1)
    add_rules(moved.table, rule("two", 105))
    moved.process([tick(100, 3), tick(101, 5)])
    batch = moved.process([tick(110, 4), tick(102, 6)])
    assert (batch.late_ticks, returning(batch)) == (0, set())
    assert recorded(moved.table) == [("two", "110", True), *LATE]


@pytest.mark.parametrize("times", [1, 6])
def test_a_tick_is_put_in_its_place_though_others_move_the_symbol_meanwhile(
    moved: Container, another: Container, times: int
) -> None:
    others = iter([tick(102, second) for second in range(4, 11)])
    before_updates(moved.table, lambda _: another.process([next(others)]), times=times)
    batch = moved.process([tick(110, 3)])
    assert (returning(batch), batch.conflicts, batch.late_ticks) == (set(), times, 0)
    assert (recorded(moved.table), moved.clock.naps) == (LATE, [])


def test_a_late_tick_whose_symbol_stays_unfinished_comes_again(
    moved: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = moved.store.load("AAPL")

    def come_second(*_: object) -> State:
        moved.clock.now += SECOND // 10
        raise Conflict(current)

    path = [tick(110, 1), tick(102, 3)]
    with monkeypatch.context() as always:
        always.setattr(moved.store, "commit", come_second)
        batch = moved.process(path)
    assert (returning(batch), batch.late_ticks) == ({"m-1", "m-3"}, 0)
    delivered = replace(current, version=9, outbox=Outbox(9))
    lease = Lease("somebody", moved.clock.now + MINUTE)
    moved.store.commit(current, replace(delivered, lease=lease))
    assert returning(moved.process(path)) == {"m-1", "m-3"}
    moved.clock.now += MINUTE
    assert returning(moved.process(path)) == set()
    assert recorded(moved.table) == LATE


@pytest.mark.parametrize("update", range(1, 7))
def test_a_late_tick_is_not_lost_wherever_time_runs_out(moved: Container, update: int) -> None:
    """Of the late tick, and of the next one: commit, change of the rule, and clearing."""
    path, updates = [tick(110, 1), tick(120, 3)], itertools.count(1)

    def pass_time(_: object) -> None:
        moved.clock.now += 9 * SECOND * (next(updates) == update)

    before_updates(moved.table, pass_time, times=update)
    batch = moved.process(path)
    assert batch.failures == []
    moved.clock.now += MINUTE
    again = [each for each in path if each.position.message_id in returning(batch)]
    assert returning(moved.process(again)) == set()
    assert recorded(moved.table) == [*LATE, ("up", "120", True)]
    assert len(moved.topic.published) == 2


def test_a_state_with_the_ticks_of_sixteen_messages_takes_one_write_unit(
    container: Container,
) -> None:
    for second in range(20):
        name = str(uuid.UUID(int=2**100 + second))
        container.process([tick("201.25", second, message_id=name)])
    (state,) = items_of(container.table, "SYMBOL#")
    assert state["recent"]["ticks"].count("201.25") == 16
    assert sum(len(name) + len(str(value)) for name, value in state.items()) < 1_024
