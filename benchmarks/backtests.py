"""Backtests of ticks in memory and of a file, compared with a loop over the rules."""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import islice, pairwise
from pathlib import Path

from benchmarks.scale import Scale
from benchmarks.streams import rules_of, symbols, walk
from benchmarks.timing import Timings, side_by_side, stopwatch
from lib.backtest.backtest import run
from lib.backtest.columns import Chunk, Columns
from lib.backtest.price_columns import chunks_in
from lib.backtest.rule_book import RuleBook
from lib.formats.prices import PricesFile
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.engine import evaluate
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Position, Tick, format_timestamp

_START_MICROSECONDS = 1_767_225_600_000_000  # 2026
_SECOND_MICROSECONDS = 1_000_000
_SYMBOLS_IN_FILE = 5
_ENGINE_TICKS = 2_000


def in_memory(scale: Scale) -> Timings:
    """Time a backtest of one symbol, by rules, and a loop over them; returns seconds per tick."""
    (symbol,) = symbols(1)
    prices = list(islice(walk(symbol), scale.backtest_ticks))
    times = range(
        _START_MICROSECONDS,
        _START_MICROSECONDS + len(prices) * _SECOND_MICROSECONDS,
        _SECOND_MICROSECONDS,
    )
    chunk = Chunk.of_symbol(symbol, Columns.of(prices, times))
    rules = {count: rules_of(symbol, count) for count in (100, 1_000)}

    def backtest(count: int) -> float:
        return stopwatch(lambda: run(rules[count], [chunk], lambda _: None)) / len(prices)

    return side_by_side(
        {
            "100 rules": lambda: backtest(100),
            "1000 rules": lambda: backtest(1_000),
            "loop over 1000 rules": lambda: _looped(rules[1_000], prices[: scale.looped_ticks]),
        },
        scale.rounds,
    )


def engine_growth(scale: Scale) -> Timings:
    """Time the engine alone on ticks of which every hundredth crosses a level; seconds per tick.

    The ten levels around the price are the same, with or without others.
    """
    (symbol,) = symbols(1)
    prices = [Decimal(100 + place // 100 % 2) + Decimal("0.5") for place in range(_ENGINE_TICKS)]
    return side_by_side(
        {
            str(count): _engine_run(symbol, [*range(96, 106), *range(1_000, 990 + count)], prices)
            for count in (10, scale.most_rules)
        },
        scale.growth_rounds,
    )


def from_file(scale: Scale) -> float:
    """Time a backtest of a file of some symbols, a hundred rules each; returns seconds per row."""
    names = symbols(_SYMBOLS_IN_FILE)
    rules = [rule for name in names for rule in rules_of(name, 100)]
    with tempfile.TemporaryDirectory(prefix="tapstack-") as folder:
        path = Path(folder, "prices.csv")
        _write(path, names, scale.file_rows)
        timings = side_by_side(
            {"file": lambda: stopwatch(lambda: _backtest_file(rules, path))}, scale.rounds
        )
    return timings.median_of("file") / scale.file_rows


def _backtest_file(rules: Sequence[Rule], path: Path) -> None:
    run(rules, chunks_in(PricesFile(path, needs_timestamps=True)), lambda _: None)


def _write(path: Path, names: Sequence[str], rows: int) -> None:
    chance = random.Random(7)  # noqa: S311  # not cryptography
    walks = {name: walk(name) for name in names}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "symbol", "price"])
        for place in range(rows):
            name = chance.choice(names)
            moment = _START_MICROSECONDS + place * _SECOND_MICROSECONDS // 4
            writer.writerow([format_timestamp(moment), name, next(walks[name])])


def _looped(rules: Sequence[Rule], prices: Sequence[Decimal]) -> float:
    """Evaluate every rule at every tick, by the same predicate; returns seconds per tick."""

    def loop() -> None:
        for before, now in pairwise(prices):
            for rule in rules:
                rule.terms.triggers(before, now)

    return stopwatch(loop) / (len(prices) - 1)


def _engine_run(
    symbol: str, levels: Sequence[int], prices: Sequence[Decimal]
) -> Callable[[], float]:
    book = RuleBook()
    for level in levels:
        terms = Terms(Condition.CROSSES, (Decimal(level),))
        book.add(Rule(rule_id=f"r-{level}", symbol=symbol, terms=terms, trigger=Trigger.EVERY))
    first = book.changed(State(symbol))
    ticks = [
        Tick(symbol, price, Position(_START_MICROSECONDS + place, 0, 0, "m", 0))
        for place, price in enumerate(prices)
    ]

    def evaluate_all() -> None:
        state = first
        for start in range(0, len(ticks), 100):
            chunk = ticks[start : start + 100]
            state = replace(evaluate(state, chunk, book, None, 0, kept_ticks=16), outbox=None)

    return lambda: stopwatch(evaluate_all) / len(ticks)
