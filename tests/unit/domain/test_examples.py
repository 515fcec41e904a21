"""Examples worked out by hand from docs/semantics.md: a rule fires at the prices with a star.

Both the engine and the oracle play them: so the oracle is worth comparing the engine with.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from tests.engine_driver import Driver
from tests.histories import perform
from tests.oracle import HIGH_PRICE, Oracle, Spec
from tests.unit.rule_builders import played, spec


def assert_fires(example: str, rule: Spec, *others: Spec) -> None:
    assert played(example, partial(perform, oracle=Oracle()), rule, *others) == example
    assert played(example, Driver().perform, rule, *others) == example


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("crosses_up 100", "101 100 99 *100 100 101 99 *150 50 99 *100"),
        ("crosses_up 100", "101 add 101 102 99 *101"),
        ("crosses_up 100", "99 add *101"),
        ("crosses_up 100", "99 pause 99 resume *100 pause 99 101 resume 102"),
        ("crosses_down 100", "99 100 101 *100 100 99 101 *50 150 101 *100"),
        ("crosses_down 100", "99 add 99 98 101 *99"),
        ("crosses_down 100", "101 add *99"),
        ("crosses 100", "101 *100 101 *99 *100 99 99 *150 *50"),
        ("crosses 100", "100 101 100 add 101 *99"),
        ("crosses 0", "5 *-37.63 *0 0 0.01 *0"),
        ("above 100", "*101 101 150 100 *101 99 100 *150"),
        ("above 100", "100 99 101 add *101 102"),
        ("above 100", "100 pause 101 102 resume *103"),
        ("above 100", "*101 remove 100 101"),
        ("above 100", "*101 remove 101 add *101"),
        ("above 100", "101 add pause 102 resume *102"),
        ("below 100", "*99 99 50 100 *99 101 100 *50"),
        ("below 100", "100 101 99 add *99 98"),
        ("below 0", "5 *-37.63 0 *-0.01"),
        ("enters 90 110", "100 89 *90 90 110 111 *110 89 111 89 *100"),
        ("enters 90 110", "100 add 100 111 *100"),
        ("enters 90 110", "89 add *90"),
        ("enters -2 2", "-5 *-2 2 -3 *0 5 -5"),
        ("exits 90 110", "89 90 *89 89 111 110 *111 89 100 *50"),
        ("exits 90 110", "111 add 111 100 *111"),
        ("exits 90 110", "110 add *111"),
        ("inside 90 110", "*90 100 110 111 *110 89 111 89 *90"),
        ("inside 90 110", "100 add *100 100"),
        ("outside 90 110", "*89 89 111 89 90 110 *111 110 *50 150"),
        ("outside 90 110", "111 add *111 89"),
        ("rises 5 within 1h", "100 104 *105 105 110 104 *105 99 103 *104"),
        ("rises 5 within 1h", "100 *150 90 94 *95"),
        ("rises 5 within 1h", "-100 -96 *-95 -95 -96 *-90"),
        ("falls 5 within 1h", "100 96 *95 95 90 96 *95 101 97 *96"),
        ("falls 5 within 1h", "100 *50 110 106 *105"),
        ("rises 5% within 1h", "200 209.99 *210 210 209 *210 100 104 *105"),
        ("falls 5% within 1h", "100 95.01 *95 95 96 *95 200 191 *190"),
        ("rises 33.333333333333333333% within 1h", "3 *4"),
        ("rises 33.333333333333333334% within 1h", "3 4"),
        ("falls 33.333333333333333333% within 1h", "3 *2"),
        ("falls 33.333333333333333334% within 1h", "3 2"),
        # Of a lowest price that is not above zero there is no percentage.
        ("rises 5% within 1h", "-100 -50 0 100 -200 1000"),
        ("falls 5% within 1h", "100 *-1 -2"),
    ],
)
def test_a_condition_triggers(text: str, example: str) -> None:
    assert_fires(example, spec(text))


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("above 100", "*101 100 101 resume *101 100 101"),
        ("above 100", "*101 resume 100 *101"),
        ("crosses_up 101", "99 *101 100 101 resume 100 *101 100 101"),
        ("rises 5 within 1m", "100 *105 resume 109 *110"),
    ],
)
def test_a_rule_that_fires_once_is_triggered_until_it_is_resumed(text: str, example: str) -> None:
    assert_fires(example, spec(text, trigger="once"))


@pytest.mark.parametrize(
    ("text", "example"),
    [
        ("crosses_up 100 rearm 2", "99 *100 98.01 100 98 *100"),
        ("above 100 rearm 2", "*101 98.01 101 98 *101"),
        ("above 100 rearm 2", "*101 pause 101 resume *101"),
        ("above 5 rearm 6", "4 *6 0 6 -1 *6"),
        ("crosses_down 100 rearm 2", "101 *100 101.99 100 102 *100"),
        ("below 100 rearm 2", "*99 101.99 99 102 *99"),
        ("crosses 100 rearm 2", "99 *100 98.01 101 98 *101 150 98 *150"),
        ("crosses 100 rearm 2", "101 *100 101.99 99 102 *99 50 102 *50"),
        ("enters 90 110 rearm 2", "89 *90 88.01 90 88 *90 111.99 110 112 *110"),
        ("inside 90 110 rearm 2", "*90 88.01 90 88 *90 111.99 110 112 *110"),
        ("exits 90 110 rearm 2", "100 *111 108.01 111 108 *111 89 100 *89"),
        ("exits 90 110 rearm 2", "100 *89 91.99 89 92 *89 111 100 *111"),
        ("exits 90 110 rearm 2", "100 *111 91 *89 109 *111 88 88 100 *88"),
        ("outside 90 110 rearm 2", "*111 108.01 111 108 *111 89 100 *89"),
        ("outside 90 110 rearm 2", "*89 91.99 89 92 *89 111 100 *111"),
        ("outside 90 110 rearm 2", "*111 91 *89 109 *111 88 88 100 *88"),
        ("rises 5 within 1h rearm 2", "100 *105 103.01 105 103 *105"),
        ("falls 5 within 1h rearm 2", "100 *95 96.99 95 97 *95"),
        ("crosses_up 200 rearm 1%", "199 *200 198.01 200 198 *200"),
        ("below 200 rearm 1%", "*199 201.99 199 202 *199"),
        ("enters 100 200 rearm 1%", "98 *100 99.01 100 99 *100 201.99 200 202 *200"),
        ("exits 100 200 rearm 1%", "150 *201 198.01 201 198 *201"),
        ("exits 100 200 rearm 1%", "150 *99 100.99 99 101 *99"),
        ("rises 50 within 1h rearm 10%", "100 *150 145.01 150 145 *150"),
        ("rises 5% within 1h rearm 1%", "100 *105 104.01 105 104 *105"),
        ("falls 5% within 1h rearm 1%", "100 *95 95.99 95 96 *95"),
        # 3 to 4 is 33.333333333333333333 %, rounded down.
        ("rises 50% within 1h rearm 16.666666666666666666%", "3 *4.5 4 *4.5"),
        ("rises 50% within 1h rearm 16.666666666666666667%", "3 *4.5 4 4.5"),
        # Nothing is rounded.
        ("crosses_up 5E-18 rearm 20%", "4.1E-18 *5E-18 4.1E-18 5E-18 4E-18 *5E-18"),
        ("crosses_up 5E-18 rearm 50%", "4E-18 *5E-18 2.51E-18 5E-18 2.5E-18 *5E-18"),
    ],
)
def test_a_firing_disarms_until_the_price_is_back(text: str, example: str) -> None:
    assert_fires(example, spec(text))


@pytest.mark.parametrize(
    ("text", "example"),
    [
        pytest.param("above 100", "@0 *101 100 @10 *101", id="over to the microsecond"),
        pytest.param("above 100", "@0 *101 100 @9.999999 101 @10 101", id="not made up for"),
        pytest.param("above 100", "@0 *101 100 @9 101 100 @11 *101", id="not begun again"),
        pytest.param("above 100", "@0 *101 pause resume @5 101 100 @10 *101", id="not resumed"),
        pytest.param("above 100", "@0 *101 remove add @5 *101", id="not for another rule"),
        pytest.param("above 100 rearm 5", "@0 *101 95 101 100 @10 *101", id="disarms nothing"),
        pytest.param("above 100 rearm 5", "@0 *101 95 100 @10 *101", id="re-armed meanwhile"),
        pytest.param("above 100 rearm 5", "@0 *101 @20 100 101 pause resume *101", id="armed"),
    ],
)
def test_a_cooldown_suppresses(text: str, example: str) -> None:
    assert_fires(example, spec(text, cooldown_seconds=10))


@pytest.mark.parametrize("example", ["@1.999999 *101 100 101", "@2 101 pause resume 101"])
def test_a_rule_does_not_fire_from_its_expiry_on(example: str) -> None:
    assert_fires(example, spec("above 100", expires_at_microseconds=2_000_000))


@pytest.mark.parametrize(
    "example",
    [
        pytest.param("@0 100 @60 *105", id="a price from exactly a window ago counts"),
        pytest.param("@1 100 @61.999999 *105", id="the 31st bucket still counts the first"),
        pytest.param("@1.999999 100 @62 105 106 *110", id="the 32nd no longer does"),
        pytest.param("@2 100 @63.999999 *105", id="the second bucket counts for longer"),
        pytest.param("@2 100 @64 105", id="until its own 32nd"),
        pytest.param("@1 100 @61 *105 @62 105 @63 *110", id="as it was measured then"),
        pytest.param("100 add *105", id="a window begins with the price before"),
        pytest.param("50 100 add 104 *105", id="and not with one before that"),
        pytest.param("@1 100 add @62 105", id="if that is recent enough"),
        pytest.param("add 100 *105", id="or with nothing"),
        pytest.param("100 pause resume *105", id="a change alone drops nothing"),
        pytest.param("100 pause 104 resume 105 108 *109", id="the next tick does"),
        pytest.param("100 remove 104 add 105 *109", id="as for one that was removed"),
    ],
)
def test_a_window_counts_what_it_has_kept(example: str) -> None:
    assert_fires(example, spec("rises 5 within 1m"))


KEEPER = spec("rises 50 within 1m", "keeper")
DROPPED = "100 pause 104 resume 105"


@pytest.mark.parametrize(
    ("other", "example"),
    [
        pytest.param(KEEPER, "100 pause 104 resume *105", id="a rule of that window"),
        pytest.param(KEEPER, "100 104 add 104 *105", id="for one added later"),
        pytest.param(KEEPER, "100 105 add *105 105", id="for what is so already"),
        pytest.param(
            replace(KEEPER, expires_at_microseconds=0),
            "100 pause 104 resume *105",
            id="though it is expired",
        ),
        pytest.param(spec("falls 50 within 1m", "keeper"), DROPPED, id="not the highest"),
        pytest.param(spec("rises 50 within 5m", "keeper"), DROPPED, id="not another window"),
        pytest.param(replace(KEEPER, symbol="MSFT"), DROPPED, id="not another symbol"),
        pytest.param(
            spec("rises 4 within 1m", "keeper", trigger="once"),
            DROPPED,
            id="not one that this tick triggers",
        ),
    ],
)
def test_a_window_is_kept_as_long_as_a_rule_needs_it(other: Spec, example: str) -> None:
    assert_fires(example, spec("rises 5 within 1m"), other)


def test_the_oracle_reports_rule_time_and_prices_in_the_order_of_the_ids() -> None:
    oracle = Oracle(Decimal(150))
    for each in (spec("above 150", "z"), spec("above 150", "a"), spec(symbol="MSFT")):
        oracle.add(each)
    first, then = Decimal(140), Decimal(151)
    assert oracle.tick("AAPL", first, 1) == []
    assert oracle.tick("AAPL", then, 2) == [
        (rule_id, 2, first, then) for rule_id in ("a", HIGH_PRICE, "z")
    ]
    assert oracle.tick("MSFT", then, 3) == [
        (rule_id, 3, None, then) for rule_id in (HIGH_PRICE, "r")
    ]


def test_a_changed_threshold_is_a_new_rule_to_the_oracle() -> None:
    oracle = Oracle(Decimal(150))
    fired: list[int] = []
    for threshold in (150, 150, None, None, 150, 140, 250, 140):
        oracle.change_threshold(None if threshold is None else Decimal(threshold))
        fired.append(len(oracle.tick("AAPL", Decimal(200), len(fired))))
    assert fired == [1, 0, 0, 0, 1, 1, 0, 1]


def test_the_oracle_rejects_a_number_that_is_too_fine_for_it() -> None:
    with pytest.raises(ValueError, match="more than 130 decimals"):
        Oracle().tick("AAPL", Decimal("1E-131"), 0)
