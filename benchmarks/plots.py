"""Plots of what a million ticks cost, by the number of rules and by the size of a batch."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from benchmarks.costs import dynamodb_dollars
from benchmarks.counting import Counts

_STYLES: dict[str, dict[str, Any]] = {
    "TapStack": {"color": "#0f766e", "marker": "o", "linewidth": 2.5},
    "powertools": {"color": "#7c3aed", "marker": "^", "linewidth": 1.2},
    "scanning": {"color": "#c2410c", "marker": "s", "linewidth": 1.2},
    "seed_like": {"color": "#6b7280", "marker": "D", "linewidth": 1.2, "linestyle": "--"},
}
_LABELS = {"seed_like": "seed_like (knows no rules)"}


def drawn(counts: Mapping[str, Mapping[int, Counts]], what_is_varied: str, title: str) -> str:
    """Draw one line per contestant, on logarithmic scales; returns an SVG."""
    picture = io.StringIO()
    # The same figures make the same file.
    with mpl.rc_context({"svg.hashsalt": "tapstack", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure((7.5, 4.2), layout="constrained")
        axes = figure.add_subplot(
            xscale="log",
            yscale="log",
            xlabel=what_is_varied,
            ylabel="dollars for a million ticks",
            title=title,
        )
        for name, by_number in counts.items():
            dollars = [dynamodb_dollars(count) for count in by_number.values()]
            axes.plot(list(by_number), dollars, label=_LABELS.get(name, name), **_STYLES[name])
        numbers = list(next(iter(counts.values())))
        axes.set_xticks(numbers, [f"{number:,}" for number in numbers])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda dollars, _place: f"${dollars:,.10g}")
        axes.grid(visible=True, color="#e5e7eb")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    return picture.getvalue()
