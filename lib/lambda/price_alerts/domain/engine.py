"""The engine: applies ticks to a symbol's state and decides what fires. Pure.

Prices move along a line on which the rules' levels are watched; only the watches in the stretch
that a tick moved over are looked at. Moves within a window have lines of their own.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import NamedTuple

from price_alerts.domain.progress import NO_TRAIL, NOWHERE, Announced, Progress, Status, Trail
from price_alerts.domain.recent import Recent
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Firing, Outbox, State, Step, Threshold
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.watches import ANYWHERE, NEW, Index, Line, Watch, pages, watches_of
from price_alerts.domain.windows import PRICE, lines_of, metrics_of, numbers_of, pushed, started

# An outbox of this size fits into an item of 400 KB, whatever the names and numbers in it.
MAX_CHANGES_PER_COMMIT = 500
MAX_ENTRIES_PER_COMMIT = 2_000  # firings, changes, and what recent ticks did to the changed rules
_FEWEST_ENTRIES = 3  # of a rule that fires
# Watches that nothing comes of cost time, too: after so many, a commit saves the progress.
MAX_WATCHES_PER_COMMIT = 5_000
# During a deployment, old and new containers run side by side for as long as an invocation.
_TAKING_TURNS_MICROSECONDS = 15 * 60 * 1_000_000

Numbers = Mapping[str, Decimal]


def evaluate(  # noqa: PLR0913  # each from another source
    state: State,
    ticks: Sequence[Tick],
    index: Index,
    high_price: Rule | None,
    fired_at_microseconds: int,
    *,
    kept_ticks: int = 0,
) -> State:
    """Return the state after new ticks of its symbol.

    Parameters
    ----------
    state
        The state before; its outbox is empty.
    ticks
        New ticks in order; at least one, unless the state has a step to finish.
    high_price
        The stack's own rule, if there is one.
    fired_at_microseconds
        The present, for the firings' records.
    kept_ticks
        How many of the last ticks are kept, for late ones.

    Returns
    -------
    State
        The next version, whose outbox holds what fired. If that is full, the state is at an
        earlier tick than the last, perhaps with a step to finish: call again for the rest.
    """
    walk = _Walk(state, index, high_price, fired_at_microseconds, kept_ticks)
    if walk.finish_step():
        for tick in ticks:
            if not walk.apply(tick):
                break
    return walk.result()


class _Met(NamedTuple):
    """A rule that a step may concern, and the watch that the step met."""

    rule_id: str
    line: str
    key: str | None = None


class _Walk:
    """A symbol's way from one commit to the next."""

    def __init__(
        self,
        state: State,
        index: Index,
        high_price: Rule | None,
        fired_at_microseconds: int,
        kept_ticks: int,
    ) -> None:
        self._start = state
        self._index = index
        self._high_price = high_price
        self._fired_at_microseconds = fired_at_microseconds

        self._tick = state.last_tick
        self._previous_price: Decimal | None = None
        self._windows = started(state.windows, self._tick)
        self._numbers = numbers_of(self._tick, self._windows)
        # Adding a rule stores a state: a symbol without one has no rules.
        self._bands = state.bands if state.version or state.is_lost else {PRICE: ANYWHERE}
        self._step = state.step
        self._lines: dict[str, Line] = {}

        self._passed = 0  # watches
        self._entries = 0
        self._rules: dict[str, Rule] = {}
        self._firings: list[Firing] = []
        self._changes: dict[str, Progress] = {}
        self._checked: dict[str, None] = {}
        self._spent: dict[str, Rule] = {}
        self._has_triggered = False

        self._kept_ticks = kept_ticks
        self._applied: list[Tick] = []
        self._recent = state.recent or Recent.starting(self._tick, self._windows)
        positions = [mark.position for mark in self._recent.marks]
        self._positions = deque(positions, maxlen=kept_ticks + 1)
        if self._bands is None and not self._step:
            since = self._tick.position if self._tick else NOWHERE
            self._recent = replace(self._recent, rules_since=since)
        self._threshold, self._threshold_before = state.threshold, state.threshold_before

    @property
    def _room(self) -> int:
        used = max(map(len, (self._firings, self._changes, self._checked, self._spent)))
        entries = MAX_ENTRIES_PER_COMMIT - self._entries
        return min(MAX_CHANGES_PER_COMMIT - used, entries // _FEWEST_ENTRIES)

    @property
    def _has_decided(self) -> bool:
        return bool(self._firings or self._changes or self._checked or self._spent)

    def finish_step(self) -> bool:
        """Continue an unfinished step; returns whether it is finished now."""
        step, tick = self._step, self._tick
        if step and tick:
            self._previous_price = step.before.get(PRICE)
            met, self._step = self._meet(step.before, self._numbers, step.line, step.after_key)
            self._advance_all(met, step.before, tick)
            if not self._step:
                self._lines.clear()  # a line that was entered after a watch does not know it
                self._settle(self._numbers, self._numbers)
        return self._step is None

    def apply(self, tick: Tick) -> bool:
        """Apply a tick; returns whether there is room for the next one."""
        timestamp = tick.position.timestamp_microseconds
        windows = {
            name: pushed(name, queue, tick.price, timestamp)
            for name, queue in self._windows.items()
        }
        before, now = self._numbers, numbers_of(tick, windows)
        met: list[_Met] = []
        is_first = not (self._has_decided or self._passed)
        loud = [name for name in now if not self._is_quiet(name, before.get(name), now[name])]
        if loud:
            met, self._step = self._meet(before, now)
            if self._step and not is_first:
                self._step = None
                return False  # the next commit may have room for all of it
        self._previous_price = before.get(PRICE)
        last, self._tick, self._windows, self._numbers = self._tick, tick, windows, now
        if self._kept_ticks:
            self._applied.append(tick)
            self._positions.append(tick.position)
        if self._high_price or self._threshold is not None:
            self._check_high_price(last, tick)
        self._advance_all(met, before, tick)
        if self._step:
            self._bands = None
            return False
        self._settle(loud, now)
        return self._room > 0 and self._passed < MAX_WATCHES_PER_COMMIT

    def result(self) -> State:
        """Return the state at the end of the walk."""
        version = self._start.version + 1
        windows, bands = self._windows, self._bands
        if bands is not None:
            windows = {name: queue for name, queue in windows.items() if self._is_needed(name)}
            bands = {line: bands[line] for line in lines_of(windows)}
        return State(
            symbol=self._start.symbol,
            version=version,
            price=self._tick.price if self._tick else None,
            position=self._tick.position if self._tick else None,
            threshold=self._threshold,
            threshold_before=self._threshold_before,
            windows=windows,
            bands=bands,
            step=self._step,
            outbox=self._outbox(version),
            recent=self._recent_ticks(list(windows)) if self._kept_ticks else None,
        )

    def _is_needed(self, window: str) -> bool:
        """Return whether an active rule has a watch on one of a window's lines."""
        watched = [
            line for line in metrics_of(window) if self._bands and self._bands[line] != ANYWHERE
        ]
        if self._start.bands is not None and not self._has_triggered:
            return bool(watched)
        return any(self._has_active_rule(line) for line in watched)

    def _has_active_rule(self, line: str) -> bool:
        # Rules that triggered before, and whose watches are left for late ticks, need no window.
        for page in pages(self._index, line):
            unread = {watch.rule_id for watch in page} - self._rules.keys()
            self._rules.update(self._index.rules(sorted(unread)))
            if any(watch.rule_id in self._rules and self._counts(watch) for watch in page):
                return True
        return False

    def _outbox(self, version: int) -> Outbox | None:
        if not self._has_decided:
            return None
        return Outbox(
            version,
            firings=tuple(self._firings),
            changes=self._changes,
            checked_rule_ids=tuple(self._checked),
            spent=tuple(
                (rule.terms.metric, watch.key)
                for rule in self._spent.values()
                for watch in watches_of(rule)
            ),
        )

    def _recent_ticks(self, names: Sequence[str]) -> Recent:
        """Return the recent ticks with the named windows."""
        recent = self._recent
        if self._start.recent and (tick := self._start.last_tick):
            new = {name: () for name, queue in self._start.windows.items() if not queue}
            recent = recent.with_windows(started(new, tick), tick.position)
        return recent.with_ticks(self._applied).shortened(self._kept_ticks, names)

    def _is_quiet(self, name: str, before: Decimal | None, now: Decimal) -> bool:
        line = self._line(name, now if before is None else before)
        return self._bands is not None and (before == now or line.is_quiet(now))

    def _line(self, name: str, number: Decimal) -> Line:
        if name not in self._lines:
            band = self._bands.get(name) if self._bands else None
            self._lines[name] = Line(name, self._index, number, band)
        return self._lines[name]

    def _settle(self, names: Iterable[str], now: Numbers) -> None:
        """Find the bands again on lines on which something may have happened."""
        for name in names:
            self._line(name, now[name]).settle(now[name], self._counts)
        self._bands = {name: self._lines[name].band for name in now}

    def _meet(
        self, before: Numbers, now: Numbers, first_line: str = PRICE, after_key: str | None = None
    ) -> tuple[list[_Met], Step | None]:
        """Return the rules that a step may concern, as far as there is room, and the rest.

        New rules come first in each commit: some may have been added since the last one.
        """
        met, rest = self._reached(before, now, first_line, after_key)
        unread = [each.rule_id for each in met if each.rule_id not in self._rules]
        if unread:
            self._rules.update(self._index.rules(unread))
        room = MAX_ENTRIES_PER_COMMIT - self._entries
        for place, (rule_id, line, _) in enumerate(met):
            rule = self._rules.get(rule_id)
            room -= _FEWEST_ENTRIES - 1 + (rule.progress.entries if rule else 0)
            if room >= 0 or not place or line == NEW:  # new rules have no trail yet
                continue
            last = met[place - 1]
            if last.line == line:
                return met[:place], Step(before, line, last.key)
            return met[:place], Step(before, line, after_key if line == first_line else None)
        return met, rest

    def _reached(
        self, before: Numbers, now: Numbers, first_line: str, after_key: str | None
    ) -> tuple[list[_Met], Step | None]:
        met: dict[str, _Met] = {}
        if self._bands is None:
            new = self._index.new_rule_ids(self._room + 1)
            met = {rule_id: _Met(rule_id, NEW) for rule_id in new[: self._room]}
            if len(new) > self._room:
                return list(met.values()), Step(before, first_line, after_key)
        lines = list(now)
        for name in lines[lines.index(first_line) :]:
            if name in before:
                key = after_key if name == first_line else None
                line = self._line(name, before[name])
                for watch in line.between(before[name], now[name], key):
                    if len(met) == self._room or self._passed == MAX_WATCHES_PER_COMMIT:
                        return list(met.values()), Step(before, name, key)
                    key = watch.key
                    self._passed += 1
                    if _concerns(watch, before[name], now[name]):
                        met.setdefault(watch.rule_id, _Met(watch.rule_id, name, key))
        return list(met.values()), None

    def _advance_all(self, met: Sequence[_Met], before: Numbers, tick: Tick) -> None:
        for rule_id, line, _ in met:
            if line == NEW:
                self._checked[rule_id] = None
            rule = self._rules.get(rule_id)
            number = self._numbers.get(rule.terms.metric) if rule else None
            if rule and number is not None and rule.takes_part_at(tick.position):
                self._advance(rule, None if line == NEW else before[line], number, tick)

    def _advance(self, rule: Rule, before: Decimal | None, now: Decimal, tick: Tick) -> None:
        if rule.progress.status is Status.TRIGGERED:
            self._spend(rule)
        progress = advanced(rule, before, now, tick)
        if progress is None:
            return
        if progress.last_firing_id != rule.progress.last_firing_id:
            self._fire(rule, tick)
        progress = self._with_trail(rule, progress, tick.position)
        self._changes[rule.rule_id] = progress
        self._entries += progress.entries
        self._rules[rule.rule_id] = after = replace(rule, progress=progress)
        if progress.status is Status.TRIGGERED:
            self._has_triggered = True
            self._spend(after)

    def _spend(self, rule: Rule) -> None:
        """Remove a triggered rule from the index, once no late tick can change that."""
        if not rule.progress.trail.after(self._positions[0]).changes:
            self._spent[rule.rule_id] = rule

    def _with_trail(self, rule: Rule, progress: Progress, position: Position) -> Progress:
        if not self._kept_ticks:
            return progress
        before = rule.progress
        trail = before.trail.after(self._positions[0])
        fires = progress.last_firing_id != before.last_firing_id
        return replace(
            progress,
            trail=Trail(
                (*trail.changes, (position, replace(before, trail=NO_TRAIL))),
                (*trail.announced, Announced(position, position)) if fires else trail.announced,
            ),
        )

    def _check_high_price(self, last: Tick | None, tick: Tick) -> None:
        rule, before = self._high_price, self._previous_price
        level = rule.terms.levels[0] if rule else None
        if level != self._threshold and not self._is_turn_of(level, tick):
            until_microseconds = tick.position.timestamp_microseconds
            former = Threshold(self._threshold, until_microseconds) if last else None
            self._threshold_before, self._threshold, before = former, level, None
            own_since = last.position if last else None
            self._recent = replace(self._recent, own_since=own_since)
        if rule and rule.terms.triggers(before, tick.price):
            self._fire(rule, tick)
            if self._kept_ticks:
                announced = Announced(tick.position, tick.position)
                own = Trail(announced=(*self._recent.own.announced, announced))
                self._recent = replace(self._recent, own=own)

    def _is_turn_of(self, level: Decimal | None, tick: Tick) -> bool:
        """Return whether this is an old container's threshold, shortly after a change."""
        former = self._threshold_before
        if former is None or former.level != level:
            return False
        since_microseconds = tick.position.timestamp_microseconds - former.until_microseconds
        return since_microseconds < _TAKING_TURNS_MICROSECONDS

    def _fire(self, rule: Rule, tick: Tick) -> None:
        self._entries += 1
        self._firings.append(
            firing_of(rule, tick, self._previous_price, self._fired_at_microseconds)
        )

    def _counts(self, watch: Watch) -> bool:
        rule = self._rules.get(watch.rule_id)
        is_active = rule is None or rule.progress.status is Status.ACTIVE
        return is_active and watch.terms is not None


def advanced(rule: Rule, before: Decimal | None, now: Decimal, tick: Tick) -> Progress | None:
    """Return a rule's progress after a tick, without a trail; ``None`` if nothing changes.

    The rule fires if that has another `last_firing_id`. ``before`` and ``now`` are the numbers on
    its line before the tick, if known, and at it.
    """
    terms, progress = rule.terms, rule.progress
    firing_id = _firing_id(rule, tick)
    if progress.status is not Status.ACTIVE or progress.last_firing_id == firing_id:
        return None  # it was new, and has fired as such
    if progress.disarmed:
        is_back = terms.rearms(progress.disarmed, now)
        return replace(progress, disarmed=None, trail=NO_TRAIL) if is_back else None
    timestamp = tick.position.timestamp_microseconds
    if not terms.triggers(before, now) or not rule.may_fire_at(timestamp):
        return None
    return Progress(
        status=Status.TRIGGERED if rule.trigger is Trigger.ONCE else Status.ACTIVE,
        disarmed=terms.side(before, now) if terms.rearm else None,
        last_fired_at_microseconds=timestamp,
        last_firing_id=firing_id,
    )


def firing_of(
    rule: Rule, tick: Tick, previous_price: Decimal | None, fired_at_microseconds: int
) -> Firing:
    """Return the firing of a rule at a tick."""
    return Firing(
        firing_id=_firing_id(rule, tick),
        rule_id=rule.rule_id,
        symbol=tick.symbol,
        terms=rule.terms,
        previous_price=previous_price,
        price=tick.price,
        position=tick.position,
        fired_at_microseconds=fired_at_microseconds,
    )


def _concerns(watch: Watch, before: Decimal, now: Decimal) -> bool:
    """Return whether a step may change the watch's rule, and meets this watch of it first."""
    terms = watch.terms
    if terms is None or not (terms.triggers(before, now) or terms.is_back(now)):
        return False
    low, high = sorted((before, now))
    met = [level for level in terms.watched_levels if low <= level <= high]
    return watch.level == (met[0] if before < now else met[-1])


def _firing_id(rule: Rule, tick: Tick) -> str:
    # Derived: a repeated delivery writes the very same item, and a rule fires once at a tick.
    name = "\n".join(map(str, (tick.symbol, rule.rule_id, *tick.position.name)))
    return hashlib.sha256(name.encode()).hexdigest()[:32]
