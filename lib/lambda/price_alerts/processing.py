"""The commit protocol: nothing is lost, nothing is doubled.

For each symbol: commit the new state and its outbox in one conditional write, deliver the
outbox, clear it. Before the commit nothing is visible; after it nothing can be lost, because
whoever finds an outbox whose lease has expired delivers it first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from threading import Lock

from price_alerts.batch import Batch
from price_alerts.domain.engine import evaluate
from price_alerts.domain.late import evaluate_late, late_ticks
from price_alerts.domain.notices import Notice, notice
from price_alerts.domain.portions import portions
from price_alerts.domain.rules import HIGH_PRICE_RULE_ID, Rule, high_price_rule
from price_alerts.domain.state import Firing, Lease, Outbox, State
from price_alerts.domain.ticks import Position, Tick
from price_alerts.ports import (
    MAX_NOTICES_PER_PUBLISH,
    Busy,
    Conflict,
    Each,
    Published,
    Publisher,
    Settled,
    StatesAndFirings,
)

# Clocks differ a little, and a request can be under way for as long as its timeout.
_LEASE_MARGIN_MICROSECONDS = 5_000_000
_MAX_TICKS_PER_COMMIT = 1_000  # so that the time is checked, and what is done is kept
_MAX_LATE_TICKS_PER_COMMIT = 16  # so that what they do to a rule fits into an outbox
_MAX_CONFLICTS = 100  # in a row: each means that another invocation made progress
_MEMORY_BYTES = 64 * 2**20  # for the states that a warm container remembers
# As measured on the deployed Python, rounded up.
_STATE_BYTES, _MARK_BYTES, _ENTRY_BYTES = 2_400, 460, 290
# Whoever waits for a delivery checks often, or too many later ticks go by meanwhile.
_ROUNDS, _PAUSE_SECONDS = 60, (0.02, 0.06)
_MAX_RETRIES = 5  # of a delivery that fails
_BUSY_SECONDS = (0.01, 0.04)
# Requests to SNS, and changes of rules, before the time is checked again.
_REQUESTS_AT_ONCE, _CHANGES_AT_ONCE = 8, 40


class PublishError(Exception):
    """SNS rejected some firings for now; they stay in the outbox."""


@dataclass
class Processor:
    """Takes batches of ticks through commit and delivery.

    It remembers the states that it wrote, so that a warm symbol needs no read.

    Attributes
    ----------
    high_price
        The stack's own rule, if there is one.
    clock
        Returns the time in microseconds since 1970.
    sleep
        Waits for some seconds; another invocation's delivery raises no event to wait for.
    kept_ticks
        How many later ticks a late tick may trail and still be applied in order.
    each, each_call
        Maps a function over symbols, and over requests; each with a pool of its own, or ``map``.
    memory_bytes
        How much memory the remembered states may take, approximately.
    """

    store: StatesAndFirings
    notifier: Publisher
    high_price: Rule | None
    clock: Callable[[], int]
    sleep: Callable[[float], None]
    _: KW_ONLY
    kept_ticks: int
    each: Each = map
    each_call: Each = map
    memory_bytes: int = _MEMORY_BYTES
    _states: dict[str, State] = field(default_factory=dict, init=False)
    _sizes_bytes: dict[str, int] = field(default_factory=dict, init=False)

    def process(self, ticks: Iterable[Tick], batch: Batch, symbols: Iterable[str] = ()) -> None:
        """Move every symbol along its ticks; ``batch`` records what became of it.

        For `symbols`, finish what is left of them, even without a tick.
        """
        paths: dict[str, list[Tick]] = {**{symbol: [] for symbol in symbols}, **_paths(ticks)}
        runs = {symbol: _Run(self, symbol, path, batch.part()) for symbol, path in paths.items()}
        waiting = list(runs)
        for _ in self._rounds(batch):
            each = self.each if len(waiting) > 1 else map
            are_done = each(lambda symbol: runs[symbol].attempt(), waiting)
            waiting = [
                symbol for symbol, is_done in zip(waiting, are_done, strict=True) if not is_done
            ]
            if not waiting:
                break
        for symbol in waiting:
            runs[symbol].give_up()
        for run in runs.values():
            batch.include(run.batch)
        self._make_room()  # here, where no thread is running

    def _rounds(self, batch: Batch) -> Iterator[None]:
        yield
        for _ in range(_ROUNDS):
            if self.is_over(batch):
                return
            # Jitter, for those that wait for the same symbol.
            self.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311  # not cryptography
            yield

    def known(self, symbol: str) -> State | None:
        """Return a symbol's state as this container remembers it."""
        return self._states.get(symbol)

    def remember(self, state: State) -> None:
        """Remember a state; the one written last will be forgotten last."""
        self._states.pop(state.symbol, None)
        self._states[state.symbol] = state
        self._sizes_bytes[state.symbol] = _size_bytes(state)

    def forget(self, symbol: str) -> None:
        """Forget a state that may no longer be true."""
        self._states.pop(symbol, None)
        self._sizes_bytes.pop(symbol, None)

    def is_over(self, batch: Batch) -> bool:
        """Return whether it is too late to start more work."""
        return self.clock() >= batch.deadline.stop_at_microseconds

    def is_delivered_elsewhere(self, state: State, batch: Batch) -> bool:
        """Return whether another invocation delivers the state's outbox."""
        lease = state.lease
        return (
            lease is not None
            and lease.owner != batch.deadline.owner
            and lease.until_microseconds > self.clock()
        )

    def _make_room(self) -> None:
        excess_bytes = sum(self._sizes_bytes.values()) - self.memory_bytes
        while excess_bytes > 0:
            symbol = next(iter(self._states))
            excess_bytes -= self._sizes_bytes[symbol]
            self.forget(symbol)


class _Run:
    """One symbol's part of an invocation."""

    def __init__(
        self, processor: Processor, symbol: str, path: Sequence[Tick], batch: Batch
    ) -> None:
        self.batch = batch
        self._processor = processor
        self._store = processor.store
        self._symbol = symbol
        self._path = path
        self._pending = list(path)  # what is neither applied nor dropped
        self._error: Exception | None = None
        self._retries = 0
        self._is_current = False  # whether the state was read, not just remembered
        self._decided_version = 0  # of the last outbox that was decided here
        self._rules: Mapping[str, Rule] = {}
        self._published: set[str] = set()  # ids of firings, in this run
        self._recorded: set[str] = set()
        self._lock = Lock()  # several requests are under way at a time

    def attempt(self) -> bool:
        """Get as far as possible; return whether nothing is left to do here."""
        self._error = None
        try:
            return self._advance()
        except Exception as error:  # noqa: BLE001  # one symbol's error must not harm the others
            self._processor.forget(self._symbol)
            self._retries += 1
            if self._published - self._recorded and self._retries <= _MAX_RETRIES:
                self._error = error  # giving up would publish them again
                return False
            self.batch.fail(self._symbol, self._path, error)
            return True

    def give_up(self) -> None:
        """Record what is left to do."""
        if self._error:
            self.batch.fail(self._symbol, self._path, self._error)
            return
        state = self._processor.known(self._symbol)
        is_delivered = state is not None and not (state.outbox or state.step)
        if state and state.lease and state.lease.owner == self.batch.deadline.owner:
            self._store.release(state)
            self._processor.forget(self._symbol)
        # No tick is finished before all its firings are delivered.
        self.batch.leave_unfinished(self._symbol, self._pending if is_delivered else self._path)

    def _advance(self) -> bool:
        processor, batch = self._processor, self.batch
        if processor.is_over(batch):
            return False
        state = processor.known(self._symbol)
        if state is None or not self._path or processor.is_delivered_elsewhere(state, batch):
            state = self._loaded()
        conflicts = 0
        while not processor.is_over(batch) and conflicts < _MAX_CONFLICTS:
            if processor.is_delivered_elsewhere(state, batch):
                batch.conflicts += 1
                return False
            try:
                following = self._step(state)
                if following is None:
                    return True
            except (Busy, Conflict) as conflict:
                conflicts += 1
                batch.conflicts += 1
                if isinstance(conflict, Conflict):
                    # Go on at once: a pause would only give others the time to move it again.
                    following, self._is_current = conflict.current, True
                else:
                    processor.sleep(random.uniform(*_BUSY_SECONDS))  # noqa: S311  # as above
                    following = self._loaded()
            state = following
            processor.remember(state)
        return False

    def _loaded(self) -> State:
        state = self._store.load(self._symbol)
        self._is_current = True
        self._processor.remember(state)
        return state

    def _step(self, state: State) -> State | None:
        """Take the symbol one commit, or one delivery, further; ``None`` if all is done."""
        if state.outbox:
            return self._deliver(state, state.outbox)
        if state.step:
            return self._evaluate(state, [])
        late, following, too_late = self._sorted(state)
        if too_late and not self._is_current:
            return self._loaded()  # another may have applied them, and died before delivery
        self.batch.drop(too_late)
        self._pending = [*late, *following]
        if late:
            return self._place(state, late[:_MAX_LATE_TICKS_PER_COMMIT])
        if following:
            return self._evaluate(state, following[:_MAX_TICKS_PER_COMMIT])
        return None

    def _sorted(self, state: State) -> tuple[list[Tick], list[Tick], list[Tick]]:
        """Return the pending ticks that are late, that follow, and that are too late."""
        position, recent = state.position, state.recent
        if position is None:
            return [], self._pending, []
        names = recent.names if recent else {position.name}
        following = [
            tick
            for tick in self._pending
            # The release before did not store the order of the ticks that it applied.
            if tick.position > position and tick.position.name not in names
        ]
        late = late_ticks(state, self._pending)
        left = {tick.position for tick in (*late, *following)}
        too_late = [
            tick
            for tick in self._pending
            if tick.position not in left and not (recent and tick.position.name in names)
        ]
        return late, following, too_late

    def _evaluate(self, state: State, ticks: Sequence[Tick]) -> State:
        forward = partial(evaluate, high_price=self._processor.high_price)
        moved = self._commit(state, forward, ticks)
        position = moved.position
        self._pending = [
            tick for tick in self._pending if position is None or tick.position > position
        ]
        return moved

    def _place(self, state: State, late: Sequence[Tick]) -> State:
        moved = self._commit(state, evaluate_late, late)
        if state.recent and moved.recent and moved.recent.marks != state.recent.marks:
            self._pending = [tick for tick in self._pending if tick not in late]
        return moved

    def _commit(
        self, state: State, evaluated: Callable[..., State], ticks: Sequence[Tick]
    ) -> State:
        processor = self._processor
        index = self._store.index(self._symbol)
        moved = evaluated(
            state,
            ticks,
            index,
            fired_at_microseconds=processor.clock(),
            kept_ticks=processor.kept_ticks,
        )
        self.batch.unreadable |= index.unreadable
        moved = self._store.commit(state, self._leased(moved) if moved.outbox else moved)
        if moved.outbox:
            self._decided_version, self._rules = moved.version, index.known
        return moved

    def _deliver(self, state: State, outbox: Outbox) -> State:
        """Publish, record and clear an outbox; return it uncleared if time runs out."""
        processor, batch = self._processor, self.batch
        if state.lease is None or state.lease.owner != batch.deadline.owner:
            claimed = self._leased(replace(state, version=state.version + 1))
            state = self._store.commit(state, claimed)
            processor.remember(state)
        if outbox.version == self._decided_version:
            recorded, rules = self._recorded, self._rules
        else:
            recorded = self._recorded | self._store.recorded(outbox.firings)
            rule_ids = {*outbox.changes, *(firing.rule_id for firing in outbox.firings)}
            rules = self._store.index(self._symbol).rules(sorted(rule_ids))
            outbox = _without_applied_changes(rules, outbox)
        waiting = [
            notice(firing, rules.get(firing.rule_id) or _own_rule(firing))
            for firing in outbox.firings
            if firing.firing_id not in recorded
        ]
        for wave in _waves(waiting):
            if processor.is_over(batch):
                return state
            for error in list(processor.each_call(self._error_of_publishing, wave)):
                if error:
                    raise error
        for part in outbox.parts(_CHANGES_AT_ONCE):
            if processor.is_over(batch):
                return state
            self._store.apply(self._symbol, part)
        if processor.is_over(batch):
            return state
        return self._store.clear(state)

    def _error_of_publishing(self, notices: Sequence[Notice]) -> Exception | None:
        """Publish and record firings; return the error, so that other requests can finish."""
        try:
            self._publish(notices)
        except Exception as error:  # noqa: BLE001  # the caller raises it
            return error
        return None

    def _publish(self, notices: Sequence[Notice]) -> None:
        processor = self._processor
        waiting = [each for each in notices if each.firing.firing_id not in self._published]
        try:
            published = processor.notifier.publish(waiting)
        except Exception:
            self._note(Published([], [], waiting), 0)
            raise
        now = processor.clock()
        self._note(published, now)
        reasons = {each.firing.firing_id: reason for each, reason in published.undeliverable}
        unpublished = {each.firing.firing_id for each in published.waiting}
        settled = [each for each in notices if each.firing.firing_id not in unpublished]
        self._store.record(
            Settled(each, now, reasons.get(each.firing.firing_id)) for each in settled
        )
        self._recorded.update(each.firing.firing_id for each in settled)
        if published.waiting:
            raise PublishError(f"{len(published.waiting)} of {len(notices)} rejected")

    def _note(self, published: Published, now_microseconds: int) -> None:
        batch, firings = self.batch, [each.firing for each in published.accepted]
        with self._lock:
            batch.published += firings
            batch.lags_microseconds += [
                now_microseconds - firing.timestamp_microseconds for firing in firings
            ]
            batch.publish_failures += len(published.waiting)
            batch.undeliverable += [
                (each.firing, reason) for each, reason in published.undeliverable
            ]
            self._published.update(firing.firing_id for firing in firings)

    def _leased(self, state: State) -> State:
        deadline = self.batch.deadline
        until = deadline.ends_at_microseconds + _LEASE_MARGIN_MICROSECONDS
        return replace(state, lease=Lease(deadline.owner, until))


def _without_applied_changes(rules: Mapping[str, Rule], outbox: Outbox) -> Outbox:
    """Leave out applied changes, so that each delivery gets further than the last."""
    changes = {
        rule_id: progress
        for rule_id, progress in outbox.changes.items()
        if rule_id not in rules or rules[rule_id].revision < outbox.version
    }
    return replace(outbox, changes=changes)


def _own_rule(firing: Firing) -> Rule | None:
    """Return the stack's own rule, if it is the one that fired."""
    is_own = firing.rule_id == HIGH_PRICE_RULE_ID
    return high_price_rule(firing.terms.levels[0]) if is_own else None


def _waves(notices: Iterable[Notice]) -> Iterator[list[Sequence[Notice]]]:
    """Yield requests that may be under way at the same time: those with firings of one tick."""
    wave: list[Sequence[Notice]] = []
    positions: set[Position] = set()
    for request in portions(notices, MAX_NOTICES_PER_PUBLISH):
        following = {each.firing.position for each in request}
        if wave and (len(wave) == _REQUESTS_AT_ONCE or len(positions | following) > 1):
            yield wave
            wave, positions = [], set()
        wave.append(request)
        positions |= following
    if wave:
        yield wave


def _paths(ticks: Iterable[Tick]) -> dict[str, list[Tick]]:
    """Return each symbol's ticks in order, without duplicates."""
    paths: dict[str, dict[object, Tick]] = {}
    for tick in sorted(ticks, key=lambda tick: tick.position):
        paths.setdefault(tick.symbol, {})[tick.position] = tick
    return {symbol: list(path.values()) for symbol, path in paths.items()}


def _size_bytes(state: State) -> int:
    """Estimate a state's memory."""
    entries = sum(map(len, state.windows.values()))
    marks = 0
    if state.recent:
        entries += sum(map(len, state.recent.windows.values()))
        marks = len(state.recent.marks) + len(state.recent.own.announced)
    return _STATE_BYTES + _MARK_BYTES * marks + _ENTRY_BYTES * entries
