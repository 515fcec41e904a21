from __future__ import annotations

from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.domain.windows import EXTREMES, Queue, lines_of, numbers_of, pushed, started
from tests.unit.rule_builders import SECOND, tick


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
def test_a_window_consists_of_a_bucket_and_the_thirty_before(
    window: str, bucket_seconds: int
) -> None:
    bucket = bucket_seconds * SECOND
    name = f"rise-{window}"
    assert kept(name, (5 * bucket - 1, 1), (5 * bucket, 2)) == queue_of((4, 1), (5, 2))
    assert kept(name, (0, 1), (31 * bucket - 1, 2)) == queue_of((0, 1), (30, 2))
    assert kept(name, (0, 1), (31 * bucket, 2)) == queue_of((31, 2))


@given(
    st.sampled_from(EXTREMES[:2]),
    st.lists(st.tuples(st.integers(0, 40 * SECOND), st.integers(1, 9)), min_size=1, max_size=60),
)
def test_a_window_keeps_its_extreme_and_what_can_become_it(
    name: str, steps: list[tuple[int, int]]
) -> None:
    times = list(accumulate(wait for wait, _ in steps))
    prices = [price for _, price in steps]
    best = min if name.startswith("rise") else max
    by_bucket: dict[int, int] = {}
    for time, price in zip(times, prices, strict=True):
        bucket = time // (2 * SECOND)
        by_bucket[bucket] = best(by_bucket.get(bucket, price), price)
    last = max(by_bucket)
    expected = [
        (bucket, price)
        for bucket, price in by_bucket.items()
        if bucket >= last - 30
        and all(best(price, each) != each for later, each in by_bucket.items() if later > bucket)
    ]
    assert kept(name, *zip(times, prices, strict=True)) == queue_of(*expected)


def test_a_window_that_is_newly_needed_begins_with_the_price_before() -> None:
    windows = {"rise-1m": (), "fall-1m": queue_of((1, 7))}
    assert started(windows, tick(5, second=4)) == {**windows, "rise-1m": queue_of((2, 5))}
    assert started(windows, None) == windows


def test_lines_are_in_the_same_order_however_windows_are() -> None:
    windows = {name: queue_of((0, 1)) for name in ("fall-1h", "rise-1h", "rise-1m")}
    order = ["price"]
    order += ["rise-1m", "rise-1m-percent", "rise-1h", "rise-1h-percent"]
    order += ["fall-1h", "fall-1h-percent"]
    assert lines_of(windows) == list(numbers_of(tick(5), windows)) == order


@pytest.mark.parametrize(
    ("name", "extreme", "price", "move", "percent"),
    [
        ("rise-1h", 200, 210, "10", "5"),
        ("fall-1h", 200, 190, "10", "5"),
        ("rise-1h", 3, 4, "1", f"33.{'3' * 63}"),
        ("fall-1h", 3, 1, "2", f"66.{'6' * 63}"),
        ("rise-1h", "1E-18", "1E17", f"{10**17 - 1}.{'9' * 18}", f"{10**37 - 100}"),
        ("rise-1h", 0, 4, "4", "0"),
    ],
)
def test_a_move_is_measured_exactly_and_its_percentage_rounded_down(
    name: str, extreme: str | int, price: str | int, move: str, percent: str
) -> None:
    assert numbers_of(tick(price), {name: queue_of((0, extreme), (1, price))}) == {
        "price": Decimal(price),
        name: Decimal(move),
        f"{name}-percent": Decimal(percent),
    }


def test_without_a_tick_there_are_no_numbers() -> None:
    assert numbers_of(None, {"rise-1h": ()}) == {}
