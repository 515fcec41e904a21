"""Cases: what a seed stands for — rules, messages, who works on them, and what goes wrong."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from tests.histories import random_history
from tests.history_writer import History, PriceAt
from tests.oracle import Spec
from tests.simulation.strikes import Plan, planned

KINDS = ("ordered", "late", "windows", "wild")
MAX_LATE = 16
MAX_CONTAINERS = 5
_NOW = 1_795_359_845_250_000
_SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_POISON = '{"symbol": "AAPL", "price": "a lot"}'


@dataclass(frozen=True)
class TickIn:
    """A tick of a message; one without a timestamp has its message's."""

    symbol: str
    price: Decimal
    timestamp: int | None
    sequence: int = 0


@dataclass(frozen=True)
class Sent:
    """A message, and how many microseconds after the start it is sent."""

    message_id: str
    ticks: tuple[TickIn, ...]
    group: str | None
    after: int

    @property
    def is_valid(self) -> bool:
        return bool(self.ticks)

    @property
    def body(self) -> str:
        if not self.ticks:
            return _POISON
        entries = [
            {"symbol": tick.symbol, "price": f"{tick.price:f}"}
            | ({} if tick.timestamp is None else {"timestamp": _written(tick.timestamp)})
            | ({"sequence": tick.sequence} if tick.sequence else {})
            for tick in self.ticks
        ]
        return json.dumps(entries[0] if len(entries) == 1 else entries)


@dataclass(frozen=True)
class Change:
    """A change of rules: ``add`` (of one or many), ``pause``, ``resume`` or ``remove``."""

    kind: str
    specs: tuple[Spec, ...]
    rule_id: str
    after: int


@dataclass(frozen=True)
class Case:
    """All that a seed stands for."""

    seed: int
    kind: str
    start: int
    messages: tuple[Sent, ...]
    changes: tuple[Change, ...]
    is_fifo: bool
    containers: int
    operators: int
    policy: str
    change_points: frozenset[int] = frozenset()
    batch_size: int = 10
    disorder: int = 1
    duplicates: float = 0.0
    is_adverse: bool = False
    faults: Plan = field(default_factory=Plan)

    def sent_at(self, message: Sent) -> int:
        """Return when SQS says that a message was sent."""
        return (self.start + message.after) // 1_000 * 1_000

    @property
    def symbols(self) -> list[str]:
        ticks = {tick.symbol for message in self.messages for tick in message.ticks}
        return sorted(ticks | {spec.symbol for change in self.changes for spec in change.specs})

    @property
    def rules_first(self) -> bool:
        """Whether all rules are there before the first price."""
        return self.kind in ("late", "windows")


def case_of(seed: int, kind: str | None = None) -> Case:
    """Write the case of a seed."""
    random = Random(f"case {seed}")
    kind = kind or random.choice(KINDS)
    is_short = kind in ("late", "windows")
    records = (10, 14, 20, 28) if is_short else (6, 10, 14, 20)
    history = random_history(random, random.choice(records))
    if is_short:
        history = _without_changes(history, is_plain=kind == "late")
    is_stamped = random.random() < 0.4 or random.random() < 0.4
    writer = _Writer(random, kind, history, is_stamped=is_stamped)
    messages, changes = writer.messages, writer.changes
    is_fifo = kind == "ordered"
    case = Case(
        seed=seed,
        kind=kind,
        start=writer.start,
        messages=tuple(messages),
        changes=tuple(changes),
        is_fifo=is_fifo,
        containers=random.choice((1, 2, 2, 3, 3, 4, 5)),
        operators=1 if kind in ("late", "windows") else random.choice((1, 1, 2)),
        policy=random.choice(("random", "random", "pct", "pct", "timed")),
        batch_size=random.choice((1, 2, 3, 5, 10)),
        disorder=random.choice((1, 3, 10, 40)),
        duplicates=random.choice((0, 0, 0.05, 0.2)),
        is_adverse=random.random() < 0.5,
    )
    calls = 6 * len(messages) + 3 * len(changes) + 5
    points = random.sample(range(4 * calls), min(random.choice((1, 2, 3, 5, 12)), calls))
    return replace(
        case,
        change_points=frozenset(points),
        faults=planned(random, case.symbols, calls),
    )


def _without_changes(history: History, *, is_plain: bool) -> History:
    """Leave the rules, and as many ticks of a symbol as can all come late."""
    left: History = []
    counts: dict[str, int] = {}
    for event in history:
        match event:
            case ("add", Spec() as spec):
                if is_plain:
                    if spec.window is not None:
                        continue
                    spec = replace(spec, rearm=None, rearm_is_percent=False, cooldown_seconds=0)
                if spec.rule_id not in {e[1].rule_id for e in left if isinstance(e[1], Spec)}:
                    left.append(("add", spec))
            case ("ticks", list(ticks)):
                kept: list[PriceAt] = []
                for tick in ticks:
                    counts[tick[0]] = counts.get(tick[0], 0) + 1
                    if counts[tick[0]] <= MAX_LATE + 1:
                        kept.append(tick)
                if kept:
                    left.append(("ticks", kept))
    return left


class _Writer:
    """Cuts a history into messages, and lays its changes between them."""

    def __init__(self, random: Random, kind: str, history: History, *, is_stamped: bool) -> None:
        self._random = random
        self._kind = kind
        self.messages: list[Sent] = []
        self.changes: list[Change] = []
        self._after = 0
        runs = [event[1] for event in history if event[0] == "ticks"]
        ticks = [tick for run in runs if isinstance(run, list) for tick in run]
        last = max((timestamp for *_, timestamp in ticks), default=_NOW)
        self.start = max(_NOW, last + 2 * _SECOND)
        # From some tick on, all are of the present, and some have no timestamp of their own.
        self._present_from = len(ticks) + 1 if is_stamped else random.randrange(len(ticks) + 1)
        self._count = 0
        self._has_sequences = len(ticks) % 2  # no draw: the seeds stay what they were
        self._is_one_group = random.random() < 0.4
        for specs in self._bursts(ticks):
            self.changes.append(Change("add", specs, "", 0))
        for event in history:
            match event:
                case ("add", Spec() as spec):
                    self.changes.append(Change("add", (spec,), "", self._after))
                case ("ticks", list(run)):
                    self._send(run)
                case (change, str(rule_id)):
                    self.changes.append(Change(change, (), rule_id, self._after))
            if random.random() < 0.3:
                self._after += random.choice((1_000, 10_000, 100_000, 1_000_000))
        if random.random() < 0.06:
            poison = Sent(self._name(), (), self._group("AAPL"), random.randrange(self._after + 1))
            self.messages.append(poison)
            self.messages.sort(key=lambda message: message.after)

    def _name(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _group(self, symbol: str) -> str | None:
        if self._kind != "ordered":
            return None
        return "all" if self._is_one_group else symbol

    def _send(self, run: Sequence[PriceAt]) -> None:
        """Send a run of ticks, some to a message; in a group of a symbol each has its own."""
        left = list(run)
        while left:
            count = self._random.choice((1, 1, 1, 2, 3, 5, 10))
            part, left = left[:count], left[count:]
            if self._kind == "ordered" and not self._is_one_group:
                for symbol in dict.fromkeys(symbol for symbol, *_ in part):
                    self._send_message([tick for tick in part if tick[0] == symbol])
            else:
                self._send_message(part)

    def _send_message(self, ticks: Sequence[PriceAt]) -> None:
        self._after += self._random.choice((1_000, 1_000, 2_000, 5_000))
        sent_at = (self.start + self._after) // 1_000 * 1_000
        is_unstamped = self._random.random() < 0.4
        written: list[TickIn] = []
        for place, (symbol, price, timestamp) in enumerate(ticks):
            self._count += 1
            at: int | None = timestamp
            if self._count >= self._present_from:
                at = None if is_unstamped else sent_at - len(ticks) + place
            written.append(TickIn(symbol, price, at, self._count * self._has_sequences))
        if self._count >= self._present_from and is_unstamped:
            # Within one message, those of the past come before those without a timestamp.
            written.sort(key=lambda tick: tick.timestamp is None)
        group = self._group(ticks[0][0])
        self.messages.append(Sent(self._name(), tuple(written), group, self._after))

    def _bursts(self, ticks: Sequence[PriceAt]) -> list[tuple[Spec, ...]]:
        """Write many rules for one level, now and then."""
        random = self._random
        if not ticks or random.random() < 0.7:
            return []
        symbol, level, _ = random.choice(ticks)
        low, high = random.choice(((3, 8), (3, 8), (10, 25), (30, 60), (30, 60), (90, 130)))
        if self._kind in ("late", "windows"):
            high = min(high, 60)
            low = min(low, 31)
        condition = random.choice(("crosses_up", "crosses", "above", "below", "crosses_down"))
        triggers = random.choice((("once",), ("every",), ("once", "every")))
        return [
            tuple(
                Spec(f"b{number:03}", symbol, condition, (level,), trigger=random.choice(triggers))
                for number in range(random.randint(low, high))
            )
        ]


def _written(timestamp: int) -> str:
    moment = _EPOCH + timedelta(microseconds=timestamp)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
