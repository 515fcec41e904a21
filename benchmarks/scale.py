"""How much of everything the contests take. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything; the defaults are those of docs/performance.md.

    Attributes
    ----------
    batch_sizes
        Messages in a batch: of little, some and much traffic.
    rule_counts
        How many rules a symbol has, where that is varied.
    many_rules, most_rules
        How many are on the busiest symbol, and how many shall take no longer than ten.
    announced_prices
        Sent to each of those whose latency is measured.
    looped_ticks
        Of the loop over all rules that a backtest in memory is compared with.
    validated_rules, validated_ticks
        Of the loads that the model is compared with.
    rounds, growth_rounds, import_rounds
        How often the contestants take turns.
    """

    symbols: int = 200
    rules_per_symbol: int = 100
    batch_sizes: tuple[int, int, int] = (10, 100, 1_000)
    rule_counts: tuple[int, ...] = (1, 10, 100, 1_000, 10_000)
    many_rules: int = 10_000
    most_rules: int = 100_000
    counted_ticks: int = 1_000
    timed_ticks: int = 500
    announced_prices: int = 150
    backtest_ticks: int = 2_000_000
    looped_ticks: int = 500
    file_rows: int = 1_000_000
    validated_rules: int = 1_000
    validated_ticks: int = 2_000
    rounds: int = 5
    growth_rounds: int = 6
    import_rounds: int = 15


FULL = Scale()
# Shows that all of it still runs; its figures mean nothing.
QUICK = Scale(
    symbols=10,
    rules_per_symbol=10,
    batch_sizes=(5, 10, 20),
    rule_counts=(1, 20),
    many_rules=20,
    most_rules=50,
    counted_ticks=20,
    timed_ticks=20,
    announced_prices=5,
    backtest_ticks=20_000,
    looped_ticks=20,
    file_rows=5_000,
    validated_rules=20,
    validated_ticks=200,
    rounds=1,
    growth_rounds=1,
    import_rounds=1,
)
