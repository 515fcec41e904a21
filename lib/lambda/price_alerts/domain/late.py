"""Late ticks: put among the recent ones, as if they had come in order. Pure.

The way of the recent ticks is walked again, with the late ones in their places. Each rule goes
along it for itself, from what it was at its beginning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
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
    """Return those of some ticks that belong among the recent ones and are not there yet."""
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
    """Put late ticks in their places.

    A rule that fires more often on the way with them than was announced fires so many times
    more. What was announced and would not fire on that way cannot be taken back: it stands for
    the next firing that was not announced.

    Parameters
    ----------
    state, late
        A state without a step or an outbox, and what `late_ticks` returns for it.
    index, fired_at_microseconds, kept_ticks
        As for `evaluate`.

    Returns
    -------
    State
        The next version. Where more rules change than a commit can hold, it has the changes of
        some of them, and the ticks are late still: the rest is for the next call.
    """
    before = state.recent or Recent.starting(state.last_tick, state.windows)
    recent = before.with_late_ticks(late)
    way = _way(state.symbol, recent)
    rules = _rules_along(index, before, [*_way(state.symbol, before), *way])
    walked = [_walked(rule, way, fired_at_microseconds) for rule in rules]
    changed = [each for each in walked if each.is_changed]
    fitting = _fitting(changed)
    own = _walked_own(state.threshold, before, way, fired_at_microseconds)
    outbox = None
    if fitting or own:
        walkers = fitting if own is None else [own, *fitting]
        firings = [firing for each in walkers for firing in each.firings]
        outbox = Outbox(
            state.version + 1,
            firings=tuple(sorted(firings, key=lambda firing: firing.position)),
            changes={each.rule.rule_id: each.progress for each in fitting},
        )
    own_trail = own.progress.trail if own else before.own
    if len(changed) > len(fitting):
        unplaced = replace(before, own=own_trail)
        return replace(state, version=state.version + 1, outbox=outbox, recent=unplaced)
    *_, end = recent.along()
    bands = state.bands
    if bands is not None and (fitting or state.windows):
        is_active = {each.rule.rule_id: each.progress.status is Status.ACTIVE for each in walked}
        bands = {
            line: band_around(index, line, number, is_active)
            for line, number in way[-1].numbers.items()
            if line in bands
        }
    return replace(
        state,
        version=state.version + 1,
        outbox=outbox,
        windows={name: end.get(name, queue) for name, queue in state.windows.items()},
        bands=bands,
        recent=replace(recent, own=own_trail).shortened(kept_ticks, list(state.windows)),
    )


class _Place(NamedTuple):
    """A place on the way: a tick, ``None`` before the first one, and the numbers there."""

    tick: Tick | None
    numbers: Mapping[str, Decimal]

    @property
    def position(self) -> Position:
        return self.tick.position if self.tick else NOWHERE


class _Walked(NamedTuple):
    """A rule at the end of the way, and the firings that were not announced yet."""

    rule: Rule
    progress: Progress
    firings: Sequence[Firing]
    is_changed: bool


def _way(symbol: str, recent: Recent) -> list[_Place]:
    places = []
    for (position, price), windows in zip(recent.marks, recent.along(), strict=True):
        tick = None if position == NOWHERE else Tick(symbol, price, position)
        places.append(_Place(tick, numbers_of(tick, windows)))
    return places


def _rules_along(index: Index, recent: Recent, places: Sequence[_Place]) -> list[Rule]:
    """Return the rules that a way may concern, in the order of their ids.

    These are the rules with a watch somewhere along it, and those that were new on it: they look
    at its first tick wherever that is.
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
    rules = dict(index.rules(list(rule_ids)))
    if recent.rules_since is not None:
        rules |= {
            rule.rule_id: rule
            for rule in index.all_rules()
            if (rule.since or NOWHERE) >= recent.base
        }
    return [
        rules[rule_id]
        for rule_id in sorted(rules)
        if rules[rule_id].progress.status is not Status.PAUSED
    ]


def _fitting(changed: Sequence[_Walked]) -> Sequence[_Walked]:
    """Return as many rules as one outbox has room for, with their firings; one at least."""
    most = engine.MAX_CHANGES_PER_COMMIT
    firings = entries = 0
    for count, each in enumerate(changed[:most]):
        firings += len(each.firings)
        entries += len(each.firings) + each.progress.entries
        if count and (firings > most or entries > engine.MAX_ENTRIES_PER_COMMIT):
            return changed[:count]
    return changed[:most]


def _walked(rule: Rule, way: Sequence[_Place], fired_at_microseconds: int) -> _Walked:
    """Take a rule along the way, and compare with what it did and what was announced."""
    base = way[0].position
    metric = rule.terms.metric
    progress = rule.progress.at(base)
    changes: list[tuple[Position, Progress]] = []
    firings: list[Firing] = []
    for last, place in pairwise(way):
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
        # It was announced, and fires once: that stands for whenever it would fire.
        return _Walked(rule, rule.progress, [], is_changed=False)
    trail = rule.progress.trail.after(base)
    announced, new = _compared(firings, trail.announced)
    progress = replace(progress, trail=Trail(tuple(changes), announced))
    is_changed = progress != replace(rule.progress, trail=trail)
    return _Walked(rule, progress, new, is_changed)


def _walked_own(
    threshold: Decimal | None,
    recent: Recent,
    way: Sequence[_Place],
    fired_at_microseconds: int,
) -> _Walked | None:
    """Take the stack's own rule along the way; ``None`` if there is nothing new of it."""
    if threshold is None:
        return None
    rule = replace(
        high_price_rule(threshold),
        since=recent.own_since,
        progress=Progress(trail=Trail(announced=recent.own.announced)),
    )
    walked = _walked(rule, way, fired_at_microseconds)
    trail = Trail(announced=walked.progress.trail.announced)
    if trail == recent.own:
        return None
    return walked._replace(progress=replace(walked.progress, trail=trail))


def _compared(
    firings: Sequence[Firing], announced: Sequence[Announced]
) -> tuple[tuple[Announced, ...], list[Firing]]:
    """Find the firings that were not announced, and what each announcement stands for now."""
    taken = [each for each in announced if each.at == NOWHERE]
    names = [each.name for each in announced if each.at != NOWHERE]
    unnamed = []
    stands_for: list[Announced] = []
    for firing in firings:
        if firing.position in names:
            names.remove(firing.position)
            stands_for.append(Announced(firing.position, firing.position))
        else:
            unnamed.append(firing)
    # What would not fire on this way stands for the next firings that nobody knows of.
    stands_for += [
        Announced(name, firing.position) for name, firing in zip(names, unnamed, strict=False)
    ]
    stands_for += [Announced(name, None) for name in names[len(unnamed) :]]
    used = [each.name for each in (*taken, *stands_for)]
    new = unnamed[len(names) :]
    stands_for += [Announced(firing.position, firing.position) for firing in new]
    return in_order((*taken, *stands_for)), [
        _renamed(each, used.count(each.position)) for each in new
    ]


def _renamed(firing: Firing, taken: int) -> Firing:
    """Give a firing another id if an announcement has its name already."""
    if not taken:
        return firing
    name = hashlib.sha256(f"{firing.firing_id}\n{taken}".encode()).hexdigest()[:32]
    return firing._replace(firing_id=name)
