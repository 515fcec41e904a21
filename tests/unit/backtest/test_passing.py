from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.backtest.columns import Columns
from lib.backtest.passing import Levels, leaders, moves, pushed_all
from price_alerts.domain.conditions import Condition, Distance, RuleError, Terms
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.windows import EXTREMES, Queue, metrics_of, numbers_of, pushed
from tests.unit.doubles import NOW, SECOND

PRICE_CONDITIONS = [each for each in Condition if each not in (Condition.RISES, Condition.FALLS)]


def number(units: int) -> Decimal:
    """Return a number that nearly all others are equal to as floats."""
    return Decimal(10**17 + units).scaleb(-17)


def terms_of(condition: Condition, first: int, second: int, rearm: int) -> Terms | None:
    is_range = condition in (
        *(Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE),
    )
    levels = (number(first), number(second)) if is_range else (number(first),)
    distance = Distance(Decimal(rearm).scaleb(-17)) if rearm else None
    try:
        return Terms(condition, levels, rearm=distance)
    except RuleError:
        return None


terms = st.builds(
    terms_of,
    st.sampled_from(PRICE_CONDITIONS),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from((0, 0, 1, 2, 3)),
).filter(bool)
ways = st.lists(st.integers(0, 14).map(number), min_size=2, max_size=30)


def concerns(each: Terms, before: Decimal, now: Decimal) -> bool:
    """Tell, as the engine does, whether a step meets a rule and may change it."""
    low, high = sorted((before, now))
    meets = before != now and any(low <= level <= high for level in each.watched_levels)
    return meets and (each.triggers(before, now) or each.is_back(now))


def found(levels: Levels, way: Sequence[Decimal]) -> list[int]:
    """Return the steps that may concern a rule, found at once and one by one."""
    cells = levels.cells(Columns.of(way, range(len(way))))
    assert cells.tolist() == [levels.cell(each) for each in way]
    places = levels.concerning(cells).tolist()
    one_by_one = [
        place
        for place, (before, now) in enumerate(pairwise(cells.tolist()))
        if levels.concerns(before, now)
    ]
    assert places == one_by_one
    return list(places)


@given(st.lists(terms, max_size=6), ways)
def test_each_step_that_concerns_a_rule_is_found(rules: list[Terms], way: list[Decimal]) -> None:
    wanted = [
        place
        for place, (before, now) in enumerate(pairwise(way))
        if any(concerns(each, before, now) for each in rules)
    ]

    assert set(wanted) <= set(found(Levels(rules), way))


@given(st.lists(terms, max_size=6), ways)
def test_a_step_over_one_level_is_found_only_if_it_concerns_a_rule(
    rules: list[Terms], way: list[Decimal]
) -> None:
    levels = {level for each in rules for level in each.watched_levels}
    steps = list(pairwise(way))
    for place in found(Levels(rules), way):
        before, now = steps[place]
        low, high = sorted((before, now))
        if sum(low <= level <= high for level in levels) == 1 and now in levels:
            assert any(concerns(each, before, now) for each in rules)


@given(st.lists(terms, min_size=1, max_size=6), ways, st.data())
def test_a_rule_that_has_left_is_not_seen(
    rules: list[Terms], way: list[Decimal], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(rules))
    left = list(rules)
    left.remove(gone)
    levels = Levels(rules)
    found(levels, way)

    levels.leave(gone)

    assert found(levels, way) == found(Levels(left), way)


@given(st.lists(terms, max_size=3), st.lists(st.integers(0, 14), min_size=1, max_size=5))
def test_prices_said_to_be_within_a_cell_are(rules: list[Terms], units: list[int]) -> None:
    levels = Levels(rules)
    prices = [number(each) for each in units]
    columns = Columns.of(prices, range(len(prices)))
    for cell in range(2 * len({level for each in rules for level in each.watched_levels}) + 1):
        if levels.are_within(cell, columns):
            assert {levels.cell(price) for price in prices} == {cell}


@pytest.mark.parametrize(
    ("text", "cell", "is_within"),
    [("1", 0, True), ("2.5", 2, True), ("5", 4, True), ("2", 1, False), ("1", 2, False)],
)
def test_prices_between_levels_are_within_a_cell(text: str, cell: int, is_within: bool) -> None:
    levels = Levels([Terms(Condition.INSIDE, (Decimal(2), Decimal(3)))])

    assert levels.are_within(cell, Columns.of([text, text], [0, 1])) == is_within


def test_a_number_is_certain_where_no_level_is_within_its_error() -> None:
    levels = Levels([Terms(Condition.RISES, (Decimal(2),), window="1h")])
    numbers = np.array([1.0, 1.9, 2.0, 2.1, 3.0])

    cells, is_uncertain = levels.certain_cells(numbers, np.full(5, 0.1))

    assert cells[~is_uncertain].tolist() == [0, 2]
    assert is_uncertain.tolist() == [False, True, True, True, False]


def test_a_number_without_error_at_a_level_is_uncertain() -> None:
    levels = Levels([Terms(Condition.RISES, (Decimal(2),), window="1h")])

    _, is_uncertain = levels.certain_cells(np.array([2.0]), np.zeros(1))

    assert is_uncertain.all()


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
price_ways = st.lists(st.tuples(prices, gaps), min_size=1, max_size=40)


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


@given(names, price_ways, st.integers(0, 39))
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


@given(names, price_ways, st.integers(0, 39))
def test_each_price_s_leader_is_the_engine_s(
    name: str, way: list[tuple[Decimal, int]], cut: int
) -> None:
    columns = columns_of(way)
    queues = one_by_one(name, columns)
    before = queues[cut - 1] if 0 < cut < len(way) else ()
    first = cut if before else 0

    found = leaders(name, before, columns[first:])

    assert found.tolist() == [float(queue[0][1]) for queue in queues[first:]]


@given(names, price_ways)
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
