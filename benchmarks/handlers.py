"""The handlers' contest: the same ticks through four handlers, counted and timed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

from benchmarks.counting import HOUR_MICROSECONDS, Counts, Events, count, warm
from benchmarks.stage import CONTESTANTS, OURS, Contestant, Stage, now_microseconds
from benchmarks.streams import events, rules_of, symbols, to_and_fro
from benchmarks.timing import Timings, side_by_side, stopwatch
from price_alerts.rules import Rule

__all__ = [
    "BATCH_SIZES",
    "MANY_RULES",
    "MOST_RULES",
    "RULE_COUNTS",
    "all_entered",
    "counts_by_rule_count",
    "growth",
    "speeds",
    "usual_rules",
]

BATCH_SIZES = (10, 100, 1_000)
RULE_COUNTS = (1, 10, 100, 1_000, 10_000)
MANY_RULES, MOST_RULES = 10_000, 100_000


def usual_rules(*, on_the_busiest: int = 100, are_bare: bool = False) -> list[Rule]:
    """Make up a hundred rules a symbol, or another number for the busiest."""
    busiest, *others = symbols()
    rules = rules_of(busiest, on_the_busiest, are_bare=are_bare)
    for symbol in others:
        rules += rules_of(symbol, 100, are_bare=are_bare)
    return rules


def all_entered(
    stage: Stage, rules: Sequence[Rule], names: Iterable[str] = CONTESTANTS
) -> dict[str, Contestant]:
    """Let contestants enter, all with the same rules."""
    return {name: stage.enter(name, rules) for name in names}


def speeds(
    contestants: Mapping[str, Contestant], batch_size: int, ticks: int, rounds: int
) -> Timings:
    """Time so many ticks through each contestant; returns seconds a tick."""
    runs = {
        name: _run(contestant, warm(contestant, batch_size), max(1, ticks // batch_size))
        for name, contestant in contestants.items()
    }
    return side_by_side(runs, rounds)


def counts_by_rule_count(stage: Stage) -> dict[str, dict[int, Counts]]:
    """Count what a batch of 100 ticks of one symbol takes, however many rules that has."""
    (symbol,) = symbols(1)
    found: dict[str, dict[int, Counts]] = {name: {} for name in CONTESTANTS}
    for rule_count in RULE_COUNTS:
        for name, contestant in all_entered(stage, rules_of(symbol, rule_count)).items():
            # To scan takes the same for every tick, and long.
            batch_size = 10 if name in ("scanning", "powertools") else 100
            stream = warm(contestant, batch_size, [symbol])
            found[name][rule_count] = count(contestant, stage.eye, stream, batch_size)
    return found


def growth(stage: Stage) -> Timings:
    """Time ticks that cross no level, of a symbol with ten rules and of one with many more."""
    (symbol,) = symbols(1)
    runs = {}
    for rule_count in (10, MOST_RULES):
        contestant = stage.enter(OURS, rules_of(symbol, rule_count))
        stream = events(to_and_fro(symbol, now_microseconds() - HOUR_MICROSECONDS), 100)
        contestant.handle(next(stream))
        runs[str(rule_count)] = _run(contestant, stream, 10)
    return side_by_side(runs, 6)


def _run(contestant: Contestant, stream: Events, batches: int) -> Callable[[], float]:
    def run() -> float:
        prepared = list(islice(stream, batches))
        ticks = sum(len(event["Records"]) for event in prepared)
        return stopwatch(lambda: [contestant.handle(event) for event in prepared]) / ticks

    return run
