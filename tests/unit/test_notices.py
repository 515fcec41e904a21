from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.notices import notice
from price_alerts.domain.ticks import Position
from tests.unit.doubles import ABOVE_150, firing, told

AT = "2026-11-22T15:04:05.250000Z"


@pytest.mark.parametrize(
    ("condition", "levels", "window", "is_percent", "sentence"),
    [
        (Condition.CROSSES_UP, (150,), None, False, "AAPL crossed 150 upwards"),
        (Condition.CROSSES_DOWN, (150,), None, False, "AAPL crossed 150 downwards"),
        (Condition.CROSSES, (150,), None, False, "AAPL crossed 150"),
        (Condition.ABOVE, (150,), None, False, "AAPL is above 150"),
        (Condition.BELOW, (150,), None, False, "AAPL is below 150"),
        (Condition.ENTERS, (140, 150), None, False, "AAPL entered 140 to 150"),
        (Condition.EXITS, (140, 150), None, False, "AAPL left 140 to 150"),
        (Condition.INSIDE, (140, 150), None, False, "AAPL is inside 140 to 150"),
        (Condition.OUTSIDE, (140, 150), None, False, "AAPL is outside 140 to 150"),
        (Condition.RISES, (5,), "1h", False, "AAPL rose by 5 within 1h"),
        (Condition.FALLS, (5,), "15m", True, "AAPL fell by 5% within 15m"),
    ],
)
def test_each_condition_has_its_sentence(
    condition: Condition,
    levels: tuple[int, ...],
    window: str | None,
    is_percent: bool,
    sentence: str,
) -> None:
    terms = Terms(condition, tuple(map(Decimal, levels)), is_percent, window)
    assert told(terms=terms).text == f"{sentence}: 200.25 at {AT}, 149.5 before."


def test_a_first_price_has_none_before() -> None:
    assert told(previous_price=None).text == f"AAPL is above 150: 200.25 at {AT}."


def test_full_seconds_are_written_without_decimals() -> None:
    assert told(position=Position(0, 0, 0, "m-1", 0)).text.split(" at ")[1] == (
        "1970-01-01T00:00:00Z, 149.5 before."
    )


def test_numbers_are_written_without_an_exponent() -> None:
    text = told(price=Decimal("2E+2"), previous_price=Decimal("1E-18")).text
    assert text == f"AAPL is above 150: 200 at {AT}, 0.000000000000000001 before."


def test_a_note_follows_the_sentence() -> None:
    noted = notice(firing(), replace(ABOVE_150, note="Sell some."))
    assert noted.text == f"AAPL is above 150: 200.25 at {AT}, 149.5 before. Sell some."


def test_a_notice_says_whose_its_rule_is_and_what_for() -> None:
    worded = notice(firing(), replace(ABOVE_150, owner="ann", note="Sell."))
    assert (worded.firing, worded.owner, worded.note) == (firing(), "ann", "Sell.")


def test_a_rule_that_is_gone_leaves_the_sentence() -> None:
    worded = notice(firing(), None)
    assert (worded.owner, worded.note) == ("", "")
    assert worded.text == f"AAPL is above 150: 200.25 at {AT}, 149.5 before."


def with_message(template: str, **changes: object) -> str:
    return notice(firing(**changes), replace(ABOVE_150, message=template, note="Sell.")).text


def test_a_message_takes_the_place_of_the_sentence() -> None:
    template = "{symbol} {condition} {level}: {previous_price} to {price} on {timestamp}, {note}"
    assert with_message(template) == f"AAPL above 150: 149.5 to 200.25 on {AT}, Sell."


@pytest.mark.parametrize(
    ("template", "changes", "text"),
    [
        ("{{{level}}}", {}, "{150}"),
        ("{previous_price}>{price}", {"previous_price": None}, ">200.25"),
        ("{price}", {"price": Decimal("2E+2")}, "200"),
        ("{condition}", {"terms": Terms(Condition.CROSSES_UP, (Decimal(1),))}, "crosses up"),
        ("{level}", {"terms": Terms(Condition.ENTERS, (Decimal(1), Decimal(2)))}, "1 to 2"),
    ],
)
def test_a_placeholder_is_filled(template: str, changes: dict[str, object], text: str) -> None:
    assert with_message(template, **changes) == text


def test_a_message_that_comes_to_nothing_gives_way_to_the_sentence() -> None:
    text = with_message(" {previous_price} ", previous_price=None)
    assert text == f"AAPL is above 150: 200.25 at {AT}. Sell."


def test_a_text_has_an_end() -> None:
    template = "{note}" * 80
    text = notice(firing(), replace(ABOVE_150, message=template, note="ab" * 128)).text
    assert text == "ab" * 500
