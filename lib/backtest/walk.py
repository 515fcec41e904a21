"""One symbol's walk along past prices.

Most ticks only change the price and the windows, and are skipped here, many at once. All others
go to the engine, which alone decides what fires.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import cast

import numpy as np
import numpy.typing as npt

from lib.backtest.columns import Columns
from lib.backtest.passing import Levels, moves, pushed_all
from lib.backtest.rule_book import RuleBook
from price_alerts.domain.conditions import Terms
from price_alerts.domain.engine import evaluate
from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing, Outbox, State
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.windows import PRICE, metrics_of, numbers_of

_TICKS_AT_ONCE = 16_384  # their arrays fit the processor's cache
# A few quiet ticks more cost less than another call of the engine.
_MOST_BETWEEN, _MOST_HANDED_OVER = 4, 512
_ZERO = Decimal(0)


class OutOfOrder(Exception):
    """A price that is earlier than one before it, of the same symbol."""


class Walk:
    """A walk of one symbol, past its rules: active ones without any progress yet.

    Attributes
    ----------
    firings
        What has fired so far, in order.
    """

    def __init__(self, symbol: str, rules: Sequence[Rule]) -> None:
        self.firings: list[Firing] = []
        self._book = RuleBook()
        self._terms = {rule.rule_id: rule.terms for rule in rules}
        terms_on: dict[str, list[Terms]] = {PRICE: []}
        for rule in rules:
            self._book.add(rule)
            terms_on.setdefault(rule.terms.metric, []).append(rule.terms)
        self._levels = {line: Levels(terms) for line, terms in terms_on.items()}
        # As the engine left it; what later ticks have changed is kept next to it.
        self._state = self._book.changed(State(symbol))
        self._price, self._time = _ZERO, 0
        self._windows = self._state.windows
        self._has_skipped = False
        self._count = 0  # of the ticks so far

    def follow(self, columns: Columns) -> None:
        """Apply the symbol's next prices, at least one; raises `OutOfOrder`."""
        times = columns.times
        if times[0] < self._time or (times[1:] < times[:-1]).any():
            raise OutOfOrder
        for start in range(0, len(columns), _TICKS_AT_ONCE):
            self._apply(columns[start : start + _TICKS_AT_ONCE])

    def _apply(self, columns: Columns) -> None:
        price_levels, cell = self._levels[PRICE], self._levels[PRICE].cell(self._price)
        if not self._windows and self._count and price_levels.are_within(cell, columns):
            self._skip(columns)
            return
        cells = np.concatenate(([cell], price_levels.cells(columns)))
        by_moves = self._concerning_moves(columns)
        by_moves[0] |= self._count == 0  # the very first tick concerns every rule
        is_loud = by_moves.copy()
        is_loud[price_levels.concerning(cells)] = True
        places = is_loud.nonzero()[0]
        steps = zip(
            places.tolist(), cells[places].tolist(), cells[places + 1].tolist(), strict=True
        )
        # Lazily, because the rules that a step concerns may have fired for the last time by then.
        concerning = (
            place
            for place, before, now in steps
            if by_moves[place] or price_levels.concerns(before, now)
        )
        done = 0
        for start, end in _stretches(concerning):
            self._skip(columns[done:start])
            self._evaluate(columns[start:end])
            done = end
        self._skip(columns[done:])

    def _concerning_moves(self, columns: Columns) -> npt.NDArray[np.bool_]:
        """Return which ticks may concern a rule by the move within a window."""
        found = np.zeros(len(columns), np.bool_)
        tick = Tick(self._state.symbol, self._price, Position(self._time, 0, 0, "", 0))
        before = numbers_of(tick, self._windows) if self._count else {}
        for name, queue in self._windows.items():
            measured = zip(metrics_of(name), moves(name, queue, columns), strict=True)
            for line, (numbers, errors) in measured:
                if line in self._levels:
                    levels = self._levels[line]
                    cells, is_uncertain = levels.certain_cells(numbers, errors)
                    cells = np.concatenate(([levels.cell(before.get(line, _ZERO))], cells))
                    found[levels.concerning(cells)] = True
                    found |= is_uncertain
                    found[1:] |= is_uncertain[:-1]
        return found

    def _skip(self, columns: Columns) -> None:
        """Skip ticks that concern no rule."""
        if len(columns):
            self._windows = {
                name: pushed_all(name, queue, columns) for name, queue in self._windows.items()
            }
            self._price, self._time = columns.price(-1), int(columns.times[-1])
            self._count += len(columns)
            self._has_skipped = True

    def _evaluate(self, columns: Columns) -> None:
        """Have the engine evaluate ticks, in as many steps as it needs."""
        state = self._state
        if self._has_skipped:
            # The bands are outdated; without them the engine looks for new ones.
            state = replace(
                state,
                price=self._price,
                position=Position(self._time, 0, 0, "", self._count - 1),
                windows=self._windows,
                bands=None,
            )
        ticks = [
            Tick(state.symbol, columns.price(place), Position(time, 0, 0, "", self._count + place))
            for place, time in enumerate(columns.times.tolist())
        ]
        self._price, self._time = ticks[-1].price, ticks[-1].position.timestamp_microseconds
        self._count += len(ticks)
        while ticks or state.step:
            state = evaluate(state, ticks, self._book, None, fired_at_microseconds=0)
            if state.outbox:
                self._deliver(state.outbox)
                state = replace(state, outbox=None)
            done = cast("Position", state.position)  # it has had a tick
            ticks = [tick for tick in ticks if tick.position > done]
        self._state, self._windows, self._has_skipped = state, state.windows, False

    def _deliver(self, outbox: Outbox) -> None:
        self.firings += outbox.firings
        self._book.deliver(outbox)
        for rule_id, progress in outbox.changes.items():
            if progress.status is Status.TRIGGERED:
                terms = self._terms[rule_id]
                self._levels[terms.metric].leave(terms)


def _stretches(places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Join ascending places that are close together; yields starts and ends."""
    start = end = -1
    for place in places:
        if end < 0:
            start = place
        elif place - end > _MOST_BETWEEN or place - start >= _MOST_HANDED_OVER:
            yield start, end
            start = place
        end = place + 1
    if end > 0:
        yield start, end
