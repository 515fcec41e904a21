from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.engine import Firing, Lease, State, evaluate
from price_alerts.rules import Rule, high_price_rule
from price_alerts.ticks import Tick
from tests.unit.doubles import ABOVE_150, NOW, SECOND, first_seconds_above, tick, ticks

FIRED_AT = NOW + 3600 * SECOND


def step(state: State, batch: Sequence[Tick], rule: Rule | None = ABOVE_150) -> State:
    return evaluate(state, batch, rule, FIRED_AT)


def delivered(state: State) -> State:
    return replace(state, outbox=())


def fired_prices(*prices: str | int) -> list[Decimal]:
    return [firing.price for firing in step(State("AAPL"), ticks(*prices)).outbox]


def run(batches: Iterable[Sequence[Tick]], rule: Rule | None = ABOVE_150) -> list[Firing]:
    """Evaluate batch after batch, each in as many portions as it takes."""
    state = State("AAPL")
    firings: list[Firing] = []
    for batch in batches:
        unseen = batch
        while unseen:
            state = step(delivered(state), unseen, rule)
            firings.extend(state.outbox)
            unseen = [tick for tick in batch if state.position and tick.position > state.position]
    return firings


def test_a_first_price_above_fires() -> None:
    assert fired_prices(151) == [151]


def test_an_exact_touch_does_not_fire() -> None:
    assert fired_prices(149, 150, 149) == []


def test_a_price_that_stays_high_fires_once() -> None:
    assert fired_prices(149, 151, 151, 200, "150.5") == [151]


def test_a_price_that_goes_back_to_the_level_fires_again() -> None:
    assert fired_prices(151, 150, 152) == [151, 152]


def test_a_price_that_stayed_high_since_the_last_batch_does_not_fire() -> None:
    first = step(State("AAPL"), [tick(151, 0)])
    assert step(delivered(first), [tick(152, 1)]).outbox == ()


def test_a_price_that_was_low_in_the_last_batch_fires() -> None:
    first = step(State("AAPL"), [tick(149, 0)])
    assert [firing.price for firing in step(first, [tick(151, 1)]).outbox] == [151]


def test_without_a_threshold_nothing_fires_and_the_price_moves_on() -> None:
    state = step(State("AAPL"), ticks(151, 152), rule=None)
    assert state == State("AAPL", 1, Decimal(152), tick(152, 1).position)


@pytest.mark.parametrize("threshold", ["140", "160"])
def test_a_changed_threshold_is_a_new_rule_that_fires_once(threshold: str) -> None:
    before = delivered(step(State("AAPL"), [tick(200, 0)]))
    changed = high_price_rule(Decimal(threshold))
    after = step(before, [tick(201, 1), tick(202, 2)], changed)
    assert [firing.price for firing in after.outbox] == [201]
    assert step(delivered(after), [tick(203, 3)], changed).outbox == ()


def test_a_changed_threshold_that_is_not_reached_does_not_fire() -> None:
    before = delivered(step(State("AAPL"), [tick(200, 0)]))
    assert step(before, [tick(201, 1)], high_price_rule(Decimal(250))).outbox == ()


def test_a_threshold_that_was_switched_off_and_on_fires_again() -> None:
    on = delivered(step(State("AAPL"), [tick(200, 0)]))
    off = step(on, [tick(201, 1)], rule=None)
    assert [firing.price for firing in step(off, [tick(202, 2)]).outbox] == [202]


def test_a_threshold_written_with_other_zeros_is_the_same_rule() -> None:
    before = delivered(step(State("AAPL"), [tick(200, 0)]))
    assert step(before, [tick(201, 1)], high_price_rule(Decimal("150.00"))).outbox == ()


def test_the_next_state_stands_at_the_last_tick_without_a_lease() -> None:
    before = State("AAPL", version=7, lease=Lease("somebody", NOW))
    last = tick(148, 2)
    assert step(before, [tick(149, 1), last]) == State(
        "AAPL", version=8, price=Decimal(148), position=last.position, threshold=Decimal(150)
    )


def test_a_firing_tells_rule_prices_and_times() -> None:
    rule = replace(ABOVE_150, owner="ann", note="Sell.")
    (firing,) = step(State("AAPL"), [tick(140, 1), tick(200, 2)], rule).outbox
    assert firing == Firing(
        firing_id=firing.firing_id,
        rule_id="high-price-threshold",
        symbol="AAPL",
        condition=rule.condition,
        levels=(Decimal(150),),
        previous_price=Decimal(140),
        price=Decimal(200),
        timestamp_microseconds=NOW + 2 * SECOND,
        fired_at_microseconds=FIRED_AT,
        owner="ann",
        note="Sell.",
    )


def test_the_first_firing_of_a_symbol_has_no_price_before() -> None:
    (firing,) = step(State("AAPL"), [tick(200)]).outbox
    assert firing.previous_price is None


def test_a_firing_of_a_new_rule_still_tells_the_price_before() -> None:
    before = delivered(step(State("AAPL"), [tick(200, 0)]))
    (firing,) = step(before, [tick(201, 1)], high_price_rule(Decimal(140))).outbox
    assert firing.previous_price == 200


def test_evaluating_again_derives_the_same_firings() -> None:
    batch = ticks(151, 149, 152)
    assert step(State("AAPL"), batch) == step(State("AAPL"), batch)


@pytest.mark.parametrize(
    "other",
    [
        step(State("MSFT"), [tick(151)]),
        step(State("AAPL", version=1), [tick(151)]),
        evaluate(State("AAPL"), [tick(151)], replace(ABOVE_150, rule_id="another"), FIRED_AT),
    ],
    ids=["symbol", "version", "rule"],
)
def test_a_firing_id_depends_on_symbol_version_and_rule(other: State) -> None:
    (here,), (there,) = step(State("AAPL"), [tick(151)]).outbox, other.outbox
    assert here.firing_id != there.firing_id


def test_a_firing_id_fits_sns() -> None:
    (firing,) = step(State("AAPL"), [tick(151)]).outbox
    assert firing.firing_id.isalnum()
    assert len(firing.firing_id) <= 80


def test_the_firings_of_one_batch_have_ids_of_their_own() -> None:
    firings = step(State("AAPL"), ticks(*[149, 151] * 50)).outbox
    assert len({firing.firing_id for firing in firings}) == len(firings) == 50


def test_a_portion_ends_at_the_hundredth_firing() -> None:
    batch = ticks(*[149, 151] * 101)
    state = step(State("AAPL"), batch)
    assert (len(state.outbox), state.position) == (100, batch[199].position)


def test_ninety_nine_firings_do_not_end_the_portion() -> None:
    batch = ticks(*[149, 151] * 99, 149)
    state = step(State("AAPL"), batch)
    assert (len(state.outbox), state.position) == (99, batch[-1].position)


_prices = st.lists(st.sampled_from(["149", "150", "150.01", "151"]), min_size=1, max_size=40)


@given(_prices)
def test_each_stretch_above_fires_at_its_first_price(prices: list[str]) -> None:
    fired = [firing.timestamp_microseconds for firing in run([ticks(*prices)])]
    assert fired == [NOW + second * SECOND for second in first_seconds_above(prices)]


@given(_prices, st.sets(st.integers(1, 39)))
def test_any_cutting_into_batches_gives_the_same_firings(prices: list[str], cuts: set[int]) -> None:
    path = ticks(*prices)
    edges = [0, *sorted(cuts), len(path)]
    cut = run(path[start:end] for start, end in itertools.pairwise(edges))
    assert [replace(f, firing_id="") for f in cut] == [
        replace(f, firing_id="") for f in run([path])
    ]
    assert len({firing.firing_id for firing in cut}) == len(cut)


def test_a_long_batch_fires_all_in_portions() -> None:
    assert len({firing.firing_id for firing in run([ticks(*[149, 151] * 250)])}) == 250
