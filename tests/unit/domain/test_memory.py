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
from price_alerts.domain.engine import evaluate
from price_alerts.domain.state import State
from price_alerts.domain.windows import EXTREMES
from tests.unit.doubles import ABOVE_150, NOW, Clock, Container, Topic, as_stored, tick
from tests.unit.rule_builders import rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

ROOM_BYTES = 2**20
SYMBOLS = [f"S{number}" for number in range(300)]
COUNT = 300
# Seconds between ticks, so that the short windows fill and the long ones, too.
GAPS = (2, 10, 30, 120, 480, 2_880, 20_160)
# What is there once, whoever refers to it.
SHARED = (type, ModuleType, FunctionType, Enum)


def state_after(*, has_firings: bool, has_windows: bool, kept_ticks: int) -> State:
    """Apply ticks one by one: to and fro over 150, or up and down so that windows fill."""
    book, state, second = RuleBook(), State("AAPL"), 0
    if has_windows:
        for name in EXTREMES:
            kind, window = name.split("-")
            book.add(rule(f"{kind}s 1000000 within {window}", name))
    state = book.changed(state)
    for number in range(COUNT):
        second += 1 if has_firings else GAPS[number * len(GAPS) // COUNT]
        height = number % 2 * 2 - 1 if has_firings else min(number, COUNT - number)
        price = tick(f"{150 + height}.25", second, message_id=str(uuid.uuid4()))
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


@pytest.mark.parametrize(
    ("has_firings", "has_windows", "kept_ticks"),
    [
        pytest.param(False, False, 16, id="late ticks"),
        pytest.param(True, False, 100, id="many that fired"),
        pytest.param(False, True, 0, id="windows"),
        pytest.param(True, True, 16, id="all of it"),
    ],
)
def test_what_a_container_remembers_stays_within_its_room_and_uses_it(  # noqa: PLR0917  # a table
    table: Table, clock: Clock, topic: Topic, has_firings: bool, has_windows: bool, kept_ticks: int
) -> None:
    state = state_after(has_firings=has_firings, has_windows=has_windows, kept_ticks=kept_ticks)
    item = state_attributes(state)
    container = Container(table, clock, topic, memory_bytes=ROOM_BYTES)
    for symbol in SYMBOLS:
        container.processor.remember(state_of(symbol, as_stored(item)))
    container.process([])
    states = [known for known in map(container.processor.known, SYMBOLS) if known]
    assert ROOM_BYTES / 2 < bytes_of(states) <= ROOM_BYTES
    assert states[-1].symbol == SYMBOLS[-1]
