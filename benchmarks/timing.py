"""Times several things in turn, so that a disturbance hits them all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds by name, one for each round."""

    seconds: Mapping[str, list[float]]

    def median_of(self, name: str) -> float:
        """Return a name's median."""
        return median(self.seconds[name])

    def ratio(self, name: str, other: str) -> float:
        """Return how many times as long one takes as another: the median of the rounds' ratios."""
        pairs = zip(self.seconds[name], self.seconds[other], strict=True)
        return median(mine / theirs for mine, theirs in pairs)


def side_by_side(runs: Mapping[str, Callable[[], float]], rounds: int) -> Timings:
    """Let each run return its seconds, in turn, for some rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(run())
    return Timings(seconds)


def stopwatch(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
