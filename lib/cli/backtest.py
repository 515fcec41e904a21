"""Backtest: when rules would have fired on prices of the past, by the engine of production."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, localcontext
from itertools import islice
from typing import NamedTuple, cast

from lib.cli.prices import Price
from lib.cli.rule_book import RuleBook
from price_alerts.engine import evaluate
from price_alerts.rules import Progress, Rule, Status
from price_alerts.state import Firing, State
from price_alerts.terms import WINDOWS_SECONDS
from price_alerts.ticks import MAX_PRICE_DIGITS, Position, Tick, format_timestamp
from price_alerts.windows import BUCKETS, PRICE, metrics_of, pushed

__all__ = ["Backtest", "described", "run"]

_ROWS_AT_ONCE = 50_000
# A call of the engine costs as much as some ten ticks within one.
_SHORT_STRETCH, _LONGEST_RUN = 8, 512

_EXACT = Context(prec=100)
_SMALLEST = Decimal(1).scaleb(-MAX_PRICE_DIGITS)
_ZERO, _INFINITY, _FOREVER = Decimal(0), Decimal("Infinity"), 2**63


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of a backtest.

    Attributes
    ----------
    firings
        What fired, by time; at the same time by symbol, and for a symbol in the engine's order.
        Their ``fired_at_microseconds`` is 0.
    firings_by_rule
        How often each active rule fired, by its id and in the order given; 0 is in it, too.
    rows, symbols
        How many prices there were, and of how many symbols.
    late_rows
        How many prices of symbols with rules were left out: they are earlier than one before.
    rows_without_rules
        How many prices are of symbols without an active rule.
    """

    firings: Sequence[Firing]
    firings_by_rule: dict[str, int]
    rows: int
    symbols: int
    late_rows: int
    rows_without_rules: int


def run(
    rules: Iterable[Rule], prices: Iterable[Price], on_progress: Callable[[int], object]
) -> Backtest:
    """Find out when rules would have fired.

    Parameters
    ----------
    rules
        The rules; those that are not active are left out, and what has come of the others so
        far does not count.
    prices
        The prices, each with a timestamp, read once and not kept. Those of one symbol count in
        their order, except that one earlier than another before it is left out.
    on_progress
        Called now and then, and at the end, with the number of prices done so far.
    """
    rules_of: defaultdict[str, list[Rule]] = defaultdict(list)
    counts: dict[str, int] = {}
    for rule in rules:
        if rule.progress.status is Status.ACTIVE:
            rules_of[rule.symbol].append(replace(rule, progress=Progress()))
            counts[rule.rule_id] = 0
    walks = {symbol: _Walk(symbol, its_rules) for symbol, its_rules in rules_of.items()}
    rows_by_symbol: Counter[str] = Counter()
    rows = 0
    for some in _portions(prices):
        by_symbol: defaultdict[str, list[Price]] = defaultdict(list)
        for row in some:
            by_symbol[row[0]].append(row)
        for symbol, its_rows in by_symbol.items():
            rows_by_symbol[symbol] += len(its_rows)
            if symbol in walks:
                walks[symbol].take(its_rows)
        rows += len(some)
        on_progress(rows)

    firings = [firing for walk in walks.values() for firing in walk.firings]
    firings.sort(key=lambda firing: (firing.timestamp_microseconds, firing.symbol))
    return Backtest(
        firings,
        counts | Counter(firing.rule_id for firing in firings),
        rows,
        len(rows_by_symbol),
        late_rows=sum(walk.late_rows for walk in walks.values()),
        rows_without_rules=sum(n for symbol, n in rows_by_symbol.items() if symbol not in walks),
    )


def described(firing: Firing) -> dict[str, str | None]:
    """Return a firing as it is written as JSON; prices are text, so that they stay exact."""
    previous_price = firing.previous_price
    return {
        "rule_id": firing.rule_id,
        "symbol": firing.symbol,
        "condition": firing.terms.condition.replace("_", "-"),
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "previous_price": None if previous_price is None else f"{previous_price:f}",
        "price": f"{firing.price:f}",
    }


class _Calm(NamedTuple):
    """Where nothing happens: while the price stays between the two, and before that time."""

    low: Decimal
    high: Decimal
    until_microseconds: int


class _Walk:
    """The way of one symbol; the engine sees only ticks at which something may happen."""

    def __init__(self, symbol: str, rules: Sequence[Rule]) -> None:
        self.firings: list[Firing] = []
        self.late_rows = 0
        self._book = RuleBook()
        for rule in rules:
            self._book.add(rule)
        self._state = self._book.changed(State(symbol))
        self._calm = _calm_around(self._state)
        self._count = 0  # of the ticks that were in order
        self._run = 1  # how many ticks the engine gets next

    def take(self, rows: Sequence[Price]) -> None:
        """Take the symbol's next prices."""
        prices, times = self._in_order(rows)
        place = 0
        while place < len(prices):
            low, high, until = self._calm
            start, end = place, bisect_left(times, until, place)
            while place < end and low < prices[place] < high:
                place += 1
            if place > start:
                self._pass_over(prices[start:place], times[place - 1])
            self._run = 1 if place - start >= _SHORT_STRETCH else min(2 * self._run, _LONGEST_RUN)
            start, place = place, place + self._run
            if start < len(prices):
                self._evaluate(prices[start:place], times[start:place])

    def _in_order(self, rows: Sequence[Price]) -> tuple[list[Decimal], list[int]]:
        position = self._state.position
        last = position.timestamp_microseconds if position else 0
        times = cast("list[int]", [row[2] for row in rows])
        if times[0] >= last and times == sorted(times):
            return [row[1] for row in rows], times
        prices, times = [], []
        for _, price, timestamp in cast("Sequence[tuple[str, Decimal, int]]", rows):
            if timestamp < last:
                self.late_rows += 1
            else:
                last = timestamp
                prices.append(price)
                times.append(timestamp)
        return prices, times

    def _position(self, timestamp: int) -> Position:
        self._count += 1
        return Position(timestamp, "", self._count)

    def _pass_over(self, prices: Sequence[Decimal], timestamp: int) -> None:
        """Take prices at which nothing happens; they are all in one bucket of each window."""
        state = self._state
        lowest = min(prices) if state.windows else 
        self._state = replace(
            state,
            price=prices[-1],
            position=self._position(timestamp),
            windows={
                name: pushed(name, queue, extreme_of(name), timestamp)
                for name, queue in state.windows.items()
            },
        )
