"""What a contestant asks of AWS for a thousand ticks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from benchmarks.meter import Meter
from benchmarks.stage import Contestant, now_microseconds
from benchmarks.streams import events, ticks

Events = Iterator[Mapping[str, Any]]

HOUR_MICROSECONDS = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls to AWS, DynamoDB's units and SNS's messages for a thousand ticks, on average."""

    calls: float
    reads: float
    writes: float
    published: float

    @property
    def units(self) -> float:
        """Read and write units together."""
        return self.reads + self.writes


def warm(contestant: Contestant, batch_size: int, names: Sequence[str]) -> Events:
    """Start the stream that every contestant gets, and let this one see each symbol once."""
    prices = ticks(names, now_microseconds() - HOUR_MICROSECONDS)
    for event in events(islice(prices, len(names)), batch_size):
        contestant.handle(event)
    return events(prices, batch_size)


def count(contestant: Contestant, eye: Any, stream: Events, tick_count: int) -> Counts:
    """Count what a contestant does with at least so many ticks."""
    meter = Meter(eye)
    done = 0
    with meter.connected(*contestant.clients):
        while done < tick_count:
            event = next(stream)
            contestant.handle(event)
            done += len(event["Records"])
    return Counts(
        calls=meter.calls.total() * 1_000 / done,
        reads=meter.units.read * 1_000 / done,
        writes=meter.units.write * 1_000 / done,
        published=meter.published * 1_000 / done,
    )


def cpu_seconds(contestant: Contestant, stream: Events, tick_count: int) -> float:
    """Return the handler's own time for a thousand ticks, on one core of this machine."""
    prepared, ticks_ = [], 0
    while ticks_ < tick_count:
        prepared.append(next(stream))
        ticks_ += len(prepared[-1]["Records"])
    start = time.process_time()
    for event in prepared:
        contestant.handle(event)
    return (time.process_time() - start) * 1_000 / ticks_
