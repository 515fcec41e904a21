"""The model's tables and plots. Pure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.model.figures import Figures, lags_by_second
from benchmarks.model.world import Announced

_COLOURS = ("#c2410c", "#0f766e")
_STEP_SECONDS = 5


def figures_table(figures: Mapping[str, Figures]) -> tuple[list[str], list[list[str]]]:
    """List the figures of each scenario."""
    names = [
        "",
        "last announced",
        "lag p50",
        "p99",
        "longest",
        "throttled",
        "sent again",
        "redelivered",
        "late ticks",
        "$",
        "what binds, and how much of it is used",
    ]
    return names, [_row(name, found) for name, found in figures.items()]


def lags_drawn(announced: Mapping[str, Sequence[Announced]], fall_seconds: float) -> str:
    """Draw how late the announcements are, over time; returns an SVG."""
    figure = Figure((7.5, 4.2), layout="constrained")
    axes = figure.add_subplot(
        xlabel="seconds since the fall's begin",
        ylabel="seconds from price to announcement",
        title="How late announcements are while prices fall by 20 %",
    )
    axes.axvspan(0, fall_seconds, color="#f3f4f6")
    for colour, (name, firings) in zip(_COLOURS, announced.items(), strict=False):
        times, medians, longest = zip(*lags_by_second(firings, _STEP_SECONDS), strict=True)
        axes.plot(times, medians, color=colour, linewidth=2.5, label=f"{name}: median")
        axes.plot(times, longest, color=colour, linewidth=1, linestyle="--", label="longest")
    axes.annotate(
        "prices fall", (fall_seconds / 2, 0.98), ha="center", va="top",
        xycoords=("data", "axes fraction"), color="#6b7280",
    )  # fmt: skip
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.grid(visible=True, color="#e5e7eb")
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def utilisations_drawn(figures: Mapping[str, Figures]) -> str:
    """Draw which share of each limit is used; returns an SVG."""
    figure = Figure((7.5, 4.2), layout="constrained")
    axes = figure.add_subplot(
        xlabel="used in the busiest minute",
        title="Which limit binds",
    )
    limits = list(next(iter(figures.values())).utilisations)
    height = 0.8 / len(figures)
    for number, (colour, (name, found)) in enumerate(zip(_COLOURS, figures.items(), strict=False)):
        places = [
            place + (number - (len(figures) - 1) / 2) * height for place in range(len(limits))
        ]
        used = [found.utilisations[limit] for limit in limits]
        bars = axes.barh(places, used, height, color=colour, label=name)
        axes.bar_label(bars, [f"{share:.0%}" for share in used], padding=3, fontsize=8)
    axes.set_yticks(range(len(limits)), [limit.replace("`", "") for limit in limits])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.xaxis.set_major_formatter(lambda share, _place: f"{share:.0%}")
    axes.grid(visible=True, axis="x", color="#e5e7eb")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="lower right")
    return _svg(figure)


def _row(name: str, found: Figures) -> list[str]:
    return [
        name,
        f"{found.last_seconds:,.0f} s" if found.is_finished else f"> {found.last_seconds:,.0f} s",
        f"{found.median_seconds:,.0f} s",
        f"{found.p99_seconds:,.0f} s",
        f"{found.longest_seconds:,.0f} s",
        f"{found.throttled:,}",
        f"{found.handed_over:,}",
        f"{found.redelivered:,}",
        f"{found.late_ticks:,.0f}",
        f"{found.dollars:.2f}",
        f"{found.binding}: {found.utilisations[found.binding]:.0%}" if found.binding else "none",
    ]


def _svg(figure: Figure) -> str:
    picture = io.StringIO()
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    # The same figures make the same file.
    with mpl.rc_context({"svg.hashsalt": "tapstack", "svg.fonttype": "none", "font.size": 10}):
        figure.savefig(picture, format="svg", metadata={"Date": None, "Creator": None})
    return picture.getvalue()
