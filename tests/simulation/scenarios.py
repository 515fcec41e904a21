"""Scenarios: much at once for one symbol, without a fault; how many ticks are dropped?"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from tests.oracle import Spec
from tests.simulation.cases import Case, Change, Sent, TickIn
from tests.simulation.equipment import Equipment
from tests.simulation.judge import Finding, judged
from tests.simulation.world import play

_START = 1_795_359_845_250_000
_SECOND = 1_000_000
_SYMBOL = "AAPL"


@dataclass(frozen=True)
class Dropped:
    """What became of a scenario."""

    ticks: int
    dropped: int
    firings: int
    failed_messages: int
    handed_over: int
    dead: int
    conflicts: int
    findings: tuple[Finding, ...]


def hot_symbol(
    equipment: Equipment,
    containers: int,
    *,
    has_rules: bool,
    seed: int = 0,
    prices: int = 600,
    a_second: int = 20,
) -> Dropped:
    """Send many prices of one symbol, a message each, to containers side by side."""
    random = Random(f"hot {seed}")
    changes = (Change("add", tuple(_rules(random, 40)), "", 0),) if has_rules else ()
    messages = _prices(random, prices, a_second)
    return _played(equipment, seed, containers, messages, changes, kind="late")


def burst(equipment: Equipment, rules: int) -> Dropped:
    """Let one price cross a level on which there are more rules than an invocation has time for."""
    level = (Decimal(105),)
    specs = [Spec(f"r{number:05}", _SYMBOL, "crosses_up", level) for number in range(rules)]
    imported = 60 * _SECOND
    messages = [
        Sent(
            str(uuid.UUID(int=2**90 + price, version=4)),
            (TickIn(_SYMBOL, Decimal(price), _START + imported + price),),
            None,
            imported + price,
        )
        for price in (100, 106)
    ]
    return _played(equipment, 0, 2, messages, (Change("add", tuple(specs), "", 0),), kind="ordered")


def import_beside_prices(
    equipment: Equipment,
    *,
    rules: int = 300,
    a_second: int = 10,
    first_level: int = 90,
    seed: int = 0,
) -> Dropped:
    """Add many rules of a symbol, on twenty levels, while its prices flow around 100."""
    random = Random(f"import {seed}")
    change = Change("add", tuple(_rules(random, rules, first_level)), "", 200_000)
    seconds = 2 + rules // 14 // 5
    prices = _prices(random, seconds * a_second, a_second)
    return _played(equipment, seed, 3, prices, (change,), kind="wild")


def _rules(random: Random, count: int, first_level: int = 90) -> list[Spec]:
    return [
        Spec(
            f"r{number:03}",
            _SYMBOL,
            random.choice(("crosses_up", "crosses_down", "crosses")),
            (Decimal(random.randint(first_level, first_level + 20)),),
            trigger="every",
        )
        for number in range(count)
    ]


def _prices(random: Random, count: int, a_second: int) -> list[Sent]:
    place = 100
    messages: list[Sent] = []
    for number in range(count):
        place = min(115, max(85, place + random.choice((-2, -1, 0, 1, 2))))
        after = number * _SECOND // a_second
        name = str(uuid.UUID(int=random.getrandbits(128), version=4))
        tick = TickIn(_SYMBOL, Decimal(place), _START + after)
        messages.append(Sent(name, (tick,), None, after))
    return messages


def _played(
    equipment: Equipment,
    seed: int,
    containers: int,
    messages: Sequence[Sent],
    changes: tuple[Change, ...],
    *,
    kind: str,
) -> Dropped:
    case = Case(
        seed=seed,
        kind=kind,
        start=_START,
        messages=tuple(messages),
        changes=changes,
        is_fifo=False,
        containers=containers,
        operators=1,
        policy="timed",
        batch_size=1,
    )
    outcome = play(case, equipment)
    return Dropped(
        ticks=len(messages),
        dropped=outcome.metrics["LateTicks"],
        firings=len(outcome.recorded),
        failed_messages=outcome.metrics["FailedMessages"],
        handed_over=outcome.metrics["HandedOverMessages"],
        dead=len(outcome.dead),
        conflicts=outcome.metrics["Conflicts"],
        findings=tuple(judged(outcome)),
    )
