"""What the engine hands on: states with their bands and windows, outboxes, the threshold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import Progress, Status
from price_alerts.domain.rules import Trigger, high_price_rule
from price_alerts.domain.state import Lease, Outbox, State
from price_alerts.domain.watches import ANYWHERE, Band
from tests.unit.rule_builders import outbox_of, path, rule, step, tick

NEW = State("AAPL")
ABOVE_150 = high_price_rule(Decimal(150))


def test_a_first_price_without_rules_is_remembered() -> None:
    last = tick(148, 2)
    assert step(NEW, [tick(149, 1), last]) == State(
        "AAPL", 1, Decimal(148), last.position, bands={"price": ANYWHERE}
    )


def test_the_next_state_is_without_a_lease() -> None:
    leased = State("AAPL", 7, lease=Lease("somebody", 5))
    assert step(leased, [tick(148)]) == step(replace(leased, lease=None), [tick(148)])


def test_an_outbox_holds_firings_changes_and_what_is_no_longer_new() -> None:
    watched = [
        rule("above 100", "new"),
        rule("below 100", "quiet"),
        rule("crosses 100 rearm 2", "back"),
        rule("crosses 101", "once", trigger=Trigger.ONCE),
        rule("crosses 300", "far"),
    ]
    outbox = outbox_of(step(State("AAPL", 4, Decimal(99), tick(99).position), path(101), *watched))
    assert outbox.version == 6
    assert [firing.rule_id for firing in outbox.firings] == ["new", "back", "once"]
    assert {rule_id: (p.status, p.disarmed) for rule_id, p in outbox.changes.items()} == {
        "new": (Status.ACTIVE, None),
        "back": (Status.ACTIVE, Side.HIGH),
        "once": (Status.TRIGGERED, None),
    }
    assert outbox.checked_rule_ids == ("new", "quiet")


def test_a_rule_that_is_armed_again_is_a_change() -> None:
    disarmed = Progress(disarmed=Side.HIGH, last_fired_at_microseconds=1, last_firing_id="f")
    state = State("AAPL", 4, Decimal(101), tick(101).position)
    outbox = outbox_of(
        step(state, [tick(98, 1)], rule("crosses_up 100 rearm 2", progress=disarmed))
    )
    assert outbox == Outbox(6, (), {"r": replace(disarmed, disarmed=None)})


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


def test_a_window_is_kept_while_a_rule_needs_it() -> None:
    state = step(NEW, path(100), rule("rises 5 within 1m"))
    assert state.windows == {"rise-1m": ((0, Decimal(100)),)}
    assert state.bands == {
        "price": ANYWHERE,
        "rise-1m": Band(None, Decimal(5)),
        "rise-1m-percent": ANYWHERE,
    }


def test_a_window_is_dropped_with_its_last_rule() -> None:
    once = rule("rises 5% within 1m", trigger=Trigger.ONCE)
    state = step(NEW, path(100, 105), once)
    assert (state.windows, state.bands) == ({}, {"price": ANYWHERE})


def fired(state: State) -> list[Decimal]:
    """Tell at which prices something has fired."""
    return [firing.price for firing in state.outbox.firings] if state.outbox else []


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        pytest.param([151], [151], id="a first price above"),
        pytest.param([149, 150, 149], [], id="an exact touch"),
        pytest.param([149, 151, 151, 200], [151], id="a price that stays above"),
        pytest.param([151, 150, 152], [151, 152], id="a price that goes back to the level"),
    ],
)
def test_the_stacks_own_rule_fires_each_time_the_price_comes_above(
    prices: list[int], expected: list[int]
) -> None:
    assert fired(step(NEW, path(*prices), high_price=ABOVE_150)) == expected


def test_the_stacks_own_rule_knows_the_price_of_the_last_batch() -> None:
    high = step(NEW, [tick(151)], high_price=ABOVE_150)
    assert fired(step(high, [tick(152, 1)], high_price=ABOVE_150)) == []


def test_the_stacks_own_rule_is_told_apart_in_the_outbox() -> None:
    outbox = outbox_of(step(NEW, [tick(151)], rule("above 150"), high_price=ABOVE_150))
    assert [firing.rule_id for firing in outbox.firings] == ["high-price-threshold", "r"]
    assert list(outbox.changes) == ["r"]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(140, [201], id="lower"),
        pytest.param(160, [201], id="higher"),
        pytest.param(250, [], id="not reached"),
        pytest.param("150.00", [], id="the same in other words"),
        pytest.param(None, [], id="none"),
    ],
)
def test_a_changed_threshold_is_a_new_rule(
    threshold: str | int | None, expected: list[int]
) -> None:
    high = step(NEW, [tick(200)], high_price=ABOVE_150)
    changed = None if threshold is None else high_price_rule(Decimal(threshold))
    assert fired(step(high, path(201, 202, first_second=1), high_price=changed)) == expected


def test_a_threshold_that_was_switched_off_and_on_fires_again() -> None:
    on = step(NEW, [tick(200)], high_price=ABOVE_150)
    off = step(on, [tick(201, 1)])
    assert fired(step(off, [tick(202, 1_000)], high_price=ABOVE_150)) == [202]


def test_containers_with_two_thresholds_that_take_turns_announce_one_rise_once() -> None:
    above = {level: high_price_rule(Decimal(level)) for level in (150, 160)}
    state = step(NEW, [tick(140)], high_price=above[150])
    found = []
    for second, price in enumerate((141, 170, 171, 172, 173, 174, 175, 176), 1):
        state = step(state, [tick(price, second)], high_price=above[(150, 160)[second % 2]])
        found += fired(state)
    assert found == [170]


def test_a_state_knows_the_threshold_of_its_tick() -> None:
    assert step(NEW, [tick(1)], high_price=ABOVE_150).threshold == 150
