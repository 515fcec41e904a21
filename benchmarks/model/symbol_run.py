"""One symbol's part of an invocation, call by call, as `processing.py` and `store.py` do it. Pure.

Only times and units are computed. Ticks are known by their times, and rules by how many have
fired: those whose level the price has reached.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.model.calls import Throttled
from benchmarks.model.events import Process
from benchmarks.model.world import State, Symbol

if TYPE_CHECKING:
    from benchmarks.model.invocation import Invocation

# Threads that change rules are simulated in groups of this size, for fewer events.
GROUP = 2


class Conflict(Exception):
    """Another invocation has changed the symbol's state."""

    def __init__(self, current: State) -> None:
        super().__init__("another invocation has changed the state")
        self.current = current


class Path(NamedTuple):
    """Ticks of a symbol, evenly spread over a stretch of time."""

    start: float
    end: float
    ticks: float
    is_repeated: bool

    def after(self, position: float) -> Path | None:
        """Return the part after a time."""
        if self.end <= position:
            return None
        start = max(self.start, position)
        return self._replace(
            start=start, ticks=self.ticks * (self.end - start) / (self.end - self.start)
        )


class SymbolRun:
    """One symbol's part of an invocation."""

    def __init__(self, invocation: Invocation, symbol: Symbol, path: list[Path]) -> None:
        self.path = path
        self.is_done = False
        self._invocation = invocation
        self._world = invocation.world
        self._symbol = symbol
        self._is_current = False
        self._has_failed = False
        self._retries = 0
        self._decided_version = 0
        self._published = 0  # firings, counted from the fall's first

    def attempt(self) -> Process[None]:
        """Proceed as far as possible now."""
        self._has_failed = False
        try:
            self.is_done = yield from self._advance()
        except Throttled:
            self._invocation.states.pop(self._symbol.rank, None)
            self._retries += 1
            is_unrecorded = self._published > self._symbol.recorded
            if is_unrecorded and self._retries <= self._world.handler.delivery_retries:
                self._has_failed = True
                return
            self._invocation.outcome.failed.append(self._symbol)
            self.is_done = True

    def give_up(self) -> Process[None]:
        """Record what is left to do, and let others deliver."""
        outcome = self._invocation.outcome
        if self._has_failed:
            outcome.failed.append(self._symbol)
            return
        state = self._invocation.states.get(self._symbol.rank)
        if state and state.lease_owner == self._invocation.owner:
            with suppress(Conflict, Throttled):
                yield from self._commit(state, state._replace(lease_until=0.0))
            self._invocation.states.pop(self._symbol.rank, None)
        is_delivered = state is not None and not state.outbox
        if self.path or not is_delivered:
            outcome.unfinished.append(self._symbol)

    def _advance(self) -> Process[bool]:
        invocation = self._invocation
        if invocation.is_over:
            return False
        state = invocation.states.get(self._symbol.rank)
        if state is None or self._is_delivered_elsewhere(state):
            state = yield from self._loaded()
        conflicts = 0
        while not invocation.is_over and conflicts < self._world.handler.most_conflicts:
            if self._is_delivered_elsewhere(state):
                self._world.results.conflicts += 1
                return False
            try:
                following = yield from self._step(state)
            except Conflict as conflict:
                following = conflict.current
                self._is_current = True
                conflicts += 1
                self._world.results.conflicts += 1
            if following is None:
                return True
            state = invocation.states[self._symbol.rank] = following
        return False

    def _is_delivered_elsewhere(self, state: State) -> bool:
        is_ours = state.lease_owner in (0, self._invocation.owner)
        return not is_ours and state.lease_until > self._world.clock.now

    def _loaded(self) -> Process[State]:
        state = self._symbol.state  # as of now; the answer arrives later
        units = -(-self._world.state_units(state.outbox) // 4)
        yield from self._invocation.calls.read(self._symbol.state_key, units)
        self._is_current = True
        self._invocation.states[self._symbol.rank] = state
        return state

    def _step(self, state: State) -> Process[State | None]:
        if state.outbox:
            return (yield from self._deliver(state))
        late = [path for path in self.path if path.end <= state.position]
        if late and not self._is_current:
            return (yield from self._loaded())
        following = [path.after(state.position) for path in self.path]
        self.path = [path for path in following if path]
        placed = self._placed(state, late)
        if placed:
            yield from self._invocation.calls.read(self._symbol.watches_key, 1)
            return (yield from self._commit(state, state))
        if not self.path:
            return None
        return (yield from self._evaluate(state))

    def _placed(self, state: State, late: list[Path]) -> bool:
        """Return whether late ticks can still be applied in order, and count the others."""
        most = placed = 0.0
        for path in late:
            if path.is_repeated:
                continue
            trailed = self._symbol.ticks_per_second * (state.position - path.end)
            most += path.ticks
            placed += max(0.0, min(path.ticks, self._world.settings.late_ticks - trailed))
        self._world.results.late_ticks += most - placed
        return placed >= 1

    def _evaluate(self, state: State) -> Process[State]:
        world, symbol = self._world, self._symbol
        position = self._reached()
        firings = symbol.firings_until(position) - state.fired
        most = world.handler.most_rules(world.settings.late_ticks)
        if firings > most:
            firings = most
            position = symbol.due(state.fired + most)
        if firings:
            handler = world.handler
            for _ in range(-(-firings // handler.watches_per_read)):
                yield from self._invocation.calls.read(
                    symbol.watches_key, handler.watches_read_units
                )
            yield from self._read_rules(firings)
        moved = state._replace(position=position, fired=state.fired + firings)
        if firings:
            moved = self._leased(moved)._replace(outbox=firings, outbox_version=state.version + 1)
        stored = yield from self._commit(state, moved)
        left = [path.after(position) for path in self.path]
        self.path = [path for path in left if path]
        if firings:
            self._decided_version = stored.version
        return stored

    def _reached(self) -> float:
        """Return the time that one commit reaches, by its limit of ticks."""
        room = float(self._world.handler.ticks_per_commit)
        position = 0.0
        for path in sorted(self.path):
            if path.ticks > room:
                return path.start + (path.end - path.start) * room / path.ticks
            room -= path.ticks
            position = path.end
        return position

    def _read_rules(self, rules: int) -> Process[None]:
        handler = self._world.handler
        number = self._world.chance.randrange(handler.rule_spread)
        key = self._symbol.rule_key(number, handler.rule_spread)
        yield from self._read_each(key, handler.rule_read_units, rules)

    def _read_each(self, key: str, units: float, items: int) -> Process[None]:
        most = self._world.handler.keys_per_read
        for first in range(0, items, most):
            yield from self._invocation.calls.read(key, units * min(most, items - first))

    def _leased(self, state: State) -> State:
        until = self._invocation.ends_at + self._world.handler.lease_margin_seconds
        return state._replace(lease_owner=self._invocation.owner, lease_until=until)

    def _commit(self, before: State, after: State) -> Process[State]:
        """Replace the state; a rejected write costs as much."""
        symbol, world = self._symbol, self._world
        current = symbol.state
        units = world.state_units(max(current.outbox, after.outbox))
        after = after._replace(version=before.version + 1)
        attempt = 0
        while not world.table.write(world.clock.now, symbol.state_key, units):
            attempt += 1
            yield self._invocation.calls.call(world.latencies.dynamodb_seconds)
            yield self._invocation.calls.backoff(attempt)
            current = symbol.state
        if current == before:
            symbol.change(after, world.clock.now)
        yield self._invocation.calls.call(world.latencies.dynamodb_seconds, after.outbox)
        if current != before:
            raise Conflict(current)
        return after

    def _deliver(self, state: State) -> Process[State]:
        world, symbol, invocation = self._world, self._symbol, self._invocation
        handler = world.handler
        if state.lease_owner != invocation.owner:
            state = yield from self._commit(state, self._leased(state))
            invocation.states[symbol.rank] = state
        if state.outbox_version != self._decided_version:
            yield from self._read_each(symbol.firings_key(0), 1, state.outbox)
            yield from self._read_rules(state.outbox)
        while symbol.recorded < state.fired:
            if invocation.is_over:
                return state
            yield from self._announce(
                min(handler.firings_per_publish, state.fired - symbol.recorded)
            )
        if invocation.is_over:
            return state
        yield from self._apply(state.outbox)
        return (yield from self._commit(state, state._replace(outbox=0, lease_owner=0)))

    def _announce(self, firings: int) -> Process[None]:
        """Publish some firings and record them."""
        world, symbol = self._world, self._symbol
        first = symbol.recorded
        if self._published < first + firings:
            yield from self._invocation.calls.publish(firings)
            self._published = first + firings
            world.note_announced(symbol, first, firings)
        handler = world.handler
        yield from self._invocation.calls.write_all(
            [
                (
                    symbol.firings_key(world.chance.randrange(handler.firing_spread)),
                    handler.firing_units,
                    f"by_day {world.chance.randrange(handler.day_spread)}",
                    handler.index_units,
                )
                for _ in range(firings)
            ]
        )
        symbol.recorded = first + firings

    def _apply(self, rules: int) -> Process[None]:
        """Change the rules that fired, some at a time."""
        handler, invocation = self._world.handler, self._invocation
        throttled: list[Throttled] = []

        def change(first: int) -> Process[None]:
            numbers = range(first, min(first + GROUP, rules))
            keys = [self._symbol.rule_key(number, handler.rule_spread) for number in numbers]
            try:
                yield from invocation.calls.write_at_once(keys, handler.rule_units)
            except Throttled as error:
                throttled.append(error)

        groups = range(0, rules, GROUP)
        yield from invocation.rules_pool.each(change(first) for first in groups)
        if throttled:
            raise throttled[0]
        deleted = round(rules * handler.deleted_watches_per_firing)
        for first in range(0, deleted, handler.items_per_write):
            items = min(handler.items_per_write, deleted - first)
            yield from invocation.calls.write_all([(self._symbol.watches_key, 1, "", 0)] * items)
