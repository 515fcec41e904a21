"""Builds rules and ticks from few words, and plays examples to the engine and the oracle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

from lib.backtest.rule_book import RuleBook
from price_alerts.domain.conditions import Terms
from price_alerts.domain.engine import evaluate
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Outbox, State
from price_alerts.domain.ticks import Position, Tick
from price_alerts.domain.watches import Watch, level_key
from tests.histories import rule_of
from tests.history_writer import Event
from tests.oracle import Fired, Spec

FIRED_AT = 10**15
SECOND = 1_000_000


def spec(text: str = "above 100", rule_id: str = "r", **options: Any) -> Spec:
    """Specify a rule of AAPL that fires every time.

    The text is ``"exits 90 110 rearm 2%"``, ``"rises 5% within 1h"`` and the like.
    """
    text, _, rearm = text.partition(" rearm ")
    text, _, window = text.partition(" within ")
    condition, *levels = text.split()
    built = Spec(
        rule_id,
        "AAPL",
        condition,
        tuple(Decimal(level.rstrip("%")) for level in levels),
        is_percent=text.endswith("%"),
        window=window or None,
        rearm=Decimal(rearm.rstrip("%")) if rearm else None,
        rearm_is_percent=rearm.endswith("%"),
        trigger="every",
    )
    return replace(built, **options)


def rule(text: str = "above 100", rule_id: str = "r", **options: Any) -> Rule:
    """Build a rule of AAPL that fires every time; the text is as in `spec`."""
    return replace(rule_of(spec(text, rule_id)), **options)


def terms(text: str) -> Terms:
    """Build terms; the text is as in `spec`."""
    return rule(text).terms


def tick(price: str | int, second: int = 0, symbol: str = "AAPL") -> Tick:
    """Build a tick in a message of its own."""
    return Tick(symbol, Decimal(price), Position(second * SECOND, 0, 0, f"m-{second}", 0))


def path(*prices: str | int, first_second: int = 0) -> list[Tick]:
    """Build one tick a second."""
    return [tick(price, second) for second, price in enumerate(prices, first_second)]


def watch(text: str, rule_id: str = "r") -> Watch:
    """Build the watch of a rule at its level."""
    built = terms(text)
    return Watch(f"{level_key(built.levels[0])}#{rule_id}", rule_id, built)


def step(
    state: State, ticks: Sequence[Tick], *rules: Rule, high_price: Rule | None = None
) -> State:
    """Return the state after one commit; the rules are added right before it."""
    book = RuleBook()
    for each in rules:
        book.add(each)
    state = book.changed(state) if rules else state
    return evaluate(replace(state, outbox=None), ticks, book, high_price, FIRED_AT)


def outbox_of(state: State) -> Outbox:
    """Return a state's outbox, which must hold something."""
    assert state.outbox
    return state.outbox


def played(
    example: str, perform: Callable[[Event], list[Fired]], watched: Spec, *others: Spec
) -> str:
    """Play an example without its stars, and put them where the rule really fires.

    An example holds prices, each a second after the last one or after ``@`` and a time in
    seconds, and what is done to the rule in between. Unless that begins by adding it, the rule
    is there from the start.
    """
    words = example.replace("*", "").split()
    has_add = next((word for word in words if word.isalpha()), "") == "add"
    for each in others if has_add else (*others, watched):
        perform(("add", each))
    second = Decimal(0)
    for place, word in enumerate(words):
        if word.startswith("@"):
            second = Decimal(word[1:])
        elif word == "add":
            perform(("add", watched))
        elif word.isalpha():
            perform(cast("Event", (word, watched.rule_id)))
        else:
            fired = perform(("ticks", [(watched.symbol, Decimal(word), int(second * SECOND))]))
            words[place] = "*" * [each[0] for each in fired].count(watched.rule_id) + word
            second += 1
    return " ".join(words)


class CountingBook(RuleBook):
    """A rule book that counts what is read from it."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        found = super().watches(line, start, upward=upward, limit=limit)
        self.calls.update({"reads of watches": 1, "watches": len(found)})
        return found

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        self.calls["new rules"] += 1
        return super().new_rule_ids(limit)

    def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
        self.calls["rules"] += 1
        return super().rules(rule_ids)
