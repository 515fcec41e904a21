"""The picture of a backtest: prices, levels and what fired, one panel a symbol."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from math import ceil, sqrt
from pathlib import Path

from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lib.backtest.columns import Portion
from lib.backtest.curve import Point, curves_of
from lib.backtest.panel import Panel
from lib.formats.errors import CliError
from price_alerts.domain.conditions import Terms
from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing

MAX_PANELS = 48
_MAX_COLUMNS = 4
_ALONE_INCHES, _PANEL_INCHES, _LEGEND_INCHES = (11, 5), (4.4, 2.7), 0.4
_DOTS_PER_INCH = 120
_FORMATS = ("png", "svg")


def check_target(path: Path) -> None:
    """Check that a picture can be written to a path.

    Raises
    ------
    CliError
        If its ending is neither ``.png`` nor ``.svg``, or it is not in a folder that can be
        written to.
    """
    _format_of(path)
    target = path.resolve()
    if target.is_dir():
        raise CliError(f"{path}: this is a folder; name a file in it")
    if not target.parent.is_dir():
        raise CliError(f"{path}: there is no folder {path.parent}; make it first")
    if not os.access(target.parent, os.W_OK):
        raise CliError(f"{path}: the folder {path.parent} cannot be written to")


def plot(
    rules: Iterable[Rule],
    portions: Iterable[Portion],
    firings: Iterable[Firing],
    path: Path,
    on_progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Draw the symbols of active rules; if they are very many, those that fired most.

    Parameters
    ----------
    rules, firings
        What was tested, and what came of it.
    portions
        The prices, those of a symbol in the order of time; read once and not kept.
    path
        Where to; its ending tells the format.
    on_progress
        Called after every portion with the number of prices done so far.

    Raises
    ------
    CliError
        If there is nothing to draw, or it cannot be written there.
    """
    kind = _format_of(path)
    terms_of: defaultdict[str, list[Terms]] = defaultdict(list)
    for rule in rules:
        if rule.progress.status is Status.ACTIVE:
            terms_of[rule.symbol].append(rule.terms)
    firings_of: defaultdict[str, list[Firing]] = defaultdict(list)
    for firing in firings:
        firings_of[firing.symbol].append(firing)

    symbols = sorted(terms_of, key=lambda symbol: (-len(firings_of[symbol]), symbol))
    shown = sorted(symbols[:MAX_PANELS])
    points_of = {
        symbol: curve.points
        for symbol, curve in curves_of(
            portions, shown, 2_000 // _columns(len(shown)), on_progress
        ).items()
        if curve.points
    }
    if not points_of:
        raise CliError("there is no price of a symbol that has a rule: nothing to draw")
    figure = _drawn(points_of, terms_of, firings_of, left_out=len(symbols) - len(shown))
    _save(figure, path, kind)


def _format_of(path: Path) -> str:
    ending = path.suffix.lower().removeprefix(".")
    if ending not in _FORMATS:
        raise CliError(f"{path}: a picture is written as .png or .svg")
    return ending


def _save(figure: Figure, path: Path, kind: str) -> None:
    """Write a picture; whatever happens, there is a whole one or the one that was there before."""
    target = path.resolve()  # a link stays one
    partial = target.with_name(f".{target.name}.partial")
    try:
        try:
            figure.savefig(partial, format=kind)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise CliError(f"{path}: {error.strerror}") from None


def _drawn(
    points_of: dict[str, list[Point]],
    terms_of: dict[str, list[Terms]],
    firings_of: dict[str, list[Firing]],
    left_out: int,
) -> Figure:
    columns = _columns(len(points_of))
    rows = ceil(len(points_of) / columns)
    width, height = _ALONE_INCHES if columns == 1 else _PANEL_INCHES
    figure = Figure(
        (columns * width, rows * height + _LEGEND_INCHES),
        _DOTS_PER_INCH,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    FigureCanvasAgg(figure)
    panels = [
        Panel(
            figure.add_subplot(rows, columns, number),
            *(symbol, points, terms_of[symbol], firings_of[symbol]),
        )
        for number, (symbol, points) in enumerate(points_of.items(), 1)
    ]
    entries: dict[str, Artist] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        entries |= zip(labels, handles, strict=True)
    figure.legend(
        entries.values(),
        entries,
        loc="outside upper center",
        ncols=len(entries),
        frameon=False,
        fontsize=9,
    )
    if left_out:
        figure.supxlabel(f"Left out: {left_out} more, with the fewest firings", size=9)
    figure.draw_without_rendering()  # now each panel has its place
    for panel in panels:
        panel.settle(figure.dpi)
    figure.set_layout_engine("none")  # and keeps it
    return figure


def _columns(panels: int) -> int:
    return min(_MAX_COLUMNS, ceil(sqrt(panels or 1)))
