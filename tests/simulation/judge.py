"""The judge: holds what was recorded and announced against the oracle, and says what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from price_alerts.adapters.items import UnreadableItem, rule_of, watch_keys
from tests.histories import fits
from tests.oracle import Oracle, Spec
from tests.simulation.equipment import THRESHOLD
from tests.simulation.strikes import DEADLY, ENTRIES, ERRORS, LOST, Fault
from tests.simulation.world import Outcome, Position, RuleChanged

_KEPT_MICROSECONDS = 30 * 86_400 * 1_000_000  # of a rule, after it has expired
_read: Callable[[Any], Any] = TypeDeserializer().deserialize
_EXTRAS = {Fault.ANSWERS_LOST: 3, **dict.fromkeys((*DEADLY, *ENTRIES, Fault.ANSWER_LOST), 1)}


class Trouble(StrEnum):
    """Kinds of what can be wrong."""

    LOST = "lost"
    DOUBLED = "doubled"
    WRONG = "wrong"
    UNPUBLISHED = "not published"
    UNRECORDED = "not recorded"
    EXTRA = "extra"
    ORDER = "out of order"
    STUCK = "stuck"
    DEAD = "in DLQ"
    DROPPED = "dropped as late"
    INDEX = "index"
    CRASH = "crash"


@dataclass(frozen=True)
class Finding:
    """Something that is wrong."""

    trouble: Trouble
    text: str

    def __str__(self) -> str:
        return f"{self.trouble}: {self.text}"


@dataclass(frozen=True)
class _Tick:
    price: Decimal
    position: Position


@dataclass(frozen=True)
class _Firing:
    firing_id: str
    rule_id: str
    symbol: str
    position: Position
    before: Decimal | None
    price: Decimal
    is_sent: bool
    is_undeliverable: bool

    @property
    def told(self) -> tuple[str, int, Decimal | None, Decimal]:
        return self.rule_id, self.position[0], self.before, self.price


def judged(outcome: Outcome) -> list[Finding]:
    """Say all that is wrong with what has come of a case."""
    return list(_Judge(outcome).findings())


class _Judge:
    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._case = outcome.case
        self._firings = list(_firings_in(outcome))
        self._ticks = _ticks_of(outcome)
        self._added: dict[str, Spec] = {}

    def findings(self) -> Iterator[Finding]:
        outcome = self._outcome
        for crash in outcome.crashes:
            yield Finding(Trouble.CRASH, crash)
        if outcome.is_stuck or outcome.waiting:
            yield Finding(Trouble.STUCK, f"{outcome.waiting} messages are left in the queue")
        yield from self._left()
        yield from self._dead()
        yield from self._against_oracle()
        yield from self._doubled()
        yield from self._announced()
        yield from self._in_order()
        yield from self._dropped()
        yield from self._index()

    def _left(self) -> Iterator[Finding]:
        for item in self._outcome.items:
            if item["sk"].get("S") == "STATE" and (left := item.keys() & {"outbox", "step"}):
                yield Finding(Trouble.STUCK, f"{item['pk']['S']} has {sorted(left)} left")

    def _dead(self) -> Iterator[Finding]:
        valid = {sent.body for sent in self._case.messages if sent.is_valid}
        dead = [letter for letter in self._outcome.dead if letter.body in valid]
        if dead:
            yield Finding(Trouble.DEAD, f"{len(dead)} valid messages, after all redrives")
        elif self._outcome.was_buried and self._case.faults.kind in ("none", "single"):
            has_poison = any(not sent.is_valid for sent in self._case.messages)
            if not has_poison:
                yield Finding(Trouble.DEAD, "a valid message was rejected five times")

    def _against_oracle(self) -> Iterator[Finding]:
        kind = self._case.kind
        if kind == "wild":
            yield from self._only_at_ticks()
            return
        try:
            wanted = self._wanted()
        except ValueError as error:
            yield Finding(Trouble.WRONG, f"a change of rules that could not be made: {error}")
            return
        if kind == "ordered" and not self._has_been_reordered():
            found = Counter((firing.symbol, *firing.told) for firing in self._firings)
            yield from _compared(wanted, found)
            return
        yield from self._only_at_ticks()
        if kind == "ordered":
            return
        counts = Counter((symbol, rule_id) for symbol, rule_id, *_ in wanted.elements())
        found_counts = Counter((firing.symbol, firing.rule_id) for firing in self._firings)
        for key in sorted(counts.keys() | found_counts.keys()):
            text = f"{key[0]} {key[1]}: {found_counts[key]} firings instead of {counts[key]}"
            if found_counts[key] < counts[key]:
                yield Finding(Trouble.LOST, text)
            elif found_counts[key] > counts[key] and kind == "late":
                yield Finding(Trouble.DOUBLED, text)

    def _has_been_reordered(self) -> bool:
        """Return whether messages left the queue, and came back after others."""
        return self._outcome.was_buried and any(sent.is_valid for sent in self._case.messages)

    def _only_at_ticks(self) -> Iterator[Finding]:
        for firing in self._firings:
            places = {
                (tick.position[0], tick.position[4], tick.price)
                for tick in self._ticks[firing.symbol]
            }
            at = (firing.position[0], firing.position[4], firing.price)
            if at not in places:
                yield Finding(Trouble.DOUBLED, f"{firing.rule_id} fired at no tick: {at}")
        # Several may have tried to add a rule of this name: which one was added is not known here.
        specs = [spec for change in self._case.changes for spec in change.specs]
        others = {spec.rule_id for spec in specs if spec.trigger != "once"}
        names = {spec.rule_id for spec in specs} - others
        once = Counter(firing.rule_id for firing in self._firings if firing.rule_id in names)
        activations = Counter(
            rule_id
            for changed in self._outcome.changed
            if changed.change.kind in ("add", "resume")
            for rule_id in changed.rule_ids
        )
        for rule_id, count in once.items():
            if count > activations[rule_id]:
                yield Finding(Trouble.DOUBLED, f"{rule_id}, once, fired {count} times")

    def _wanted(self) -> Counter[tuple[str, str, int, Decimal | None, Decimal]]:
        wanted: Counter[tuple[str, str, int, Decimal | None, Decimal]] = Counter()
        for symbol, ticks in self._ticks.items():
            oracle = Oracle(Decimal(THRESHOLD))  # an id may pass from one symbol to another
            changes = [each for each in self._outcome.changed if each.symbol == symbol]
            place = 0
            for tick in ticks:
                while place < len(changes) and _is_before(changes[place], tick):
                    self._change(oracle, changes[place])
                    place += 1
                for fired in oracle.tick(symbol, tick.price, tick.position[0]):
                    wanted[symbol, *fired] += 1
            for changed in changes[place:]:
                self._change(oracle, changed)
        return wanted

    def _change(self, oracle: Oracle, changed: RuleChanged) -> None:
        for rule_id in changed.rule_ids:
            kind = changed.change.kind
            if kind == "add":
                (spec,) = [each for each in changed.change.specs if each.rule_id == rule_id]
                if oracle.status(rule_id) and self._has_been_swept(rule_id, changed):
                    oracle.remove(rule_id)
                if not fits(("add", spec), oracle):
                    raise ValueError(f"add {rule_id}, {oracle.status(rule_id)}")
                oracle.add(spec)
                self._added[rule_id] = spec
            else:
                getattr(oracle, kind)(rule_id)

    def _has_been_swept(self, rule_id: str, changed: RuleChanged) -> bool:
        """Return whether a rule expired so long ago that its id is free again."""
        before = self._added.get(rule_id)
        if before is None or before.symbol != changed.symbol:
            return False
        expires_at = before.expires_at_microseconds
        now = self._case.start + changed.change.after
        return expires_at is not None and expires_at + _KEPT_MICROSECONDS < now

    def _doubled(self) -> Iterator[Finding]:
        # An id that is added again after its removal is another rule, which cannot be told here;
        # but that one's firings are at other ticks.
        is_in_order = self._case.kind == "ordered" and not self._has_been_reordered()
        # After late ticks, an announcement may stand for another firing than the one it names.
        # A tick that counted twice has another position each time.
        positions = {
            (firing.symbol, firing.rule_id, firing.position, is_in_order and firing.firing_id)
            for firing in self._firings
        }
        counts = Counter(
            (symbol, rule_id, position[0], position[4])
            for symbol, rule_id, position, _ in positions
        )
        for at, count in counts.items():
            if count > 1:
                yield Finding(Trouble.DOUBLED, f"{at} was recorded {count} times")
        ids = Counter(firing.firing_id for firing in self._firings)
        for firing_id, count in ids.items():
            if count > 1:
                yield Finding(Trouble.DOUBLED, f"{firing_id} names {count} firings")

    def _announced(self) -> Iterator[Finding]:
        announced = Counter(each.firing_id for each in self._outcome.announced)
        recorded = {firing.firing_id: firing for firing in self._firings}
        for firing_id, firing in recorded.items():
            if firing.is_undeliverable and self._has_rejected():
                continue
            if not announced[firing_id]:
                yield Finding(Trouble.UNPUBLISHED, f"{firing.rule_id} at {firing.position}")
            elif not firing.is_sent:
                yield Finding(
                    Trouble.UNPUBLISHED, f"{firing.rule_id} at {firing.position} is not marked"
                )
        for each in self._outcome.announced:
            if each.firing_id not in recorded:
                yield Finding(Trouble.UNRECORDED, f"{each.rule_id} {each.firing_id}")
        allowed = 1 + sum(self._extras())
        over = {each: count for each, count in announced.items() if count > allowed}
        if over:
            yield Finding(
                Trouble.EXTRA,
                f"{len(over)} firings were published up to {max(over.values())} times, "
                f"not {allowed}",
            )

    def _has_rejected(self) -> bool:
        """Return whether SNS rejected an entry for good."""
        return any(strike.fault is Fault.ENTRY_INVALID for strike in self._outcome.strikes.struck)

    def _extras(self) -> Iterator[int]:
        """Yield for each fault how often it may have a firing announced once more."""
        errors = 0
        for strike in self._outcome.strikes.struck:
            if strike.fault in _EXTRAS:
                yield _EXTRAS[strike.fault]
            elif strike.fault in ERRORS and ERRORS[strike.fault][2]:
                errors += 1
        if errors > 1:  # after one alone, who knows what was announced can go on
            yield errors
        yield self._outcome.timeouts

    def _in_order(self) -> Iterator[Finding]:
        # One that is accepted and then rejected for good is a whim of the faults.
        if self._has_rejected() or any(
            strike.operation == "PublishBatch" and strike.fault in LOST | DEADLY
            for strike in self._outcome.strikes.struck
        ):
            return
        last = {each.firing_id: number for number, each in enumerate(self._outcome.announced)}
        by_symbol: defaultdict[str, list[str]] = defaultdict(list)
        symbol_of = {each.firing_id: each.symbol for each in self._outcome.announced}
        for firing_id in sorted(last, key=last.__getitem__):
            by_symbol[symbol_of[firing_id]].append(firing_id)
        recorded = {firing.firing_id: firing for firing in self._firings}
        turns = self._turns(recorded)
        for symbol, firing_ids in by_symbol.items():
            if not _is_sorted(firing_ids, turns.__getitem__):
                rules = [recorded[each].rule_id for each in firing_ids if each in recorded]
                yield Finding(Trouble.ORDER, f"{symbol}: last published as {' '.join(rules)}")
            elif self._case.kind == "ordered" and not self._has_been_reordered():
                known = [each for each in firing_ids if each in recorded]
                if not _is_sorted(known, lambda each: recorded[each].position):
                    yield Finding(Trouble.ORDER, f"{symbol}: not in the order of the ticks")

    def _turns(self, recorded: Mapping[str, _Firing]) -> dict[str, int]:
        """Number what each symbol published, as first offered; firings of one tick share a turn."""
        turns: dict[str, int] = {}
        latest: dict[str, tuple[int, Position | None]] = {}
        for each in self._outcome.offered:
            if each.firing_id in turns:
                continue
            firing = recorded.get(each.firing_id)
            position = firing.position if firing else None
            turn, before = latest.get(each.symbol, (0, None))
            turns[each.firing_id] = turn + (position is None or position != before)
            latest[each.symbol] = turns[each.firing_id], position
        return turns

    def _dropped(self) -> Iterator[Finding]:
        outcome = self._outcome
        is_sure = not (outcome.was_doubled or outcome.was_buried)
        dropped = outcome.metrics["LateTicks"]
        if dropped and is_sure and self._case.kind != "wild":
            yield Finding(Trouble.DROPPED, f"{dropped} ticks were counted as late")

    def _index(self) -> Iterator[Finding]:
        keys = {(item["pk"]["S"], item["sk"]["S"]) for item in self._outcome.items}
        for item in self._outcome.items:
            if not item["sk"]["S"].startswith("RULE#") or item["status"]["S"] != "active":
                continue
            try:
                rule = rule_of({name: _read(value) for name, value in item.items()})
            except UnreadableItem as reason:
                yield Finding(Trouble.INDEX, f"{item['sk']['S']}: {reason}")
                continue
            for key in watch_keys(rule):
                if (key["pk"], key["sk"]) not in keys:
                    yield Finding(Trouble.INDEX, f"{rule.rule_id} has no watch {key['sk']}")


def _is_before(changed: RuleChanged, tick: _Tick) -> bool:
    return changed.position is None or changed.position < tick.position


def _is_sorted(entries: Sequence[str], key: Callable[[str], Any]) -> bool:
    places = [key(entry) for entry in entries]
    return all(one <= other for one, other in pairwise(places))


def _compared(
    wanted: Counter[tuple[str, str, int, Decimal | None, Decimal]],
    found: Counter[tuple[str, str, int, Decimal | None, Decimal]],
) -> Iterator[Finding]:
    for trouble, differing in ((Trouble.LOST, wanted - found), (Trouble.DOUBLED, found - wanted)):
        for symbol, rule_id, at, before, price in sorted(differing, key=str):
            yield Finding(trouble, f"{symbol} {rule_id} at {at}: {before} to {price}")


def _ticks_of(outcome: Outcome) -> dict[str, list[_Tick]]:
    """Return each symbol's ticks in the order in which they count."""
    ticks: defaultdict[str, list[_Tick]] = defaultdict(list)
    for sent in outcome.case.messages:
        sent_at = outcome.case.sent_at(sent)
        for ordinal, tick in enumerate(sent.ticks):
            timestamp = sent_at if tick.timestamp is None else tick.timestamp
            position = (timestamp, tick.sequence, sent_at, sent.message_id, ordinal)
            ticks[tick.symbol].append(_Tick(tick.price, position))
    for its_ticks in ticks.values():
        its_ticks.sort(key=lambda tick: tick.position)
    return defaultdict(list, ticks)


def _firings_in(outcome: Outcome) -> Iterable[_Firing]:
    for item in outcome.items:
        pk = item["pk"]["S"]
        if pk.startswith("FIRINGS#"):
            before = item.get("previous_price")
            yield _Firing(
                firing_id=item["firing_id"]["S"],
                rule_id=item["rule"]["S"],
                symbol=pk.split("#")[1],
                position=(
                    int(item["timestamp_microseconds"]["N"]),
                    int(item.get("sequence", {"N": "0"})["N"]),
                    int(item.get("message_sent_at_microseconds", {"N": "0"})["N"]),
                    item["message_id"]["S"],
                    int(item["message_ordinal"]["N"]),
                ),
                before=None if before is None else Decimal(before["N"]),
                price=Decimal(item["price"]["N"]),
                is_sent=item["sent"]["BOOL"],
                is_undeliverable="undeliverable" in item,
            )
