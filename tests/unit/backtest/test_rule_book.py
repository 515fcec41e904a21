from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lib.backtest.rule_book import RuleBook
from price_alerts.domain.conditions import RuleError, Side
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import ANYWHERE, level_key, watches_of
from tests.unit.rule_builders import rule

WORDS = (
    "above 20 rearm 2",
    "inside 10 20",
    "crosses 20",
    "rises 20 within 1h",
    "falls 5% within 1h",
)
RULES = {name: rule(words, name) for name, words in zip("bacde", WORDS, strict=True)}
LINES = {each.terms.metric for each in RULES.values()}


class Model:
    """What a rule book is asked, from plain collections."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.indexed: set[str] = set()
        self.new: list[str] = []

    def is_active(self, name: str) -> bool:
        return name in self.rules and self.rules[name].progress.status is Status.ACTIVE

    def enter(self, name: str, progress: Progress) -> None:
        self.rules[name] = replace(RULES[name], progress=progress)
        self.indexed.add(name)
        if name != "c":  # a crossing cannot have happened before the next tick
            self.new.append(name)

    def leave(self, name: str, *, is_checked: bool = True) -> None:
        self.indexed.discard(name)
        if is_checked and name in self.new:
            self.new.remove(name)


def change(book: RuleBook, model: Model, what: str, name: str) -> None:
    """Change a rule, if that fits, in the book and in the model."""
    if what == "add" and name not in model.rules:
        book.add(RULES[name])
        model.enter(name, Progress())
    if what == "pause" and model.is_active(name):
        book.pause(name)
        model.rules[name] = replace(RULES[name], progress=Progress(Status.PAUSED))
        model.leave(name)
    if what == "resume" and name in model.rules and not model.is_active(name):
        book.resume(name)
        model.leave(name)
        model.enter(name, Progress())
    if what == "remove" and name in model.rules:
        book.remove(name)
        del model.rules[name]
        model.leave(name)
    if what in ("trigger", "trigger and leave") and model.is_active(name):
        progress = Progress(Status.TRIGGERED)
        line, watches = RULES[name].terms.metric, watches_of(RULES[name])
        spent = tuple((line, watch.key) for watch in watches) if "leave" in what else ()
        book.deliver(Outbox(1, changes={name: progress}, checked_rule_ids=(name,), spent=spent))
        book.deliver(Outbox(1, checked_rule_ids=(name,), spent=spent))  # again: no effect
        model.rules[name] = replace(RULES[name], progress=progress)
        if name in model.new:
            model.new.remove(name)
        if spent:
            model.leave(name)


changes = st.tuples(
    st.sampled_from(("add", "add", "pause", "resume", "remove", "trigger", "trigger and leave")),
    st.sampled_from("abcde"),
)
KEYS = [watch.key for each in RULES.values() for watch in watches_of(each)]
starts = st.sampled_from(KEYS) | st.sampled_from((9, 10, 20, 21)).map(Decimal).map(level_key)


# A triggered rule stays in the index as long as a late tick may still change that.
@example([("add", "b"), ("trigger", "b"), ("resume", "b")], " ", 4)
@example([("add", "b"), ("add", "c")], KEYS[0], 4)
@settings(max_examples=50)
@given(st.lists(changes, max_size=20), starts, st.integers(1, 4))
def test_a_book_answers_what_its_changes_have_left_in_it(
    made: list[tuple[str, str]], start: str, limit: int
) -> None:
    book, model = RuleBook(), Model()
    for each in made:
        change(book, model, *each)

    assert book.rules([*"abcde", "gone"]) == model.rules
    assert {each.rule_id: each for each in book.all_rules()} == model.rules
    assert book.new_rule_ids(limit) == model.new[:limit]
    for line in LINES:
        watches = sorted(
            watch
            for name in model.indexed
            for watch in watches_of(RULES[name])
            if RULES[name].terms.metric == line
        )
        above = [watch for watch in watches if watch.key > start]
        below = [watch for watch in watches if watch.key < start]
        assert book.watches(line, start, upward=True, limit=limit) == above[:limit]
        assert book.watches(line, start, upward=False, limit=limit) == below[::-1][:limit]


def test_a_resumed_rule_is_armed_and_keeps_the_rest_of_its_progress() -> None:
    fired = Progress(Status.ACTIVE, Side.HIGH, 5, "f")
    book = RuleBook()
    book.add(rule("above 100 rearm 2", progress=fired))
    book.pause("r")
    book.resume("r")
    assert book.rules(["r"])["r"].progress == replace(fired, disarmed=None)


def test_a_rule_takes_effect_after_the_tick_at_which_it_is_added_or_resumed() -> None:
    first, second = (Position(second, 0, 0, "m", 0) for second in (5, 6))
    book = RuleBook()
    book.add(rule(), first)
    assert book.rules(["r"])["r"].since == first
    book.pause("r")
    book.resume("r", second)
    assert book.rules(["r"])["r"].since == second


def test_a_change_that_does_not_fit_is_rejected() -> None:
    book = RuleBook()
    book.add(rule())
    with pytest.raises(RuleError, match="r is active already"):
        book.resume("r")
    book.pause("r")
    with pytest.raises(RuleError, match="only an active rule pauses"):
        book.pause("r")


def test_a_changed_state_forgets_its_bands_and_asks_for_the_windows_of_active_moves() -> None:
    queue = ((5, Decimal(1)),)
    windows = {"rise-1h": queue, "fall-1m": queue}
    state = State("AAPL", version=7, price=Decimal(5), bands={"price": ANYWHERE}, windows=windows)
    words = ("rises 5 within 1h", "rises 5% within 1h", "falls 5 within 4h", "above 5")
    book = RuleBook()
    for number, each in enumerate((*words, "rises 5 within 1m")):
        book.add(rule(each, f"r{number}"))
    book.pause("r4")

    changed = book.changed(state)

    assert changed == replace(state, version=8, bands=None, windows={**windows, "fall-4h": ()})
