from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from price_alerts.domain.notices import notice
from price_alerts.domain.ticks import Position
from tests.unit.doubles import ABOVE_150, firing
from tests.unit.rule_builders import terms

AT = "2026-11-22T15:04:05.250000Z"


def text_of(message: str = "", note: str = "", **changes: Any) -> str:
    return notice(firing(**changes), replace(ABOVE_150, message=message, note=note)).text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("crosses_up 150", "AAPL crossed 150 upwards"),
        ("crosses_down 150", "AAPL crossed 150 downwards"),
        ("crosses 150", "AAPL crossed 150"),
        ("above 150", "AAPL is above 150"),
        ("below 150", "AAPL is below 150"),
        ("enters 140 150", "AAPL entered 140 to 150"),
        ("exits 140 150", "AAPL left 140 to 150"),
        ("inside 140 150", "AAPL is inside 140 to 150"),
        ("outside 140 150", "AAPL is outside 140 to 150"),
        ("rises 5 within 1h", "AAPL rose by 5 within 1h"),
        ("falls 5% within 15m", "AAPL fell by 5% within 15m"),
    ],
)
def test_each_condition_has_its_sentence(text: str, sentence: str) -> None:
    assert text_of(terms=terms(text)) == f"{sentence}: 200.25 at {AT}, 149.5 before."


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"previous_price": None}, f"AAPL is above 150: 200.25 at {AT}."),
        (
            {"position": Position(0, 0, 0, "m-1", 0)},
            "AAPL is above 150: 200.25 at 1970-01-01T00:00:00Z, 149.5 before.",
        ),
        (
            {"price": Decimal("2E+2"), "previous_price": Decimal("1E-18")},
            f"AAPL is above 150: 200 at {AT}, 0.000000000000000001 before.",
        ),
        ({"note": "Sell."}, f"AAPL is above 150: 200.25 at {AT}, 149.5 before. Sell."),
    ],
)
def test_a_sentence_has_what_there_is(changes: dict[str, Any], text: str) -> None:
    assert text_of(**changes) == text


@pytest.mark.parametrize(
    ("template", "changes", "text"),
    [
        (
            "{symbol} {condition} {level}: {previous_price} to {price} on {timestamp}, {note}",
            {},
            f"AAPL above 150: 149.5 to 200.25 on {AT}, Sell.",
        ),
        ("{{{level}}}", {}, "{150}"),
        ("{previous_price}>{price}", {"previous_price": None}, ">200.25"),
        ("{price}", {"price": Decimal("2E+2")}, "200"),
        ("{condition} {level}", {"terms": terms("crosses_up 1")}, "crosses up 1"),
        ("{level}", {"terms": terms("enters 1 2")}, "1 to 2"),
        ("{note}" * 5, {"note": "x" * 256}, "x" * 1_000),
        (
            " {previous_price} ",
            {"previous_price": None},
            f"AAPL is above 150: 200.25 at {AT}. Sell.",
        ),
    ],
)
def test_a_message_replaces_the_sentence_unless_it_is_empty(
    template: str, changes: dict[str, Any], text: str
) -> None:
    assert text_of(template, **{"note": "Sell.", **changes}) == text


def test_a_notice_has_its_rules_owner_and_note_while_there_is_a_rule() -> None:
    worded = notice(firing(), replace(ABOVE_150, owner="ann", note="Sell."))
    assert (worded.firing, worded.owner, worded.note) == (firing(), "ann", "Sell.")
    gone = notice(firing(), None)
    sentence = f"AAPL is above 150: 200.25 at {AT}, 149.5 before."
    assert (gone.owner, gone.note, gone.text) == ("", "", sentence)
