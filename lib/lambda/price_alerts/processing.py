"""The commit protocol: nothing lost, nothing doubled.

For each symbol: commit the new state and its outbox in one conditional write, deliver the
outbox, clear it. Before the commit nothing is visible; after it nothing can be lost, because
whoever finds an outbox whose lease has run out delivers it first.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from price_alerts.batch import Batch
from price_alerts.engine import evaluate
from price_alerts.late import evaluate_late, late_ticks
from price_alerts.notices import Notice, notice
from price_alerts.notifier import MAX_NOTICES_PER_PUBLISH, Notifier
from price_alerts.rules import Rule
from price_alerts.state import Lease, Outbox, State
from price_alerts.store import Conflict, Store
from price_alerts.ticks import Tick

__all__ = ["Processor"]

_LEASE_MARGIN_MICROSECONDS = 1_000_000  # clocks differ a little between machines
_MAX_TICKS_PER_COMMIT = 1_000  # so that the time is looked at, and what is done is kept
_MAX_KNOWN_STATES = 10_000  # a warm container's memory stays bounded
_RETRY_CEILINGS_SECONDS = (0.05, 0.1, 0.2, 0.4, 0.8, 0.8)

Each = Callable[[Callable[[str], bool], Iterable[str]], Iterable[bool]]


class AnnouncementError(Exception):
    """SNS refused some firings; they stay in the outbox."""


class Processor:
    """Takes batches of ticks through commit and delivery.

    It remembers the states that it wrote, so that a warm symbol needs no read.

    Parameters
    ----------
    store, notifier
        Where states and firings are kept, and where firings are announced.
    high_price
        The stack's own rule, if there is one.
    clock
        Tells the present in microseconds since 1970.
    sleep
        Waits for some seconds; another invocation's delivery raises no event to wait for.
    kept_ticks
        Among so many of a symbol's last ticks a late one is put; one that comes later is dropped.
    each
        Does something for each of some symbols, like ``map``; a pool's, in several threads.
    """

    def __init__(  # noqa: PLR0913  # the composition root's parts
        self,
        store: Store,
        notifier: Notifier,
        high_price: Rule | None,
        clock: Callable[[], int],
        sleep: Callable[[float], None],
        *,
        kept_ticks: int,
        each: Each = map,
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._high_price = high_price
        self._own = {rule.rule_id: rule for rule in (high_price,) if rule}
        self._clock = clock
        self._sleep = sleep
        self._kept_ticks = kept_ticks
        self._each = each
        self._states: dict[str, State] = {}

    def process(self, ticks: Iterable[Tick], batch: Batch, symbols: Iterable[str] = ()) -> None:
        """Move every symbol along its ticks; what could not be finished is noted in ``batch``.

        The symbols that are named have what is left of them finished, without a tick.
        """
        waiting = {symbol: list[Tick]() for symbol in symbols} | _paths(ticks)
        parts = {symbol: batch.part() for symbol in waiting}

        def advance(symbol: str) -> bool:
            return self._try(symbol, waiting[symbol], parts[symbol])

        for _ in self._rounds(batch):
            each = self._each if len(waiting) > 1 else map
            are_done = each(advance, waiting)
            waiting = {
                symbol: path
                for (symbol, path), is_done in zip(waiting.items(), are_done, strict=True)
                if not is_done
            }
            if not waiting:
                break
        for part in parts.values():
            batch.include(part)
        for symbol, path in waiting.items():
            state = self._states.get(symbol, State(symbol))
            done = 0 if state.outbox or state.step else _count_seen(path, state)
            batch.unfinished(symbol, path[done:])
        batch.has_run_out_of_time = bool(waiting) and self._is_over(batch)
        while len(self._states) > _MAX_KNOWN_STATES:  # here, where no thread is at work
            del self._states[next(iter(self._states))]

    def _rounds(self, batch: Batch) -> Iterator[None]:
        yield
        for ceiling_seconds in _RETRY_CEILINGS_SECONDS:
            if self._is_over(batch):
                return
            # Full jitter keeps those that wait for the same symbol apart.
            self._sleep(ceiling_seconds * random.random())  # noqa: S311  # not cryptography
            yield

    def _try(self, symbol: str, path: Sequence[Tick], batch: Batch) -> bool:
        is_known = symbol in self._states
        try:
            return self._advance(symbol, path, batch)
        except Conflict as conflict:
            self._remember(conflict.current)
            if not is_known:  # it was just met: one more call, and not only next round, gets it on
                return self._try(symbol, path, batch)
            batch.conflicts += 1
            return False
        except Exception as error:  # noqa: BLE001  # one symbol's trouble must not touch the others
            self._states.pop(symbol, None)
            batch.failed(symbol, path, error)
            return True

    def _advance(self, symbol: str, path: Sequence[Tick], batch: Batch) -> bool:
        state = self._states.get(symbol, State(symbol))
        if not path or self._is_delivered_elsewhere(state, batch):
            state = self._store.load(symbol)
            self._remember(state)
            if self._is_delivered_elsewhere(state, batch):
                batch.conflicts += 1
                return False
        too_much: list[Tick] = []
        while not self._is_over(batch):
            seen = _count_seen(path, state)
            unseen = path[seen : seen + _MAX_TICKS_PER_COMMIT]
            late = [tick for tick in late_ticks(state, path[:seen]) if tick not in too_much]
            if state.outbox:
                state = self._deliver(state, state.outbox, batch)
            elif late:
                moved = self._put_in_place(state, late)
                if moved:
                    state = self._commit_and_deliver(state, moved, batch, late)
                else:
                    too_much += late
            elif unseen or state.step:
                moved = self._evaluate(state, unseen)
                taken = unseen[: _count_seen(unseen, moved)]
                state = self._commit_and_deliver(state, moved, batch, taken)
            else:
                batch.done(path)
                return True
        return False

    def _evaluate(self, state: State, ticks: Sequence[Tick]) -> State:
        index, now = self._store.index(state.symbol), self._clock()
        return evaluate(state, ticks, index, self._high_price, now, kept_ticks=self._kept_ticks)

    def _put_in_place(self, state: State, late: Sequence[Tick]) -> State | None:
        index, now = self._store.index(state.symbol), self._clock()
        return evaluate_late(state, late, index, self._high_price, now, kept_ticks=self._kept_ticks)

    def _commit_and_deliver(
        self, state: State, moved: State, batch: Batch, taken: Iterable[Tick]
    ) -> State:
        if moved.outbox:
            moved = self._leased(moved, batch)
        state = self._commit(state, moved)
        batch.evaluated(taken)
        if moved.outbox:
            state = self._deliver(state, moved.outbox, batch, is_first_time=True)
        return state

    def _deliver(
        self, state: State, outbox: Outbox, batch: Batch, *, is_first_time: bool = False
    ) -> State:
        """Record and announce an outbox and clear it; returns it uncleared if time runs out."""
        if state.lease is None or state.lease.owner != batch.owner:
            claimed = replace(state, version=state.version + 1)
            state = self._commit(state, self._leased(claimed, batch))
        notices = self._apply(state, outbox)
        if not is_first_time:
            notices = self._store.unsent(notices)
        for start in range(0, len(notices), MAX_NOTICES_PER_PUBLISH):
            if self._is_over(batch):
                return state
            self._announce(notices[start : start + MAX_NOTICES_PER_PUBLISH], batch)
        return self._commit(
            state, replace(state, version=state.version + 1, outbox=None, lease=None)
        )

    def _apply(self, state: State, outbox: Outbox) -> list[Notice]:
        """Write what an outbox holds for stored rules; returns all its firings in words."""
        rule_ids = {firing.rule_id for firing in outbox.firings} | set(outbox.changes)
        rules = self._store.index(state.symbol).rules(sorted(rule_ids - self._own.keys()))
        known = rules | self._own
        notices = [notice(firing, known.get(firing.rule_id)) for firing in outbox.firings]
        stored = [told for told in notices if told.firing.rule_id not in self._own]
        self._store.apply(state, outbox, rules, stored)
        return notices

    def _announce(self, notices: Sequence[Notice], batch: Batch) -> None:
        for told in notices:
            if told.firing.rule_id in self._own:
                self._store.record(told)
        # What went out but was not marked, for a conflict, is only to be marked.
        announced = {firing.firing_id for firing in batch.announced}
        waiting = [told for told in notices if told.firing.firing_id not in announced]
        try:
            taken = self._notifier.publish(waiting)
        except Exception:
            batch.publish_failures += len(waiting)
            raise
        now = self._clock()
        batch.announced.extend(told.firing for told in taken)
        batch.lags_microseconds.extend(now - told.firing.timestamp_microseconds for told in taken)
        refused = [told for told in waiting if told not in taken]
        batch.publish_failures += len(refused)
        sent = [told.firing for told in notices if told not in refused]
        self._store.mark_sent(notices[0].firing.symbol, sent, now)
        if refused:
            raise AnnouncementError(f"{len(refused)} of {len(notices)} refused")

    def _commit(self, before: State, after: State) -> State:
        self._store.commit(before, after)
        self._remember(after)
        return after

    def _remember(self, state: State) -> None:
        self._states.pop(state.symbol, None)  # the one written last is the last to be forgotten
        self._states[state.symbol] = state

    def _leased(self, state: State, batch: Batch) -> State:
        until = batch.deadline_microseconds + _LEASE_MARGIN_MICROSECONDS
        return replace(state, lease=Lease(batch.owner, until))

    def _is_delivered_elsewhere(self, state: State, batch: Batch) -> bool:
        lease = state.lease
        return (
            lease is not None
            and lease.owner != batch.owner
            and lease.until_microseconds > self._clock()
        )

    def _is_over(self, batch: Batch) -> bool:
        return self._clock() >= batch.stop_at_microseconds


def _paths(ticks: Iterable[Tick]) -> dict[str, list[Tick]]:
    """Part the ticks by symbol, each symbol's in order."""
    paths: dict[str, list[Tick]] = {}
    for tick in sorted(ticks, key=lambda tick: tick.position):
        paths.setdefault(tick.symbol, []).append(tick)
    return paths


def _count_seen(path: Sequence[Tick], state: State) -> int:
    if state.position is None:
        return 0
    return bisect_right(path, state.position, key=lambda tick: tick.position)
