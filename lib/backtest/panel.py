"""One symbol's prices, levels and firings in a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC
from decimal import Decimal
from functools import partial
from typing import TypeVar

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from matplotlib.transforms import Bbox

from lib.backtest.columns import Floats, Numbers
from lib.formats.price_times import LATEST_MICROSECONDS
from price_alerts.domain.conditions import Condition, Side, Terms
from price_alerts.domain.state import Firing

T = TypeVar("T")

# Okabe and Ito's colours, which the colour-blind can tell apart; the markers differ as well.
_PRICE, _LEVEL, _RANGE, _UP, _DOWN = "#333333", "#777777", "#56B4E9", "#0072B2", "#D55E00"
_SMALL, _LINE_SPACING, _MARKER, _GAP = 8, 1.25, 6.5, 5  # in points
_POINTS_PER_INCH = 72
_FEW_PRICES = 60
_MAX_NOTES, _MAX_LEVELS, _MAX_LEVEL_CHARACTERS = 15, 200, 12
_CELLS = 300  # two markers in one of them cover each other
_SECOND = 1_000_000
# A note goes above its marker, or below, right or left of it.
_AROUND = np.array(((0, 1), (0, -1), (1, 0), (-1, 0)))


def draw_panel(
    axes: Axes,
    symbol: str,
    curve: tuple[Numbers, Floats],
    terms: Sequence[Terms],
    firings: Sequence[Firing],
) -> Callable[[float], None]:
    """Draw a symbol's prices, at least one, its rules' levels and firings into axes.

    Returns
    -------
    Callable
        To be called with the dots per inch once the axes have their final size: it moves labels
        apart and notes next to their markers, and removes those for which there is no room.
    """
    count = len(firings)
    axes.set_title(f"{symbol}  ({count} firing{'' if count == 1 else 's'})", size=10)
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.2, linewidth=0.5)

    times, prices = curve
    marker = "." if len(times) < _FEW_PRICES else ""
    axes.plot(_days(times), prices, color=_PRICE, linewidth=0.9, marker=marker, label="price")
    on_price = [each for each in terms if not each.is_move]
    levels = _some(sorted({level for each in on_price for level in each.levels}), _MAX_LEVELS)
    _set_price_axis(axes, prices, levels)
    _set_time_axis(axes, times)
    labels = [_show_level(axes, level) for level in levels]
    for each in on_price:
        if len(each.levels) == 2:
            low, high = map(float, each.levels)
            axes.axhspan(low, high, color=_RANGE, alpha=0.12, linewidth=0, label="range")

    shown = _distinct(axes, firings)
    for label, marker, color, is_up in (
        ("fired, upwards", "^", _UP, True),
        ("fired, downwards", "v", _DOWN, False),
    ):
        _show_firings(axes, label, marker, color, [each for each in shown if _is_up(each) == is_up])
    moves = [each for each in shown if each.terms.is_move]
    notes = [_note(axes, firing) for firing in _some(moves, _MAX_NOTES)]
    return partial(_settle, axes, labels, notes, _spots(shown))


def spread(heights: Sequence[float], gap: float, top: float) -> Floats:
    """Move heights at least ``gap`` apart, each as little as possible.

    They ascend from 0 to ``top``, the highest place; all of them must fit under it.
    """
    steps = gap * np.arange(len(heights))
    free = heights - steps  # the gap is kept if these do not fall
    upward = np.minimum(np.maximum.accumulate(free), top - steps[-1])
    downward = np.maximum(np.minimum.accumulate(free[::-1])[::-1], 0)
    places: Floats = (upward + downward) / 2 + steps
    return places


def _set_price_axis(axes: Axes, prices: Floats, levels: Sequence[Decimal]) -> None:
    """Show all prices, and the levels that are near enough not to make them look flat."""
    lowest, highest = prices.min(), prices.max()
    height = (highest - lowest) or abs(highest) * 0.01 or 1
    near = [
        float(level) for level in levels if lowest - 0.6 * height <= level <= highest + 0.6 * height
    ]
    bottom, top = min([lowest, *near]), max([highest, *near])
    margin = 0.08 * max(height, top - bottom)
    axes.set_ylim(bottom - margin, top + margin)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.yaxis.get_offset_text().set_fontsize(_SMALL)


def _set_time_axis(axes: Axes, times: Numbers) -> None:
    margin = max((times[-1] - times[0]) // 40, 5 * _SECOND)
    latest = LATEST_MICROSECONDS - 999  # as days, a later one would be rounded to the year 10000
    axes.set_xlim(*_days([times[0] - margin, min(times[-1] + margin, latest)]))
    locator = AutoDateLocator(UTC, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.xaxis.get_offset_text().set_fontsize(_SMALL)


def _show_level(axes: Axes, level: Decimal) -> Annotation:
    """Draw a level with its label at the right; a far one has only a label."""
    bottom, top = axes.get_ylim()
    text = f"{level:f}"
    if len(text) > _MAX_LEVEL_CHARACTERS:
        text = f"\N{ALMOST EQUAL TO}{float(level):.6g}"
    if level > top:
        text = f"\N{UPWARDS ARROW} {text}"
    elif level < bottom:
        text = f"\N{DOWNWARDS ARROW} {text}"
    else:
        axes.axhline(float(level), color=_LEVEL, linewidth=0.8, dashes=(5, 3), label="level")
    return axes.annotate(
        text,
        (1, min(max(float(level), bottom), top)),
        (8, 0),
        xycoords=axes.get_yaxis_transform(),
        textcoords="offset points",
        verticalalignment="center",
        size=_SMALL,
        color=_LEVEL,
        annotation_clip=False,
        arrowprops={
            "arrowstyle": "-",
            "color": _LEVEL,
            "linewidth": 0.5,
            "relpos": (0, 0.5),
            "patchA": None,  # else the text would be cut out, slowly
            "shrinkA": 2,
            "shrinkB": 0,
        },
    )


def _distinct(axes: Axes, firings: Sequence[Firing]) -> list[Firing]:
    """Leave out firings whose markers would be covered by another."""
    to_axes = axes.transData + axes.transAxes.inverted()
    places = np.round(to_axes.transform(_spots(firings)) * _CELLS)
    cells: dict[tuple[object, ...], Firing] = {}
    for firing, place in zip(firings, places.tolist(), strict=True):
        cells.setdefault((*place, _is_up(firing), firing.terms.is_move), firing)
    return list(cells.values())


def _show_firings(
    axes: Axes, label: str, marker: str, color: str, firings: Sequence[Firing]
) -> None:
    if firings:
        axes.plot(
            *_spots(firings).T,
            linestyle="",
            marker=marker,
            markersize=_MARKER,
            markerfacecolor=color,
            markeredgecolor="white",
            markeredgewidth=0.6,
            label=label,
        )


def _note(axes: Axes, firing: Firing) -> Annotation:
    """Annotate a firing with its move, which has no level."""
    terms = firing.terms
    sign = "+" if terms.condition is Condition.RISES else "\N{MINUS SIGN}"
    unit = "%" if terms.is_percent else ""
    return axes.annotate(
        f"{sign}{terms.levels[0]:f}{unit} in {terms.window}",
        _spots([firing])[0],
        (0, 0),
        textcoords="offset points",
        horizontalalignment="center",
        verticalalignment="center",
        size=_SMALL - 1,
        color=_UP if _is_up(firing) else _DOWN,
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
        in_layout=False,
    )


def _settle(
    axes: Axes,
    labels: Sequence[Annotation],
    notes: Sequence[Annotation],
    spots: Floats,
    dots_per_inch: float,
) -> None:
    points_per_dot = _POINTS_PER_INCH / dots_per_inch
    if labels:
        _settle_labels(axes, labels, points_per_dot)
    size = _MARKER / points_per_dot
    taken = [
        Bbox.from_bounds(x - size / 2, y - size / 2, size, size)
        for x, y in axes.transData.transform(spots)
    ]
    for note in notes:
        box = note.get_window_extent()
        for shift in _AROUND * (np.array(box.size) + size + _GAP) / 2:
            moved = box.translated(*shift)
            is_inside = axes.bbox.count_contains([moved.min, moved.max]) == 2
            if is_inside and not moved.count_overlaps(taken):
                note.xyann = tuple(shift * points_per_dot)
                taken.append(moved)
                break
        else:
            note.remove()


def _settle_labels(axes: Axes, labels: Sequence[Annotation], points_per_dot: float) -> None:
    top, gap = axes.bbox.height * points_per_dot, _SMALL * _LINE_SPACING
    step = -(-len(labels) // (int(top // gap) + 1))
    kept = labels[::step]
    for label in set(labels).difference(kept):
        label.remove()
    bottom, ceiling = axes.get_ylim()
    heights = [(label.xy[1] - bottom) / (ceiling - bottom) * top for label in kept]
    for label, height, place in zip(kept, heights, spread(heights, gap, top), strict=True):
        label.xyann = (label.xyann[0], place - height)


def _some(items: Sequence[T], most: int) -> Sequence[T]:
    """Pick some items evenly if there are too many."""
    return items[:: max(1, -(-len(items) // most))]


def _days(times_microseconds: Numbers | Sequence[int]) -> Floats:
    """Return times in days, as matplotlib counts them."""
    days: Floats = date2num(np.array(times_microseconds, "M8[us]"))  # type: ignore[no-untyped-call]
    return days


def _spots(firings: Sequence[Firing]) -> Floats:
    """Return where firings are marked, by day and price."""
    days = _days([firing.timestamp_microseconds for firing in firings])
    return np.column_stack((days, [float(firing.price) for firing in firings]))


def _is_up(firing: Firing) -> bool:
    """Return whether the price was rising."""
    if firing.previous_price is None:
        return firing.terms.side(None, firing.price) is Side.HIGH
    return firing.price > firing.previous_price
