"""A warm container remembers states, but never more than there is room for."""

from __future__ import annotations

import gc
import sys
import uuid
from enum import Enum
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from price_alerts.rules import Rule
from price_alerts.state import State
from price_alerts.terms import WINDOWS_SECONDS, Condition
from price_alerts.ticks import Tick
from tests.unit.doubles import ABOVE_150, Clock, Container, Topic, add_rules, returning, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MOST_LATE_TICKS = 100
BUDGET = 400_000
SYMBOLS = [f"S{number}" for number in range(20)]
# What is there once, whoever refers to it.
SHARED = (type, ModuleType, FunctionType, Enum)


def path(symbol: str, count: int) -> list[Tick]:
    """Build ticks, each of a message of its own, that pass 150 time and again."""
    return [
        tick(("149.25", "151.5")[number % 2], 7 * number, symbol, str(uuid.uuid4()))
        for number in range(count)
    ]


def moves(symbol: str) -> list[Rule]:
    """Build rules that never fire and need every window."""
    return [
        rule(f"{symbol}-{condition}-{window}", 10**6, condition=condition, window=window,
             symbol=symbol)
        for condition in (Condition.RISES, Condition.FALLS)
        for window in WINDOWS_SECONDS
    ]


def bytes_of(states: list[State]) -> int:
    """Measure the memory that only these need."""
    seen: dict[int, Any] = {}
    waiting: list[Any] = list(states)
    while waiting:
        each = waiting.pop()
        if id(each) not in seen and not isinstance(each, SHARED):
            seen[id(each)] = each
            waiting += gc.get_referents(each)
    return sum(map(sys.getsizeof, seen.values()))


def known(container: Container) -> list[State]:
    states = (container.processor.known(symbol) for symbol in SYMBOLS)
    return [state for state in states if state]


@pytest.mark.parametrize(
    ("high_price", "has_windows", "kept_ticks"),
    [
        pytest.param(None, False, MOST_LATE_TICKS, id="late ticks"),
        pytest.param(ABOVE_150, False, MOST_LATE_TICKS, id="late ticks that fired"),
        pytest.param(None, True, 0, id="windows"),
        pytest.param(ABOVE_150, True, MOST_LATE_TICKS, id="all of it"),
    ],
)
def test_what_a_container_remembers_stays_within_its_room(
    table: Table,
    clock: Clock,
    topic: Topic,
    high_price: Rule | None,
    has_windows: bool,
    kept_ticks: int,
) -> None:
    room = BUDGET if kept_ticks else BUDGET // 5
    container, another = (
        Container(table, clock, topic, high_price, kept_ticks=kept_ticks, memory_bytes=room)
        for _ in range(2)
    )
    for symbol in SYMBOLS:
        if has_windows:
            add_rules(table, *moves(symbol))
        ticks = path(symbol, MOST_LATE_TICKS + 10)
        assert returning(container.process(ticks[:-1])) == set()
        # It reads the state first: nothing of that is shared with what made it.
        assert returning(another.process(ticks[-1:])) == set()
    assert room / 3 < bytes_of(known(another)) <= room
    assert 2 < len(known(another)) < len(SYMBOLS)
