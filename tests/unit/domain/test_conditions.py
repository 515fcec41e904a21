"""What terms accept and reject, and where rules re-arm; when they trigger: test_examples.py."""

from __future__ import annotations

from decimal import Decimal

import pytest

from price_alerts.domain.conditions import Condition, Distance, RuleError, Side, Terms
from tests.unit.rule_builders import terms

LEVEL = "a level is 0 or between 1e-30 and 1e30 in size, with at most 34 significant digits"
WINDOWS = "within 1m 5m 15m 1h 4h 1d 7d"
REARM = "rearm is an amount greater than 0, or a percentage under 100%"
MOVE = "takes an amount or a percentage greater than 0"
PRICE = "takes a price, no percentage and no window"
WIDTH = "rearm must not be more than the width of the range"
MOST = "9" * 34


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("above", "above takes one level"),
        ("crosses_up 1 2", "crosses-up takes one level"),
        ("enters 1", "enters takes two levels, the lower one first"),
        ("enters 1 2 3", "enters takes two levels, the lower one first"),
        *((f"above {level}", LEVEL) for level in ("NaN", "Infinity", "1.1E30", "9E-31")),
        (f"above {MOST}.1", LEVEL),
        ("outside 1 -1E31", LEVEL),
        ("inside 2 1", "inside takes the lower level first"),
        ("inside 2 2.0", "inside takes the lower level first"),
        ("above 5 within 1h", f"above {PRICE}"),
        ("above 5%", f"above {PRICE}"),
        ("rises 5", f"rises needs a window: {WINDOWS}"),
        ("falls 5 within 2h", f"falls needs a window, and 2h is none: {WINDOWS}"),
        ("falls 0 within 1h", f"falls {MOVE}"),
        ("rises -5% within 1h", f"rises {MOVE}"),
        ("above 5 rearm 0", REARM),
        ("above 5 rearm -1", REARM),
        ("above 5 rearm 1E-31", REARM),
        ("above 5 rearm 100%", REARM),
        ("rises 5% within 1h rearm 1", "rearm of a move in percent is in percent too, as in 1%"),
        ("above 0 rearm 50%", "rearm in percent needs levels above 0: write an amount"),
        ("exits -1 9 rearm 1%", "rearm in percent needs levels above 0: write an amount"),
        ("rises 5 within 1h rearm 5", "rearm must be less than the move, 5"),
        ("rises 5% within 1h rearm 5%", "rearm must be less than the move, 5%"),
        ("exits 90 110 rearm 20.01", WIDTH),
        ("exits 90 110 rearm 20%", WIDTH),
        ("outside 100 110 rearm 9.9%", WIDTH),
    ],
)
def test_terms_that_cannot_be_watched_are_rejected(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as rejection:
        terms(text)
    assert str(rejection.value) == reason


@pytest.mark.parametrize(
    "text",
    [
        *("above 1E-30", "above 1E+30", f"below -0.{MOST}", "above 0", "inside -3 0"),
        *("falls 150% within 1h", "rises 100% within 1h", "rises 500% within 1h rearm 100%"),
        *("above 5 rearm 6", "above 5 rearm 99.99%", "exits 90 110 rearm 20"),
        *("enters 90 110 rearm 30", "below 5 rearm 5", "crosses_down 1E-30 rearm 1E-30%"),
    ],
)
def test_terms_at_the_edge_of_what_can_be_watched_are_accepted(text: str) -> None:
    assert terms(text).condition == text.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("text", "high", "low"),
    [
        ("crosses_up 100 rearm 2", "98", None),
        ("above 100 rearm 2", "98", None),
        ("crosses_down 100 rearm 2", None, "102"),
        ("below 100 rearm 2", None, "102"),
        ("crosses 100 rearm 2", "98", "102"),
        ("enters 90 110 rearm 2", "88", "112"),
        ("inside 90 110 rearm 2", "88", "112"),
        ("exits 90 110 rearm 2", "108", "92"),
        ("outside 90 110 rearm 2", "108", "92"),
        ("rises 5 within 1h rearm 2", "3", None),
        ("falls 5% within 1h rearm 2%", "3", None),
        ("rises 5 within 1h rearm 2%", "4.9", None),
        ("exits 100 200 rearm 1%", "198", "101"),
        ("above 1E+30 rearm 1E-30%", "999999999999999999999999999999.99", None),
    ],
)
def test_terms_watch_their_levels_and_those_at_which_they_re_arm(
    text: str, high: str | None, low: str | None
) -> None:
    built = terms(text)
    expected = {Side.HIGH: high, Side.LOW: low}
    levels = {side: Decimal(level) for side, level in expected.items() if level is not None}
    assert built.rearm_levels == levels
    assert built.watched_levels == tuple(sorted({*built.levels, *levels.values()}))


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("above 100", "price"),
        ("rises 5 within 1h", "rise-1h"),
        ("falls 5% within 7d", "fall-7d-percent"),
    ],
)
def test_terms_name_the_line_of_their_levels(text: str, metric: str) -> None:
    assert terms(text).metric == metric


def test_levels_are_written_exactly_and_without_an_exponent() -> None:
    percent = Terms(Condition.RISES, (Decimal("2.50"),), is_percent=True, window="1h")
    assert percent.levels_in_words == ["2.50%"]
    assert terms("inside 1E-7 1E+2").levels_in_words == ["0.0000001", "100"]
    assert str(Distance(Decimal("1E+3"))) == "1000"
