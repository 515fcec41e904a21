from __future__ import annotations

from decimal import Decimal

import pytest

from price_alerts.domain.conditions import Condition, Distance, Side, Terms
from tests.unit.rule_builders import terms

AROUND_LEVEL = ("99", "100", "101")
AROUND_CHANNEL = ("89", "90", "100", "110", "111")
AROUND_SIZE = ("0", "4.99", "5", "6")


def numbers(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))


def fires(text: str, before: str | None, around: tuple[str, ...]) -> list[str]:
    """Tell which numbers make it come true."""
    number = None if before is None else Decimal(before)
    return [now for now in around if terms(text).comes_true(number, Decimal(now))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("crosses_up 100", {None: [], "99": ["100", "101"], "100": [], "101": []}),
        ("crosses_down 100", {None: [], "99": [], "100": [], "101": ["99", "100"]}),
        ("crosses 100", {None: [], "99": ["100", "101"], "100": [], "101": ["99", "100"]}),
        ("above 100", {None: ["101"], "99": ["101"], "100": ["101"], "101": []}),
        ("below 100", {None: ["99"], "99": [], "100": ["99"], "101": ["99"]}),
    ],
)
def test_a_level_comes_true(text: str, expected: dict[str | None, list[str]]) -> None:
    assert {before: fires(text, before, AROUND_LEVEL) for before in expected} == expected


INSIDE, OUTSIDE = ["90", "100", "110"], ["89", "111"]


@pytest.mark.parametrize(
    ("text", "unknown", "outside", "inside"),
    [
        ("enters 90 110", [], INSIDE, []),
        ("exits 90 110", [], [], OUTSIDE),
        ("inside 90 110", INSIDE, INSIDE, []),
        ("outside 90 110", OUTSIDE, [], OUTSIDE),
    ],
)
def test_a_range_comes_true(
    text: str, unknown: list[str], outside: list[str], inside: list[str]
) -> None:
    expected = {None: unknown, "89": outside, "90": inside, "100": inside, "110": inside}
    expected["111"] = outside
    assert {before: fires(text, before, AROUND_CHANNEL) for before in expected} == expected


@pytest.mark.parametrize("text", ["rises 5 within 1h", "falls 5 within 1h", "rises 5% within 7d"])
def test_a_move_comes_true_at_its_size(text: str) -> None:
    large = ["5", "6"]
    expected = {None: large, "0": large, "4.99": large, "5": [], "6": []}
    assert {before: fires(text, before, AROUND_SIZE) for before in expected} == expected


@pytest.mark.parametrize(
    ("text", "is_state"),
    [
        *((f"{event} 100", False) for event in ("crosses_up", "crosses_down", "crosses")),
        *((f"{event} 90 110", False) for event in ("enters", "exits")),
        *((f"{state} 100", True) for state in ("above", "below")),
        *((f"{state} 90 110", True) for state in ("inside", "outside")),
        *((f"{state} 5 within 1h", True) for state in ("rises", "falls")),
    ],
)
def test_what_is_so_can_be_so_at_the_first_price(text: str, is_state: bool) -> None:
    assert terms(text).is_state is is_state


@pytest.mark.parametrize(
    ("text", "metric"),
    [
        ("above 100", "price"),
        ("exits 90 110", "price"),
        ("rises 5 within 1h", "rise-1h"),
        ("rises 5% within 1h", "rise-1h-percent"),
        ("falls 5 within 7d", "fall-7d"),
        ("falls 5% within 7d", "fall-7d-percent"),
    ],
)
def test_terms_name_the_line_of_their_levels(text: str, metric: str) -> None:
    assert terms(text).metric == metric


def test_moves_in_price_and_in_percent_share_their_extremes() -> None:
    assert terms("falls 5 within 1m").extremes == terms("falls 5% within 1m").extremes == "fall-1m"


@pytest.mark.parametrize(
    ("text", "is_move"),
    [("rises 5 within 1h", True), ("falls 5% within 1h", True), ("above 5", False)],
)
def test_only_rises_and_falls_are_moves(text: str, is_move: bool) -> None:
    assert terms(text).is_move is is_move


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
        ("falls 5 within 1h rearm 2", "3", None),
        ("rises 5% within 1h rearm 2%", "3", None),
        ("rises 5 within 1h rearm 2%", "4.9", None),
        ("enters 100 200 rearm 1%", "99", "202"),
        ("exits 100 200 rearm 1%", "198", "101"),
        # 1.5 and 2.5 of the smallest unit are both taken for 2.
        ("above 5E-18 rearm 30%", "3.5E-18", None),
        ("above 1E+30 rearm 1E-30%", "999999999999999999999999999999.99", None),
    ],
)
def test_a_price_must_go_back_to_re_arm(text: str, high: str | None, low: str | None) -> None:
    built = terms(text)
    assert built.rearm
    expected = {Side.HIGH: high, Side.LOW: low}
    assert built.rearm_levels(built.rearm) == {
        side: Decimal(level) for side, level in expected.items() if level is not None
    }


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("above 100", ("100",)),
        ("enters 90 110", ("90", "110")),
        ("above 100 rearm 2", ("98", "100")),
        ("crosses 100 rearm 2", ("98", "100", "102")),
        ("inside 90 110 rearm 2", ("88", "90", "110", "112")),
        ("exits 90 110 rearm 2", ("90", "92", "108", "110")),
        ("exits 90 110 rearm 20", ("90", "110")),
    ],
)
def test_all_levels_are_watched_each_once_in_order(text: str, levels: tuple[str, ...]) -> None:
    assert terms(text).watched_levels == numbers(*levels)


@pytest.mark.parametrize(
    ("text", "before", "now", "side"),
    [
        ("crosses_up 100", "99", "100", Side.HIGH),
        ("crosses_down 100", "101", "100", Side.LOW),
        ("above 100", None, "101", Side.HIGH),
        ("below 100", None, "99", Side.LOW),
        ("crosses 100", "99", "100", Side.HIGH),
        ("crosses 100", "101", "100", Side.LOW),
        ("exits 90 110", "100", "111", Side.HIGH),
        ("exits 90 110", "100", "89", Side.LOW),
        ("outside 90 110", None, "111", Side.HIGH),
        ("outside 90 110", None, "89", Side.LOW),
        ("enters 90 110", "111", "110", Side.HIGH),
        ("inside 90 110", None, "90", Side.HIGH),
        ("falls 5 within 1h", "0", "5", Side.HIGH),
    ],
)
def test_a_firing_takes_the_price_to_a_side(
    text: str, before: str | None, now: str, side: Side
) -> None:
    number = None if before is None else Decimal(before)
    assert terms(text).side(number, Decimal(now)) is side


@pytest.mark.parametrize(
    ("text", "side", "armed", "not_yet"),
    [
        ("above 100 rearm 2", Side.HIGH, ["97", "98"], ["98.01", "102"]),
        ("below 100 rearm 2", Side.LOW, ["102", "103"], ["98", "101.99"]),
        ("crosses 100 rearm 2", Side.HIGH, ["98"], ["98.01", "102"]),
        ("crosses 100 rearm 2", Side.LOW, ["102"], ["98", "101.99"]),
        ("enters 90 110 rearm 2", Side.HIGH, ["87", "88", "112", "113"], ["88.01", "111.99"]),
        ("inside 90 110 rearm 2", Side.HIGH, ["88", "112"], ["88.01", "100", "111.99"]),
        ("exits 90 110 rearm 2", Side.HIGH, ["80", "108"], ["108.01", "120"]),
        ("outside 90 110 rearm 2", Side.LOW, ["92", "120"], ["80", "91.99"]),
        ("above 100", Side.HIGH, ["99", "101"], []),
    ],
)
def test_a_rule_is_armed_again_far_enough_back(
    text: str, side: Side, armed: list[str], not_yet: list[str]
) -> None:
    found = [number for number in armed + not_yet if terms(text).rearms(side, Decimal(number))]
    assert found == armed


@pytest.mark.parametrize(
    ("text", "now", "is_back"),
    [
        ("above 100", "1", False),
        ("above 100 rearm 2", "98", True),
        ("above 100 rearm 2", "99", False),
        ("below 100 rearm 2", "102", True),
        ("below 100 rearm 2", "101", False),
        ("crosses 100 rearm 2", "98", True),
        ("crosses 100 rearm 2", "102", True),
        ("crosses 100 rearm 2", "100", False),
    ],
)
def test_a_price_is_back_from_either_side(text: str, now: str, is_back: bool) -> None:
    assert terms(text).is_back(Decimal(now)) is is_back


@pytest.mark.parametrize(
    ("text", "written"), [("2%", "2%"), ("1E+3", "1000"), ("1E-7", "0.0000001")]
)
def test_a_distance_is_written_without_an_exponent(text: str, written: str) -> None:
    assert str(Distance(Decimal(text.rstrip("%")), text.endswith("%"))) == written


def test_levels_are_written_exactly() -> None:
    percent = Terms(Condition.RISES, (Decimal("2.50"),), is_percent=True, window="1h")
    assert percent.levels_in_words == ["2.50%"]
    terms = Terms(Condition.INSIDE, (Decimal("1E+2"), Decimal(110)))
    assert terms.levels_in_words == ["100", "110"]


def test_a_condition_is_typed_in_one_word_and_told_in_several() -> None:
    assert (Condition.CROSSES_UP.word, Condition.CROSSES_UP.phrase) == ("crosses-up", "crosses up")
