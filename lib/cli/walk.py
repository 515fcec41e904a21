"""A walk: one symbol's way along prices of the past, past its rules.

Most ticks do nothing but change the price and the windows. Long stretches of them are passed
over here; all others are the engine's, which decides alone what fires.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from decimal import Context, Decimal, localcontext
from typing import NamedTuple, cast

from lib.cli.prices import Price
from lib.cli.rule_book import RuleBook
from price_alerts.engine import evaluate
from price_alerts.rules import Rule
from price_alerts.state import Firing, State
from price_alerts.terms import WINDOWS_SECONDS
from price_alerts.ticks import MAX_PRICE_DIGITS, Position, Tick
from price_alerts.windows import BUCKETS, PRICE, metrics_of, numbers_of, pushed

__all__ = ["Walk"]

# A call of the engine costs as much as some ticks within one: it gets twice as many as the last
# time, unless so many could be passed over since.
_ENOUGH_PASSED, _MAX_TICKS_PER_CALL = 8, 512

_EXACT = Context(prec=100)
_SMALLEST = Decimal(1).scaleb(-MAX_PRICE_DIGITS)
_ZERO, _INFINITY = Decimal(0), Decimal("Infinity")
_END_OF_TIME = 2**63


class Walk:
    """A walk of one symbol.

    Parameters
    ----------
    symbol
        The symbol.
    rules
        Its rules: active ones of which nothing has come yet.

    Attributes
    ----------
    firings
        What has fired so far, in order.
    late_rows
        How many prices were left out, since they are earlier than one before.
    """

    def __init__(self, symbol: str, rules: Sequence[Rule]) -> None:
        self.firings: list[Firing] = []
        self.late_rows = 0
        self._book = RuleBook()
        for rule in rules:
            self._book.add(rule)
        self._state = self._book.changed(State(symbol))
        self._calm = _calm_around(self._state)
        self._count = 0
        self._passed, self._engine_got = 0, 1

    def take(self, rows: Sequence[Price]) -> None:
        """Take the symbol's next prices, at least one; each has a timestamp."""
        prices, times = self._in_order(rows)
        place = 0
        while place < len(prices):
            end = self._end_of_calm(prices, times, place)
            if end > place:
                self._state = self._moved(prices[place:end], times[end - 1])
                self._passed += end - place
            elif quiet := self._quietly_moved(prices[place], times[place]):
                end += 1
                self._state, self._calm = quiet, _calm_around(quiet)
                self._passed += 1
            else:
                end += 1 if self._passed >= _ENOUGH_PASSED else 2 * self._engine_got
                end = min(end, place + _MAX_TICKS_PER_CALL, len(prices))
                self._evaluate(prices[place:end], times[place:end])
                self._passed, self._engine_got = 0, end - place
            place = end

    def _in_order(self, rows: Sequence[Price]) -> tuple[list[Decimal], list[int]]:
        """Return the prices that are not late, and their times."""
        last = self._state.position.timestamp_microseconds if self._state.position else 0
        times = cast("list[int]", [row.timestamp_microseconds for row in rows])
        if times[0] >= last and times == sorted(times):  # so it is nearly always
            return [row.price for row in rows], times
        in_order = []
        for row, time in zip(rows, times, strict=True):
            if time >= last:
                in_order.append(row)
                last = time
        self.late_rows += len(rows) - len(in_order)
        return self._in_order(in_order) if in_order else ([], [])

    def _end_of_calm(self, prices: Sequence[Decimal], times: Sequence[int], place: int) -> int:
        """Return the place behind the calm prices that begin at a place."""
        low, high, until = self._calm
        end = bisect_left(times, until, place)
        price_before = self._state.price  # that it stays on a level is calm as well
        while place < end and (low < prices[place] < high or prices[place] == price_before):
            place += 1
        return place

    def _moved(self, prices: Sequence[Decimal], time: int) -> State:
        """Return the state after ticks that do not concern a rule, the last one at that time.

        They are all in the same bucket of each window, of which then only the lowest or the
        highest price counts.
        """
        state = self._state
        extremes = {"rise": min(prices), "fall": max(prices)} if state.windows else {}
        return replace(
            state,
            price=prices[-1],
            position=self._next_position(time),
            windows={
                name: pushed(name, queue, extremes[_kind_of(name)], time)
                for name, queue in state.windows.items()
            },
        )

    def _quietly_moved(self, price: Decimal, time: int) -> State | None:
        """Return the state after a tick that is only not calm: in the next bucket, say."""
        bands = self._state.bands
        if bands is None or not self._state.windows:
            return None
        state = self._moved([price], time)
        numbers = numbers_of(_last_tick(state), state.windows)
        is_quiet = all(
            (bands[line].below or -_INFINITY) < number < (bands[line].above or _INFINITY)
            for line, number in numbers.items()
        )
        return state if is_quiet else None

    def _evaluate(self, prices: Sequence[Decimal], times: Sequence[int]) -> None:
        """Have the engine take ticks, and see to it that all are taken."""
        state = self._state
        ticks = [
            Tick(state.symbol, price, self._next_position(time))
            for price, time in zip(prices, times, strict=True)
        ]
        while ticks or state.step:
            state = evaluate(state, ticks, self._book, None, fired_at_microseconds=0)
            if state.outbox:
                self.firings += state.outbox.firings
                self._book.deliver(state.outbox)
                state = replace(state, outbox=None)
            done = _last_tick(state).position
            ticks = [tick for tick in ticks if tick.position > done]
        self._state, self._calm = state, _calm_around(state)

    def _next_position(self, time: int) -> Position:
        self._count += 1
        return Position(time, "", self._count)


class _Calm(NamedTuple):
    """Where a price is calm: between the two, and before that time."""

    low: Decimal
    high: Decimal
    until_microseconds: int


def _calm_around(state: State) -> _Calm:
    """Tell which prices, following a state, can neither concern a rule nor lead a window."""
    if state.bands is None:
        return _Calm(_ZERO, _ZERO, 0)
    band, until = state.bands[PRICE], _END_OF_TIME
    lows, highs = [band.below or _ZERO], [band.above or _INFINITY]
    with localcontext(_EXACT):
        for name, queue in state.windows.items():
            bucket = _BUCKET_MICROSECONDS[name]
            time = _last_tick(state).position.timestamp_microseconds
            until = min(until, (time // bucket + 1) * bucket)
            leading = queue[0][1]
            percent = leading / 100
            amounts, percents = (state.bands[line] for line in metrics_of(name))
            # A percentage is rounded down, so the next one could count as the lower end itself.
            near = max(amounts.below or _ZERO, ((percents.below or _ZERO) + _SMALLEST) * percent)
            far = min(amounts.above or _INFINITY, (percents.above or _INFINITY) * percent)
            if _kind_of(name) == "rise":
                lows.append(leading + near)
                highs.append(leading + far)
            else:
                lows.append(leading - far)
                highs.append(leading - near)
    return _Calm(max(lows), min(highs), until)


def _last_tick(state: State) -> Tick:
    assert...
