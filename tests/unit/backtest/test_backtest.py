"""What a backtest counts and in which order it reports; what fires is in test_backtest_exact.py."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from lib.backtest.backtest import Backtest, described, run
from lib.backtest.columns import chunks_of
from lib.backtest.walk import OutOfOrder
from lib.formats.prices import Price
from price_alerts.domain.engine import MAX_CHANGES_PER_COMMIT
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, paused
from tests.unit.doubles import NOW, SECOND
from tests.unit.rule_builders import rule

CROSSES_UP = rule("crosses_up 200")


def price(text: str, second: int = 0, symbol: str = "AAPL") -> Price:
    return Price(symbol, Decimal(text), NOW + second * SECOND)


def result_of(rules: Sequence[Rule], *prices: Price, rows_at_once: int = 100) -> Backtest:
    return run(rules, chunks_of(prices, rows_at_once), lambda rows: None)


def fired(result: Backtest) -> list[tuple[str, int]]:
    """Return what fired, with the second."""
    return [
        (each.rule_id, (each.timestamp_microseconds - NOW) // SECOND) for each in result.firings
    ]


def test_a_firing_is_described_with_exact_prices_and_the_prices_time() -> None:
    result = result_of([CROSSES_UP], price("199.999999999999999999"), price("1E+3", 1))

    assert list(map(described, result.firings)) == [
        {
            "rule_id": "r",
            "symbol": "AAPL",
            "condition": "crosses-up",
            "timestamp": "2026-11-22T15:04:06.250000Z",
            "previous_price": "199.999999999999999999",
            "price": "1000",
        }
    ]


def test_a_firing_at_the_first_price_has_no_price_before() -> None:
    (firing,) = result_of([rule("above 200")], price("201")).firings

    assert described(firing)["previous_price"] is None


def test_firings_are_ordered_by_time_and_then_by_symbol() -> None:
    rules = [replace(CROSSES_UP, rule_id=symbol[0], symbol=symbol) for symbol in ("T", "A", "M")]
    prices = [price("199", 0, symbol) for symbol in "MAT"]
    prices += [price("201", 5, "T"), price("201", 5, "A"), price("201", 4, "M")]

    assert fired(result_of(rules, *prices)) == [("M", 4), ("A", 5), ("T", 5)]


def test_prices_symbols_and_firings_are_counted() -> None:
    others = [rule("crosses_down 1", "never"), rule("crosses_up 200", "b", symbol="MSFT")]
    prices = [price(text, second) for second, text in enumerate(("199", "201", "199", "201"))]
    prices += [price("1", 0, "XYZ")] * 3

    result = result_of([CROSSES_UP, *others], *prices)

    assert list(result.firings_by_rule.items()) == [("r", 2), ("never", 0), ("b", 0)]
    assert (result.rows, result.symbols, result.rows_without_rules) == (7, 2, 3)


def test_without_prices_nothing_fires() -> None:
    assert result_of([CROSSES_UP]) == Backtest([], {"r": 0}, 0, 0, 0)


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_a_price_that_is_earlier_than_one_before_is_never_left_out(rows_at_once: int) -> None:
    prices = [price("199", 10), price("201", 9), price("202", 11)]

    with pytest.raises(OutOfOrder):
        result_of([CROSSES_UP], *prices, rows_at_once=rows_at_once)


def test_inactive_rules_are_left_out_and_the_others_start_afresh() -> None:
    fired_before = Progress(last_fired_at_microseconds=NOW + 1, last_firing_id="x")
    rules = [
        replace(paused(CROSSES_UP), rule_id="p"),
        replace(CROSSES_UP, rule_id="t", progress=Progress(Status.TRIGGERED)),
        replace(CROSSES_UP, rule_id="a", cooldown_seconds=60, progress=fired_before),
    ]

    result = result_of(rules, price("199"), price("201", 1))

    assert (fired(result), result.firings_by_rule) == ([("a", 1)], {"a": 1})


def test_a_price_that_concerns_more_rules_than_a_commit_holds_is_evaluated_to_the_end() -> None:
    count = 2 * MAX_CHANGES_PER_COMMIT + 1
    rules = [rule("crosses_up 200", f"r{number}") for number in range(count)]

    result = result_of(rules, price("199"), price("201", 1), price("199", 2), price("201", 3))

    assert set(result.firings_by_rule.values()) == {2}
    assert len(result.firings) == 2 * count


def test_progress_is_reported_after_every_chunk() -> None:
    reported: list[int] = []

    run([], chunks_of([price("1")] * 5, 2), reported.append)

    assert reported == [2, 4, 5]


def peak_bytes(rows: int) -> int:
    """Measure a backtest of prices that cross no level and move a little in every window."""
    words = ("crosses 200", "falls 50 within 1m", "falls 50 within 7d")
    pairs = enumerate(product(words, ("AAPL", "MSFT")))
    rules = [rule(each, f"r{number}", symbol=symbol) for number, (each, symbol) in pairs]
    prices = (
        price(str(100 + number % 7), number, ("AAPL", "MSFT", "XYZ")[number % 3])
        for number in range(rows)
    )
    tracemalloc.start()
    try:
        assert run(rules, chunks_of(prices, 500), lambda rows: None).rows == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_prices() -> None:
    peak_bytes(500)  # what is allocated only once

    assert peak_bytes(6_000) < 1.3 * peak_bytes(2_000)
