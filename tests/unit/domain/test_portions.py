"""Ticks that change too much for one commit take several; rules may change in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from price_alerts.domain import engine
from price_alerts.domain.rules import HIGH_PRICE_RULE_ID, Rule, Trigger
from price_alerts.domain.state import Firing, State, Step
from price_alerts.domain.watches import level_key
from tests.engine_driver import Driver
from tests.unit.rule_builders import path, rule, tick

CHANGES, WATCHES, ENTRIES = (f"MAX_{each}_PER_COMMIT" for each in ("CHANGES", "WATCHES", "ENTRIES"))
RISES, RISES_PERCENT = "rises 2 within 1m", "rises 1% within 1m"


Play = Callable[[str, int, str, str, str], str]


def named(rules: str) -> list[Rule]:
    """Build rules from ``"ab crosses 100, c above 5"``."""
    named = [each.split(maxsplit=1) for each in rules.split(", ") if each]
    return [rule(text, rule_id) for rule_ids, text in named for rule_id in rule_ids]


def fired(firings: Sequence[Firing]) -> str:
    """Return the rules that fired; a star is the stack's own."""
    return "".join(firing.rule_id for firing in firings).replace(HIGH_PRICE_RULE_ID, "*")


@pytest.fixture
def play(driver: Driver, commits: list[State], monkeypatch: pytest.MonkeyPatch) -> Play:
    """Apply prices under a limit; writes each commit's last price, and which rules fired."""

    def play(name: str, limit: int, rules: str, before: str, prices: str) -> str:
        monkeypatch.setattr(engine, name, limit)
        driver.change_threshold(Decimal(150))
        driver.add(*named(rules))
        driver.ticks(path(*before.split()))
        commits.clear()
        driver.ticks(path(*prices.split(), first_second=9))
        return " | ".join(
            f"{state.price} {fired(state.outbox.firings if state.outbox else ())}".rstrip()
            for state in commits
        )

    return play


@pytest.mark.parametrize(
    ("limit", "rules", "before", "prices", "expected"),
    [
        (3, "abcde crosses 100", "99", "101", "101 abc | 101 de"),
        # What fits into the next commit alone waits for it.
        (3, "ab crosses 100, cd crosses 110", "99", "101 111", "101 ab | 111 cd"),
        (3, "ab crosses 100, c crosses 110", "99", "101 111 109", "111 abc | 109 c"),
        # Rules that were new, or that re-arm, take room.
        (3, "ab above 200, cd crosses 105", "", "99 106", "99 | 106 cd"),
        (3, "ab crosses_down 99 rearm 2, cd crosses 105", "100 98", "102 106", "102 | 106 cd"),
        (3, "abc crosses 100", "99", "101 102 103", "101 abc | 103"),
        (3, "abcd crosses 100", "99", "101 102 103", "101 abc | 103 d"),
        (
            3,
            f"ab crosses 101, cd {RISES}, ef {RISES_PERCENT}",
            "100 100",
            "102",
            "102 abc | 102 def",
        ),
        (3, "abcde above 100", "", "101 102", "101 abc | 102 de"),
        (3, "abc above 100", "", "101", "101 abc"),
        # The stack's own rule takes room, and fires at once.
        (3, "", "", "149 151 149 151 149 151 149 151", "151 *** | 151 *"),
        (3, "", "", "149 151 149 151 149", "149 **"),
        (3, "abcd crosses 150", "149", "151", "151 *abc | 151 d"),
    ],
)
def test_rules_that_are_too_many_for_a_commit_wait_for_the_next(  # noqa: PLR0917  # a table
    play: Play, limit: int, rules: str, before: str, prices: str, expected: str
) -> None:
    assert play(CHANGES, limit, rules, before, prices) == expected


@pytest.mark.parametrize(
    ("limit", "rules", "prices", "expected"),
    [
        (3, "abcde crosses_down 100, f crosses_up 101", "102", "102 | 102 f"),
        (4, "ab crosses_down 100, cd crosses_down 103", "101 102 104 105 106", "104 | 106"),
        (3, "ab crosses_down 100, cd crosses_down 103", "101 104", "101 | 104"),
    ],
)
def test_watches_that_are_too_many_for_a_commit_wait_for_the_next(
    play: Play, limit: int, rules: str, prices: str, expected: str
) -> None:
    assert play(WATCHES, limit, rules, "99", prices) == expected


def test_rules_take_room_for_three_entries_each(play: Play) -> None:
    assert play(ENTRIES, 6, "abc crosses 100", "99", "101") == "101 ab | 101 c"


def test_a_step_that_is_not_finished_knows_how_far_it_has_come(
    driver: Driver, commits: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, CHANGES, 3)
    driver.add(*named("abcde crosses 100"))
    driver.ticks(path(99, 101))
    after_key = f"{level_key(Decimal(100))}#c"
    assert [(state.step, state.bands is None) for state in commits] == [
        (Step({"price": Decimal(99)}, "price", after_key), True),
        (None, False),
    ]


def test_a_window_is_dropped_when_its_last_rules_have_fired(
    driver: Driver, commits: list[State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, CHANGES, 3)
    driver.add(*(rule("rises 5 within 1m", each, trigger=Trigger.ONCE) for each in "abcd"))
    driver.ticks(path(100, 100, 105))
    assert [list(state.windows) for state in commits[-2:]] == [["rise-1m"], []]


@pytest.mark.parametrize(
    "rules",
    ["abcd crosses 100", "abcd falls 1 within 15m", "ab crosses 100, cd rises 1 within 15m"],
)
def test_rules_that_recent_ticks_changed_often_take_more_room(
    monkeypatch: pytest.MonkeyPatch, commits: list[State], rules: str
) -> None:
    monkeypatch.setattr(engine, ENTRIES, 12)
    driver = Driver(on_commit=commits.append, kept_ticks=8)
    driver.add(*named(rules))
    driver.ticks(path(99, 101, 99, 101, 99))
    commits.clear()
    firings = driver.ticks(path(101, 99, first_second=5))
    assert set(fired(firings)) == set("abcd")
    outboxes = [state.outbox for state in commits if state.outbox]
    sizes = [
        len(outbox.firings) + sum(change.entries for change in outbox.changes.values())
        for outbox in outboxes
        if len(outbox.changes) > 1
    ]
    assert max(sizes, default=0) <= 12


# --- rules and the threshold may change between two commits of a step ------------------------


@pytest.fixture
def halfway(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Two of four rules have fired at the tick at 101."""
    monkeypatch.setattr(engine, CHANGES, 2)
    driver = Driver()
    driver.add(*named(getattr(request, "param", "abcd crosses 100")))
    driver.ticks([tick(99)])
    assert fired(driver.commit("AAPL", [tick(101, 1)])) == "ab"
    return driver


@pytest.mark.parametrize("change", ["pause", "remove"])
@pytest.mark.parametrize(("rule_id", "rest"), [("d", "c"), ("b", "cd")])
def test_a_step_continues_without_rules_that_are_paused_or_removed(
    halfway: Driver, change: str, rule_id: str, rest: str
) -> None:
    getattr(halfway, change)(rule_id)
    assert fired(halfway.commit("AAPL", [])) == rest
    assert not halfway.states["AAPL"].step


@pytest.mark.parametrize(
    ("text", "times"),
    [("above 100", 1), ("above 99", 1), ("inside 100 105", 1), ("above 103", 0), ("below 100", 0)],
)
def test_a_rule_that_is_added_is_new_once(halfway: Driver, text: str, times: int) -> None:
    halfway.add(rule(text, "z"))
    assert fired(halfway.ticks(path(101, 102, first_second=2))).count("z") == times


@pytest.mark.parametrize("halfway", ["abcd crosses 100", f"abcd {RISES}"], indirect=True)
def test_many_rules_that_are_added_come_first(halfway: Driver) -> None:
    step = halfway.states["AAPL"].step
    halfway.add(*named("vwxyz above 100"))
    first = fired(halfway.commit("AAPL", []))
    assert (first, halfway.states["AAPL"].step) == ("vw", step)
    assert "".join(sorted(fired(halfway.ticks([tick("101.5", 2)])))) == "cdxyz"


def test_a_move_that_is_added_begins_with_the_tick_at_hand(halfway: Driver) -> None:
    halfway.add(rule("rises 5 within 1m", "z"))
    firings = halfway.ticks(path(105, 106, first_second=2))
    assert [firing.price for firing in firings if firing.rule_id == "z"] == [106]


def test_a_threshold_that_is_changed_is_first_checked_at_the_next_tick(halfway: Driver) -> None:
    halfway.change_threshold(Decimal(100))
    assert fired(halfway.commit("AAPL", [])) == "cd"
    assert fired(halfway.ticks([tick(102, 2)])) == "*"
    assert fired(halfway.ticks([tick(103, 3)])) == ""


@pytest.mark.deep
@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize(
    ("text", "prices"),
    [("crosses 100", [99, 101]), ("crosses 100", [101, 99]), ("above 100", [101, 102])],
)
def test_ten_thousand_rules_fire_once_in_full_commits(
    driver: Driver, commits: list[State], text: str, prices: list[int], trigger: Trigger
) -> None:
    driver.add(*(rule(text, f"r{number}", trigger=trigger) for number in range(10_000)))
    times = Counter(firing.rule_id for firing in driver.ticks(path(*prices)))
    assert (len(times), set(times.values())) == (10_000, {1})
    sizes = [len(state.outbox.firings) for state in commits if state.outbox]
    assert [size for size in sizes if size] == [500] * 20
