"""How little the engine reads: nothing in the quiet band, and little more than it moves over."""

from __future__ import annotations

from collections import Counter

import pytest

from price_alerts.domain.engine import evaluate
from price_alerts.domain.state import State
from tests.unit.rule_builders import CountingBook, path, rule


def reads(
    texts: list[str], before: list[str | int], prices: list[str | int]
) -> tuple[Counter[str], State]:
    """Count what one commit along the prices reads, once the engine has settled."""
    book = CountingBook()
    for number, text in enumerate(texts):
        book.add(rule(text, f"r{number:04}"))
    state = book.changed(State("AAPL")) if texts else State("AAPL")
    if before:
        state = evaluate(state, path(*before), book, None, 0)
    book.calls.clear()
    state = evaluate(state, path(*prices, first_second=len(before)), book, None, 0)
    return book.calls, state


def levels(count: int) -> list[str]:
    return [f"crosses {level}" for level in range(1_000, 1_000 + count)]


@pytest.mark.parametrize(
    ("texts", "before", "prices"),
    [
        pytest.param(["above 100", "below 90"], [95], [96, "99.99", "90.01"], id="in the band"),
        pytest.param(["rises 5 within 1m"], [95], [96, "99.99", 97], id="small moves"),
        pytest.param(levels(500), ["1200.5"], ["1200.9", "1200.1"], id="many rules"),
        pytest.param(levels(500), ["1200.5", 1200], [1200, 1200], id="staying on a level"),
        pytest.param([], [], [1, 100], id="a symbol that was never stored"),
    ],
)
def test_nothing_is_read_where_nothing_can_happen(
    texts: list[str], before: list[str | int], prices: list[str | int]
) -> None:
    assert not reads(texts, before, prices)[0]


def test_new_rules_are_read_once() -> None:
    assert reads(["crosses 100"], [], [99, 101, 99])[0]["new rules"] == 1


def test_a_stretch_and_its_rules_are_read_once() -> None:
    calls, _ = reads(levels(10), [999], [1011, 999] * 4)
    assert (calls["watches"], calls["rules"]) == (10, 1)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("crossed", [1, 10, 100, 400])
def test_what_is_read_grows_with_the_levels_that_are_crossed(crossed: int, direction: int) -> None:
    calls, state = reads(levels(2_000), ["1999.5"], [f"{1_999 + direction * crossed}.5"])
    assert state.outbox
    assert len(state.outbox.firings) == crossed
    assert crossed <= calls["watches"] <= 2 * crossed + 200
    assert calls["reads of watches"] <= crossed // 40 + 2
