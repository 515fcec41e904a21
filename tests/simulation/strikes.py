"""Faults: what strikes which call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any


class Fault(StrEnum):
    """What can happen to a call."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    FROZEN_BEFORE = "frozen before"
    FROZEN_AFTER = "frozen after"
    SERVER_ERROR = "500 once"
    SERVER_ERRORS = "500 always"
    THROTTLED = "throttled once"
    ALL_THROTTLED = "throttled always"
    THROUGHPUT = "throughput always"
    ANSWER_LOST = "answer lost once"
    ANSWERS_LOST = "answers lost always"
    SLOW = "slow"
    ENTRY_REFUSED = "entry refused"
    ENTRY_INVALID = "entry refused as invalid"


DEADLY = {Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.FROZEN_BEFORE, Fault.FROZEN_AFTER}
LOST = {Fault.ANSWER_LOST, Fault.ANSWERS_LOST}
ENTRIES = {Fault.ENTRY_REFUSED, Fault.ENTRY_INVALID}
ERRORS: Mapping[Fault, tuple[str, int, bool]] = {  # code, status, whether at all attempts
    Fault.SERVER_ERROR: ("InternalServerError", 500, False),
    Fault.SERVER_ERRORS: ("InternalServerError", 500, True),
    Fault.THROTTLED: ("ThrottlingException", 400, False),
    Fault.ALL_THROTTLED: ("ThrottlingException", 400, True),
    Fault.THROUGHPUT: ("ProvisionedThroughputExceededException", 400, True),
}
_KINDS = (
    *("none", "single", "single", "single", "pair", "pair", "pair"),
    *("rate", "rate", "slow", "refusal", "outage"),
)
_RATES = {
    "rate": (0.005, 0.02, 0.05, 0.1),
    "refusal": (0.2, 0.5),
    "slow": (0.05, 0.2, 0.4, 0.7),
}
_ANY = tuple(fault for fault in Fault if fault not in ENTRIES)


@dataclass(frozen=True)
class Plan:
    """Which calls are struck.

    Attributes
    ----------
    kind
        ``none``, ``single``, ``pair``, ``rate``, ``slow``: as by a rate, but calls only take long;
        ``refusal``: SNS rejects single entries;
        or ``outage``: all calls for a symbol fail.
    calls
        The numbers of the calls struck, with what strikes them.
    rate
        How many of all calls, from 0 to 1.
    symbol
        Whose calls fail in an outage.
    """

    kind: str = "none"
    calls: Mapping[int, Fault] = field(default_factory=dict)
    rate: float = 0.0
    symbol: str = ""


@dataclass(frozen=True)
class Strike:
    """A fault that has struck: which call of whom, and when."""

    fault: Fault
    call: int
    actor: str
    operation: str
    at: int


class Strikes:
    """Carries a plan out."""

    def __init__(self, plan: Plan, random: Random) -> None:
        self._plan = plan
        self._random = random
        self.struck: list[Strike] = []
        self.is_over = False

    def at(
        self, call: int, actor: str, operation: str, params: Mapping[str, Any], now: int
    ) -> Fault | None:
        """Return what strikes a call, if anything does."""
        fault = None if self.is_over else self._chosen(call, actor, operation, params)
        if fault is None:
            return None
        if operation == "PublishBatch" and fault in ERRORS and self._random.random() < 0.5:
            fault = self._random.choice((Fault.ENTRY_REFUSED, Fault.ENTRY_INVALID))
        self.struck.append(Strike(fault, call, actor, operation, now))
        return fault

    def _chosen(
        self, call: int, actor: str, operation: str, params: Mapping[str, Any]
    ) -> Fault | None:
        plan = self._plan
        if plan.kind == "refusal":
            is_hit = operation == "PublishBatch" and self._random.random() < plan.rate
            return self._random.choice(sorted(ENTRIES)) if is_hit else None
        if plan.kind == "outage":
            is_hit = actor.startswith("container") and f"#{plan.symbol}" in str(params)
            return Fault.SERVER_ERRORS if is_hit else None
        if plan.kind == "slow":
            is_hit = actor.startswith("container") and self._random.random() < plan.rate
            return Fault.SLOW if is_hit else None
        if plan.kind == "rate":
            return self._random.choice(_ANY) if self._random.random() < plan.rate else None
        return plan.calls.get(call)


def planned(random: Random, symbols: list[str], calls: int) -> Plan:
    """Make a plan for a history of about `calls` calls."""
    kind = random.choice(_KINDS)
    if kind == "single":
        return Plan(kind, {random.randrange(calls): random.choice(_ANY)})
    if kind == "pair":
        first = random.randrange(calls)
        second = first + random.choice((1, 1, 2, 3, 5, 8, 20, 50))
        return Plan(kind, {number: random.choice(_ANY) for number in (first, second)})
    if rates := _RATES.get(kind):
        return Plan(kind, rate=random.choice(rates))
    if kind == "outage":
        return Plan(kind, symbol=random.choice(symbols))
    return Plan()
