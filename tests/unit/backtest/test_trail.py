from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backtest.columns import Columns
from lib.backtest.trail import leaders, moves, pushed_all
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.windows import EXTREMES, Queue, metrics_of, numbers_of, pushed
from tests.unit.doubles import NOW, SECOND

names = st.sampled_from(("rise-1m", "fall-1m", "rise-1h", *EXTREMES))
prices = st.one_of(
    st.integers(1, 20).map(Decimal),
    # They differ in the last digits, and many of them not at all as floats.
    st.integers(0, 9).map(lambda digit: Decimal(f"99999999999999999.12345678901234567{digit}")),
    st.integers(0, 9).map(lambda digit: Decimal(f"9.99999999999999999{digit}")),
)
gaps = st.sampled_from(
    (0, 1, *(seconds * SECOND for seconds in (1, 2, 30, 58, 60, 3_480, 3_600, 7 * 86_400)))
)
ways = st.lists(st.tuples(prices, gaps), min_size=1, max_size=40)


def columns_of(way: list[tuple[Decimal, int]]) -> Columns:
    return Columns.of(
        [price for price, _ in way], NOW + np.cumsum([gap for _, gap in way], dtype=np.int64)
    )


def one_by_one(name: str, columns: Columns) -> list[Queue]:
    """Return the queues after each price, as the engine makes them."""
    queue: Queue = ()
    queues = []
    for place, time in enumerate(columns.times.tolist()):
        queue = pushed(name, queue, columns.price(place), time)
        queues.append(queue)
    return queues


@given(names, ways, st.integers(0, 39))
def test_prices_are_pushed_at_once_as_one_by_one(
    name: str, way: list[tuple[Decimal, int]], cut: int
) -> None:
    columns = columns_of(way)
    queue: Queue = ()
    for part in (columns[:cut], columns[cut:]):
        if len(part):
            queue = pushed_all(name, queue, part)

    assert queue == one_by_one(name, columns)[-1]


@pytest.mark.parametrize("seconds", [56, 57, 58, 59, 60, 61, 62])
def test_a_price_counts_as_long_as_the_window_is(seconds: int) -> None:
    columns = columns_of([(Decimal(1), 0), (Decimal(2), seconds * SECOND)])

    expected = one_by_one("rise-1m", columns)[-1]

    assert pushed_all("rise-1m", (), columns) == expected
    assert leaders("rise-1m", (), columns)[-1] == expected[0][1]


@given(names, ways, st.integers(0, 39))
def test_each_price_s_leader_is_the_engine_s(
    name: str, way: list[tuple[Decimal, int]], cut: int
) -> None:
    columns = columns_of(way)
    queues = one_by_one(name, columns)
    before = queues[cut - 1] if 0 < cut < len(way) else ()
    first = cut if before else 0

    found = leaders(name, before, columns[first:])

    assert found.tolist() == [float(queue[0][1]) for queue in queues[first:]]


@given(names, ways)
def test_no_move_is_further_from_the_exact_one_than_is_said(
    name: str, way: list[tuple[Decimal, int]]
) -> None:
    columns = columns_of(way)
    measured = moves(name, (), columns)

    for place, queue in enumerate(one_by_one(name, columns)):
        tick = Tick("AAPL", columns.price(place), Position(0, 0, 0, "", 0))
        exact = numbers_of(tick, {name: queue})
        for line, (numbers, errors) in zip(metrics_of(name), measured, strict=True):
            off = abs(Decimal(numbers[place]) - exact[line])
            assert off <= Decimal(errors[place]) / 2
            assert errors[place] < 1e-12 * (float(exact[line]) + float(tick.price) + 200)
