"""Plays many seeds, in one process or in several, and sums up what has come of them."""

from __future__ import annotations

import gc
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.simulation.cases import MAX_CONTAINERS, case_of
from tests.simulation.equipment import Equipment, equipped
from tests.simulation.judge import Finding, judged
from tests.simulation.world import Mistakes, Outcome, play

_PORTION = 20


@dataclass(frozen=True)
class Verdict:
    """What has come of one seed."""

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


@dataclass
class Report:
    """What has come of some seeds."""

    histories: int = 0
    faults: int = 0
    calls: int = 0
    firings: int = 0
    late: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    failed: list[Verdict] = field(default_factory=list)

    def include(self, verdict: Verdict) -> None:
        self.histories += 1
        self.faults += verdict.faults
        self.calls += verdict.calls
        self.firings += verdict.firings
        self.late += verdict.late
        self.troubles.update(finding.trouble for finding in verdict.findings)
        if verdict.findings:
            self.failed.append(verdict)


def verdict_of(
    seed: int, equipment: Equipment, kind: str | None = None, mistakes: Mistakes | None = None
) -> Verdict:
    """Play a seed and judge what has come of it."""
    outcome = play(case_of(seed, kind), equipment, mistakes)
    return _verdict(outcome)


def _verdict(outcome: Outcome) -> Verdict:
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


def reports(
    first_seed: int,
    histories: int,
    kind: str | None = None,
    seconds: float | None = None,
    workers: int = 1,
) -> Iterator[Report]:
    """Play seeds from a first one on; yields the growing report time and again."""
    report = Report()
    began = time.monotonic()
    portions = [
        (start, min(start + _PORTION, first_seed + histories), kind)
        for start in range(first_seed, first_seed + histories, _PORTION)
    ]
    if workers <= 1:
        yield from _summed(report, map(_portion, portions), began, seconds)
        return
    with multiprocessing.Pool(workers, begin) as pool:
        yield from _summed(report, pool.imap(_portion, portions), began, seconds)


def _summed(
    report: Report, verdicts: Iterator[list[Verdict]], began: float, seconds: float | None
) -> Iterator[Report]:
    for portion in verdicts:
        for verdict in portion:
            report.include(verdict)
        yield report
        if seconds is not None and time.monotonic() - began >= seconds:
            return
