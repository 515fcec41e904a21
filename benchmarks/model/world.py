"""The symbols, the services, and the results of a run. Pure."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.model.dynamodb import Rate, Table
from benchmarks.model.events import Clock
from benchmarks.model.parameters import Handler, Latencies, Limits, Load, Settings

_SEED = 7


class State(NamedTuple):
    """A symbol's state, as the table has it.

    Attributes
    ----------
    version
        Unique among the symbol's states.
    position
        The time of the last tick that was applied, in seconds.
    fired
        How many rules have fired so far.
    outbox, outbox_version
        How many of them are to be delivered, and the version that decided so.
    lease_owner, lease_until
        Who delivers them; 0 is nobody.
    """

    version: int
    position: float
    fired: int = 0
    outbox: int = 0
    outbox_version: int = 0
    lease_owner: int = 0
    lease_until: float = 0.0


class Symbol:
    """A symbol's state, and how many of its firings have been announced and recorded."""

    def __init__(self, rank: int, share: float, firings: int, load: Load) -> None:
        self.rank = rank
        self.share = share
        self.firings = firings
        self.ticks_per_second = share * load.ticks_per_second
        self.state = State(0, -load.warm_up_seconds)
        self.announced = 0
        self.recorded = 0
        self.busy_seconds: dict[int, float] = defaultdict(float)
        self.state_key = f"SYMBOL#{rank}"
        self.watches_key = f"WATCH#{rank}"
        self._fall_seconds = load.fall_seconds
        self._busy_since = 0.0

    def firings_key(self, number: int) -> str:
        """Return a partition key of its firings."""
        return f"FIRINGS#{self.rank}#{number}"

    def rule_key(self, number: int, spread: int) -> str:
        """Return the partition key of a rule; one for all is the state's as well."""
        return f"{self.state_key}#{number % spread}" if spread > 1 else self.state_key

    def firings_until(self, seconds: float) -> int:
        """Return how many rules' levels the price has reached by a time."""
        part = min(1.0, max(0.0, seconds / self._fall_seconds))
        return int(self.firings * part + 1e-6)

    def due(self, number: float) -> float:
        """Return when the price reaches the level of the rule of this number, counted from 1."""
        return number / self.firings * self._fall_seconds

    def change(self, state: State, now: float) -> None:
        """Replace the state, and record how long a delivery took."""
        if state.lease_owner and not self.state.lease_owner:
            self._busy_since = now
        if self.state.lease_owner and not state.lease_owner:
            spread(self.busy_seconds, self._busy_since, now)
        self.state = state


class Announced(NamedTuple):
    """Firings that were published together: when, and how long after the price."""

    at_seconds: float
    lag_seconds: float
    firings: int


@dataclass(slots=True)
class Results:
    """The results of a run; seconds count from the start of the fall.

    Attributes
    ----------
    announced, published, extra
        Firings: published for the first time, messages in all, and those published again.
    throttled, conflicts, late_ticks
        Calls to SNS that were not admitted; commits that another invocation preceded, or deliveries
        that were waited for; ticks dropped as late.
    handed_over, failed, dead
        Messages that were sent again, were redelivered, and went to the dead-letter queue.
    invocations, function_seconds, messages
        Ended invocations, with their seconds and messages.
    active_seconds, processor_seconds
        Of all invocations, by second.
    backlog
        Messages waiting, by second.
    """

    announced: list[Announced] = field(default_factory=list)
    published: int = 0
    extra: int = 0
    throttled: int = 0
    conflicts: int = 0
    late_ticks: float = 0
    handed_over: int = 0
    failed: int = 0
    dead: int = 0
    invocations: int = 0
    function_seconds: float = 0
    messages: int = 0
    active_seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    processor_seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    backlog: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """All that a run depends on."""

    handler: Handler
    settings: Settings = field(default_factory=Settings)
    load: Load = field(default_factory=Load)
    limits: Limits = field(default_factory=Limits)
    latencies: Latencies = field(default_factory=Latencies)


class World:
    """Everything that invocations share."""

    def __init__(self, scenario: Scenario) -> None:
        self.handler = scenario.handler
        self.settings = scenario.settings
        self.load = scenario.load
        self.limits = scenario.limits
        self.latencies = scenario.latencies
        self.clock = Clock(-self.load.warm_up_seconds)
        self.chance = random.Random(_SEED)  # noqa: S311  # not cryptography
        self.table = Table(self.limits)
        self.topic = Rate(self.limits.published_per_second)
        self.results = Results()
        self.service_free_at = self.clock.now  # where calls are answered one at a time
        parts = zip(self.load.shares, self.load.firings, strict=True)
        self.symbols = [
            Symbol(rank, share, firings, self.load) for rank, (share, firings) in enumerate(parts)
        ]
        self.left = sum(symbol.firings for symbol in self.symbols)

    def state_units(self, firings: int) -> int:
        """Return the write units of a state with some firings in its outbox."""
        return self.handler.state_units(self.settings.late_ticks, firings)

    def note_processor(self, seconds: float) -> None:
        """Record that a processor was busy."""
        self.results.processor_seconds[int(self.clock.now // 1)] += seconds

    def note_announced(self, symbol: Symbol, first: int, firings: int) -> None:
        """Record that firings were published, possibly again."""
        new = first + firings - max(first, symbol.announced)
        self.results.extra += firings - max(0, new)
        if new > 0:
            now = self.clock.now
            middle = first + firings - (new - 1) / 2
            self.results.announced.append(Announced(now, now - symbol.due(middle), new))
            symbol.announced += new
            self.left -= new


def spread(by_second: dict[int, float], start: float, end: float) -> None:
    """Distribute a stretch of time over the seconds that it covers."""
    second = int(start // 1)
    while start < end:
        until = min(end, second + 1)
        by_second[second] += until - start
        start, second = until, second + 1
