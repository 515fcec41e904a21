"""A walk: one symbol's way along prices of the past, past its rules.

Most ticks do nothing but change the price and the windows, and are passed over here. All others
go to the engine, which alone decides what fires.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
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
from price_alerts.watches import Band
from price_alerts.windows import BUCKETS, EXTREMES, PRICE, Queue, metrics_of, pushed

__all__ = ["Walk"]

# A call of the engine costs as much as several ticks within one. So it gets twice as many as the
# last time, unless many could be passed over since.
_MANY_PASSED, _MOST_AT_ONCE = 8, 512

_BUCKET_MICROSECONDS = {
    name: WINDOWS_SECONDS[name.partition("-")[2]] * 1_000_000 // BUCKETS for name in EXTREMES
}
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
        # As the engine left it; what the ticks since have changed stands beside it.
        self._state = self._book.changed(State(symbol))
        self._price, self._time = _ZERO, 0
        self._windows = self._state.windows
        self._calm = _NOWHERE
        self._passed, self._handed_over = 0, 1
        self._count = 0  # of the ticks before a portion

    def take(self, rows: Sequence[Price]) -> None:
        """Take the symbol's next prices, at least one; each has a timestamp."""
        prices, times = self._in_order(rows)
        place = 0
        while place < len(prices):
            end = self._end_of_calm(prices, times, place)
            if end > place:
                self._windows = self._windows_after(prices[place:end], times[place])
                self._passed += end - place
            elif self._is_quiet(prices[place], times[place]):
                end += 1
                self._passed += 1
            else:
                end += 1 if self._passed >= _MANY_PASSED else 2 * self._handed_over
                end = min(end, place + _MOST_AT_ONCE, len(prices))
                self._evaluate(prices[place:end], times[place:end], self._count + place)
                self._passed, self._handed_over = 0, end - place
            self._price, self._time = prices[end - 1], times[end - 1]
            place = end
        self._count += len(prices)

    def _in_order(self, rows: Sequence[Price]) -> tuple[list[Decimal], list[int]]:
        """Return the prices that are not late, and their times."""
        times = cast("list[int]", [row.timestamp_microseconds for row in rows])
        if times[0] >= self._time and times == sorted(times):  # so it is nearly always
            return [row.price for row in rows], times
        prices, kept, last = [], [], self._time
        for row, time in zip(rows, times, strict=True):
            if time >= last:
                prices.append(row.price)
                kept.append(time)
                last = time
        self.late_rows += len(rows) - len(kept)
        return prices, kept

    def _end_of_calm(self, prices: Sequence[Decimal], times: Sequence[int], place: int) -> int:
        """Return the place behind the calm prices that begin at a place."""
        low, high, until = self._calm
        end = bisect_left(times, until, place)
        before = self._price  # one that stays on a level is calm as well
        while place < end and (low < prices[place] < high or prices[place] == before):
            place += 1
        return place

    def _is_quiet(self, price: Decimal, time: int) -> bool:
        """Pass over a tick that is not calm, say as the first of a bucket, but no rule's."""
        windows = self._windows_after([price], time)
        calm = _calm_around(self._state.bands, windows, time)
        is_quiet = calm.low < price < calm.high
        if is_quiet:
            self._windows, self._calm = windows, calm
        return is_quiet

    def _windows_after(self, prices: Sequence[Decimal], time: int) -> Mapping[str, Queue]:
        """Add prices of the same bucket, of which only the lowest or the highest then counts."""
        if not self._windows:
            return self._windows
        extremes = {"rise": min(prices), "fall": max(prices)}
        return {
            name: pushed(name, queue, extremes[name[:4]], time)
            for name, queue in self._windows.items()
        }

    def _evaluate(self, prices: Sequence[Decimal], times: Sequence[int], ordinal: int) -> None:
        """Have the engine take ticks, in as many steps as it needs; the first has that ordinal."""
        state = self._state
        if self._passed:
            position = Position(self._time, "", ordinal - 1)
            state = replace(state, price=self._price, position=position, windows=self._windows)
        ticks = [
            Tick(state.symbol, price, Position(time, "", ordinal + place))
            for place, (price, time) in enumerate(zip(prices, times, strict=True))
        ]
        while ticks or state.step:
            state = evaluate(state, ticks, self._book, None, fired_at_microseconds=0)
            if state.outbox:
                self.firings += state.outbox.firings
                self._book.deliver(state.outbox)
                state = replace(state, outbox=None)
            done = cast("Position", state.position)  # it has had a tick
            ticks = [tick for tick in ticks if tick.position > done]
        self._state, self._windows = state, state.windows
        self._calm = _calm_around(state.bands, state.windows, times[-1])


class _Calm(NamedTuple):
    """Where a price is calm: strictly between two others, and before that time."""

    low: Decimal
    high: Decimal
    until_microseconds: int


_NOWHERE = _Calm(_ZERO, _ZERO, 0)


def _calm_around(
    bands: Mapping[str, Band] | None, windows: Mapping[str, Queue], time: int
) -> _Calm:
    """Tell which prices, after a tick of that time, neither are a rule's nor lead a window."""
    if bands is None:
        return _NOWHERE
    until = _END_OF_TIME
    lows, highs = [bands[PRICE].below or _ZERO], [bands[PRICE].above or _INFINITY]
    with localcontext(_EXACT):
        for name, queue in windows.items():
            bucket = _BUCKET_MICROSECONDS[name]
            until = min(until, (time // bucket + 1) * bucket)
            leading = queue[0][1]
            percent = leading / 100
            amounts, percents = (bands[line] for line in metrics_of(name))
            near = -_SMALLEST  # the leading price itself does
            if amounts.below is not None:
                near = amounts.below
            if percents.below is not None:  # they are rounded down
                near = max(near, (percents.below + _SMALLEST) * percent)
            far = min(amounts.above or _INFINITY, (percents.above or _INFINITY) * percent)
            if name.startswith("rise"):
                lows.append(leading + near)
                highs.append(leading + far)
            else:
                lows.append(leading - far)
                highs.append(leading - near)
    return _Calm(max(lows), min(highs), until)
