from __future__ import annotations

from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lib.backtest.columns import portions_of
from lib.backtest.curve import Curve, Point, curves_of
from lib.formats.prices import Price

points = st.lists(
    st.tuples(st.integers(0, 10**15), st.floats(0.5, 100)), min_size=1, max_size=200
).map(lambda drawn: sorted(drawn, key=lambda point: point[0]))


def thinned(given_points: list[Point], max_stretches: int) -> list[Point]:
    thin = Curve(max_stretches)
    for point in given_points:
        thin.add(point)
    return thin.points


@given(points)
def test_a_curve_has_few_points_in_order_with_all_ends_and_peaks(drawn: list[Point]) -> None:
    kept = thinned(drawn, 8)

    assert len(kept) <= 4 * 8
    assert set(kept) <= set(drawn)
    assert [time for time, _ in kept] == sorted(time for time, _ in kept)
    assert (kept[0], kept[-1]) == (drawn[0], drawn[-1])
    prices = [price for _, price in drawn]
    assert {min(prices), max(prices)} <= {price for _, price in kept}


def test_a_short_curve_keeps_every_point() -> None:
    drawn = [(time, float(price)) for time, price in ((10, 5), (11, 7), (12, 3), (90, 5))]

    assert thinned(drawn, 8) == drawn


def test_a_long_curve_keeps_the_peaks_of_every_time() -> None:
    drawn = [(second, 100.0 + second % 7) for second in range(10_000)]
    drawn[5_000] = (5_000, 500.0)
    drawn[7_000] = (7_000, 1.0)

    kept = thinned(drawn, 100)

    assert 200 <= len(kept) <= 400
    assert {drawn[5_000], drawn[7_000]} <= set(kept)


def test_curves_are_read_of_the_symbols_that_are_wanted() -> None:
    random = Random(1)
    prices = [
        Price(random.choice(("A", "B", "C")), Decimal(number + 1), number) for number in range(30)
    ]
    told: list[int] = []

    curves = curves_of(portions_of(prices, 20), ["A", "B", "D"], 100, told.append)

    assert curves["A"].points == [
        (price.timestamp_microseconds, float(price.price))
        for price in prices
        if price.symbol == "A"
    ]
    assert list(curves) == ["A", "B", "D"]
    assert curves["D"].points == []
    assert told == [20, 30]
