from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from lib.backtest import plot as plot_module
from lib.backtest.backtest import run
from lib.backtest.columns import portions_of
from lib.backtest.plot import check_target, plot
from lib.formats.errors import CliError
from lib.formats.prices import Price
from price_alerts.domain.conditions import Condition, Terms
from price_alerts.domain.rules import Rule, Trigger, paused
from tests.unit.doubles import NOW, SECOND

HOUR = 3600 * SECOND


def rule(condition: str, *levels: str, symbol: str = "AAPL", window: str | None = None) -> Rule:
    numbers = tuple(Decimal(level.rstrip("%")) for level in levels)
    terms = Terms(Condition(condition), numbers, levels[0].endswith("%"), window)
    rule_id = f"{condition}-{'-'.join(levels)}-{window}-{symbol}".replace("%", "-percent")
    return Rule(rule_id=rule_id, symbol=symbol, terms=terms, trigger=Trigger.EVERY)


def prices_of(*texts: str, symbol: str = "AAPL") -> list[Price]:
    """Return a price an hour."""
    return [Price(symbol, Decimal(text), NOW + hour * HOUR) for hour, text in enumerate(texts)]


def drawn(
    monkeypatch: pytest.MonkeyPatch, rules: Sequence[Rule], prices: Sequence[Price]
) -> Figure:
    """Return the picture of a backtest as it would be saved."""
    figures: list[Figure] = []
    monkeypatch.setattr(plot_module, "_save", lambda figure, *_: figures.append(figure))
    firings = run(rules, portions_of(prices), lambda rows: None).firings
    plot(rules, portions_of(prices), firings, Path("picture.png"))
    (figure,) = figures
    return figure


def texts_of(figure: Figure) -> list[str]:
    (axes,) = figure.axes
    return [text.get_text() for text in axes.texts]


def lines_of(figure: Figure, label: str) -> list[list[tuple[Any, float]]]:
    (axes,) = figure.axes
    return [
        list(zip(line.get_xdata(), line.get_ydata(), strict=True))  # type: ignore[arg-type]
        for line in axes.lines
        if line.get_label() == label
    ]


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml")])
def test_a_picture_is_written_as_its_ending_says(tmp_path: Path, name: str, begins: bytes) -> None:
    plot([rule("crosses", "200")], portions_of(prices_of("199", "201")), [], tmp_path / name)

    assert (tmp_path / name).read_bytes().startswith(begins)


@pytest.mark.parametrize("name", ["picture.jpg", "picture", "png"])
def test_another_ending_is_refused_before_a_price_is_read(tmp_path: Path, name: str) -> None:
    prices = portions_of(prices_of("199"))

    with pytest.raises(CliError, match=r"picture is written as \.png or \.svg"):
        plot([rule("crosses", "200")], prices, [], tmp_path / name)

    assert next(prices, None) is not None
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["picture.png", "picture.SVG"])
def test_a_picture_that_can_be_written_passes_the_check(tmp_path: Path, name: str) -> None:
    check_target(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("picture.pdf", "a picture is written as .png or .svg"),
        ("none/picture.png", "there is no folder .*none; make it first"),
        ("folder.png", "this is a folder; name a file in it"),
        ("link.png", "there is no folder"),
    ],
)
def test_a_picture_that_cannot_be_written_is_rejected_by_the_check(
    tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("none/real.png")
    with pytest.raises(CliError, match=reason):
        check_target(tmp_path / name)


def test_a_folder_that_cannot_be_written_to_is_rejected_by_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    with pytest.raises(CliError, match=r"the folder .* cannot be written to"):
        check_target(tmp_path / "picture.png")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none" / "picture.png"

    with pytest.raises(CliError, match=r"none/picture\.png: No such file or directory"):
        plot([rule("crosses", "200")], portions_of(prices_of("199")), [], path)


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
        plot([rule("crosses", "200")], portions_of(prices_of("199")), [], path)
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [
        ("picture.png", b"before")
    ]


def test_a_picture_is_written_to_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(b"before")
    link = tmp_path / "link.png"
    link.symlink_to("real.png")
    plot([rule("crosses", "200")], portions_of(prices_of("199")), [], link)
    assert link.is_symlink()
    assert (tmp_path / "real.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "rules",
    [[], [rule("crosses", "200", symbol="MSFT")], [paused(rule("crosses", "200"))]],
)
def test_without_a_price_of_an_active_rule_s_symbol_there_is_nothing_to_draw(
    tmp_path: Path, rules: list[Rule]
) -> None:
    with pytest.raises(CliError, match="nothing to draw"):
        plot(rules, portions_of(prices_of("199")), [], tmp_path / "picture.png")


def test_firings_are_marked_at_their_time_and_price(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("crosses", "200"), rule("above", "150")]

    figure = drawn(monkeypatch, rules, prices_of("199", "201.5", "205", "198"))

    (upwards,), (downwards,) = (
        lines_of(figure, "fired, upwards"),
        lines_of(figure, "fired, downwards"),
    )
    assert [price for _, price in upwards] == [199, 201.5]
    assert [price for _, price in downwards] == [198]
    assert downwards[0][0] * 86_400 * SECOND == pytest.approx(NOW + 3 * HOUR, abs=1)


def test_levels_and_ranges_are_drawn_with_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("crosses", "200"), rule("below", "200"), rule("exits", "190", "205.5")]

    figure = drawn(monkeypatch, rules, prices_of("185", "210"))

    assert [line[0][1] for line in lines_of(figure, "level")] == [190, 200, 205.5]
    assert texts_of(figure) == ["190", "200", "205.5"]
    (shaded,) = [patch for patch in figure.axes[0].patches if patch.get_label() == "range"]
    assert shaded.get_extents().height > 0


def test_a_level_far_away_does_not_make_prices_flat(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("crosses", level) for level in ("1", "200", "9000")]

    figure = drawn(monkeypatch, rules, prices_of("199", "201"))

    assert len(lines_of(figure, "level")) == 1
    assert texts_of(figure) == ["\N{DOWNWARDS ARROW} 1", "200", "\N{UPWARDS ARROW} 9000"]
    bottom, top = figure.axes[0].get_ylim()
    assert 198 < bottom < 199
    assert 201 < top < 202


def test_a_long_level_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = drawn(monkeypatch, [rule("crosses", "1.070000000000000001")], prices_of("1.06", "1.1"))

    assert texts_of(figure) == ["\N{ALMOST EQUAL TO}1.07"]


def test_moves_have_no_level_and_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("falls", "10%", window="1d"), rule("rises", "15.5", window="4h")]

    figure = drawn(monkeypatch, rules, prices_of("100", "88", "89", "90", "104"))

    assert not lines_of(figure, "level")
    assert texts_of(figure) == ["\N{MINUS SIGN}10% in 1d", "+15.5 in 4h"]


def test_each_symbol_with_a_rule_and_a_price_has_a_panel(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("crosses", "200", symbol=symbol) for symbol in ("TSLA", "MSFT", "AAPL")]
    prices = [
        *prices_of("199", "201", "199", symbol="TSLA"),
        *prices_of("199", "201"),
        *prices_of("1", symbol="XYZ"),
    ]

    figure = drawn(monkeypatch, rules, prices)

    assert [axes.get_title() for axes in figure.axes] == ["AAPL  (1 firing)", "TSLA  (2 firings)"]


def test_of_very_many_symbols_those_that_fire_most_are_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plot_module, "MAX_PANELS", 2)
    rules = [rule("crosses", "200", symbol=symbol) for symbol in ("A", "B", "C")]
    prices = [
        *prices_of("199", symbol="A"),
        *prices_of("199", "201", symbol="C"),
        *prices_of("199", "201", "199", symbol="B"),
    ]

    figure = drawn(monkeypatch, rules, prices)

    assert [axes.get_title()[:1] for axes in figure.axes] == ["B", "C"]
    assert figure.get_supxlabel() == "Left out: 1 more, with the fewest firings"


def test_a_legend_has_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [rule("crosses", "200"), rule("crosses", "200", symbol="B")]
    prices = [*prices_of("199"), *prices_of("199", "201", symbol="B")]

    (legend,) = drawn(monkeypatch, rules, prices).legends

    assert [text.get_text() for text in legend.get_texts()] == ["price", "level", "fired, upwards"]


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[int] = []

    plot(
        [rule("crosses", "200")], portions_of(prices_of("199")), [], tmp_path / "a.png", told.append
    )

    assert told == [1]


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
    prices = [
        Price("AAPL", Decimal(99 + number), (moment - epoch) // timedelta(microseconds=1))
        for number, moment in enumerate(moments)
    ]

    plot([rule("crosses", "99.5")], portions_of(prices), [], tmp_path / "picture.png")

    assert (tmp_path / "picture.png").exists()


def test_a_single_price_makes_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    rules = [rule("above", "100"), rule("below", "300")]
    prices = prices_of("200")

    plot(
        rules, portions_of(prices), run(rules, portions_of(prices), lambda rows: None).firings, path
    )

    assert imread(path).shape == (648, 1320, 4)
