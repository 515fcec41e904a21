"""What one commit of the engine decides and remembers; histories are in test_engine_oracle.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from lib.backtest.rule_book import RuleBook
from price_alerts.domain.conditions import Side
from price_alerts.domain.engine import evaluate
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Rule, Trigger, high_price_rule
from price_alerts.domain.state import Firing, Lease, Outbox, State
from price_alerts.domain.watches import ANYWHERE, Band
from tests.unit.rule_builders import FIRED_AT, outbox_of, path, rule, step, tick

NEW = State("AAPL")
ABOVE_150 = high_price_rule(Decimal(150))


def at_price(price: int, second: int = 0) -> State:
    return State("AAPL", 4, Decimal(price), tick(price, second).position)


def test_a_firing_has_prices_and_times_and_its_rule_remembers_it() -> None:
    watched = rule("above 150")
    outbox = outbox_of(step(NEW, [tick(140, 1), tick(200, 2)], watched))
    # Derived from symbol, rule and tick: containers of any release must find the same.
    firing_id = "ed1ee0835341b19a8f0e8c1860ad6cd9"
    firing = Firing(
        firing_id=firing_id,
        rule_id="r",
        symbol="AAPL",
        terms=watched.terms,
        previous_price=Decimal(140),
        price=Decimal(200),
        position=tick(200, 2).position,
        fired_at_microseconds=FIRED_AT,
    )
    progress = Progress(last_fired_at_microseconds=2_000_000, last_firing_id=firing_id)
    assert outbox == Outbox(2, (firing,), {"r": progress}, checked_rule_ids=("r",))


def test_a_price_without_rules_is_remembered_and_an_old_lease_is_not() -> None:
    last = tick(148, 2)
    for before in (NEW, replace(NEW, lease=Lease("somebody", 5))):
        assert step(before, [tick(149, 1), last]) == State(
            "AAPL", 1, Decimal(148), last.position, bands={"price": ANYWHERE}
        )


def test_an_outbox_holds_firings_changes_and_what_is_no_longer_new() -> None:
    watched = [
        rule("above 100", "new"),
        rule("below 100", "quiet"),
        rule("crosses 100 rearm 2", "back"),
        rule("crosses 101", "once", trigger=Trigger.ONCE),
        rule("crosses 300", "far"),
    ]
    outbox = outbox_of(step(at_price(99), path(101, first_second=1), *watched))
    assert outbox.version == 6
    assert [firing.rule_id for firing in outbox.firings] == ["new", "back", "once"]
    assert {rule_id: (p.status, p.disarmed) for rule_id, p in outbox.changes.items()} == {
        "new": (Status.ACTIVE, None),
        "back": (Status.ACTIVE, Side.HIGH),
        "once": (Status.TRIGGERED, None),
    }
    assert outbox.checked_rule_ids == ("new", "quiet")


def test_an_outbox_has_parts_that_do_no_more_than_a_limit_each() -> None:
    outbox = Outbox(
        7,
        changes={"a": Progress(), "b": Progress()},
        checked_rule_ids=("b", "c"),
        spent=(("price", "2022#d"), ("price", "2022#e")),
    )
    assert outbox.rule_ids == set("abcde")
    assert list(outbox.parts(4)) == [outbox]
    assert list(outbox.parts(3)) == [
        Outbox(7, changes=outbox.changes),
        Outbox(7, spent=outbox.spent),
        Outbox(7, checked_rule_ids=outbox.checked_rule_ids),
    ]
    assert [len(part.rule_ids) for part in outbox.parts(1)] == [1] * 6


def test_only_a_state_that_was_written_and_not_lost_is_stored() -> None:
    states = [NEW, State("AAPL", 1), State("AAPL", 1, is_lost=True)]
    assert [state.is_stored for state in states] == [False, True, False]


def test_a_rule_that_re_arms_is_a_change() -> None:
    disarmed = Progress(disarmed=Side.HIGH, last_fired_at_microseconds=1, last_firing_id="f")
    watched = rule("crosses_up 100 rearm 2", progress=disarmed)
    outbox = outbox_of(step(at_price(101), [tick(98, 1)], watched))
    assert outbox == Outbox(6, (), {"r": replace(disarmed, disarmed=None)})


@pytest.mark.parametrize("text", ["above 100", "rises 5 within 1m"])
def test_a_rule_that_is_gone_or_whose_window_is_unknown_does_nothing(text: str) -> None:
    class Book(RuleBook):
        def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
            return super().rules(rule_ids) if "within" in text else {}

    book = Book()
    book.add(rule(text))
    state = evaluate(State("AAPL", version=1), [tick(101)], book, None, FIRED_AT)
    assert state.outbox == Outbox(2, checked_rule_ids=("r",))


@pytest.mark.parametrize(
    ("prices", "band"),
    [
        ((95,), Band(Decimal(90), Decimal(100))),
        ((85,), Band(None, Decimal(90))),
        ((85, 105), Band(Decimal(100), None)),
        ((95, 100), Band(Decimal(100), Decimal(100))),
    ],
)
def test_a_state_knows_the_levels_around_its_price(prices: tuple[int, ...], band: Band) -> None:
    state = step(NEW, path(*prices), rule("crosses_down 90", "a"), rule("crosses_up 100", "b"))
    assert state.bands == {"price": band}


def test_a_rule_that_has_just_triggered_bounds_no_band() -> None:
    once = rule("crosses_up 100", trigger=Trigger.ONCE)
    assert step(NEW, path(99, 101), once).bands == {"price": ANYWHERE}


def test_a_window_is_dropped_with_its_last_rule() -> None:
    once = rule("rises 5 within 1m", trigger=Trigger.ONCE)
    kept, dropped = (step(NEW, path(*prices), once) for prices in ([100], [100, 105]))
    assert kept.windows == {"rise-1m": ((0, Decimal(100)),)}
    assert kept.bands == {
        "price": ANYWHERE,
        "rise-1m": Band(None, Decimal(5)),
        "rise-1m-percent": ANYWHERE,
    }
    assert (dropped.windows, dropped.bands) == ({}, {"price": ANYWHERE})


def fired(state: State) -> list[Decimal]:
    """Return the prices at which something has fired."""
    return [firing.price for firing in state.outbox.firings] if state.outbox else []


def test_the_stacks_own_rule_changes_no_stored_rule() -> None:
    state = step(NEW, [tick(151)], rule("above 150"), high_price=ABOVE_150)
    outbox = outbox_of(state)
    assert [firing.rule_id for firing in outbox.firings] == ["high-price-threshold", "r"]
    assert list(outbox.changes) == ["r"]
    assert state.threshold == 150


@pytest.mark.parametrize(("seconds", "prices"), [(899, []), (900, [202])])
def test_a_threshold_that_comes_back_is_new_after_a_quarter_of_an_hour(
    seconds: int, prices: list[int]
) -> None:
    on = step(NEW, [tick(200)], high_price=ABOVE_150)
    off = step(on, [tick(201, 1)])
    assert fired(step(off, [tick(202, 1 + seconds)], high_price=ABOVE_150)) == prices


def test_containers_with_two_thresholds_that_take_turns_report_one_rise_once() -> None:
    above = {level: high_price_rule(Decimal(level)) for level in (150, 160)}
    state = step(NEW, [tick(140)], high_price=above[150])
    found = []
    for second, price in enumerate((141, 170, 171, 172, 173, 174, 175, 176), 1):
        state = step(state, [tick(price, second)], high_price=above[(150, 160)[second % 2]])
        found += fired(state)
    assert found == [170]
