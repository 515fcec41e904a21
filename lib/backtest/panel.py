"""A panel: one symbol's prices, levels and firings in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from lib.backtest.curve import Point
from lib.backtest.labels import place_labels, place_notes
from price_alerts.domain.conditions import Condition, Side, Terms
from price_alerts.domain.state import Firing

T = TypeVar("T")

# Okabe and Ito's colours, which the colour-blind can tell apart; the markers differ as well.
_PRICE, _LEVEL, _RANGE, _UP, _DOWN = "#333333", "#777777", "#56B4E9", "#0072B2", "#D55E00"
_SMALL = 8  # points
_FEW_PRICES = 60
_MAX_NOTES, _MAX_LEVELS, _MAX_LEVEL_CHARACTERS = 15, 200, 12
_CELLS = 300  # two markers in one of them cover each other
_SECOND = 1_000_000
_FIRST_DAY: float = date2num(datetime(1970, 1, 1))  # type: ignore[no-untyped-call]
# matplotlib has no year 10000.
_LAST_DAY: float = date2num(datetime(9999, 12, 31, 23, 59, 59, 999_000))  # type: ignore[no-untyped-call]


class Panel:
    """A panel, drawn into axes; `settle` must follow when these have their final size.

    Parameters
    ----------
    axes
        Where to.
    symbol, points, terms, firings
        The symbol, its prices, at least one, what its rules wait for, and what fired.
    """

    def __init__(
        self,
        axes: Axes,
        symbol: str,
        points: Sequence[Point],
        terms: Sequence[Terms],
        firings: Sequence[Firing],
    ) -> None:
        self._axes = axes
        count = len(firings)
        axes.set_title(f"{symbol}  ({count} firing{'' if count == 1 else 's'})", size=10)
        axes.tick_params(labelsize=_SMALL)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.2, linewidth=0.5)

        days, prices = [_day(time) for time, _ in points], [price for _, price in points]
        marker = "." if len(points) < _FEW_PRICES else ""
        axes.plot(days, prices, color=_PRICE, linewidth=0.9, marker=marker, label="price")
        on_price = [each for each in terms if not each.is_move]
        levels = _some(sorted({level for each in on_price for level in each.levels}), _MAX_LEVELS)
        self._set_limits(points, levels)
        self._labels = [self._show_level(level) for level in levels]
        for each in on_price:
            if len(each.levels) == 2:
                low, high = map(float, each.levels)
                axes.axhspan(low, high, color=_RANGE, alpha=0.12, linewidth=0, label="range")

        shown = self._distinct(firings)
        self._show_firings("fired, upwards", "^", _UP, [each for each in shown if _is_up(each)])
        self._show_firings(
            "fired, downwards", "v", _DOWN, [each for each in shown if not _is_up(each)]
        )
        self._marked = [_spot(firing) for firing in shown]
        moves = [each for each in shown if each.terms.is_move]
        self._notes = [self._note(firing) for firing in _some(moves, _MAX_NOTES)]

    def settle(self, dots_per_inch: float) -> None:
        """Move what would overlap; what finds no place is taken away."""
        place_labels(self._axes, self._labels, dots_per_inch)
        place_notes(self._axes, self._notes, self._marked, dots_per_inch)

    def _set_limits(self, points: Sequence[Point], levels: Sequence[Decimal]) -> None:
        """Show all prices, and the levels that are not so far away as to make them flat."""
        axes = self._axes
        lowest, highest = min(price for _, price in points), max(price for _, price in points)
        height = (highest - lowest) or highest * 0.01
        near = [
            float(level)
            for level in levels
            if lowest - 0.6 * height <= level <= highest + 0.6 * height
        ]
        bottom, top = min([lowest, *near]), max([highest, *near])
        margin = 0.08 * max(height, top - bottom)
        axes.set_ylim(bottom - margin, top + margin)
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))

        first, last = points[0][0], points[-1][0]
        margin_time = max((last - first) // 40, 5 * _SECOND)
        axes.set_xlim(_day(first - margin_time), min(_day(last + margin_time), _LAST_DAY))
        locator = AutoDateLocator(UTC, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator, UTC)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
        for axis in (axes.xaxis, axes.yaxis):
            axis.get_offset_text().set_fontsize(_SMALL)

    def _show_level(self, level: Decimal) -> Annotation:
        """Draw a level, with its label at the right; one that is far away has only a label."""
        axes = self._axes
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

    def _distinct(self, firings: Sequence[Firing]) -> list[Firing]:
        """Leave out firings whose marker another one would cover."""
        if not firings:
            return []
        to_axes = self._axes.transData + self._axes.transAxes.inverted()
        cells: dict[tuple[object, ...], Firing] = {}
        places = to_axes.transform([_spot(firing) for firing in firings])
        for firing, (x, y) in zip(firings, places.tolist(), strict=True):
            cell = round(x * _CELLS), round(y * _CELLS), _is_up(firing), firing.terms.is_move
            cells.setdefault(cell, firing)
        return list(cells.values())

    def _show_firings(self, label: str, marker: str, color: str, firings: Sequence[Firing]) -> None:
        if firings:
            days, prices = zip(*map(_spot, firings), strict=True)
            self._axes.plot(
                days,
                prices,
                linestyle="",
                marker=marker,
                markersize=6.5,
                markerfacecolor=color,
                markeredgecolor="white",
                markeredgewidth=0.6,
                label=label,
            )

    def _note(self, firing: Firing) -> Annotation:
        """Say what move it was, for it has no level."""
        terms = firing.terms
        sign = "+" if terms.condition is Condition.RISES else "\N{MINUS SIGN}"
        unit = "%" if terms.is_percent else ""
        return self._axes.annotate(
            f"{sign}{terms.levels[0]:f}{unit} in {terms.window}",
            _spot(firing),
            (0, 0),
            textcoords="offset points",
            size=_SMALL - 1,
            color=_UP if _is_up(firing) else _DOWN,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
            in_layout=False,
        )


def _some(items: Sequence[T], most: int) -> Sequence[T]:
    """Pick items evenly, if there are too many."""
    return items[:: max(1, -(-len(items) // most))]


def _day(time_microseconds: int) -> float:
    """Return a time as matplotlib counts it."""
    return _FIRST_DAY + time_microseconds / (86_400 * _SECOND)


def _spot(firing: Firing) -> tuple[float, float]:
    return _day(firing.timestamp_microseconds), float(firing.price)


def _is_up(firing: Firing) -> bool:
    """Tell where the price was going."""
    if firing.previous_price is None:
        return firing.terms.side(None, firing.price) is Side.HIGH
    return firing.price > firing.previous_price
