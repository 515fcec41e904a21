"""The figures of a run, and which limit binds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.costs import PRICES
from benchmarks.model.dynamodb import Rate
from benchmarks.model.run import Run
from benchmarks.model.world import Announced, World

BY_DAY = "index `by_day`, busiest key"
DELIVERIES = "busiest symbol's deliveries, one at a time"
PROCESSORS = "processors of all invocations"
_MESSAGES_PER_SQS_REQUEST = 10
_MILLION = 1_000_000
_MINUTE_SECONDS = 60
_FULL = 0.9


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a run.

    Attributes
    ----------
    last_seconds
        From the start of the fall to the last announcement, or to the end of the run.
    is_finished
        Whether every firing was announced.
    median_seconds, p99_seconds, longest_seconds
        From when the price reaches a level to the announcement.
    throttled, handed_over, redelivered, dead
        Throttled requests; messages sent again, redelivered, and in the dead-letter queue.
    late_ticks
        Dropped as late.
    dollars
        For all services, from the start of the warm-up to the last announcement.
    utilisations
        The used share of each limit in its busiest minute. `maximum_concurrency` is left out:
        invocations that wait for something else fill it.
    """

    last_seconds: float
    is_finished: bool
    median_seconds: float
    p99_seconds: float
    longest_seconds: float
    throttled: int
    handed_over: int
    redelivered: int
    dead: int
    late_ticks: float
    dollars: float
    utilisations: dict[str, float]

    @classmethod
    def of(cls, run: Run) -> Figures:
        """Compute the figures of a run."""
        world, results = run.world, run.world.results
        is_all = run.is_finished and results.announced
        last = results.announced[-1].at_seconds if is_all else world.clock.now
        return cls(
            last_seconds=last,
            is_finished=run.is_finished,
            median_seconds=percentile(results.announced, 0.5),
            p99_seconds=percentile(results.announced, 0.99),
            longest_seconds=percentile(results.announced, 1),
            throttled=world.table.throttled + results.throttled,
            handed_over=results.handed_over,
            redelivered=results.failed,
            dead=results.dead,
            late_ticks=results.late_ticks,
            dollars=_dollars(world),
            utilisations=_utilisations(world),
        )

    @property
    def binding(self) -> str | None:
        """The limit that is used up; deliveries only where they wait for no other."""
        others = {limit: used for limit, used in self.utilisations.items() if limit != DELIVERIES}
        most_used = max(others, key=others.__getitem__)
        if others[most_used] >= _FULL:
            return most_used
        return DELIVERIES if self.utilisations[DELIVERIES] >= _FULL else None


def percentile(announced: Iterable[Announced], part: float) -> float:
    """Return the lag that this part of the firings does not exceed; 0 without firings."""
    lags = sorted((each.lag_seconds, each.firings) for each in announced)
    wanted = part * sum(firings for _, firings in lags)
    for lag, firings in lags:
        wanted -= firings
        if wanted <= 0:
            return lag
    return 0.0


def lags_by_second(
    announced: Sequence[Announced], step_seconds: int
) -> list[tuple[float, float, float]]:
    """Return times of announcements, with the median and the longest lag around them."""
    steps: dict[int, list[Announced]] = {}
    for each in announced:
        steps.setdefault(int(each.at_seconds // step_seconds), []).append(each)
    return [
        ((step + 0.5) * step_seconds, percentile(found, 0.5), percentile(found, 1))
        for step, found in sorted(steps.items())
    ]


def _utilisations(world: World) -> dict[str, float]:
    def busiest(rates: Mapping[str, Rate], prefix: str) -> float:
        return max(
            (_used(rate) for key, rate in rates.items() if key.startswith(prefix)), default=0
        )

    writes, reads = world.table.writes, world.table.reads
    return {
        DELIVERIES: _in_a_minute(world.symbols[0].busy_seconds),
        PROCESSORS: _in_a_minute(world.results.processor_seconds)
        / world.settings.maximum_concurrency,
        BY_DAY: busiest(writes, "by_day"),
        "a symbol's state and rules, writes": busiest(writes, "SYMBOL"),
        "a symbol's state and rules, reads": busiest(reads, "SYMBOL"),
        "a symbol's firings, busiest key": busiest(writes, "FIRINGS"),
        "the table's write units": _used(world.table.table),
        "messages to SNS": _used(world.topic),
    }


def _used(rate: Rate) -> float:
    return _in_a_minute(rate.by_second) / rate.per_second


def _in_a_minute(by_second: Mapping[int, float]) -> float:
    """Return the mean of the busiest minute's seconds."""
    if not by_second:
        return 0.0
    most = current = 0.0
    for second in range(max(by_second) + 1):
        current += by_second.get(second, 0) - by_second.get(second - _MINUTE_SECONDS, 0)
        most = max(most, current)
    return most / _MINUTE_SECONDS


def _dollars(world: World) -> float:
    results, table = world.results, world.table
    sent = (
        (world.clock.now + world.load.warm_up_seconds)
        * world.load.ticks_per_second
        / world.settings.ticks_per_message
    )
    # Each is sent, received and deleted, ten in a request; what is handed over is sent alone.
    requests = (sent + 2 * results.messages) / _MESSAGES_PER_SQS_REQUEST + results.handed_over
    written = sum(table.table.by_second.values()) + sum(table.index.by_second.values())
    return (
        written * PRICES["write request unit"]
        + table.read_units * PRICES["read request unit"]
        + requests * PRICES["SQS request"]
        + results.published * PRICES["SNS message"]
        + results.invocations * PRICES["Lambda request"]
    ) / _MILLION + (
        results.function_seconds
        * world.settings.memory_mebibytes
        / 1_024
        * PRICES["Lambda GB-second, arm64"]
    )
