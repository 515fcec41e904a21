"""Ticks that are too much for one commit are taken in portions."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import chain

import pytest

from price_alerts.domain import engine
from price_alerts.domain.rules import Rule, Trigger, high_price_rule
from price_alerts.domain.state import State, Step
from price_alerts.domain.watches import level_key
from tests.engine_driver import Driver
from tests.unit.rule_builders import path, rule, step, tick

THRESHOLD = Decimal(150)
MOST = engine.MAX_CHANGES_PER_COMMIT


@pytest.fixture
def _three_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MAX_CHANGES_PER_COMMIT", 3)


def named(text: str, rule_ids: str, trigger: Trigger = Trigger.EVERY) -> list[Rule]:
    return [rule(text, rule_id, trigger=trigger) for rule_id in rule_ids]


def started(driver: Driver, *rules: Rule, prices: tuple[int, ...] = (99,)) -> None:
    """Add rules, and take them past the prices' ticks."""
    driver.add(*rules)
    driver.ticks(path(*prices))


def fired(states: list[State]) -> list[list[str]]:
    """Tell which rules fired in each commit."""
    outboxes = [state.outbox for state in states]
    return [[f.rule_id for f in outbox.firings] if outbox else [] for outbox in outboxes]


def test_a_portion_ends_when_its_outbox_is_full() -> None:
    batch = path(*[149, 151] * (MOST + 1))
    state = step(State("AAPL"), batch, high_price=high_price_rule(THRESHOLD))
    assert (fired([state]), state.position) == (
        [["high-price-threshold"] * MOST],
        batch[2 * MOST - 1].position,
    )


def test_one_firing_less_does_not_end_the_portion() -> None:
    batch = path(*[149, 151] * (MOST - 1), 149)
    state = step(State("AAPL"), batch, high_price=high_price_rule(THRESHOLD))
    assert state.position == batch[-1].position


@pytest.mark.usefixtures("_three_at_once")
def test_a_portion_tells_how_far_it_has_come(driver: Driver, commits: list[State]) -> None:
    started(driver, *named("crosses 100", "abcde"))

    driver.ticks([tick(101, 1)])

    assert fired(commits) == [[], ["a", "b", "c"], ["d", "e"]]
    after_key = f"{level_key(Decimal(100))}#c"
    steps = [None, Step({"price": Decimal(99)}, "price", after_key), None]
    assert [state.step for state in commits] == steps
    assert [state.price for state in commits] == [99, 101, 101]
    assert [state.bands is None for state in commits] == [False, True, False]


@pytest.mark.usefixtures("_three_at_once")
def test_each_portion_tells_the_price_before_the_tick(driver: Driver) -> None:
    started(driver, *named("crosses 100", "abcde"))
    assert [firing.previous_price for firing in driver.ticks([tick(101, 1)])] == [99] * 5


@pytest.mark.usefixtures("_three_at_once")
def test_a_tick_that_fits_into_the_next_commit_alone_waits_for_it(
    driver: Driver, commits: list[State]
) -> None:
    started(driver, *named("crosses 100", "ab"), *named("crosses 110", "cd"))

    driver.ticks(path(101, 111, first_second=1))

    assert fired(commits) == [[], ["a", "b"], ["c", "d"]]
    assert [state.price for state in commits] == [99, 101, 111]
    assert not any(state.step for state in commits)


@pytest.mark.usefixtures("_three_at_once")
def test_a_tick_that_fits_is_taken_too(driver: Driver, commits: list[State]) -> None:
    started(driver, *named("crosses 100", "ab"), *named("crosses 110", "c"))
    driver.ticks(path(101, 111, 109, first_second=1))
    assert fired(commits) == [[], ["a", "b", "c"], ["c"]]


@pytest.mark.usefixtures("_three_at_once")
@pytest.mark.parametrize(
    ("text", "before", "prices"),
    [
        pytest.param("above 200", (), (99, 106), id="checked"),
        pytest.param("crosses_down 99 rearm 2", (100, 98), (102, 106), id="re-armed"),
    ],
)
def test_rules_that_do_not_fire_fill_a_portion_too(
    driver: Driver,
    commits: list[State],
    text: str,
    before: tuple[int, ...],
    prices: tuple[int, int],
) -> None:
    started(driver, *named(text, "ab"), *named("crosses 105", "cd"), prices=before)
    commits.clear()
    driver.ticks(path(*prices, first_second=len(before)))
    assert [state.price for state in commits] == list(prices)
    assert not any(state.step for state in commits)


@pytest.mark.usefixtures("_three_at_once")
@pytest.mark.parametrize("rule_ids", ["abc", "abcd"])
def test_behind_a_full_portion_a_quiet_tick_is_taken(
    driver: Driver, commits: list[State], rule_ids: str
) -> None:
    started(driver, *named("crosses 100", rule_ids))
    driver.ticks(path(101, 102, 103, first_second=1))
    assert list(chain(*fired(commits))) == list(rule_ids)
    assert commits[-1].price == 103


@pytest.mark.usefixtures("_three_at_once")
def test_the_stacks_own_rule_fires_beside_a_full_portion(
    driver: Driver, commits: list[State]
) -> None:
    driver.change_threshold(THRESHOLD)
    started(driver, *named("crosses 150", "abcd"), prices=(149,))
    driver.ticks([tick(151, 1)])
    assert fired(commits) == [[], ["high-price-threshold", "a", "b", "c"], ["d"]]


def test_watches_that_a_step_does_not_concern_are_passed_in_portions_too(
    driver: Driver, commits: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_WATCHES_PER_COMMIT", 3)
    started(driver, *named("crosses_down 100", "abcde"), *named("crosses_up 101", "f"))
    driver.ticks([tick(102, 1)])
    assert fired(commits) == [[], [], ["f"]]
    assert [state.outbox is None for state in commits] == [True, True, False]


def test_a_commit_counts_the_watches_of_all_its_ticks(
    driver: Driver, commits: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_WATCHES_PER_COMMIT", 4)
    started(driver, *named("crosses_down 100", "ab"), *named("crosses_down 103", "cd"))
    commits.clear()
    driver.ticks(path(101, 102, 104, 105, 106, first_second=1))
    assert [state.price for state in commits] == [104, 106]


def test_a_tick_with_more_watches_than_a_commit_has_left_waits_for_the_next(
    driver: Driver, commits: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_WATCHES_PER_COMMIT", 3)
    started(driver, *named("crosses_down 100", "ab"), *named("crosses_down 103", "cd"))
    commits.clear()
    driver.ticks(path(101, 104, first_second=1))
    assert [state.price for state in commits] == [101, 104]
    assert not any(state.step for state in commits)


@pytest.mark.parametrize(
    ("text", "prices", "expected"),
    [
        ("crosses 100 rearm 2", (97, 103, 97, 103), [103, 103]),
        ("crosses 100 rearm 2", (103, 97, 103, 97), [97, 97]),
        ("exits 90 110 rearm 5", (100, 111, 89, 100, 89), [111, 89]),
    ],
)
def test_a_rule_with_watches_in_several_portions_fires_or_re_arms(
    driver: Driver,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    prices: tuple[int, ...],
    expected: list[int],
) -> None:
    monkeypatch.setattr(engine, "MAX_WATCHES_PER_COMMIT", 1)
    driver.add(rule(text))
    assert [firing.price for firing in driver.ticks(path(*prices))] == expected


@pytest.mark.usefixtures("_three_at_once")
def test_a_step_goes_on_from_line_to_line(driver: Driver, commits: list[State]) -> None:
    started(
        driver,
        *(*named("crosses 101", "ab"), *named("rises 2 within 1m", "cd")),
        *named("rises 1% within 1m", "ef"),
        prices=(100, 100, 100),
    )
    commits.clear()
    driver.ticks([tick(102, 3)])
    assert fired(commits) == [["a", "b", "c"], ["d", "e", "f"]]
    (unfinished,) = (state.step for state in commits if state.step)
    assert unfinished.line == "rise-1m"
    assert unfinished.before["rise-1m-percent"] == 0


@pytest.mark.usefixtures("_three_at_once")
def test_new_rules_are_checked_once_when_ticks_follow(driver: Driver, commits: list[State]) -> None:
    driver.add(*named("above 100", "abcde"))
    driver.ticks(path(101, 102))
    assert fired(commits) == [["a", "b", "c"], ["d", "e"]]
    assert commits[-1].price == 102


@pytest.mark.usefixtures("_three_at_once")
def test_new_rules_that_just_fit_need_no_second_portion(
    driver: Driver, commits: list[State]
) -> None:
    started(driver, *named("above 100", "abc"), prices=(101,))
    assert [state.step for state in commits] == [None]


@pytest.mark.usefixtures("_three_at_once")
@pytest.mark.parametrize("prices", [(99, 101), (101, 99)], ids=["up", "down"])
def test_the_last_rule_of_a_portion_is_met_on_the_way_back(
    driver: Driver, prices: tuple[int, int]
) -> None:
    started(driver, *named("crosses 100", "abcd"), prices=prices[:1])
    driver.ticks(path(prices[1], prices[1], first_second=1))
    firings = driver.ticks(path(prices[0], prices[1], first_second=3))
    assert sorted(firing.rule_id for firing in firings) == list("aabbccdd")


@pytest.mark.usefixtures("_three_at_once")
def test_a_window_is_dropped_at_the_end_of_the_last_portion(
    driver: Driver, commits: list[State]
) -> None:
    rules = named("rises 5 within 1m", "abcd", Trigger.ONCE)
    started(driver, *rules, prices=(100, 100))
    driver.ticks([tick(105, 2)])
    assert [list(state.windows) for state in commits[-2:]] == [["rise-1m"], []]


@pytest.mark.parametrize("text", ["crosses 100", "falls 1 within 15m"])
def test_rules_that_recent_ticks_changed_often_take_more_room(
    monkeypatch: pytest.MonkeyPatch, commits: list[State], text: str
) -> None:
    monkeypatch.setattr(engine, "MAX_ENTRIES_PER_COMMIT", 12)
    driver = Driver(on_commit=commits.append, kept_ticks=8)
    started(driver, *named(text, "abcd"), prices=(99, 101, 99, 101, 99))
    commits.clear()
    firings = driver.ticks(path(101, 99, first_second=5))
    assert Counter(firing.rule_id for firing in firings).keys() == set("abcd")
    assert all(
        len(state.outbox.firings) + sum(change.entries for change in state.outbox.changes.values())
        <= 12
        or len(state.outbox.changes) == 1
        for state in commits
        if state.outbox
    )


def test_a_portion_may_end_between_two_lines(
    monkeypatch: pytest.MonkeyPatch, commits: list[State]
) -> None:
    monkeypatch.setattr(engine, "MAX_ENTRIES_PER_COMMIT", 12)
    driver = Driver(on_commit=commits.append, kept_ticks=8)
    rules = [*named("crosses 100", "ab"), *named("rises 1 within 15m", "cd")]
    started(driver, *rules, prices=(99, 101, 99, 101, 99))
    firings = driver.ticks([tick(101, 5)])
    assert sorted(firing.rule_id for firing in firings) == list("abcd")
