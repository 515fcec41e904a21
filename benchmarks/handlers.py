"""The same ticks through four handlers, counted and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import Any

from benchmarks.costs import CALL_SECONDS
from benchmarks.counting import HOUR_MICROSECONDS, Counts, Events, count, warm
from benchmarks.hooks import hooked
from benchmarks.scale import Scale
from benchmarks.stage import CONTESTANTS, OURS, Contestant, Stage, now_microseconds, put
from benchmarks.streams import FIRST_PRICE, events, rules_of, symbols, to_and_fro
from benchmarks.timing import Timings, side_by_side, stopwatch
from price_alerts.domain.rules import Rule


def usual_rules(
    scale: Scale, *, on_the_busiest: int | None = None, are_bare: bool = False
) -> list[Rule]:
    """Invent the same number of rules for each symbol, or another for the busiest."""
    counts = dict.fromkeys(symbols(scale.symbols), scale.rules_per_symbol)
    if on_the_busiest is not None:
        counts[next(iter(counts))] = on_the_busiest
    return [
        rule
        for symbol, count_ in counts.items()
        for rule in rules_of(symbol, count_, are_bare=are_bare)
    ]


def all_entered(
    stage: Stage, rules: Sequence[Rule], names: Iterable[str] = CONTESTANTS
) -> dict[str, Contestant]:
    """Prepare contestants, all with the same rules."""
    return {name: stage.enter(name, rules) for name in names}


def speeds(contestants: Mapping[str, Contestant], batch_size: int, scale: Scale) -> Timings:
    """Time the same ticks through each contestant; returns seconds per tick."""
    batches = max(1, scale.timed_ticks // batch_size)
    runs = {
        name: _run(contestant, warm(contestant, batch_size, symbols(scale.symbols)), batches)
        for name, contestant in contestants.items()
    }
    return side_by_side(runs, scale.rounds)


@contextmanager
def slowed(contestants: Mapping[str, Contestant]) -> Iterator[None]:
    """Make each call as slow as one to AWS, which is not on the same machine."""

    def travel(**_: Any) -> None:
        time.sleep(CALL_SECONDS)

    clients = [client for contestant in contestants.values() for client in contestant.clients]
    with hooked(clients, {"before-send.*.*": travel}):
        yield


def counts_by_rule_count(stage: Stage, scale: Scale) -> dict[str, dict[int, Counts]]:
    """Count what ticks of one symbol take, by the number of its rules."""
    (symbol,) = symbols(1)
    few, some, _ = scale.batch_sizes
    found: dict[str, dict[int, Counts]] = {name: {} for name in CONTESTANTS}
    for rule_count in scale.rule_counts:
        for name, contestant in all_entered(stage, rules_of(symbol, rule_count)).items():
            # Scanning takes long, and the same for every tick.
            batch_size = few if name in ("scanning", "powertools") else some
            stream = warm(contestant, batch_size, [symbol])
            found[name][rule_count] = count(contestant, stage.eye, stream, batch_size)
    return found


def growth(stage: Stage, scale: Scale) -> Timings:
    """Time ticks that cross no level, of a symbol with ten rules and of one with many more.

    All rules have seen a price. The ten nearest decide when the next level is reached; the others
    come after the first batch, since the emulator, unlike DynamoDB, looks at all watches of a line
    for each query, which takes longer than a call may.
    """
    (symbol,) = symbols(1)
    runs = {}
    for rule_count in (10, scale.most_rules):
        rules = sorted(rules_of(symbol, rule_count), key=_distance)
        contestant = stage.enter(OURS, rules[:10], are_new=False)
        stream = events(to_and_fro(symbol, now_microseconds() - HOUR_MICROSECONDS), 100)
        contestant.handle(next(stream))
        put(stage.eye, contestant.table_name, rules[10:], are_new=False)
        runs[str(rule_count)] = _run(contestant, stream, 10)
    return side_by_side(runs, scale.growth_rounds)


def _distance(rule: Rule) -> Decimal:
    return abs(rule.terms.levels[0] - FIRST_PRICE)


def _run(contestant: Contestant, stream: Events, batches: int) -> Callable[[], float]:
    def run() -> float:
        prepared = list(islice(stream, batches))
        ticks = sum(len(event["Records"]) for event in prepared)
        return stopwatch(lambda: [contestant.handle(event) for event in prepared]) / ticks

    return run
