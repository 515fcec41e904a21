"""Drives the engine as the function does, over rules that are kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from lib.backtest.rule_book import RuleBook
from price_alerts.domain import engine
from price_alerts.domain.late import evaluate_late, late_ticks
from price_alerts.domain.rules import Rule, high_price_rule
from price_alerts.domain.state import Firing, State
from price_alerts.domain.ticks import Position, Tick
from tests.histories import rule_of, tick_of
from tests.history_writer import Event
from tests.oracle import Fired, Spec

Cut = Callable[[list[Tick]], Iterable[list[Tick]]]


def uncut(ticks: list[Tick]) -> list[list[Tick]]:
    """Leave the ticks in one batch."""
    return [ticks]


class Driver:
    """The rules and states of symbols: rules change between runs of ticks.

    Parameters
    ----------
    cut
        Cuts each run of ticks into batches.
    threshold
        The stack's own.
    on_commit
        Called with each state as it would be stored.
    kept_ticks
        How many recent ticks are kept for late ones.
    """

    def __init__(
        self,
        cut: Cut = uncut,
        threshold: Decimal | None = None,
        on_commit: Callable[[State], object] = lambda state: None,
        kept_ticks: int = 0,
    ) -> None:
        self.books: dict[str, RuleBook] = {}
        self.states: dict[str, State] = {}
        self._cut = cut
        self._on_commit = on_commit
        self._kept_ticks = kept_ticks
        self.dropped: list[Tick] = []
        self._symbols: dict[str, str] = {}  # by rule
        self.change_threshold(threshold)

    def change_threshold(self, threshold: Decimal | None) -> None:
        self._high_price = None if threshold is None else high_price_rule(threshold)

    def add(self, *rules: Rule) -> None:
        for rule in rules:
            self._symbols[rule.rule_id] = rule.symbol
            self._book(rule.symbol).add(rule, self._since(rule.symbol))
        for symbol in {rule.symbol for rule in rules}:
            self._update_state(symbol)

    def pause(self, rule_id: str) -> None:
        self._book(self._symbols[rule_id]).pause(rule_id)
        self._update_state(self._symbols[rule_id])

    def resume(self, rule_id: str) -> None:
        symbol = self._symbols[rule_id]
        self._book(symbol).resume(rule_id, self._since(symbol))
        self._update_state(self._symbols[rule_id])

    def remove(self, rule_id: str) -> None:
        self._book(self._symbols[rule_id]).remove(rule_id)
        self._update_state(self._symbols[rule_id])

    def perform(self, event: Event) -> list[Fired]:
        """Do to the engine what a history does to the oracle."""
        match event:
            case ("add", Spec() as spec):
                self.add(rule_of(spec))
            case ("ticks", list(ticks)):
                return [
                    (each.rule_id, each.timestamp_microseconds, each.previous_price, each.price)
                    for each in self.ticks(map(tick_of, ticks))
                ]
            case (change, str(rule_id)):
                getattr(self, change)(rule_id)
        return []

    def ticks(self, ticks: Iterable[Tick]) -> list[Firing]:
        """Apply ticks batch by batch, each in as many commits as it needs."""
        return [
            firing
            for batch in self._cut(list(ticks))
            for symbol in dict.fromkeys(tick.symbol for tick in batch)
            for firing in self._process(symbol, [tick for tick in batch if tick.symbol == symbol])
        ]

    def commit(self, symbol: str, ticks: Sequence[Tick]) -> list[Firing]:
        """Let the engine go as far as one commit goes, and deliver what it has decided."""
        before, book = self._state(symbol), self._book(symbol)
        state = engine.evaluate(
            before, ticks, book, self._high_price, 0, kept_ticks=self._kept_ticks
        )
        return self._deliver(before, state)

    def commit_late(self, symbol: str, ticks: Sequence[Tick]) -> list[Firing]:
        """Apply late ticks in their places, as far as one commit goes."""
        before, book = self._state(symbol), self._book(symbol)
        state = evaluate_late(before, ticks, book, 0, kept_ticks=self._kept_ticks)
        return self._deliver(before, state)

    def _deliver(self, before: State, state: State) -> list[Firing]:
        symbol, book = state.symbol, self._book(state.symbol)
        assert state.version == before.version + 1
        self._on_commit(state)
        self.states[symbol] = replace(state, outbox=None)
        if not state.outbox:
            return []
        assert len(state.outbox.firings) <= engine.MAX_CHANGES_PER_COMMIT + 1  # the stack's own
        assert len(state.outbox.changes) <= engine.MAX_CHANGES_PER_COMMIT
        assert len(state.outbox.checked_rule_ids) <= engine.MAX_CHANGES_PER_COMMIT
        book.deliver(state.outbox)
        return list(state.outbox.firings)

    def _process(self, symbol: str, ticks: list[Tick]) -> list[Firing]:
        firings: list[Firing] = []
        position = self._state(symbol).position
        late = late_ticks(self._state(symbol), ticks)
        while still_late := late_ticks(self._state(symbol), late):
            firings += self.commit_late(symbol, still_late)
        seen = [tick for tick in ticks if position and tick.position <= position]
        self.dropped += [tick for tick in seen if tick not in late]
        ticks = [tick for tick in ticks if tick not in seen]
        while ticks or self._state(symbol).step:
            firings += self.commit(symbol, ticks)
            position = self._state(symbol).position
            ticks = [tick for tick in ticks if position is None or tick.position > position]
        return firings

    def _book(self, symbol: str) -> RuleBook:
        return self.books.setdefault(symbol, RuleBook())

    def _state(self, symbol: str) -> State:
        return self.states.setdefault(symbol, State(symbol))

    def _since(self, symbol: str) -> Position | None:
        state = self._state(symbol)
        return None if state.step else state.position

    def _update_state(self, symbol: str) -> None:
        self.states[symbol] = self._book(symbol).changed(self._state(symbol))
