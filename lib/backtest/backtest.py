"""When rules would have fired on past prices, by the engine that runs in production."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from lib.backtest.columns import Chunk
from lib.backtest.walk import Walk
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import format_timestamp


@dataclass(frozen=True, slots=True)
class Backtest:
    """The result of a backtest.

    Attributes
    ----------
    firings
        By time; at the same time by symbol, and for a symbol in the engine's order.
    firings_by_rule
        How often each active rule fired, by its id, in the given order of rules.
    rows, symbols
        How many prices there were, and of how many symbols.
    rows_without_rules
        How many prices are of symbols without an active rule.
    """

    firings: Sequence[Firing]
    firings_by_rule: Mapping[str, int]
    rows: int
    symbols: int
    rows_without_rules: int


def run(
    rules: Iterable[Rule], chunks: Iterable[Chunk], on_progress: Callable[[int], object]
) -> Backtest:
    """Find out when rules would have fired.

    Parameters
    ----------
    rules
        Inactive ones are left out; the others start afresh, whatever their progress.
    chunks
        The prices, those of a symbol in order of time; read once and not kept.
    on_progress
        Called after every chunk with the number of prices done so far.

    Raises
    ------
    OutOfOrder
        If a price is earlier than one before it. `Chunk.in_time_order` sorts them.
    """
    active = [
        replace(rule, progress=Progress())
        for rule in rules
        if rule.progress.status is Status.ACTIVE
    ]
    rules_of: defaultdict[str, list[Rule]] = defaultdict(list)
    for rule in active:
        rules_of[rule.symbol].append(rule)
    walks = {symbol: Walk(symbol, its_rules) for symbol, its_rules in rules_of.items()}

    rows_of: Counter[str] = Counter()
    for chunk in chunks:
        for symbol, columns in chunk.by_symbol():
            rows_of[symbol] += len(columns)
            if symbol in walks:
                walks[symbol].follow(columns)
        on_progress(rows_of.total())

    firings = [firing for walk in walks.values() for firing in walk.firings]
    firings.sort(key=lambda firing: (firing.timestamp_microseconds, firing.symbol))
    count_of = Counter(firing.rule_id for firing in firings)
    return Backtest(
        firings=firings,
        firings_by_rule={rule.rule_id: count_of[rule.rule_id] for rule in active},
        rows=rows_of.total(),
        symbols=len(rows_of),
        rows_without_rules=sum(rows for symbol, rows in rows_of.items() if symbol not in walks),
    )


def described(firing: Firing) -> dict[str, str | None]:
    """Return a firing as JSON shows it; prices are text, so that they stay exact."""
    before = firing.previous_price
    return {
        "rule_id": firing.rule_id,
        "symbol": firing.symbol,
        "condition": firing.terms.condition.word,
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "previous_price": None if before is None else f"{before:f}",
        "price": f"{firing.price:f}",
    }
