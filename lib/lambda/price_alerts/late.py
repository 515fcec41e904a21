"""Late ticks: put among the last ones, as if they had come in order. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from price_alerts.engine import evaluate
from price_alerts.past import Change, Past
from price_alerts.rules import HIGH_PRICE_RULE_ID, Progress, Rule, Status
from price_alerts.state import Firing, Outbox, State
from price_alerts.ticks import Position, Tick
from price_alerts.watches import Index, Watch

__all__ = ["evaluate_late", "late_ticks"]


def late_ticks(state: State, ticks: Sequence[Tick]) -> list[Tick]:
    """Tell which of some ticks, in order, belong among the last ones that the state has seen."""
    past, position = state.past, state.position
    if past is None or position is None:
        return []
    first = bisect_right(ticks, past.marks[0].position, key=lambda tick: tick.position)
    taken = {mark.position for mark in past.marks}
    return [
        tick for tick in ticks[first:] if tick.position < position and tick.position not in taken
    ]


def evaluate_late(  # noqa: PLR0913  # as of evaluate
    state: State,
    late: Sequence[Tick],
    index: Index,
    high_price: Rule | None,
    fired_at_microseconds: int,
    *,
    kept_ticks: int,
) -> State | None:
    """Put late ticks in their places.

    The path is walked again from the first tick that is kept. What has fired there before does
    not fire again, and cannot be taken back: a rule fires as many times more as it would have
    come true in order.

    Parameters
    ----------
    state, late
        A state, and what `late_ticks` told of it.
    index, high_price, fired_at_microseconds, kept_ticks
        As for `evaluate`.

    Returns
    -------
    State or None
        The next version; ``None`` if more would change than one commit can take, or if the
        stack's own rule was another one.
    """
    past = state.past
    threshold = high_price.terms.levels[0] if high_price else None
    if past is None or threshold != state.threshold:
        return None
    base, *others = past.marks
    new = [change.rule_id for change in past.changes if change.was_new]
    before = State(
        symbol=state.symbol,
        version=state.version,
        price=base.price,
        position=None if base.price is None else base.position,
        threshold=None if HIGH_PRICE_RULE_ID in new else state.threshold,
        windows=base.windows,
        past=Past((base,)),
    )
    again = [
        Tick(state.symbol, mark.price, mark.position) for mark in others if mark.price is not None
    ]
    then = _Before(index, past.changes)
    moved = evaluate(
        before,
        sorted([*late, *again], key=lambda tick: tick.position),
        then,
        high_price,
        fired_at_microseconds,
        kept_ticks=len(late) + len(again),
    )
    if moved.position != state.position or moved.step:
        return None
    return _without_what_is_told(_taken_back(moved, then), past, kept_ticks)


class _Before:
    """An index whose rules are as they were before some changes."""

    def __init__(self, index: Index, changes: Sequence[Change]) -> None:
        self._index = index
        self._new = {
            change.rule_id: None
            for change in changes
            if change.was_new and change.rule_id != HIGH_PRICE_RULE_ID
        }
        self._progress: dict[str, Progress] = {}
        for change in changes:
            if change.before:
                self._progress.setdefault(change.rule_id, change.before)

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        return self._index.watches(line, start, upward=upward, limit=limit)

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        return [*self._new, *self._index.new_rule_ids(limit)][:limit]

    def unlike_now(self) -> dict[str, Progress]:
        """Return what active rules had come to then and have not now, by their ids."""
        return {
            rule_id: self._progress[rule_id]
            for rule_id, rule in self._index.rules(list(self._progress)).items()
            if rule.progress.status is Status.ACTIVE and rule.progress != self._progress[rule_id]
        }

    def rules(self, rule_ids: Sequence[str]) -> Mapping[str, Rule]:
        return {
            rule_id: replace(rule, progress=self._progress.get(rule_id, rule.progress))
            for rule_id, rule in self._index.rules(rule_ids).items()
        }


def _taken_back(moved: State, then: _Before) -> State:
    """Let rules that nothing happened to on the way be again as they were before it."""
    outbox = moved.outbox or Outbox(moved.version)
    changes = {**then.unlike_now(), **outbox.changes}
    return replace(moved, outbox=replace(outbox, changes=changes) if changes else moved.outbox)


def _without_what_is_told(moved: State, before: Past, kept_ticks: int) -> State:
    """Leave of the firings those that nobody was told of, at these ticks or at others."""
    told = [
        (change.rule_id, change.told_at) for change in before.changes if change.told_at is not None
    ]
    firings = moved.outbox.firings if moved.outbox else ()
    true_at = {(firing.rule_id, firing.position) for firing in firings}
    spare: dict[str, list[Position]] = {}
    for rule_id, told_at in told:
        if (rule_id, told_at) not in true_at:
            spare.setdefault(rule_id, []).append(told_at)
    taken = Counter(
        (change.rule_id, change.position) for change in before.changes if change.is_taken
    )
    new: list[Firing] = []
    stands_for: dict[tuple[str, Position], Position] = {}
    for firing in firings:
        if (firing.rule_id, firing.position) in told:
            continue
        if spare.get(firing.rule_id):
            stands_for[firing.rule_id, firing.position] = spare[firing.rule_id].pop(0)
        else:
            new.append(_named_anew(firing, taken[firing.rule_id, firing.position]))
    past = moved.past or before
    changes = [
        replace(change, told_at=stands_for.get((change.rule_id, change.position), change.told_at))
        if change.told_at
        else change
        for change in past.changes
    ]
    # What has been told of and would not have come true in order stands for the next that does.
    changes += [
        Change(told_at, rule_id, told_at=told_at)
        for rule_id, places in spare.items()
        for told_at in places
    ]
    changes += [change for change in before.changes if change.is_taken]
    outbox = replace(moved.outbox, firings=tuple(new)) if moved.outbox else None
    return replace(
        moved, outbox=outbox, past=Past(past.marks, tuple(changes)).shortened(kept_ticks)
    )


def _named_anew(firing: Firing, taken: int) -> Firing:
    """Name a firing anew if so many of its name are taken, by those at ticks before it."""
    if not taken:
        return firing
    name = hashlib.sha256(f"{firing.firing_id}\n{taken}".encode()).hexdigest()[:32]
    return replace(firing, firing_id=name)
