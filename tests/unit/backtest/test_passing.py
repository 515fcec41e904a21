from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backtest.columns import Columns
from lib.backtest.passing import Levels, leaders, moves, pushed_all
from price_alerts.domain.conditions import Condition, Distance, RuleError, Terms
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.windows import EXTREMES, Queue, metrics_of, numbers_of, pushed
from tests.unit.doubles import NOW, SECOND
from tests.unit.rule_builders import terms as terms_from

RANGES = (Condition.ENTERS, Condition.EXITS, Condition.INSIDE, Condition.OUTSIDE)

few = settings(max_examples=40)


def number(units: int) -> Decimal:
    """Return a number that nearly all others are equal to as floats."""
    return Decimal(10**17 + units).scaleb(-17)


def terms_of(condition: Condition, first: int, second: int, rearm: int) -> Terms | None:
    levels = (number(first), number(second)) if condition in RANGES else (number(first),)
    distance = Distance(Decimal(rearm).scaleb(-17)) if rearm else None
    try:
        return Terms(condition, levels, rearm=distance)
    except RuleError:
        return None


terms = st.builds(
    terms_of,
    st.sampled_from([each for each in Condition if each not in ("rises", "falls")]),
    st.integers(0, 12),
    st.integers(0, 12),
    st.sampled_from((0, 0, 1, 2, 3)),
).filter(bool)
ways = st.lists(st.integers(0, 14).map(number), min_size=2, max_size=30)


def concerns(each: Terms, before: Decimal, now: Decimal) -> bool:
    """Return, as the engine does, whether a step meets a rule and may change it."""
    low, high = sorted((before, now))
    meets = before != now and any(low <= level <= high for level in each.watched_levels)
    return meets and (each.triggers(before, now) or each.is_back(now))


def found(levels: Levels, way: Sequence[Decimal]) -> list[int]:
    """Return the steps that may concern a rule, found at once and one by one."""
    cells = levels.cells(Columns.of(way, range(len(way))))
    assert cells.tolist() == [levels.cell(each) for each in way]
    places = levels.concerning(cells).tolist()
    steps = enumerate(pairwise(cells.tolist()))
    assert places == [place for place, step in steps if levels.concerns(*step)]
    return list(places)


@few
@given(st.lists(terms, max_size=6), ways)
def test_each_step_that_concerns_a_rule_is_found_and_of_those_to_the_next_level_no_other(
    rules: list[Terms], way: list[Decimal]
) -> None:
    watched = {level for each in rules for level in each.watched_levels}
    places = found(Levels(rules), way)
    for place, (before, now) in enumerate(pairwise(way)):
        low, high = sorted((before, now))
        is_next = now in watched and sum(low <= level <= high for level in watched) == 1
        if any(concerns(each, before, now) for each in rules):
            assert place in places
        elif is_next:
            assert place not in places


@few
@given(st.lists(terms, min_size=1, max_size=6), ways)
def test_a_rule_that_has_left_is_not_seen(rules: list[Terms], way: list[Decimal]) -> None:
    levels = Levels(rules)
    found(levels, way)

    levels.leave(rules[0])

    assert found(levels, way) == found(Levels(rules[1:]), way)


@few
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
    levels = Levels([terms_from("inside 2 3")])

    assert levels.are_within(cell, Columns.of([text, text], [0, 1])) == is_within


@pytest.mark.parametrize("error", [0, 0.1])
def test_a_number_is_certain_where_no_level_is_within_its_error(error: float) -> None:
    levels = Levels([terms_from("rises 2 within 1h")])
    numbers = np.array([1.0, 2 - error, 2, 2 + error, 3])

    cells, is_uncertain = levels.certain_cells(numbers, np.full(5, error))

    assert cells[~is_uncertain].tolist() == [0, 2]
    assert is_uncertain.tolist() == [False, True, True, True, False]


names = st.sampled_from(("rise-1m", "fall-1m", "rise-1h", *EXTREMES))
prices = st.one_of(
    st.integers(1, 20).map(Decimal),
    # They differ in the last digits, and many of them not at all as floats.
    st.integers(0, 9).map(lambda digit: Decimal(f"99999999999999999.12345678901234567{digit}")),
    st.integers(0, 9).map(lambda digit: Decimal(f"9.99999999999999999{digit}")),
)
gaps = st.sampled_from((0, 1, *(n * SECOND for n in (1, 2, 30, 58, 60, 3_480, 3_600, 604_800))))
price_ways = st.lists(st.tuples(prices, gaps), min_size=1, max_size=40).map(
    lambda way: Columns.of(
        [price for price, _ in way], NOW + np.cumsum([gap for _, gap in way], dtype=np.int64)
    )
)


def one_by_one(name: str, columns: Columns) -> list[Queue]:
    """Return the windows after each price, as the engine keeps them."""
    queues: list[Queue] = [()]
    for place, time in enumerate(columns.times.tolist()):
        queues.append(pushed(name, queues[-1], columns.price(place), time))
    return queues[1:]


@few
@given(names, price_ways, st.integers(0, 39))
def test_a_windows_extremes_are_the_engines_wherever_prices_are_cut(
    name: str, columns: Columns, cut: int
) -> None:
    queues = one_by_one(name, columns)
    queue: Queue = ()
    for part in filter(len, (columns[:cut], columns[cut:])):
        before, queue = queue, pushed_all(name, queue, part)

    assert queue == queues[-1]
    assert leaders(name, before, part).tolist() == [
        float(each[0][1]) for each in queues[-len(part) :]
    ]


@pytest.mark.parametrize("seconds", [56, 57, 58, 59, 60, 61, 62])
def test_a_price_counts_as_long_as_the_window_is(seconds: int) -> None:
    columns = Columns.of([Decimal(1), Decimal(2)], [NOW, NOW + seconds * SECOND])

    expected = one_by_one("rise-1m", columns)[-1]

    assert pushed_all("rise-1m", (), columns) == expected
    assert leaders("rise-1m", (), columns)[-1] == expected[0][1]


@few
@given(names, price_ways)
def test_no_move_is_further_from_the_exact_one_than_is_said(name: str, columns: Columns) -> None:
    measured = moves(name, (), columns)

    for place, queue in enumerate(one_by_one(name, columns)):
        tick = Tick("AAPL", columns.price(place), Position(0, 0, 0, "", 0))
        exact = numbers_of(tick, {name: queue})
        for line, (numbers, errors) in zip(metrics_of(name), measured, strict=True):
            off = abs(Decimal(numbers[place]) - exact[line])
            assert off <= Decimal(errors[place]) / 2
            assert errors[place] < 1e-12 * (float(exact[line]) + float(tick.price) + 200)
