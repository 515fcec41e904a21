from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from lib.backtest.rule_book import RuleBook
from price_alerts.domain.conditions import RuleError, Side
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Outbox, State
from price_alerts.domain.ticks import Position
from price_alerts.domain.watches import ANYWHERE, level_key, watches_of
from tests.unit.rule_builders import rule

FIRST = "0"
FIRED = Progress(Status.ACTIVE, Side.HIGH, 5, "f")


def book_of(*rules: Rule) -> RuleBook:
    book = RuleBook()
    for each in rules:
        book.add(each)
    return book


def rule_ids(book: RuleBook, line: str = "price") -> list[str]:
    """Tell whose watches stand on a line, in their order."""
    return [watch.rule_id for watch in book.watches(line, FIRST, upward=True, limit=99)]


def test_watches_stand_in_the_order_of_levels_and_ids() -> None:
    book = book_of(rule("above 100", "b"), rule("above 90", "c"), rule("exits 90 100", "a"))
    assert rule_ids(book) == ["a", "c", "a", "b"]


def test_a_watch_has_its_rules_terms_and_a_level_to_re_arm_at() -> None:
    watched = rule("above 100 rearm 2")
    found = book_of(watched).watches("price", FIRST, upward=True, limit=9)
    assert [(watch.level, watch.terms) for watch in found] == [
        (Decimal(98), watched.terms),
        (Decimal(100), watched.terms),
    ]


def test_each_metric_has_a_line_of_its_own() -> None:
    book = book_of(rule("rises 5 within 1h", "a"), rule("rises 5% within 1h", "b"))
    lines = ("price", "rise-1h", "rise-1h-percent")
    assert [rule_ids(book, line) for line in lines] == [[], ["a"], ["b"]]


@pytest.mark.parametrize(
    ("start", "upward", "limit", "expected"),
    [
        (level_key(Decimal(20)), True, 2, ["b", "c"]),
        (level_key(Decimal(20)) + "#b", True, 9, ["c", "d"]),
        (level_key(Decimal(30)), False, 2, ["c", "b"]),
        (level_key(Decimal(20)) + "#c", False, 9, ["b", "a"]),
        (level_key(Decimal(30)) + "$", True, 9, []),
        (level_key(Decimal(10)), False, 9, []),
    ],
)
def test_watches_are_read_from_a_key_on_in_either_direction(
    start: str, upward: bool, limit: int, expected: list[str]
) -> None:
    levels = {"a": 10, "b": 20, "c": 20, "d": 30}
    book = book_of(*(rule(f"above {level}", rule_id) for rule_id, level in levels.items()))
    found = book.watches("price", start, upward=upward, limit=limit)
    assert [watch.rule_id for watch in found] == expected


def test_rules_that_can_be_so_already_are_new_in_the_order_they_came() -> None:
    book = book_of(rule("above 5", "b"), rule("crosses 5", "x"), rule("inside 5 9", "a"))
    assert book.new_rule_ids(9) == ["b", "a"]
    assert book.new_rule_ids(1) == ["b"]


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_a_paused_or_removed_rule_leaves_the_index(change: str) -> None:
    book = book_of(rule("exits 90 110 rearm 2"), rule("above 90", "other"))
    getattr(book, change)("r")
    assert rule_ids(book) == ["other"]
    assert book.new_rule_ids(9) == ["other"]


def test_a_paused_rule_stays_in_the_book_and_a_removed_one_does_not() -> None:
    book = book_of(rule())
    book.pause("r")
    assert book.rules(["r", "gone"]) == {"r": rule(progress=Progress(Status.PAUSED))}
    assert [each.rule_id for each in book.all_rules()] == ["r"]
    book.remove("r")
    assert book.rules(["r"]) == {}


@pytest.mark.parametrize("others", [[], [rule("crosses 100", "q")], [rule("crosses 100", "s")]])
def test_a_rule_that_is_paused_can_be_removed(others: list[Rule]) -> None:
    book = book_of(rule("crosses 100"), *others)
    book.pause("r")
    book.remove("r")
    assert rule_ids(book) == [each.rule_id for each in others]


def test_a_resumed_rule_is_new_again_and_armed() -> None:
    book = book_of(rule("above 100 rearm 2"))
    book.deliver(Outbox(1, changes={"r": FIRED}, checked_rule_ids=("r",)))
    book.pause("r")
    book.resume("r")
    assert rule_ids(book) == ["r", "r"]
    assert book.new_rule_ids(9) == ["r"]
    assert book.rules(["r"])["r"].progress == replace(FIRED, disarmed=None)


def test_a_triggered_rule_that_has_not_left_the_index_is_resumed_once() -> None:
    """It stays there as long as a late tick may change that it has triggered."""
    book = book_of(rule("above 100"))
    book.deliver(Outbox(1, changes={"r": Progress(Status.TRIGGERED)}))
    book.resume("r")
    assert rule_ids(book) == ["r"]


@pytest.mark.parametrize("change", ["add", "resume"])
def test_a_rule_takes_effect_after_the_tick_that_is_given(change: str) -> None:
    since = Position(5, 0, 0, "m", 0)
    book = RuleBook()
    book.add(rule(), since)
    if change == "resume":
        book.pause("r")
        since = Position(6, 0, 0, "m", 0)
        book.resume("r", since)
    assert book.rules(["r"])["r"].since == since


def test_a_change_that_does_not_fit_is_refused() -> None:
    book = book_of(rule())
    with pytest.raises(RuleError, match="r is active already"):
        book.resume("r")
    book.pause("r")
    with pytest.raises(RuleError, match="only an active rule pauses"):
        book.pause("r")


def test_a_delivery_takes_a_triggered_rule_out_of_the_index() -> None:
    book = book_of(rule("above 100"))
    spent = tuple(("price", watch.key) for watch in watches_of(rule("above 100")))
    changes = {"r": Progress(Status.TRIGGERED)}
    book.deliver(Outbox(1, changes=changes, checked_rule_ids=("r",), spent=spent))
    assert rule_ids(book) == book.new_rule_ids(9) == []
    assert book.rules(["r"])["r"].progress.status is Status.TRIGGERED


def test_a_delivery_ends_the_newness_of_rules() -> None:
    book = book_of(rule("above 100", "a"), rule("above 100", "b"), rule("above 100", "c"))
    book.deliver(Outbox(1, checked_rule_ids=("a", "c")))
    book.deliver(Outbox(1, checked_rule_ids=("a",)))
    assert book.new_rule_ids(9) == ["b"]


STATE = State("AAPL", version=7, price=Decimal(5), bands={"price": ANYWHERE})


def test_a_change_of_rules_makes_the_state_forget_its_bands() -> None:
    assert book_of(rule()).changed(STATE) == replace(STATE, version=8, bands=None)


def test_the_windows_of_active_moves_are_asked_for() -> None:
    paused = rule("rises 5 within 1m", "p")
    book = book_of(
        *(rule("rises 5 within 1h", "a"), rule("rises 5% within 1h", "b"), paused),
        *(rule("falls 5 within 4h", "c"), rule("above 5", "d")),
    )
    book.pause("p")
    assert book.changed(STATE).windows == {"rise-1h": (), "fall-4h": ()}


def test_windows_that_are_there_are_kept() -> None:
    queue = ((5, Decimal(1)),)
    state = replace(STATE, windows={"rise-1h": queue, "fall-1m": queue})
    windows = book_of(rule("rises 5 within 1h")).changed(state).windows
    assert windows == {"rise-1h": queue, "fall-1m": queue}
