"""Thousands of rules that one tick moves over, at the limits as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from price_alerts.domain.engine import MAX_CHANGES_PER_COMMIT
from price_alerts.domain.rules import Rule, Trigger
from price_alerts.domain.state import State
from price_alerts.domain.ticks import Tick
from tests.engine_driver import Driver
from tests.unit.rule_builders import path, rule, tick

MOST = MAX_CHANGES_PER_COMMIT
PORTIONS = [MOST] * (10_000 // MOST)


def thousands(text: str, trigger: Trigger, count: int = 10_000) -> list[Rule]:
    return [rule(text, f"r{number}", trigger=trigger) for number in range(count)]


def times_fired(driver: Driver, ticks: Iterable[Tick]) -> set[int]:
    """Tell how often the rules fire, of which each must."""
    times = Counter(firing.rule_id for firing in driver.ticks(ticks))
    assert len(times) == 10_000
    return set(times.values())


def sizes(commits: list[State]) -> list[int]:
    return [len(state.outbox.firings) for state in commits if state.outbox and state.outbox.firings]


@pytest.mark.parametrize("prices", [(99, 101), (101, 99)], ids=["up", "down"])
@pytest.mark.parametrize("trigger", Trigger)
def test_ten_thousand_rules_on_one_level_fire_once_a_portion_at_a_time(
    driver: Driver, commits: list[State], prices: tuple[int, int], trigger: Trigger
) -> None:
    driver.add(*thousands("crosses 100", trigger))
    driver.ticks([tick(prices[0])])
    assert times_fired(driver, [tick(prices[1], 1)]) == {1}
    assert sizes(commits) == PORTIONS


@pytest.mark.parametrize("trigger", Trigger)
def test_ten_thousand_new_rules_fire_once_a_portion_at_a_time(
    driver: Driver, commits: list[State], trigger: Trigger
) -> None:
    driver.ticks([tick(99)])
    driver.add(*thousands("above 100", trigger))
    assert times_fired(driver, path(101, 102, first_second=1)) == {1}
    assert sizes(commits) == PORTIONS


def test_a_commit_passes_five_thousand_watches(driver: Driver, commits: list[State]) -> None:
    driver.add(*thousands("crosses_down 100", Trigger.EVERY, 5_001))
    driver.ticks([tick(99)])
    driver.ticks([tick(101, 1)])
    assert [state.step is not None for state in commits] == [False, True, False]
