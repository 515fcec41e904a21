"""Late ticks: applied in order, among the recent ones. Pure.

Each rule replays the recent ticks, with the late ones in their places, from its progress before
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise, zip_longest
from typing import NamedTuple

from price_alerts.domain import engine
from price_alerts.domain.engine import advanced, firing_of
from price_alerts.domain.progress import NOWHERE, Announced, Progress, Status, Trail, in_order
from price_alerts.domain.recent import Recent
from price_alerts.domain.rules import Rule, high_price_rule
from price_alerts.domain.state import Firing, Outbox, State
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.watches import Index, band_around, stretch
from price_alerts.domain.windows import numbers_of


def late_ticks(state: State, ticks: Sequence[Tick]) -> list[Tick]:
    """Return those ticks that belong among the recent ones and are not there yet."""
    recent, position = state.recent, state.position
    if recent is None or position is None:
        return []
    names = recent.names
    return [
        tick
        for tick in ticks
        if recent.base < tick.position < position and tick.position.name not in names
    ]


def evaluate_late(
    state: State,
    late: Sequence[Tick],
    index: Index,
    fired_at_microseconds: int,
    *,
    kept_ticks: int,
) -> State:
    """Apply late ticks in their places.

    A rule that fires more often in the replay than was published fires as many more times. What
    was published cannot be taken back: if it would not fire in the replay, it stands for the next
    firing that was not published.

    Parameters
    ----------
    state, late
        A state without a step or an outbox, and what `late_ticks` returns for it.
    index, fired_at_microseconds, kept_ticks
        As for `evaluate`.

    Returns
    -------
    State
        The next version. If more rules change than fit into a commit, it has the changes of some
        of them, and the ticks are still late: call again for the rest.
    """
    before = state.recent or Recent.starting(state.last_tick, state.windows)
    recent = before.with_ticks(late)
    path = _path(state.symbol, recent)
    rules = _rules_along(index, before, [*_path(state.symbol, before), *path])
    replays = [_replayed(rule, path, fired_at_microseconds) for rule in rules]
    changed = [each for each in replays if each.is_changed]
    fitting = _fitting(changed)
    own = _replayed_own(state.threshold, before, path, fired_at_microseconds)
    outbox = None
    if fitting or own:
        firings = [firing for each in (own, *fitting) if each for firing in each.firings]
        outbox = Outbox(
            state.version + 1,
            firings=tuple(sorted(firings, key=lambda firing: firing.position)),
            changes={each.rule.rule_id: each.progress for each in fitting},
        )
    state = replace(state, version=state.version + 1, outbox=outbox)
    own_trail = own.progress.trail if own else before.own
    if len(changed) > len(fitting):
        return replace(state, recent=replace(before, own=own_trail))
    *_, end = recent.along()
    bands = state.bands
    if bands is not None and (fitting or state.windows):
        is_active = {each.rule.rule_id: each.progress.status is Status.ACTIVE for each in replays}
        bands = {
            line: band_around(index, line, number, is_active)
            for line, number in path[-1].numbers.items()
            if line in bands
        }
    return replace(
        state,
        windows={name: end.get(name, queue) for name, queue in state.windows.items()},
        bands=bands,
        recent=replace(recent, own=own_trail).shortened(kept_ticks, list(state.windows)),
    )


class _Place(NamedTuple):
    """A tick, ``None`` before the first one, and the numbers on each line then."""

    tick: Tick | None
    numbers: Mapping[str, Decimal]

    @property
    def position(self) -> Position:
        return self.tick.position if self.tick else NOWHERE


class _Replay(NamedTuple):
    """A rule with its progress after the replay, and the firings that are not yet published."""

    rule: Rule
    progress: Progress
    firings: Sequence[Firing]
    is_changed: bool


def _path(symbol: str, recent: Recent) -> list[_Place]:
    places = []
    for (position, price), windows in zip(recent.marks, recent.along(), strict=True):
        tick = None if position == NOWHERE else Tick(symbol, price, position)
        places.append(_Place(tick, numbers_of(tick, windows)))
    return places


def _rules_along(index: Index, recent: Recent, places: Sequence[_Place]) -> list[Rule]:
    """Return the rules that a path may concern, in the order of their ids.

    These are the rules with a watch along it, and those that were added or resumed on it: a new
    rule looks at its first tick, wherever that is.
    """
    reached: dict[str, list[Decimal]] = {}
    for place in places:
        for line, number in place.numbers.items():
            reached.setdefault(line, []).append(number)
    rule_ids = {
        watch.rule_id: None
        for line, numbers in reached.items()
        for watch in stretch(index, line, min(numbers), max(numbers))
    }
    rules = list(index.rules(list(rule_ids)).values())
    if recent.rules_since is not None:
        rules += [
            rule
            for rule in index.all_rules()
            if (rule.since or NOWHERE) >= recent.base and rule.rule_id not in rule_ids
        ]
    active = [rule for rule in rules if rule.progress.status is not Status.PAUSED]
    return sorted(active, key=lambda rule: rule.rule_id)


def _fitting(changed: Sequence[_Replay]) -> Sequence[_Replay]:
    """Return as many replays as fit into one outbox, with their firings; at least one."""
    most = engine.MAX_CHANGES_PER_COMMIT
    firings = entries = 0
    for count, each in enumerate(changed[:most]):
        firings += len(each.firings)
        entries += len(each.firings) + each.progress.entries
        if count and (firings > most or entries > engine.MAX_ENTRIES_PER_COMMIT):
            return changed[:count]
    return changed[:most]


def _replayed(rule: Rule, path: Sequence[_Place], fired_at_microseconds: int) -> _Replay:
    """Replay a path for a rule, and compare with what it did and what was published."""
    base = path[0].position
    metric = rule.terms.metric
    progress = rule.progress.at(base)
    changes: list[tuple[Position, Progress]] = []
    firings: list[Firing] = []
    for last, place in pairwise(path):
        tick, now = place.tick, place.numbers.get(metric)
        if tick is None or now is None or not rule.takes_part_at(tick.position):
            continue
        before = last.numbers.get(metric)
        if rule.terms.is_state and not rule.takes_part_at(last.position):
            before = None
        after = advanced(replace(rule, progress=progress), before, now, tick)
        if after is None:
            continue
        if after.last_firing_id != progress.last_firing_id:
            price = last.tick.price if last.tick else None
            firings.append(firing_of(rule, tick, price, fired_at_microseconds))
        changes.append((tick.position, progress))
        progress = after
    if rule.progress.status is Status.TRIGGERED and not firings:
        # It fires once, and that was published: it stands for whenever it would fire.
        return _Replay(rule, rule.progress, [], is_changed=False)
    trail = rule.progress.trail.after(base)
    announced, new = _compared(firings, trail.announced)
    progress = replace(progress, trail=Trail(tuple(changes), announced))
    is_changed = progress != replace(rule.progress, trail=trail)
    return _Replay(rule, progress, new, is_changed)


def _replayed_own(
    threshold: Decimal | None, recent: Recent, path: Sequence[_Place], fired_at_microseconds: int
) -> _Replay | None:
    """Replay a path for the stack's own rule; ``None`` if nothing changes."""
    if threshold is None:
        return None
    rule = replace(
        high_price_rule(threshold),
        since=recent.own_since,
        progress=Progress(trail=Trail(announced=recent.own.announced)),
    )
    replay = _replayed(rule, path, fired_at_microseconds)
    trail = Trail(announced=replay.progress.trail.announced)
    if trail == recent.own:
        return None
    return replay._replace(progress=replace(replay.progress, trail=trail))


def _compared(
    firings: Sequence[Firing], announced: Sequence[Announced]
) -> tuple[tuple[Announced, ...], list[Firing]]:
    """Return what each published firing stands for now, and the firings not yet published."""
    forgotten = [each for each in announced if each.at == NOWHERE]
    names = [each.name for each in announced if each.at != NOWHERE]
    unnamed = []
    stands_for: list[Announced] = []
    for firing in firings:
        if firing.position in names:
            names.remove(firing.position)
            stands_for.append(Announced(firing.position, firing.position))
        else:
            unnamed.append(firing)
    # What would not fire in the replay stands for the next firings that were not published.
    stands_for += [
        Announced(name, firing.position if firing else None)
        for name, firing in zip_longest(names, unnamed[: len(names)])
    ]
    used = [each.name for each in (*forgotten, *stands_for)]
    new = unnamed[len(names) :]
    stands_for += [Announced(firing.position, firing.position) for firing in new]
    return in_order((*forgotten, *stands_for)), [
        _renamed(each, used.count(each.position)) for each in new
    ]


def _renamed(firing: Firing, times_used: int) -> Firing:
    """Return a firing with another id if published ones have the name of its tick already."""
    if not times_used:
        return firing
    name = hashlib.sha256(f"{firing.firing_id}\n{times_used}".encode()).hexdigest()[:32]
    return firing._replace(firing_id=name)
