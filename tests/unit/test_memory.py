"""A warm container remembers states, but never more than there is room for."""

from __future__ import annotations

import gc
import sys
import uuid
from dataclasses import replace
from enum import Enum
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from lib.backtest.rule_book import RuleBook
from price_alerts.adapters.state_items import state_attributes, state_of
from price_alerts.domain.conditions import WINDOWS_SECONDS, Condition
from price_alerts.domain.engine import evaluate
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Tick
from tests.unit.doubles import ABOVE_150, NOW, Clock, Container, Topic, as_stored, rule, tick

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MOST_LATE_TICKS = 100
ROOM_BYTES = 2**20
SYMBOLS = [f"S{number}" for number in range(300)]
# What is there once, whoever refers to it.
SHARED = (type, ModuleType, FunctionType, Enum)
# Seconds between ticks, so that the short windows fill and the long ones, too.
GAPS = (2, 10, 30, 120, 480, 2_880, 20_160)


def rising_and_falling(count: int) -> list[Tick]:
    """Build ticks whose prices stay in many windows' queues, each of a message of its own."""
    path, second = [], 0
    for number in range(count):
        second += GAPS[number * len(GAPS) // count]
        price = f"{150 + number if number < count // 2 else 150 + count - number}.25"
        path.append(tick(price, second, message_id=str(uuid.uuid4())))
    return path


def to_and_fro(count: int) -> list[Tick]:
    """Build ticks of which each second one passes 150, each of a message of its own."""
    prices = ("149.25", "151.5")
    return [
        tick(prices[number % 2], number, message_id=str(uuid.uuid4())) for number in range(count)
    ]


def all_windows() -> list[Rule]:
    """Build rules that never fire and need every window."""
    return [
        rule(f"{condition}-{window}", 10**6, condition=condition, window=window)
        for condition in (Condition.RISES, Condition.FALLS)
        for window in WINDOWS_SECONDS
    ]


def moved(path: list[Tick], rules: list[Rule], kept_ticks: int) -> State:
    """Take a symbol with these rules along a path, a tick at a time."""
    book, state = RuleBook(), State("AAPL")
    for each in rules:
        book.add(each)
    state = book.changed(state)
    for price in path:
        state = evaluate(state, [price], book, ABOVE_150, NOW, kept_ticks=kept_ticks)
        state = replace(state, outbox=None)
    return state


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


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    return Container(table, clock, topic, memory_bytes=ROOM_BYTES)


def remembered(container: Container, state: State) -> list[State]:
    """Let it remember the state of many symbols; returns those that there was room for."""
    item = state_attributes(state)
    for symbol in SYMBOLS:
        container.processor.remember(state_of(symbol, as_stored(item)))
    container.process([])
    states = map(container.processor.known, SYMBOLS)
    return [known for known in states if known]


@pytest.mark.parametrize("kept_ticks", [16, MOST_LATE_TICKS])
@pytest.mark.parametrize(
    ("path", "rules"),
    [
        pytest.param(rising_and_falling, [], id="late ticks"),
        pytest.param(to_and_fro, [], id="late ticks that fired"),
        pytest.param(rising_and_falling, all_windows(), id="late ticks and windows"),
        pytest.param(to_and_fro, all_windows(), id="all of it"),
    ],
)
def test_what_a_container_remembers_stays_within_its_room_and_uses_it(
    container: Container, path: Any, rules: list[Rule], kept_ticks: int
) -> None:
    states = remembered(container, moved(path(300), rules, kept_ticks))
    assert ROOM_BYTES / 2 < bytes_of(states) <= ROOM_BYTES
    assert states[-1].symbol == SYMBOLS[-1]


def test_without_late_ticks_windows_are_within_the_room_too(container: Container) -> None:
    states = remembered(container, moved(rising_and_falling(300), all_windows(), 0))
    assert ROOM_BYTES / 2 < bytes_of(states) <= ROOM_BYTES
