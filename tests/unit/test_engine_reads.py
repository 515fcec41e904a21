"""How little the engine reads: nothing in the quiet band, and little more than it moves over."""

from __future__ import annotations

import pytest

from price_alerts.domain.engine import evaluate
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Tick
from tests.engine_driver import Driver
from tests.unit.rule_builders import CountingBook, path, rule, tick

FIRST, COUNT = 1_000, 100_000


def many_rules() -> list[Rule]:
    """Build a rule at each whole number, in their order: so they are added fast."""
    levels = range(FIRST, FIRST + COUNT)
    return [rule(f"crosses {level}", f"r{level}") for level in levels]


@pytest.fixture(scope="module")
def book() -> CountingBook:
    """A hundred thousand levels, of which none is between two whole numbers."""
    book = CountingBook()
    for each in many_rules():
        book.add(each)
    return book


def settled(book: CountingBook, *prices: str | int) -> State:
    """Let the engine find the band around the last price; what was read so far is forgotten."""
    state = evaluate(book.changed(State("AAPL")), path(*prices), book, None, 0)
    book.calls.clear()
    book.watches_read = 0
    return state


def walked(book: CountingBook, state: State, *ticks: Tick) -> State:
    return evaluate(state, ticks, book, None, 0)


def test_within_the_band_nothing_is_read() -> None:
    book = CountingBook()
    for each in (rule("above 100", "a"), rule("below 90", "b"), rule("rises 5 within 1m", "c")):
        book.add(each)
    state = settled(book, 95)
    walked(book, state, *path(96, "99.99", 97, 98, "95.01", first_second=1))
    assert not book.calls


def test_within_the_band_a_hundred_thousand_rules_cost_nothing(book: CountingBook) -> None:
    state = settled(book, "50000.5")
    walked(book, state, *path("50000.9", "50000.1", "50000.5", first_second=1))
    assert not book.calls


def test_a_price_that_stays_on_a_level_reads_nothing(book: CountingBook) -> None:
    state = settled(book, "50000.5", 50000)
    walked(book, state, *path(50000, 50000, first_second=2))
    assert not book.calls


def test_a_symbol_that_was_never_stored_has_no_rules_to_read() -> None:
    book = CountingBook()
    walked(book, State("AAPL"), *path(1, 100))
    assert not book.calls


def test_after_a_change_the_new_rules_are_asked_for_once() -> None:
    book = CountingBook()
    book.add(rule("crosses 100"))
    walked(book, book.changed(State("AAPL")), *path(99, 101, 99))
    assert book.calls["new_rule_ids"] == 1


def test_a_rule_is_read_once_a_commit() -> None:
    book = CountingBook()
    book.add(rule("crosses 100"))
    walked(book, settled(book, 99), *path(101, 99, 101, first_second=1))
    assert book.calls["rules"] == 1


def test_a_stretch_is_read_once_a_commit() -> None:
    book = CountingBook()
    for level in range(100, 110):
        book.add(rule(f"crosses {level}", f"r{level}"))
    walked(book, settled(book, 99), *path(*[111, 99] * 4, first_second=1))
    assert book.watches_read == 10


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("crossed", [1, 10, 100, 1000])
def test_what_is_read_grows_with_the_levels_that_are_crossed(
    book: CountingBook, crossed: int, direction: int
) -> None:
    driver = Driver()
    driver.books["AAPL"] = book
    driver.states["AAPL"] = settled(book, "50000.5")
    # The book is shared, and a rule fires once at a tick: no two of them have the same time.
    second = 2 * crossed + direction
    firings = driver.ticks([tick(f"{50_000 + direction * crossed}.5", second)])
    assert len(firings) == crossed
    assert crossed <= book.watches_read <= 2 * crossed + 200
    assert book.calls["watches"] <= crossed // 40 + 2
