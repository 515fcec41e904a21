"""The second evaluator's moves and windows, held against examples worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.oracle import Spec
from tests.unit.oracle_examples import played, spec


@pytest.mark.parametrize(
    ("condition", "size", "example"),
    [
        ("rises", "5", "100 104 *105 105 110 104 *105 99 103 *104"),
        ("rises", "5", "100 *150 90 94 *95"),
        ("falls", "5", "100 96 *95 95 90 96 *95 101 97 *96"),
        ("falls", "5", "100 *50 110 106 *105"),
        ("rises", "5%", "200 209.99 *210 210 209 *210 100 104 *105"),
        ("falls", "5%", "100 95.01 *95 95 96 *95 200 191 *190"),
        ("rises", "33.333333333333333333%", "3 *4"),
        ("rises", "33.333333333333333334%", "3 4"),
        ("falls", "33.333333333333333333%", "3 *2"),
        ("falls", "33.333333333333333334%", "3 2"),
    ],
)
def test_a_move_comes_true(condition: str, size: str, example: str) -> None:
    assert played(example, spec(condition, size, window="1h")) == example


@pytest.mark.parametrize(
    "example",
    [
        pytest.param("@0 100 @60 *105", id="what was exactly so long ago counts"),
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
    assert played(example, spec("rises", "5", window="1m")) == example


def test_a_window_is_dropped_by_the_tick_that_triggers_the_last_rule() -> None:
    example = "100 *105 resume 109 *110"

    assert played(example, spec("rises", "5", window="1m", trigger="once")) == example


KEEPER = replace(spec("rises", "50", window="1m"), rule_id="keeper")


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
        pytest.param(
            replace(KEEPER, condition="falls"), "100 pause 104 resume 105", id="not the highest"
        ),
        pytest.param(
            replace(KEEPER, window="5m"), "100 pause 104 resume 105", id="not another window"
        ),
        pytest.param(
            replace(KEEPER, symbol="MSFT"), "100 pause 104 resume 105", id="not another symbol"
        ),
        pytest.param(
            replace(KEEPER, levels=(Decimal(4),), trigger="once"),
            "100 pause 104 resume 105",
            id="not one that this tick triggers",
        ),
    ],
)
def test_a_window_is_kept_as_long_as_a_rule_needs_it(other: Spec, example: str) -> None:
    assert played(example, spec("rises", "5", window="1m"), other) == example
