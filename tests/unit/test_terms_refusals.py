"""What terms refuse, and what they just about take."""

from __future__ import annotations

import pytest

from price_alerts.terms import RuleError
from tests.unit.rule_builders import terms

LEVEL = "a level is a number greater than 0 with at most 18 digits before and after the point"
WINDOWS = "within 1m 5m 15m 1h 4h 1d 7d"
REARM = "rearm is an amount greater than 0, or a percentage under 100%"
BACK = "and lead to a number of at most 18 digits before the point"
MOST = "9" * 18


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("above", "above takes one level"),
        ("crosses_up 1 2", "crosses-up takes one level"),
        ("enters 1", "enters takes two levels, the lower one first"),
        ("enters 1 2 3", "enters takes two levels, the lower one first"),
        *((f"above {level}", LEVEL) for level in ("0", "-1", "NaN", "Infinity", "1E18", "1E-19")),
        ("outside 1 1E18", LEVEL),
        ("inside 2 1", "inside takes the lower level first"),
        ("inside 2 2.0", "inside takes the lower level first"),
        ("above 5 within 1h", "above takes a price, no percentage and no window"),
        ("above 5%", "above takes a price, no percentage and no window"),
        ("rises 5", f"rises needs a window: {WINDOWS}"),
        ("falls 5 within 2h", f"falls needs a window: {WINDOWS}"),
        ("falls 100% within 1h", "no price falls by 100% or more"),
        ("above 5 rearm 0", REARM),
        ("above 5 rearm -1", REARM),
        ("above 5 rearm 1E-19", REARM),
        ("above 5 rearm 100%", REARM),
        ("rises 5% within 1h rearm 1", "rearm of a move in percent is in percent too, as in 1%"),
        ("above 1E-18 rearm 50%", "rearm comes to nothing at that level: make it larger"),
        ("exits 1E-18 9 rearm 1%", "rearm comes to nothing at that level: make it larger"),
        ("above 5 rearm 5", f"rearm must be less than the level, 5, {BACK}"),
        ("enters 5 9 rearm 6", f"rearm must be less than the level, 5, {BACK}"),
        ("rises 5% within 1h rearm 5%", f"rearm must be less than the level, 5, {BACK}"),
        (f"below {MOST} rearm 1", f"rearm must be less than the level, {MOST}, {BACK}"),
        ("exits 90 110 rearm 20.01", "rearm must not be more than the width of the channel"),
        ("exits 90 110 rearm 20%", "rearm must not be more than the width of the channel"),
        ("outside 100 110 rearm 9.9%", "rearm must not be more than the width of the channel"),
    ],
)
def test_terms_that_cannot_be_watched_are_refused(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as refusal:
        terms(text)
    assert str(refusal.value) == reason


@pytest.mark.parametrize(
    "text",
    [
        *("above 1E-18", f"above {MOST}.{MOST}", "falls 99.99% within 1h", "rises 100% within 1h"),
        *("above 5 rearm 4.99", "above 5 rearm 99.99%", "exits 90 110 rearm 20"),
        *("enters 90 110 rearm 30", "below 5 rearm 5", "crosses_down 1E-18 rearm 50.1%"),
    ],
)
def test_terms_at_the_edge_of_what_can_be_watched_are_taken(text: str) -> None:
    assert terms(text).condition == text.split(maxsplit=1)[0]
