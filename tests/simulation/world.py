"""A world: one case with AWS, containers, the command line and the clock, played to its end."""

from __future__ import annotations

import json
import random as chance
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lib.client.dead_letters import redrive
from lib.client.rule_store import RuleStore
from lib.formats.errors import CliError
from price_alerts.domain.conditions import RuleError
from tests.histories import rule_of
from tests.simulation import boundary
from tests.simulation.answers import Key
from tests.simulation.cases import Case, Change
from tests.simulation.dynamodb import Database
from tests.simulation.equipment import TABLE, Equipment, begin_cold
from tests.simulation.scheduler import Actor, Killed, Policy, Scheduler
from tests.simulation.sns import Announcement, Topic
from tests.simulation.sqs import DEAD_URL, QUEUE_URL, Message, Queue, Queues
from tests.simulation.strikes import Strikes
from tests.simulation.values import Item
from tests.simulation.wire import Call, Wire

SECOND = 1_000_000
TIMEOUT_SECONDS = 10
MAX_RECEIVES = 5
REDRIVES = 2
_DELETION_MICROSECONDS = 5_000  # until the event source has deleted what was processed

Position = tuple[int, int, int, str, int]  # timestamp, sequence, time sent, message, place in it


@dataclass(frozen=True)
class RuleChanged:
    """A change of rules that was committed, and after which tick of the symbol it was."""

    change: Change
    rule_ids: tuple[str, ...]
    symbol: str
    position: Position | None


@dataclass(frozen=True)
class Mistakes:
    """Mistakes made on purpose, to see that they are noticed."""

    ignores_conditions_of_updates: bool = False
    forgets_failures: bool = False
    swallows_announcements: bool = False
    shuffles_announcements: bool = False
    deletes_killed: bool = False


@dataclass
class Outcome:
    """What became of a case."""

    case: Case
    strikes: Strikes
    items: list[Item] = field(default_factory=list)
    announced: list[Announcement] = field(default_factory=list)
    offered: list[Announcement] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    changed: list[RuleChanged] = field(default_factory=list)
    dead: list[Message] = field(default_factory=list)
    waiting: int = 0
    metrics: Counter[str] = field(default_factory=Counter)
    timeouts: int = 0
    crashes: list[str] = field(default_factory=list)
    is_stuck: bool = False
    was_buried: bool = False
    was_doubled: bool = False
    calls: int = 0
    invocations: int = 0
    trace: list[str] = field(default_factory=list)


class World:
    """Plays one case."""

    def __init__(
        self,
        case: Case,
        equipment: Equipment,
        mistakes: Mistakes,
        *,
        is_traced: bool,
    ) -> None:
        self._case = case
        # Made before chance is seeded: to make them may take some of it.
        self._containers = [equipment.container(number) for number in range(case.containers)]
        self._tables = [equipment.table(number) for number in range(case.operators)]
        self._sqs = equipment.sqs()
        self._mistakes = mistakes
        self._is_traced = is_traced
        random = self._random = Random(f"world {case.seed}")
        self._names = Random(f"names {case.seed}")
        policy = Policy(case.policy, Random(f"policy {case.seed}"), case.change_points)
        self._scheduler = Scheduler(policy, random, case.start)
        self._strikes = Strikes(case.faults, Random(f"faults {case.seed}"))
        self.outcome = Outcome(case, self._strikes)
        self._tags: dict[str, Change] = {}
        self._orders = {
            (sent.message_id, ordinal): (tick.sequence, case.sent_at(sent))
            for sent in case.messages
            for ordinal, tick in enumerate(sent.ticks)
        }
        self._database = Database(
            TABLE,
            self.now,
            random,
            case.is_adverse,
            self._tag,
            self._written,
            mistakes.ignores_conditions_of_updates,
        )
        self._topic = Topic(
            swallows=mistakes.swallows_announcements, shuffles=mistakes.shuffles_announcements
        )
        name = "prices"
        self._dead = Queue(f"{name}-dlq", random, case.is_fifo)
        self._prices = Queue(
            name,
            random,
            case.is_fifo,
            max_receives=MAX_RECEIVES,
            dead=self._dead,
            disorder=case.disorder,
            duplicates=case.duplicates,
        )
        queues = Queues(self._prices, self._dead, self.now)
        services: dict[str, Call] = {
            "dynamodb": self._database.call,
            "sns": self._topic.call,
            "sqs": queues.call,
        }
        self._wire = Wire(self._scheduler, self._strikes, random, services, self._topic)

    # What the boundary asks for.

    @property
    def thread_id(self) -> int | None:
        current = self._scheduler.current
        return None if current is None else current.thread.ident

    def now(self) -> int:
        return self._scheduler.now

    def sleep(self, microseconds: int) -> None:
        self._scheduler.pause(microseconds)

    def random_bytes(self, count: int) -> bytes:
        return self._names.randbytes(count)

    def printed(self, text: str) -> None:
        if '"LateTicks"' not in text:
            return
        metrics = json.loads(text)
        for name in ("LateTicks", "Conflicts", "FailedMessages", "HandedOverMessages"):
            self.outcome.metrics[name] += int(sum(metrics.get(name, ())))

    def request(self, service: str, operation: str, params: Mapping[str, Any]) -> Any:
        if self.thread_id != threading.get_ident():
            self.outcome.crashes.append(f"a thread of its own calls {operation}")
        note = self._note if self._is_traced else None
        return self._wire.request(service, operation, params, note)

    def _note(self, line: str) -> None:
        self.outcome.trace.append(f"{(self.now() - self._case.start) / SECOND:9.3f} {line}")

    # What is seen of the table.

    def _tag(self) -> Change | None:
        current = self._scheduler.current
        return self._tags.get(current.name) if current else None

    def _written(
        self, tag: Change | None, changes: Mapping[Key, tuple[Item | None, Item | None]]
    ) -> None:
        rule_ids: list[str] = []
        symbol = ""
        for (pk, sk), (before, after) in changes.items():
            if before is None and after is not None and pk.startswith("FIRINGS#"):
                self.outcome.recorded.append(after["firing_id"]["S"])
            elif sk.startswith("RULE#"):
                rule_ids.append(sk.removeprefix("RULE#"))
                symbol = pk.split("#")[1]
        if tag is not None and rule_ids:
            position = self._position(symbol)
            self.outcome.changed.append(RuleChanged(tag, tuple(rule_ids), symbol, position))
            if self._is_traced:
                self._note(f"      committed: {tag.kind} {' '.join(rule_ids)} after {position}")

    def _position(self, symbol: str) -> Position | None:
        state = self._database.item((f"SYMBOL#{symbol}", "STATE"))
        if state is None or "message_id" not in state:
            return None
        message_id = state["message_id"]["S"]
        ordinal = int(state["message_ordinal"]["N"])
        return (
            int(state["timestamp_microseconds"]["N"]),
            # The release before does not keep them; a mistake may mix two ticks.
            *self._orders.get((message_id, ordinal), (0, 0)),
            message_id,
            ordinal,
        )

    # Who does something.

    def play(self) -> Outcome:
        """Play the case to its end."""
        case = self._case
        state = chance.getstate()
        chance.seed(case.seed)
        try:
            with boundary.running(self):
                self._play()
        finally:
            with boundary.running(self):
                self._scheduler.close()
            chance.setstate(state)
        outcome = self.outcome
        self._database.settle_all()
        outcome.items = self._database.items()
        outcome.calls = self._wire.calls
        outcome.announced, outcome.offered = self._topic.taken, self._topic.offered
        outcome.dead = list(self._dead.messages.values())
        outcome.waiting = len(self._prices.messages)
        outcome.is_stuck = self._scheduler.is_stuck
        outcome.was_buried = self._prices.has_buried
        outcome.was_doubled = self._prices.has_doubled
        return outcome

    def _play(self) -> None:
        case, scheduler = self._case, self._scheduler
        for number in range(case.operators):
            scheduler.add(f"operator {number}", self._operator(number))
        if case.rules_first:
            self._strikes.is_over = True
            scheduler.run()
            self._strikes.is_over = False
        begin = scheduler.now
        for sent in case.messages:
            at = case.start + sent.after
            if case.rules_first:
                at = max(at, begin)
            self._prices.put(
                Message(sent.message_id, sent.body, case.start + sent.after, sent.group, {}, at)
            )
        for number in range(case.containers):
            scheduler.add(f"container {number}", self._container(number))
        scheduler.run()
        self._strikes.is_over = True
        valid = {sent.body for sent in case.messages if sent.is_valid}
        for _ in range(REDRIVES):
            if not any(letter.body in valid for letter in self._dead.messages.values()):
                break
            scheduler.add("redrive", self._redrive)
            scheduler.run()

    def _container(self, number: int) -> Any:
        module: Any = self._containers[number]

        def work(actor: Actor) -> None:
            while True:
                self._scheduler.wait(self._prices.ready_at)
                limit = self._random.randint(1, self._case.batch_size)
                batch = self._prices.take(limit, self.now())
                if batch:
                    self._invoke(actor, module, batch)

        return work

    def _invoke(self, actor: Actor, module: Any, batch: list[Message]) -> None:
        """Have a batch processed, and delete what has not failed."""
        self.outcome.invocations += 1
        names = [message.message_id for message in batch]
        if self._is_traced:
            self._note(f"      {actor.name}: invoked with {' '.join(name[:8] for name in names)}")
        actor.deadline = self.now() + TIMEOUT_SECONDS * SECOND
        failed = self._failed(actor.deadline, module, batch)
        actor.deadline, actor.is_dead = None, False
        if self._is_traced:
            told = "killed" if failed is None else sorted(name[:8] for name in failed)
            self._note(f"      {actor.name}: ended, failed {told}")
        if failed is None or self._random.random() < 0.03:
            begin_cold(module)
        if self._mistakes.forgets_failures or (failed is None and self._mistakes.deletes_killed):
            failed = set()
        self._scheduler.call(_DELETION_MICROSECONDS)
        for name in names:
            if failed is not None and name not in failed and "" not in failed:
                self._prices.delete(name)

    def _failed(self, deadline: int, module: Any, batch: list[Message]) -> set[str] | None:
        """Return the messages that come again; ``None`` for all: the handler was not done."""
        context = SimpleNamespace(
            aws_request_id=f"request-{self.outcome.invocations}",
            get_remaining_time_in_millis=lambda: max((deadline - self.now()) // 1_000, 0),
        )
        event = {"Records": [message.record(self._prices.arn) for message in batch]}
        try:
            answer = module.handler(event, context)
            return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        except Killed:
            if self._scheduler.is_closing:
                raise
            self.outcome.timeouts += self.now() >= deadline
        except Exception as error:  # noqa: BLE001  # Lambda has the whole batch come again
            self.outcome.crashes.append(repr(error))
        return None

    def _operator(self, number: int) -> Callable[[Actor], None]:
        """Return somebody with the command line, who makes every so-manieth change."""
        table, operators = self._tables[number], self._case.operators
        return lambda actor: self._change_rules(actor, table, self._case.changes[number::operators])

    def _change_rules(self, actor: Actor, table: Any, changes: Sequence[Change]) -> None:
        for change in changes:
            if not self._case.rules_first:
                self._scheduler.pause(max(self._case.start + change.after - self.now(), 0))
            self._tags[actor.name] = change
            store = RuleStore(table, self._sleep_seconds, self.now)
            try:
                if change.kind == "add":
                    store.add_all(map(rule_of, change.specs), lambda _: None)
                else:
                    getattr(store, change.kind)(change.rule_id)
            except (CliError, RuleError, ClientError, BotoCoreError) as error:
                if self._is_traced:
                    self._note(
                        f"      {actor.name}: {change.kind} {change.rule_id} failed: {error!r}"
                    )
            except Killed:
                if self._scheduler.is_closing:
                    raise
                actor.is_dead = False
        self._tags.pop(actor.name, None)

    def _sleep_seconds(self, seconds: float) -> None:
        self.sleep(round(seconds * SECOND))

    def _redrive(self, actor: Actor) -> None:
        redrive(self._sqs, DEAD_URL, QUEUE_URL, self.now())


def play(
    case: Case,
    equipment: Equipment,
    mistakes: Mistakes | None = None,
    *,
    is_traced: bool = False,
) -> Outcome:
    """Play a case to its end."""
    return World(case, equipment, mistakes or Mistakes(), is_traced=is_traced).play()
