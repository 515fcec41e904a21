"""Rules and the threshold may change between the portions of a tick."""

from __future__ import annotations

from decimal import Decimal

import pytest

from price_alerts.domain import engine
from price_alerts.domain.state import Firing
from tests.engine_driver import Driver
from tests.unit.rule_builders import path, rule, tick


@pytest.fixture
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """A tick at 101 has been taken, and two of four rules have fired at it."""
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 2)
    driver = Driver()
    text = getattr(request, "param", "crosses 100")
    driver.add(*(rule(text, rule_id) for rule_id in "abcd"))
    driver.ticks([tick(99)])
    driver.commit("AAPL", [tick(101, 1)])
    assert driver.states["AAPL"].step
    return driver


def finish(driver: Driver) -> list[str]:
    """Take the tick's second portion."""
    firings = driver.commit("AAPL", [])
    assert not driver.states["AAPL"].step
    return fired(firings)


def fired(firings: list[Firing]) -> list[str]:
    return [firing.rule_id for firing in firings]


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_a_rule_that_is_paused_or_removed_fires_no_more(driver: Driver, change: str) -> None:
    getattr(driver, change)("d")
    assert finish(driver) == ["c"]


@pytest.mark.parametrize("change", ["pause", "remove"])
def test_the_step_goes_on_where_its_last_rule_stood(driver: Driver, change: str) -> None:
    getattr(driver, change)("b")
    assert finish(driver) == ["c", "d"]


@pytest.mark.parametrize(
    ("text", "times"),
    [("above 100", 1), ("above 99", 1), ("inside 100 105", 1), ("above 103", 0), ("below 100", 0)],
)
def test_a_rule_that_is_added_is_new_once(driver: Driver, text: str, times: int) -> None:
    driver.add(rule(text, "z"))
    firings = driver.ticks(path(101, 102, first_second=2))
    assert fired(firings).count("z") == times


@pytest.mark.parametrize("driver", ["crosses 100", "rises 2 within 1m"], indirect=True)
def test_many_rules_that_are_added_put_the_step_off(driver: Driver) -> None:
    step = driver.states["AAPL"].step
    driver.add(*(rule("above 100", rule_id) for rule_id in "vwxyz"))
    assert fired(driver.commit("AAPL", [])) == ["v", "w"]
    assert driver.states["AAPL"].step == step


def test_all_of_many_rules_that_are_added_are_new_once(driver: Driver) -> None:
    driver.add(*(rule("above 100", rule_id) for rule_id in "vwxyz"))
    assert sorted(fired(driver.ticks([tick(102, 2)]))) == list("cdvwxyz")


def test_a_move_that_is_added_begins_with_the_tick_at_hand(driver: Driver) -> None:
    driver.add(rule("rises 5 within 1m", "z"))
    firings = driver.ticks(path(105, 106, first_second=2))
    assert [firing.price for firing in firings if firing.rule_id == "z"] == [106]


def test_a_threshold_that_is_changed_is_first_checked_at_the_next_tick(driver: Driver) -> None:
    driver.change_threshold(Decimal(100))
    assert finish(driver) == ["c", "d"]
    assert "high-price-threshold" in fired(driver.ticks([tick(102, 2)]))
    assert fired(driver.ticks([tick(103, 3)])) == []
