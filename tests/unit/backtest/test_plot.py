from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.image import imread

from lib.backtest import plot as plot_module
from lib.backtest.columns import Floats, Numbers, portions_of
from lib.backtest.plot import Curve, check_target, plot, thinned
from lib.formats.errors import CliError
from lib.formats.prices import Price
from price_alerts.domain.rules import Rule, paused
from tests.unit.backtest.pictures import HOUR, Draw, hourly, rule
from tests.unit.doubles import NOW, SECOND

CROSSES = rule("crosses", "200")


def written(path: Path, *prices: Price) -> None:
    plot([CROSSES], portions_of(prices or hourly("199", "201")), [], path)


def lines_of(figure: Figure, label: str) -> list[list[tuple[Any, float]]]:
    (axes,) = figure.axes
    return [
        list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]
        for line in axes.lines
        if line.get_label() == label
    ]


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml")])
def test_a_picture_is_written_as_its_ending_says(tmp_path: Path, name: str, begins: bytes) -> None:
    check_target(tmp_path / name)
    assert not list(tmp_path.iterdir())

    written(tmp_path / name)

    assert (tmp_path / name).read_bytes().startswith(begins)


def test_a_picture_has_the_size_that_its_panels_need(tmp_path: Path) -> None:
    written(tmp_path / "picture.png")

    assert imread(tmp_path / "picture.png").shape == (648, 1320, 4)


def test_another_ending_is_rejected_before_a_price_is_read(tmp_path: Path) -> None:
    portions = portions_of(hourly("199"))

    with pytest.raises(CliError, match=r"picture is written as \.png or \.svg"):
        plot([CROSSES], portions, [], tmp_path / "picture.jpg")

    assert next(portions, None) is not None


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("picture.pdf", r"a picture is written as \.png or \.svg"),
        ("png", r"a picture is written as \.png or \.svg"),
        ("none/picture.png", "there is no folder .*none; make it first"),
        ("folder.png", "this is a folder; name a file in it"),
        ("link.png", "there is no folder"),
    ],
)
def test_where_no_picture_can_be_written_is_found_before(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("none/real.png")
    with pytest.raises(CliError, match=reason):
        check_target(tmp_path / name)


def test_a_folder_that_cannot_be_written_to_is_found_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(CliError, match=r"the folder .* cannot be written to"):
        check_target(tmp_path / "picture.png")


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


def test_a_picture_is_written_to_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(b"before")
    link = tmp_path / "link.png"
    link.symlink_to("real.png")
    written(link)
    assert link.is_symlink()
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("rules", [[], [rule("crosses", "200", symbol="MSFT")], [paused(CROSSES)]])
def test_without_a_price_of_an_active_rule_s_symbol_there_is_nothing_to_draw(
    draw: Draw, rules: list[Rule]
) -> None:
    with pytest.raises(CliError, match="nothing to draw"):
        draw(rules, hourly("199"))


def test_firings_are_marked_at_their_time_and_price(draw: Draw) -> None:
    figure = draw([CROSSES, rule("above", "150")], hourly("199", "201.5", "205", "198"))

    (upwards,), (downwards,) = (
        lines_of(figure, "fired, upwards"),
        lines_of(figure, "fired, downwards"),
    )
    assert [price for _, price in upwards] == [199, 201.5]
    assert [price for _, price in downwards] == [198]
    assert downwards[0][0] * 86_400 * SECOND == pytest.approx(NOW + 3 * HOUR, abs=1)


def test_a_marker_that_another_covers_is_drawn_once(draw: Draw) -> None:
    rules = [CROSSES, rule("crosses_up", "200"), rule("rises", "1", window="1d")]

    (upwards,) = lines_of(draw(rules, hourly("199", "201", "150")), "fired, upwards")

    assert [price for _, price in upwards] == [201, 201]  # of the levels, and of the move


def test_levels_and_ranges_are_drawn_with_their_numbers(draw: Draw) -> None:
    rules = [CROSSES, rule("below", "200"), rule("exits", "190", "205.5")]

    figure = draw(rules, hourly("185", "210"))

    assert [line[0][1] for line in lines_of(figure, "level")] == [190, 200, 205.5]
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["190", "200", "205.5"]
    (shaded,) = [patch for patch in axes.patches if patch.get_label() == "range"]
    assert shaded.get_extents().height > 0


def test_moves_have_no_level_and_say_what_they_are(draw: Draw) -> None:
    rules = [rule("falls", "10%", window="1d"), rule("rises", "15.5", window="4h")]

    figure = draw(rules, hourly("100", "88", "89", "90", "104"))

    assert not lines_of(figure, "level")
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "\N{MINUS SIGN}10% in 1d",
        "+15.5 in 4h",
    ]


def test_each_symbol_with_a_rule_and_a_price_has_a_panel(draw: Draw) -> None:
    rules = [rule("crosses", "200", symbol=symbol) for symbol in ("TSLA", "MSFT", "AAPL")]
    prices = [
        *hourly("199", "201", "199", symbol="TSLA"),
        *hourly("199", "201"),
        *hourly("1", symbol="XYZ"),
    ]

    figure = draw(rules, prices)

    assert [axes.get_title() for axes in figure.axes] == ["AAPL  (1 firing)", "TSLA  (2 firings)"]


def test_of_very_many_symbols_those_that_fire_most_are_drawn(
    draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plot_module, "MAX_PANELS", 2)
    rules = [rule("crosses", "200", symbol=symbol) for symbol in ("A", "B", "C")]
    prices = [
        *hourly("199", symbol="A"),
        *hourly("199", "201", symbol="C"),
        *hourly("199", "201", "199", symbol="B"),
    ]

    figure = draw(rules, prices)

    assert [axes.get_title()[:1] for axes in figure.axes] == ["B", "C"]
    assert figure.get_supxlabel() == "Left out: 1 more, with the fewest firings"


def test_a_legend_has_what_is_there(draw: Draw) -> None:
    prices = [*hourly("199"), *hourly("199", "201", symbol="B")]

    (legend,) = draw([CROSSES, rule("crosses", "200", symbol="B")], prices).legends

    assert [text.get_text() for text in legend.get_texts()] == ["price", "level", "fired, upwards"]


@pytest.mark.parametrize(
    "times",
    [
        ("2024-01-01", "9999-12-31"),
        ("1970-01-01", "9999-12-31T23:59:59.999999"),
        ("9999-12-31T23:59:59.999999",),
    ],
)
def test_the_last_day_of_the_calendar_can_be_drawn(tmp_path: Path, times: tuple[str, ...]) -> None:
    moments = [datetime.fromisoformat(time).replace(tzinfo=UTC) for time in times]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    written(
        tmp_path / "picture.png",
        *(
            Price("AAPL", Decimal(199 + number), (moment - epoch) // timedelta(microseconds=1))
            for number, moment in enumerate(moments)
        ),
    )

    assert (tmp_path / "picture.png").exists()


def test_a_line_is_read_portion_by_portion_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = hourly(*(str(100 + hour % 7) for hour in range(100)))
    rows: list[int] = []
    lengths: list[int] = []

    def counting(times: Numbers, prices: Floats, most: int) -> Curve:
        lengths.append(len(times))
        return thinned(times, prices, 2)

    monkeypatch.setattr(plot_module, "thinned", counting)
    plot([CROSSES], portions_of(prices, 20), [], tmp_path / "picture.png", rows.append)

    assert rows == [20, 40, 60, 80, 100]
    assert max(lengths) <= 20 + 4 * 2


@given(
    st.lists(st.tuples(st.integers(0, 30), st.floats(1, 99)), min_size=9, max_size=40).map(
        lambda drawn: sorted(drawn, key=lambda point: point[0])
    )
)
def test_a_thinned_line_has_few_prices_in_order_with_all_ends_and_peaks(
    drawn: list[tuple[int, float]],
) -> None:
    times, prices = map(np.array, zip(*drawn, strict=True))

    kept = [each.tolist() for each in thinned(times, prices, 2)]
    points = list(zip(*kept, strict=True))

    assert len(points) <= 4 * 2
    assert set(points) <= set(drawn)
    assert kept[0] == sorted(kept[0])
    assert (points[0], points[-1]) == (drawn[0], drawn[-1])
    assert {prices.min(), prices.max()} <= set(kept[1])


def test_a_short_line_keeps_every_price() -> None:
    times, prices = np.array([10, 11, 12, 90]), np.array([5.0, 7, 3, 5])

    assert thinned(times, prices, 1)[0] is times


def test_a_long_line_keeps_the_peaks_of_every_time() -> None:
    prices: Floats = np.arange(10_000) % 7 + np.float64(100)
    prices[5_050], prices[7_050] = 500, 1

    times, _ = thinned(np.arange(10_000), prices, 100)

    assert 200 <= len(times) <= 400
    assert {5_050, 7_050} <= set(times.tolist())
