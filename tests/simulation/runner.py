"""Plays many seeds, in one process or in several, and sums up what has come of them."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

from tests.simulation.cases import MAX_CONTAINERS, case_of
from tests.simulation.equipment import Equipment, equipped
from tests.simulation.judge import Finding, judged
from tests.simulation.world import play

_PORTION = 20


@dataclass(frozen=True)
class Verdict:
    """What became of one seed."""

    seed: int
    kind: str
    plan: str
    policy: str
    faults: int
    calls: int
    firings: int
    late: int
    findings: tuple[Finding, ...]

    @property
    def line(self) -> str:
        """Say in one line what broke."""
        more = len(self.findings) - 1
        text = f"seed {self.seed} ({self.kind}, faults {self.plan}, {self.policy}): "
        return text + str(self.findings[0]) + (f", and {more} more" if more else "")


def verdict_of(seed: int, equipment: Equipment, kind: str | None = None) -> Verdict:
    """Play a seed and judge what became of it."""
    outcome = play(case_of(seed, kind), equipment)
    case = outcome.case
    return Verdict(
        seed=case.seed,
        kind=case.kind,
        plan=case.faults.kind,
        policy=case.policy,
        faults=len(outcome.strikes.struck),
        calls=outcome.calls,
        firings=len(outcome.recorded),
        late=outcome.metrics["LateTicks"],
        findings=tuple(judged(outcome)),
    )


def begin() -> None:
    """Make what a process needs, and let the collection of garbage pass it over."""
    with equipped() as equipment:
        for number in range(MAX_CONTAINERS):
            equipment.container(number)
    gc.collect()
    gc.freeze()


def _portion(asked: tuple[int, int, str | None]) -> list[Verdict]:
    start, end, kind = asked
    with equipped() as equipment:
        return [verdict_of(seed, equipment, kind) for seed in range(start, end)]


def verdicts(
    first_seed: int,
    histories: int,
    kind: str | None = None,
    seconds: float | None = None,
    workers: int = 1,
) -> Iterator[Verdict]:
    """Play seeds from a first one on, until all are played or the time is over."""
    began, end = time.monotonic(), first_seed + histories
    portions = (
        (start, min(start + _PORTION, end), kind) for start in range(first_seed, end, _PORTION)
    )
    with multiprocessing.Pool(workers, begin) if workers > 1 else nullcontext() as pool:
        for portion in pool.imap(_portion, portions) if pool else map(_portion, portions):
            yield from portion
            if seconds is not None and time.monotonic() - began >= seconds:
                return
