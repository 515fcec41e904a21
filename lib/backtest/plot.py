"""The picture of a backtest: prices, levels and firings, one panel per symbol."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from math import ceil, sqrt
from pathlib import Path

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lib.backtest.columns import Chunk, Floats, Numbers
from lib.backtest.panel import draw_panel
from lib.formats.errors import CliError
from price_alerts.domain.conditions import Terms
from price_alerts.domain.progress import Status
from price_alerts.domain.rules import Rule
from price_alerts.domain.state import Firing

Curve = tuple[Numbers, Floats]  # times and prices

MAX_PANELS = 48
_MAX_COLUMNS = 4
_ALONE_INCHES, _PANEL_INCHES, _LEGEND_INCHES = (11, 5), (4.4, 2.7), 0.4
_DOTS_PER_INCH = 120
_MAX_STRETCHES = 1_600  # more than the picture is dots wide
_FORMATS = ("png", "svg")


def check_target(path: Path) -> None:
    """Raise `CliError` if no picture can be written to a path."""
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
    chunks: Iterable[Chunk],
    firings: Iterable[Firing],
    path: Path,
    on_progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Draw the symbols of active rules; of very many, those that fired most.

    Parameters
    ----------
    chunks
        The prices, those of a symbol in order of time; read once and not kept.
    path
        Its ending determines the format.
    on_progress
        Called after every chunk with the number of prices done so far.

    Raises
    ------
    CliError
        If there is nothing to draw, or it cannot be written to the path.
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
    curves = _curves_of(chunks, shown, _MAX_STRETCHES // _columns(len(shown)), on_progress)
    if not curves:
        raise CliError("there is no price of a symbol that has a rule: nothing to draw")
    figure = _drawn(curves, terms_of, firings_of, left_out=len(symbols) - len(shown))
    _save(figure, path, kind)


def thinned(times: Numbers, prices: Floats, most: int) -> Curve:
    """Leave out prices that nobody would see.

    Each of ``most`` stretches of time keeps its first, lowest, highest and last price.
    """
    if len(times) <= 4 * most:
        return times, prices
    stretches = (times - times[0]) // ((times[-1] - times[0]) // most + 1)
    starts = np.flatnonzero(np.diff(stretches, prepend=-1))
    ends = np.append(starts[1:], len(times)) - 1
    by_price = np.lexsort((prices, stretches))
    kept = np.unique(np.concatenate((starts, by_price[starts], by_price[ends], ends)))
    return times[kept], prices[kept]


def _curves_of(
    chunks: Iterable[Chunk],
    symbols: Collection[str],
    most: int,
    on_progress: Callable[[int], object],
) -> dict[str, Curve]:
    """Read the curves of the symbols that have prices."""
    curves: dict[str, Curve] = {}
    rows = 0
    for chunk in chunks:
        for symbol, columns in chunk.by_symbol():
            if symbol in symbols:
                times, prices = curves.get(symbol, (columns.times[:0], columns.floats[:0]))
                curves[symbol] = thinned(
                    np.concatenate((times, columns.times)),
                    np.concatenate((prices, columns.floats)),
                    most,
                )
        rows += len(chunk.columns)
        on_progress(rows)
    return dict(sorted(curves.items()))


def _format_of(path: Path) -> str:
    ending = path.suffix.lower().removeprefix(".")
    if ending not in _FORMATS:
        raise CliError(f"{path}: a picture is written as .png or .svg")
    return ending


def _save(figure: Figure, path: Path, kind: str) -> None:
    """Write a picture completely, or leave the one that was there before."""
    target = path.resolve()  # a link stays a link
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
    curves: dict[str, Curve],
    terms_of: dict[str, list[Terms]],
    firings_of: dict[str, list[Firing]],
    left_out: int,
) -> Figure:
    columns = _columns(len(curves))
    rows = ceil(len(curves) / columns)
    width, height = _ALONE_INCHES if columns == 1 else _PANEL_INCHES
    figure = Figure(
        (columns * width, rows * height + _LEGEND_INCHES),
        _DOTS_PER_INCH,
        layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1),
    )
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(rows, columns, number + 1) for number in range(len(curves))]
    settlers = [
        draw_panel(axes, symbol, curve, terms_of[symbol], firings_of[symbol])
        for axes, (symbol, curve) in zip(panels, curves.items(), strict=True)
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
    for settle in settlers:
        settle(figure.dpi)
    figure.set_layout_engine("none")  # and keeps it
    return figure


def _columns(panels: int) -> int:
    return min(_MAX_COLUMNS, ceil(sqrt(panels or 1)))
