"""Builds terms, rules and ticks from few words, and plays examples to the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from lib.backtest.rule_book import RuleBook
from price_alerts.domain.conditions import Condition, Distance, Terms
from price_alerts.domain.engine import evaluate
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import Outbox, State
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.watches import Watch, level_key
from tests.engine_driver import Driver

FIRED_AT = 10**15

_CHANGES = ("add", "pause", "resume", "remove")


def terms(text: str) -> Terms:
    """Build terms from ``"exits 90 110 rearm 2%"``, ``"rises 5% within 1h"`` and the like."""
    text, _, rearm = text.partition(" rearm ")
    text, _, window = text.partition(" within ")
    condition, *levels = text.split()
    return Terms(
        Condition(condition),
        tuple(_distance(level).value for level in levels),
        is_percent=levels[-1].endswith("%") if levels else False,
        window=window or None,
        rearm=_distance(rearm) if rearm else None,
    )


def rule(text: str = "above 100", rule_id: str = "r", **options: Any) -> Rule:
    """Build a rule of AAPL that fires every time."""
    usual = {"symbol": "AAPL", "trigger": Trigger.EVERY}
    return Rule(rule_id=rule_id, terms=terms(text), **{**usual, **options})


def tick(price: str | int, second: int = 0, symbol: str = "AAPL") -> Tick:
    """Build a tick in a message of its own."""
    return Tick(symbol, Decimal(price), Position(second * 1_000_000, 0, 0, f"m-{second}", 0))


def path(*prices: str | int, first_second: int = 0) -> list[Tick]:
    """Build one tick a second."""
    return [tick(price, second) for second, price in enumerate(prices, first_second)]


def watch(text: str, rule_id: str = "r", level: str | None = None) -> Watch:
    """Build the watch of a rule at its level, or at the one that is given."""
    built = terms(text)
    at = built.levels[0] if level is None else Decimal(level)
    return Watch(f"{level_key(at)}#{rule_id}", rule_id, built)


def step(
    state: State, ticks: Sequence[Tick], *rules: Rule, high_price: Rule | None = None
) -> State:
    """Take one commit's step; rules are added right before it."""
    book = RuleBook()
    for each in rules:
        book.add(each)
    state = book.changed(state) if rules else state
    return evaluate(replace(state, outbox=None), ticks, book, high_price, FIRED_AT)


def outbox_of(state: State) -> Outbox:
    """Return a state's outbox, which must hold something."""
    assert state.outbox
    return state.outbox


def played(example: str, watched: Rule, *others: Rule, driver: Driver | None = None) -> str:
    """Play an example without its stars, and put them where the rule really fires.

    An example holds prices, a second apart, and what is done to the rule in between. Unless
    that begins by adding it, the rule is there from the start.
    """
    driver = driver or Driver()
    driver.add(*others)
    words = example.replace("*", "").split()
    if "add" not in words:
        driver.add(watched)
    for place, word in enumerate(words):
        if word == "add":
            driver.add(watched)
        elif word in _CHANGES:
            getattr(driver, word)(watched.rule_id)
        else:
            firings = driver.ticks([tick(word, place)])
            words[place] = "*" * sum(f.rule_id == watched.rule_id for f in firings) + word
    return " ".join(words)


class CountingBook(RuleBook):
    """A rule book that counts what is asked of it, and how much it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.watches_read = 0

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        self.calls["watches"] += 1
        found = super().watches(line, start, upward=upward, limit=limit)
        self.watches_read += len(found)
        return found

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        self.calls["new_rule_ids"] += 1
        return super().new_rule_ids(limit)

    def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
        self.calls["rules"] += 1
        return super().rules(rule_ids)


def _distance(text: str) -> Distance:
    return Distance(Decimal(text.rstrip("%")), text.endswith("%"))
