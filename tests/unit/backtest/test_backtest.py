from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import product

import pytest

from lib.backtest.backtest import Backtest, described, run
from lib.backtest.columns import portions_of
from lib.backtest.walk import OutOfOrder
from lib.formats.prices import Price
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.engine import MAX_CHANGES_PER_COMMIT
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, Trigger, paused
from tests.unit.doubles import NOW, SECOND


def rule(rule_id: str = "r", condition: str = "crosses_up", *levels: str, **named: object) -> Rule:
    """Build a rule for AAPL that fires every time, at 200."""
    terms = Terms(Condition(condition), tuple(map(Decimal, levels or ("200",))))
    usual = Rule(rule_id=rule_id, symbol="AAPL", terms=terms, trigger=Trigger.EVERY)
    return replace(usual, **named)  # type: ignore[arg-type]


def price(text: str, second: int = 0, symbol: str = "AAPL") -> Price:
    return Price(symbol, Decimal(text), NOW + second * SECOND)


def result_of(rules: Sequence[Rule], *prices: Price, rows_at_once: int = 100) -> Backtest:
    return run(rules, portions_of(prices, rows_at_once), lambda rows: None)


def fired(result: Backtest) -> list[tuple[str, int]]:
    """Return what fired, with the second."""
    return [
        (each.rule_id, (each.timestamp_microseconds - NOW) // SECOND) for each in result.firings
    ]


def test_a_firing_is_told_with_exact_prices_and_the_prices_time() -> None:
    result = result_of([rule()], price("199.999999999999999999"), price("1E+3", 1))

    (firing,) = result.firings
    assert described(firing) == {
        "rule_id": "r",
        "symbol": "AAPL",
        "condition": "crosses-up",
        "timestamp": "2026-11-22T15:04:06.250000Z",
        "previous_price": "199.999999999999999999",
        "price": "1000",
    }
    assert json.dumps(described(firing))


@pytest.mark.parametrize(("condition", "text"), [("above", "201"), ("below", "199")])
def test_a_firing_at_the_first_price_has_no_price_before(condition: str, text: str) -> None:
    (firing,) = result_of([rule("r", condition)], price(text)).firings

    assert described(firing)["previous_price"] is None


def test_firings_of_all_symbols_are_in_the_order_of_time() -> None:
    rules = [rule("t", symbol="TSLA"), rule("a"), rule("m", symbol="MSFT")]
    prices = [price("199", 0, symbol) for symbol in ("MSFT", "AAPL", "TSLA")]
    prices += [price("201", 5, "TSLA"), price("201", 5), price("201", 4, "MSFT")]

    assert fired(result_of(rules, *prices)) == [("m", 4), ("a", 5), ("t", 5)]


def test_what_was_read_is_counted() -> None:
    rules = [rule("often"), rule("never", "crosses_down", "1"), rule("b", symbol="MSFT")]
    prices = [price(text, second) for second, text in enumerate(("199", "201", "199", "201"))]
    prices += [price("1", 0, "XYZ"), price("1", 1, "XYZ"), price("1", 0, "XYZ")]

    result = result_of(rules, *prices, price("150", 3), price("150", 4))

    assert result.firings_by_rule == {"often": 2, "never": 0, "b": 0}
    assert list(result.firings_by_rule) == ["often", "never", "b"]
    assert (result.rows, result.symbols) == (9, 2)
    assert result.rows_without_rules == 3


def test_without_prices_nothing_fires() -> None:
    assert result_of([rule()]) == Backtest([], {"r": 0}, 0, 0, 0)


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_a_price_that_is_earlier_than_one_before_is_never_left_out(rows_at_once: int) -> None:
    prices = [price("199", 10), price("201", 9), price("202", 11)]

    with pytest.raises(OutOfOrder):
        result_of([rule()], *prices, rows_at_once=rows_at_once)


@pytest.mark.parametrize("rows_at_once", [1, 2, 100])
def test_prices_of_the_same_time_count_in_their_order(rows_at_once: int) -> None:
    prices = [price(text) for text in ("199", "201", "199", "202")]

    result = result_of([rule()], *prices, rows_at_once=rows_at_once)

    assert [firing.price for firing in result.firings] == [201, 202]
    assert len({firing.firing_id for firing in result.firings}) == 2


def test_rules_that_are_not_active_are_left_out() -> None:
    rules = [paused(rule("p")), rule("t", progress=Progress(Status.TRIGGERED)), rule("a")]

    result = result_of(rules, price("199"), price("201", 1))

    assert fired(result) == [("a", 1)]
    assert result.firings_by_rule == {"a": 1}


def test_what_has_come_of_a_rule_so_far_does_not_count() -> None:
    progress = Progress(last_fired_at_microseconds=NOW + 1, last_firing_id="x")

    result = result_of(
        [rule(cooldown_seconds=60, progress=progress)], price("199"), price("201", 1)
    )

    assert fired(result) == [("r", 1)]


def test_a_price_that_concerns_very_many_rules_is_done_to_the_end() -> None:
    count = 2 * MAX_CHANGES_PER_COMMIT + 1
    rules = [rule(f"r{number}") for number in range(count)]

    result = result_of(rules, price("199"), price("201", 1), price("199", 2), price("201", 3))

    assert set(result.firings_by_rule.values()) == {2}
    assert len(result.firings) == 2 * count


def test_progress_is_told_after_every_portion() -> None:
    prices = [price("1", second) for second in range(5)]
    told: list[int] = []

    run([rule()], portions_of(prices, 2), told.append)

    assert told == [2, 4, 5]


def wandering(rows: int) -> Iterator[Price]:
    """Yield prices of three symbols that cross no level and move a little in every window."""
    for number in range(rows):
        symbol = ("AAPL", "MSFT", "XYZ")[number % 3]
        yield Price(symbol, Decimal(100 + number % 7), NOW + number * SECOND)


def peak_bytes(rows: int) -> int:
    terms = [Terms(Condition("crosses"), (Decimal(200),))]
    terms += [Terms(Condition("falls"), (Decimal(50),), window=window) for window in ("1m", "7d")]
    rules = [
        rule(f"r{number}-{symbol}", symbol=symbol, terms=each)
        for (number, each), symbol in product(enumerate(terms), ("AAPL", "MSFT"))
    ]
    tracemalloc.start()
    try:
        assert run(rules, portions_of(wandering(rows), 1_000), lambda rows: None).rows == rows
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_prices() -> None:
    peak_bytes(1_000)  # what is made only once

    assert peak_bytes(20_000) < 1.3 * peak_bytes(5_000)
