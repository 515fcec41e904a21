from __future__ import annotations

from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.domain.windows import (
    EXTREMES,
    Queue,
    begun,
    lines_of,
    metrics_of,
    numbers_of,
    pushed,
)
from tests.unit.rule_builders import tick

SECOND = 1_000_000


def queue_of(*entries: tuple[int, str | int]) -> Queue:
    return tuple((bucket, Decimal(price)) for bucket, price in entries)


def kept(name: str, *prices_at: tuple[int, str | int]) -> Queue:
    """Push prices, each after a time in microseconds."""
    queue: Queue = ()
    for timestamp, price in prices_at:
        queue = pushed(name, queue, Decimal(price), timestamp)
    return queue


@pytest.mark.parametrize(
    ("window", "bucket_seconds"),
    [("1m", 2), ("5m", 10), ("15m", 30), ("1h", 120), ("4h", 480), ("1d", 2_880), ("7d", 20_160)],
)
def test_a_window_has_buckets_of_a_thirtieth(window: str, bucket_seconds: int) -> None:
    edge = 5 * bucket_seconds * SECOND
    assert kept(f"rise-{window}", (edge - 1, 1), (edge, 2)) == queue_of((4, 1), (5, 2))


@pytest.mark.parametrize(
    ("name", "prices", "expected"),
    [
        pytest.param("rise-1m", [1, 2, 3], [(0, 1), (1, 2), (2, 3)], id="higher ones may come up"),
        pytest.param("rise-1m", [1, 3, 2], [(0, 1), (2, 2)], id="a lower one ends a higher one"),
        pytest.param("rise-1m", [2, 2], [(1, 2)], id="of equals the later one"),
        pytest.param("rise-1m", [2, 3, 4, 1], [(3, 1)], id="the lowest ends all"),
        pytest.param("fall-1m", [3, 2, 1], [(0, 3), (1, 2), (2, 1)], id="lower ones may come up"),
        pytest.param("fall-1m", [3, 1, 2], [(0, 3), (2, 2)], id="a higher one ends a lower one"),
        pytest.param("fall-1m", [2, 2], [(1, 2)], id="of equals the later one too"),
    ],
)
def test_a_window_keeps_what_can_become_its_extreme(
    name: str, prices: list[int], expected: list[tuple[int, str | int]]
) -> None:
    prices_at = [(place * 2 * SECOND, price) for place, price in enumerate(prices)]
    assert kept(name, *prices_at) == queue_of(*expected)


@pytest.mark.parametrize(
    ("name", "first", "second", "expected"),
    [("rise-1m", 1, 2, 1), ("rise-1m", 2, 1, 1), ("fall-1m", 2, 1, 2), ("fall-1m", 1, 2, 2)],
)
def test_a_bucket_keeps_its_extreme_alone(
    name: str, first: int, second: int, expected: int
) -> None:
    assert kept(name, (0, first), (1, second)) == queue_of((0, expected))


def test_a_window_lets_go_of_what_is_more_than_thirty_buckets_old() -> None:
    assert kept("rise-1m", (0, 1), (62 * SECOND - 1, 2)) == queue_of((0, 1), (30, 2))
    assert kept("rise-1m", (0, 1), (62 * SECOND, 2)) == queue_of((31, 2))


@given(
    st.sampled_from(EXTREMES[:2]),
    st.lists(st.tuples(st.integers(0, 5 * SECOND), st.integers(1, 9)), min_size=1, max_size=60),
)
def test_a_window_begins_with_its_extreme_and_stays_small(
    name: str, steps: list[tuple[int, int]]
) -> None:
    times = list(accumulate(wait for wait, _ in steps))
    queue = kept(name, *((time, price) for time, (_, price) in zip(times, steps, strict=True)))

    bucket = 2 * SECOND
    first = times[-1] // bucket - 29
    seen = [price for time, (_, price) in zip(times, steps, strict=True) if time // bucket >= first]
    assert queue[0][1] == (min(seen) if name.startswith("rise") else max(seen))
    assert len(queue) <= 30


def test_a_window_that_is_newly_asked_for_begins_with_the_price_before() -> None:
    windows = {"rise-1m": (), "fall-1m": queue_of((1, 7))}
    assert begun(tick(5, second=4), windows) == {
        "rise-1m": queue_of((2, 5)),
        "fall-1m": queue_of((1, 7)),
    }


def test_without_a_price_before_a_window_begins_empty() -> None:
    assert begun(None, {"rise-1m": ()}) == {"rise-1m": ()}


def test_there_are_two_extremes_for_each_window() -> None:
    assert len(set(EXTREMES)) == 14


def test_a_window_has_a_line_in_price_and_one_in_percent() -> None:
    assert metrics_of("rise-1h") == ("rise-1h", "rise-1h-percent")


def test_lines_stand_in_the_same_order_however_windows_do() -> None:
    windows = {name: queue_of((0, 1)) for name in ("fall-1h", "rise-1h", "rise-1m")}
    order = ["price"]
    order += ["rise-1m", "rise-1m-percent", "rise-1h", "rise-1h-percent"]
    order += ["fall-1h", "fall-1h-percent"]
    assert lines_of(windows) == order
    assert list(numbers_of(tick(5), windows)) == order


@pytest.mark.parametrize(
    ("name", "extreme", "price", "move", "percent"),
    [
        ("rise-1h", 200, 210, "10", "5"),
        ("fall-1h", 200, 190, "10", "5"),
        ("rise-1h", 200, 200, "0", "0"),
        ("rise-1h", 3, 4, "1", f"33.{'3' * 63}"),
        ("fall-1h", 3, 1, "2", f"66.{'6' * 63}"),
        ("rise-1h", "1E-18", "1E17", f"{10**17 - 1}.{'9' * 18}", f"{10**37 - 100}"),
    ],
)
def test_a_move_is_measured_exactly_and_its_percentage_rounded_down(
    name: str, extreme: str | int, price: str | int, move: str, percent: str
) -> None:
    numbers = numbers_of(tick(price), {name: queue_of((0, extreme), (1, price))})
    assert numbers == {
        "price": Decimal(price),
        name: Decimal(move),
        f"{name}-percent": Decimal(percent),
    }


def test_a_symbol_without_a_tick_stands_nowhere() -> None:
    assert numbers_of(None, {"rise-1h": ()}) == {}
