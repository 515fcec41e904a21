"""The second evaluator, held against examples worked out by hand from docs/semantics.md."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.oracle import HIGH_PRICE, Oracle
from tests.unit.oracle_examples import played, spec


@pytest.mark.parametrize(
    ("condition", "levels", "example"),
    [
        ("crosses_up", "100", "101 100 99 *100 100 101 99 *150 50 99 *100"),
        ("crosses_up", "100", "101 add 101 102 99 *101"),
        ("crosses_up", "100", "99 add *101"),
        ("crosses_down", "100", "99 100 101 *100 100 99 101 *50 150 101 *100"),
        ("crosses_down", "100", "99 add 99 98 101 *99"),
        ("crosses_down", "100", "101 add *99"),
        ("crosses", "100", "101 *100 101 *99 *100 99 99 *150 *50"),
        ("crosses", "100", "100 101 100 add 101 *99"),
        ("above", "100", "*101 101 150 100 *101 99 100 *150"),
        ("above", "100", "100 99 101 add *101 102"),
        ("below", "100", "*99 99 50 100 *99 101 100 *50"),
        ("below", "100", "100 101 99 add *99 98"),
        ("enters", "90 110", "100 89 *90 90 110 111 *110 89 111 89 *100"),
        ("enters", "90 110", "100 add 100 111 *100"),
        ("enters", "90 110", "89 add *90"),
        ("exits", "90 110", "89 90 *89 89 111 110 *111 89 100 *50"),
        ("exits", "90 110", "111 add 111 100 *111"),
        ("exits", "90 110", "110 add *111"),
        ("inside", "90 110", "*90 100 110 111 *110 89 111 89 *90"),
        ("inside", "90 110", "100 add *100 100"),
        ("outside", "90 110", "*89 89 111 89 90 110 *111 110 *50 150"),
        ("outside", "90 110", "111 add *111 89"),
    ],
)
def test_a_condition_comes_true(condition: str, levels: str, example: str) -> None:
    assert played(example, spec(condition, levels)) == example


@pytest.mark.parametrize(
    ("trigger", "example"),
    [
        ("once", "*101 100 101 resume *101 100 101"),
        ("once", "*101 resume 100 *101"),
        ("every", "*101 100 *101 pause 100 101 resume *101"),
        ("every", "100 pause 101 102 resume *103"),
        ("every", "*101 remove 100 101"),
        ("every", "*101 remove 101 add *101"),
    ],
)
def test_a_rule_is_paused_resumed_and_removed(trigger: str, example: str) -> None:
    assert played(example, spec("above", "100", trigger=trigger)) == example


def test_a_resumed_crossing_knows_the_price_before() -> None:
    example = "99 pause 99 resume *100 pause 99 101 resume 102"

    assert played(example, spec("crosses_up", "100")) == example


@pytest.mark.parametrize(
    ("condition", "levels", "rearm", "example"),
    [
        ("crosses_up", "100", "2", "99 *100 98.01 100 98 *100"),
        ("above", "100", "2", "*101 98.01 101 98 *101"),
        ("crosses_down", "100", "2", "101 *100 101.99 100 102 *100"),
        ("below", "100", "2", "*99 101.99 99 102 *99"),
        ("crosses", "100", "2", "99 *100 98.01 101 98 *101 150 98 *150"),
        ("crosses", "100", "2", "101 *100 101.99 99 102 *99 50 102 *50"),
        ("enters", "90 110", "2", "89 *90 88.01 90 88 *90 111.99 110 112 *110"),
        ("inside", "90 110", "2", "*90 88.01 90 88 *90 111.99 110 112 *110"),
        ("exits", "90 110", "2", "100 *111 108.01 111 108 *111 89 100 *89"),
        ("exits", "90 110", "2", "100 *89 91.99 89 92 *89 111 100 *111"),
        ("outside", "90 110", "2", "*111 108.01 111 108 *111 89 100 *89"),
        ("outside", "90 110", "2", "*89 91.99 89 92 *89 111 100 *111"),
        ("exits", "90 110", "2", "100 *111 91 *89 109 *111 88 88 100 *88"),
        ("outside", "90 110", "2", "*111 91 *89 109 *111 88 88 100 *88"),
        ("rises", "5", "2", "100 *105 103.01 105 103 *105"),
        ("falls", "5", "2", "100 *95 96.99 95 97 *95"),
        ("crosses_up", "200", "1%", "199 *200 198.01 200 198 *200"),
        ("below", "200", "1%", "*199 201.99 199 202 *199"),
        ("enters", "100 200", "1%", "98 *100 99.01 100 99 *100 201.99 200 202 *200"),
        ("exits", "100 200", "1%", "150 *201 198.01 201 198 *201"),
        ("exits", "100 200", "1%", "150 *99 100.99 99 101 *99"),
        ("rises", "50", "10%", "100 *150 145.01 150 145 *150"),
        ("rises", "5%", "1%", "100 *105 104.01 105 104 *105"),
        ("falls", "5%", "1%", "100 *95 95.99 95 96 *95"),
        # 3 to 4 is 33.333333333333333333 %, rounded down.
        ("rises", "50%", "16.666666666666666666%", "3 *4.5 4 *4.5"),
        ("rises", "50%", "16.666666666666666667%", "3 *4.5 4 4.5"),
        # 1.5 and 2.5 of the smallest unit are both taken for 2.
        ("crosses_up", "5E-18", "20%", "4.1E-18 *5E-18 4.1E-18 5E-18 4E-18 *5E-18"),
        ("crosses_up", "5E-18", "50%", "4E-18 *5E-18 2.51E-18 5E-18 2.5E-18 *5E-18"),
    ],
)
def test_a_firing_disarms_until_the_price_is_back(
    condition: str, levels: str, rearm: str, example: str
) -> None:
    rule = spec(
        condition,
        levels,
        window="1h" if condition in {"rises", "falls"} else None,
        rearm=rearm,
    )

    assert played(example, rule) == example


@pytest.mark.parametrize(
    ("rearm", "example"),
    [
        pytest.param(None, "@0 *101 100 @10 *101", id="over to the microsecond"),
        pytest.param(None, "@0 *101 100 @9.999999 101 @10 101", id="not made up for"),
        pytest.param(None, "@0 *101 100 @9 101 100 @11 *101", id="not begun again"),
        pytest.param(None, "@0 *101 pause resume @5 101 100 @10 *101", id="counts on"),
        pytest.param(None, "@0 *101 remove add @5 *101", id="not for another rule"),
        pytest.param("5", "@0 *101 95 101 100 @10 *101", id="what it suppresses disarms nothing"),
        pytest.param("5", "@0 *101 95 100 @10 *101", id="the price goes back meanwhile"),
        pytest.param("5", "@0 *101 @20 100 101 pause resume *101", id="resumed, it is armed"),
    ],
)
def test_a_cooldown_suppresses(rearm: str | None, example: str) -> None:
    rule = spec("above", "100", cooldown_seconds=10, rearm=rearm)

    assert played(example, rule) == example


@pytest.mark.parametrize("example", ["@1.999999 *101 100 101", "@2 101 pause resume 101"])
def test_a_rule_fires_no_more_from_its_expiry_on(example: str) -> None:
    assert played(example, spec("above", "100", expires_at_microseconds=2_000_000)) == example


def test_a_firing_tells_rule_time_and_prices_in_the_order_of_the_ids() -> None:
    oracle = Oracle(Decimal(150))
    oracle.add(replace(spec("above", "150"), rule_id="z"))
    oracle.add(replace(spec("above", "150"), rule_id="a"))
    oracle.add(replace(spec("above", "150"), symbol="MSFT"))

    first, then = Decimal(140), Decimal(151)
    assert oracle.tick("AAPL", first, 1) == []
    assert oracle.tick("AAPL", then, 2) == [
        (rule_id, 2, first, then) for rule_id in ("a", HIGH_PRICE, "z")
    ]
    assert oracle.tick("MSFT", then, 3) == [
        (rule_id, 3, None, then) for rule_id in (HIGH_PRICE, "r")
    ]


def test_a_changed_threshold_is_a_new_rule() -> None:
    oracle = Oracle(Decimal(150))
    fired: list[int] = []
    for threshold in (150, 150, None, None, 150, 140, 250, 140):
        oracle.change_threshold(None if threshold is None else Decimal(threshold))
        fired.append(len(oracle.tick("AAPL", Decimal(200), len(fired))))

    assert fired == [1, 0, 0, 0, 1, 1, 0, 1]


def test_a_change_that_does_not_fit_is_refused() -> None:
    oracle = Oracle()
    assert oracle.status("r") is None
    with pytest.raises(ValueError, match="r is None"):
        oracle.remove("r")
    oracle.add(spec("above", "100", trigger="once"))
    with pytest.raises(ValueError, match="r is active"):
        oracle.add(spec("above", "100"))
    with pytest.raises(ValueError, match="r is active"):
        oracle.resume("r")
    oracle.tick("AAPL", Decimal(101), 0)
    assert oracle.status("r") == "triggered"
    with pytest.raises(ValueError, match="r is triggered"):
        oracle.pause("r")


def test_a_number_that_is_too_fine_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 130 decimals"):
        Oracle().tick("AAPL", Decimal("1E-131"), 0)
