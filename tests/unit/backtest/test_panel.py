"""Whether a picture can be read: with one symbol, and with twenty."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from lib.backtest.columns import Floats
from lib.backtest.panel import spread
from lib.formats.prices import Price
from price_alerts.domain.rules import Rule
from tests.unit.backtest.pictures import Draw, hourly, rule


def many(symbols: int) -> tuple[list[Rule], list[Price]]:
    """Return rules of many kinds, at prices of very different sizes."""
    random = Random(1)
    rules: list[Rule] = []
    prices: list[Price] = []
    for number in range(symbols):
        symbol, base = f"SYM{number}", 10.0 ** random.randrange(-4, 6)
        for condition, *factors in (
            ("crosses_up", 1.05),
            ("crosses_down", 0.95),
            ("exits", 0.97, 1.03),
            ("crosses", 1.031),
            ("above", 3),
        ):
            levels = [f"{base * factor:.5g}" for factor in factors]
            rules.append(rule(condition, *levels, symbol=symbol))
        rules += [rule(each, "4%", symbol=symbol, window="1d") for each in ("falls", "rises")]
        price, texts = base, []
        for _ in range(150):
            price *= 1 + random.gauss(0, 0.015)
            texts.append(f"{price:.8f}")
        prices += hourly(*texts, symbol=symbol)
    return rules, prices


def texts_of(figure: Figure) -> list[Text]:
    """Return the texts that are seen; axes keep some for ticks that are out of sight."""
    unseen = {
        label
        for axes in figure.axes
        for axis, (first, last) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim()))
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
        if not first <= tick.get_loc() <= last
    }
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text)
        and text not in unseen
        and text.get_visible()
        and text.get_text().strip()
    ]


def markers_of(axes: Axes) -> Floats:
    """Return where firings are marked, in dots."""
    lines = [line for line in axes.lines if str(line.get_label()).startswith("fired")]
    return np.vstack([axes.transData.transform(line.get_xydata()) for line in lines])


@pytest.mark.parametrize("symbols", [1, 20])
def test_no_text_is_over_another_or_over_a_marker_or_cut_off(draw: Draw, symbols: int) -> None:
    figure = draw(*many(symbols))

    texts = texts_of(figure)
    boxes = np.array([Text.get_window_extent(each).padded(-0.25).extents for each in texts])
    assert sum("in 1d" in each.get_text() for each in texts) > 2 * symbols
    assert sum(each.get_text()[0] == "\N{UPWARDS ARROW}" for each in texts) == symbols
    low, high = boxes[:, None, :2], boxes[:, 2:]
    overlaps = np.argwhere(((low < high) & (low < high).transpose(1, 0, 2)).all(axis=2))
    assert [pair for pair in overlaps.tolist() if pair[0] != pair[1]] == []
    markers = np.vstack([markers_of(axes) for axes in figure.axes])
    assert len(markers) > 10 * symbols
    assert not ((low < markers) & (markers < boxes[:, None, 2:])).all(axis=2).any()
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= figure.bbox.size).all()


def test_of_too_many_levels_some_keep_their_labels(draw: Draw) -> None:
    rules = [rule("crosses", str(level)) for level in range(100, 200)]

    (axes,) = draw(rules, hourly("100", "200")).axes

    levels = [int(text.get_text()) for text in axes.texts]
    assert len({after - before for before, after in pairwise(levels)}) == 1
    assert 20 <= len(levels) <= 50


@given(st.lists(st.floats(0, 100), min_size=1, max_size=11).map(sorted))
def test_heights_are_spread_within_what_there_is(heights: list[float]) -> None:
    places = spread(heights, 10, 100)

    assert all(after - before > 10 - 1e-6 for before, after in pairwise(places))
    assert all(-1e-6 < place < 100 + 1e-6 for place in places)


def test_heights_move_only_if_they_meet_and_then_to_both_sides() -> None:
    assert spread([0, 10, 45.5, 100], 10, 100).tolist() == [0, 10, 45.5, 100]
    assert spread([50, 50, 50], 10, 100).tolist() == [40, 50, 60]


def test_a_level_far_away_does_not_make_prices_flat(draw: Draw) -> None:
    (axes,) = draw(
        [rule("crosses", level) for level in ("1", "200", "9000")], hourly("199", "201")
    ).axes

    assert [text.get_text() for text in axes.texts] == [
        *("\N{DOWNWARDS ARROW} 1", "200", "\N{UPWARDS ARROW} 9000")
    ]
    assert [line.get_label() for line in axes.lines].count("level") == 1
    bottom, top = axes.get_ylim()
    assert 198 < bottom < 199
    assert 201 < top < 202


def test_a_long_level_is_shortened(draw: Draw) -> None:
    (axes,) = draw([rule("crosses", "1.070000000000000001")], hourly("1.06", "1.1")).axes

    assert [text.get_text() for text in axes.texts] == ["\N{ALMOST EQUAL TO}1.07"]


@pytest.mark.parametrize("price", ["200", "0", "-5"])
def test_a_single_price_has_room_around_it(draw: Draw, price: str) -> None:
    (axes,) = draw([rule("below", "300")], hourly(price)).axes

    bottom, top = axes.get_ylim()
    assert Decimal(bottom) < Decimal(price) < Decimal(top)
