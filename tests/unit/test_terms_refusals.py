"""What terms refuse, and what they just about take."""

from __future__ import annotations

import pytest

from price_alerts.domain.conditions import RuleError
from tests.unit.rule_builders import terms

LEVEL = "a level is 0 or between 1e-30 and 1e30 in size, with at most 34 significant digits"
WINDOWS = "within 1m 5m 15m 1h 4h 1d 7d"
REARM = "rearm is an amount greater than 0, or a percentage under 100%"
MOVE = "takes an amount or a percentage greater than 0"
MOST = "9" * 34


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("above", "above takes one level"),
        ("crosses_up 1 2", "crosses-up takes one level"),
        ("enters 1", "enters takes two levels, the lower one first"),
        ("enters 1 2 3", "enters takes two levels, the lower one first"),
        *(
            (f"above {level}", LEVEL)
            for level in ("NaN", "Infinity", "1.1E30", "9E-31", f"{MOST}.1")
        ),
        ("outside 1 -1E31", LEVEL),
        ("inside 2 1", "inside takes the lower level first"),
        ("inside 2 2.0", "inside takes the lower level first"),
        ("above 5 within 1h", "above takes a price, no percentage and no window"),
        ("above 5%", "above takes a price, no percentage and no window"),
        ("rises 5", f"rises needs a window: {WINDOWS}"),
        ("falls 5 within 2h", f"falls needs a window: {WINDOWS}"),
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
        ("exits 90 110 rearm 20.01", "rearm must not be more than the width of the range"),
        ("exits 90 110 rearm 20%", "rearm must not be more than the width of the range"),
        ("outside 100 110 rearm 9.9%", "rearm must not be more than the width of the range"),
    ],
)
def test_terms_that_cannot_be_watched_are_refused(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as refusal:
        terms(text)
    assert str(refusal.value) == reason


@pytest.mark.parametrize(
    "text",
    [
        *("above 1E-30", "above 1E+30", f"below -0.{MOST}", "above 0", "inside -3 0"),
        *("falls 150% within 1h", "rises 100% within 1h", "rises 5% within 1h rearm 4.99%"),
        *("above 5 rearm 6", "above 5 rearm 99.99%", "exits 90 110 rearm 20"),
        *("enters 90 110 rearm 30", "below 5 rearm 5", "crosses_down 1E-30 rearm 1E-30%"),
    ],
)
def test_terms_at_the_edge_of_what_can_be_watched_are_taken(text: str) -> None:
    assert terms(text).condition == text.split(maxsplit=1)[0]
