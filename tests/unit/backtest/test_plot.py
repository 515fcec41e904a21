from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from lib.backtest import plot as plot_module
from lib.backtest.backtest import run
from lib.backtest.columns import chunks_of
from lib.backtest.panel import spread
from lib.backtest.plot import check_target, plot, thinned
from lib.formats.errors import CliError
from lib.formats.prices import Price
from price_alerts.domain.rules import Rule, paused
from tests.unit.doubles import NOW, SECOND
from tests.unit.rule_builders import rule

HOUR = 3600 * SECOND
CROSSES = rule("crosses 200")


def hourly(*texts: str, symbol: str = "AAPL") -> list[Price]:
    return [Price(symbol, Decimal(text), NOW + hour * HOUR) for hour, text in enumerate(texts)]


def written(path: Path, *prices: Price) -> None:
    plot([CROSSES], chunks_of(prices or hourly("199", "201")), [], path)


def drawn(monkeypatch: pytest.MonkeyPatch, rules: Sequence[Rule], prices: list[Price]) -> Figure:
    """Draw a backtest, and return the picture instead of writing it."""
    figures: list[Figure] = []
    monkeypatch.setattr(Path, "replace", lambda *_: None)
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: figures.append(figure))
    firings = run(rules, chunks_of(prices), lambda rows: None).firings
    plot(rules, chunks_of(prices), firings, Path("picture.png"))
    return figures[0]


def lines_of(axes: Axes, label: str) -> list[list[tuple[Any, float]]]:
    return [
        list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]
        for line in axes.lines
        if line.get_label() == label
    ]


def words_in(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml")])
def test_a_picture_is_written_as_its_ending_says_and_where_a_link_leads(
    tmp_path: Path, name: str, begins: bytes
) -> None:
    link = tmp_path / f"link{name}"
    link.symlink_to(name)
    (tmp_path / name).write_bytes(b"before")
    check_target(link)
    assert (tmp_path / name).read_bytes() == b"before"

    written(link)

    assert link.is_symlink()
    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("picture.pdf", r"a picture is written as \.png or \.svg"),
        ("png", r"a picture is written as \.png or \.svg"),
        ("none/picture.png", "there is no folder .*none; make it first"),
        ("folder.png", "this is a folder; name a file in it"),
        ("link.png", "there is no folder"),
        ("locked.png", "the folder .* cannot be written to"),
    ],
)
def test_a_path_at_which_no_picture_can_be_written_is_rejected_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("none/real.png")
    monkeypatch.setattr(os, "access", lambda path, mode: name != "locked.png")  # root may do all
    with pytest.raises(CliError, match=reason):
        check_target(tmp_path / name)


def test_another_ending_is_rejected_before_a_price_is_read(tmp_path: Path) -> None:
    chunks = chunks_of(hourly("199"))
    with pytest.raises(CliError, match=r"picture is written as \.png or \.svg"):
        plot([CROSSES], chunks, [], tmp_path / "picture.jpg")
    assert next(chunks, None) is not None


def test_a_folder_that_has_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"none/picture\.png: No such file or directory"):
        written(tmp_path / "none" / "picture.png")


def test_a_picture_that_cannot_be_finished_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_written(_: Figure, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "picture.png"
    path.write_bytes(b"before")
    monkeypatch.setattr(Figure, "savefig", half_written)
    with pytest.raises(CliError, match=r"picture\.png: No space left on device"):
        written(path)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [
        ("picture.png", b"before")
    ]


@pytest.mark.parametrize("rules", [[], [rule("crosses 200", symbol="MSFT")], [paused(CROSSES)]])
def test_without_a_price_of_an_active_rules_symbol_there_is_nothing_to_draw(
    tmp_path: Path, rules: list[Rule]
) -> None:
    with pytest.raises(CliError, match="nothing to draw"):
        plot(rules, chunks_of(hourly("199")), [], tmp_path / "picture.png")


@pytest.mark.parametrize(
    "times",
    [
        ("1970-01-01", "9999-12-31T23:59:59.999999"),
        ("9999-12-31T23:59:59.999999",),
    ],
)
def test_the_last_day_of_the_calendar_can_be_drawn(tmp_path: Path, times: tuple[str, ...]) -> None:
    path, epoch = tmp_path / "picture.png", datetime(1970, 1, 1, tzinfo=UTC)
    moments = [datetime.fromisoformat(time).replace(tzinfo=UTC) - epoch for time in times]

    written(
        path, *(Price("AAPL", Decimal(199), each // timedelta(microseconds=1)) for each in moments)
    )

    assert imread(path).shape == (648, 1320, 4)


def test_a_panel_shows_prices_levels_ranges_and_firings(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [CROSSES, rule("below 200", "b"), rule("above 150", "c"), rule("exits 195 205.5", "d")]

    figure = drawn(monkeypatch, rules, hourly("199", "201.5", "205", "198"))

    (axes,) = figure.axes
    assert axes.get_title() == "AAPL  (5 firings)"
    assert [price for _, price in lines_of(axes, "price")[0]] == [199, 201.5, 205, 198]
    assert [line[0][1] for line in lines_of(axes, "level")] == [195, 200, 205.5]
    assert words_in(axes) == ["\N{DOWNWARDS ARROW} 150", "195", "200", "205.5"]
    (shaded,) = [patch for patch in axes.patches if patch.get_label() == "range"]
    assert shaded.get_extents().height > 0
    (upwards,), (downwards,) = (lines_of(axes, f"fired, {way}") for way in ("upwards", "downwards"))
    assert [price for _, price in upwards] == [199, 201.5]
    assert [price for _, price in downwards] == [199, 198]
    assert downwards[1][0] * 86_400 * SECOND == pytest.approx(NOW + 3 * HOUR, abs=1)


def test_a_marker_that_another_covers_is_drawn_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [CROSSES, rule("crosses_up 200", "a"), rule("rises 1 within 1d", "b")]

    (axes,) = drawn(monkeypatch, rules, hourly("199", "201", "150")).axes

    # One for the levels, one for the move.
    assert [price for _, price in lines_of(axes, "fired, upwards")[0]] == [201, 201]


def test_moves_have_no_level_and_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("falls 10% within 1d"), rule("rises 15.5 within 4h", "b")]

    (axes,) = drawn(monkeypatch, rules, hourly("100", "88", "89", "90", "104")).axes

    assert not lines_of(axes, "level")
    assert words_in(axes) == ["\N{MINUS SIGN}10% in 1d", "+15.5 in 4h"]


def test_each_symbol_with_a_rule_and_a_price_has_a_panel_and_all_have_one_legend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = [rule("crosses 200", symbol, symbol=symbol) for symbol in ("TSLA", "MSFT", "AAPL")]
    prices = [*hourly("199", "201", symbol="TSLA"), *hourly("199"), *hourly("1", symbol="XYZ")]

    figure = drawn(monkeypatch, rules, prices)

    assert [axes.get_title() for axes in figure.axes] == ["AAPL  (0 firings)", "TSLA  (1 firing)"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["price", "level", "fired, upwards"]


def test_of_very_many_symbols_those_that_fire_most_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plot_module, "MAX_PANELS", 2)
    texts = {"A": ("199",), "C": ("199", "201"), "B": ("199", "201", "199")}
    rules = [rule("crosses 200", symbol, symbol=symbol) for symbol in texts]
    prices = [each for symbol in texts for each in hourly(*texts[symbol], symbol=symbol)]

    figure = drawn(monkeypatch, rules, prices)

    assert [axes.get_title()[:1] for axes in figure.axes] == ["B", "C"]
    assert figure.get_supxlabel() == "Left out: 1 more, with the fewest firings"


def many(symbols: int) -> tuple[list[Rule], list[Price]]:
    """Return rules of many kinds, at prices of very different sizes."""
    random, rules, prices = Random(1), list[Rule](), list[Price]()
    for number in range(symbols):
        symbol, base = f"SYM{number}", 10.0 ** random.randrange(-4, 6)
        levels = [f"{base * factor:.5g}" for factor in (1.05, 0.95, 0.97, 1.03, 1.031, 3)]
        words = "crosses_up {}|crosses_down {}|exits {} {}|crosses {}|above {}".format(*levels)
        moves = ("falls 4% within 1d", "rises 4% within 1d")
        rules += [
            rule(each, f"{symbol}-{place}", symbol=symbol)
            for place, each in enumerate((*words.split("|"), *moves))
        ]
        steps = np.cumprod([1 + random.gauss(0, 0.015) for _ in range(150)])
        prices += hourly(*(f"{base * step:.8f}" for step in steps), symbol=symbol)
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
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in unseen]
    return [text for text in found if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("symbols", [1, 2, pytest.param(20, marks=pytest.mark.deep)])
def test_no_text_is_over_another_or_over_a_marker_or_cut_off(
    monkeypatch: pytest.MonkeyPatch, symbols: int
) -> None:
    figure = drawn(monkeypatch, *many(symbols))

    texts = texts_of(figure)
    boxes = np.array([Text.get_window_extent(each).padded(-0.25).extents for each in texts])
    assert sum("in 1d" in each.get_text() for each in texts) > 2 * symbols
    assert sum(each.get_text()[0] == "\N{UPWARDS ARROW}" for each in texts) == symbols
    low, high = boxes[:, None, :2], boxes[:, 2:]
    overlaps = np.argwhere(((low < high) & (low < high).transpose(1, 0, 2)).all(axis=2))
    assert [pair for pair in overlaps.tolist() if pair[0] != pair[1]] == []
    markers = np.vstack(
        [
            axes.transData.transform(line.get_xydata())
            for axes in figure.axes
            for line in axes.lines
            if str(line.get_label()).startswith("fired")
        ]
    )
    assert len(markers) > 10 * symbols
    assert not ((low < markers) & (markers < boxes[:, None, 2:])).all(axis=2).any()
    assert boxes.min() >= 0
    assert (boxes[:, 2:] <= figure.bbox.size).all()


def test_of_too_many_levels_some_keep_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule(f"crosses {level}", str(level)) for level in range(100, 150)]

    levels = list(map(int, words_in(drawn(monkeypatch, rules, hourly("100", "200")).axes[0])))

    assert len({after - before for before, after in pairwise(levels)}) == 1
    assert 20 <= len(levels) < 50


def test_a_level_far_away_does_not_make_prices_flat_and_a_long_one_is_shortened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = [rule(f"crosses {level}", level) for level in ("1", "200.070000000000000001", "9000")]

    (axes,) = drawn(monkeypatch, rules, hourly("199", "201")).axes

    assert words_in(axes) == [
        *("\N{DOWNWARDS ARROW} 1", "\N{ALMOST EQUAL TO}200.07", "\N{UPWARDS ARROW} 9000")
    ]
    assert len(lines_of(axes, "level")) == 1
    bottom, top = axes.get_ylim()
    assert (198 < bottom < 199, 201 < top < 202) == (True, True)


@pytest.mark.parametrize("price", ["200", "0", "-5"])
def test_a_single_price_has_room_around_it(monkeypatch: pytest.MonkeyPatch, price: str) -> None:
    (axes,) = drawn(monkeypatch, [rule("below 300")], hourly(price)).axes

    bottom, top = axes.get_ylim()
    assert Decimal(bottom) < Decimal(price) < Decimal(top)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=11).map(sorted))
def test_heights_are_spread_within_what_there_is(heights: list[float]) -> None:
    places = spread(heights, 10, 100)

    assert all(after - before > 10 - 1e-6 for before, after in pairwise(places))
    assert all(-1e-6 < place < 100 + 1e-6 for place in places)


def test_heights_move_only_if_they_meet_and_then_to_both_sides() -> None:
    assert spread([0, 10, 45.5, 100], 10, 100).tolist() == [0, 10, 45.5, 100]
    assert spread([50, 50, 50], 10, 100).tolist() == [40, 50, 60]


def test_a_line_is_read_chunk_by_chunk_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = hourly(*(str(100 + hour % 7) for hour in range(100)))
    rows: list[int] = []
    lengths: list[int] = []

    def counting(times: Any, prices: Any, most: int) -> Any:
        lengths.append(len(times))
        return thinned(times, prices, 2)

    monkeypatch.setattr(plot_module, "thinned", counting)
    plot([CROSSES], chunks_of(prices, 20), [], tmp_path / "picture.svg", rows.append)

    assert rows == [20, 40, 60, 80, 100]
    assert max(lengths) <= 20 + 4 * 2


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(1, 99)), min_size=1, max_size=40).map(
        lambda points: sorted(points, key=lambda point: point[0])
    ),
    st.integers(1, 3),
)
def test_a_thinned_line_has_few_prices_in_order_with_the_ends_and_peaks_of_every_stretch(
    given_points: list[tuple[int, float]], most: int
) -> None:
    times, prices = map(np.array, zip(*given_points, strict=True))

    points = list(zip(*(each.tolist() for each in thinned(times, prices, most)), strict=True))

    if len(given_points) <= 4 * most:
        assert points == given_points
        return
    first = given_points[0][0]
    length = (given_points[-1][0] - first) // most + 1
    assert len(points) <= 4 * most
    for number in range(most):
        stretch, kept = (
            [price for time, price in each if (time - first) // length == number]
            for each in (given_points, points)
        )
        if stretch:
            assert {stretch[0], min(stretch), max(stretch), stretch[-1]} == set(kept)
            assert (kept[0], kept[-1]) == (stretch[0], stretch[-1])
    assert [time for time, _ in points] == sorted(time for time, _ in points)
