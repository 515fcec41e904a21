"""Draws the dashboard for the docs, with invented values.

After a change: ``python -m tools.docs.dashboard_picture``.
"""

from __future__ import annotations

import argparse
import hashlib
import math
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lib.config.names import Account, Names
from lib.config.settings import load_settings
from lib.stacks.alarms import alarms_of
from lib.stacks.dashboard import dashboard_body

_PROJECT = Path(__file__).parents[2]
PICTURE = _PROJECT / "docs" / "dashboard.png"
_ENVIRONMENT = "prod"
_COLUMNS, _INCHES_PER_CELL, _DOTS_PER_INCH = 24, 0.55, 80
_ALARMS_PER_ROW = 5
_MINUTES = 180
# A quiet day's values; those in the picture vary around them. All other metrics have few values.
_USUAL = {
    "messages": 60,
    "ticks": 300,
    "firings": 6,
    "invocations": 55,
    "lag p50": 90,
    "lag p99": 180,
    "age": 1,
    "duration p50": 12,
    "duration p99": 60,
    "waiting": 2,
    "in flight": 5,
}
_NEVER = {"dead", "errors", "publish failures", "set aside", "throttles", "undeliverable"}


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="tools.docs.dashboard_picture", description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path, default=PICTURE)
    figure = draw()
    FigureCanvasAgg(figure)
    figure.savefig(parser.parse_args().picture, metadata={"Software": None})


def draw() -> Figure:
    """Draw the dashboard of ``prod`` as CloudWatch lays it out."""
    settings = load_settings(_PROJECT / "cdktf.json", _ENVIRONMENT)
    names = Names(_ENVIRONMENT)
    account = Account("aws", "123456789012", settings.region, names)
    alarms = [names.alarm(alarm.name) for alarm in alarms_of(names, settings)]
    widgets = dashboard_body(account, alarms)["widgets"]
    rows = max(widget["y"] + widget["height"] for widget in widgets)
    figure = Figure(
        (_COLUMNS * _INCHES_PER_CELL, rows * _INCHES_PER_CELL), dpi=_DOTS_PER_INCH, facecolor="0.95"
    )
    for widget in widgets:
        _draw_widget(figure, widget, rows)
    return figure


def _draw_widget(figure: Figure, widget: dict[str, Any], rows: int) -> None:
    left, width = widget["x"] / _COLUMNS, widget["width"] / _COLUMNS
    bottom = 1 - (widget["y"] + widget["height"]) / rows
    height = widget["height"] / rows
    properties = widget["properties"]
    match widget["type"]:
        case "metric":
            _draw_graph(figure, properties, (left, bottom, width, height))
        case "alarm":
            figure.text(left + 0.01, bottom + 0.7 * height, properties["title"], weight="bold")
            for place, arn in enumerate(properties["alarms"]):
                row, column = divmod(place, _ALARMS_PER_ROW)
                figure.text(
                    left + 0.01 + column * width / _ALARMS_PER_ROW,
                    bottom + (0.42 - 0.28 * row) * height,
                    f"\N{CHECK MARK} {arn.rpartition(':')[2]}",
                    color="tab:green",
                )
        case _:
            text = properties["markdown"].removeprefix("## ")
            figure.text(left + 0.01, bottom + 0.3 * height, text, weight="bold", size=13)


def _draw_graph(
    figure: Figure, properties: dict[str, Any], place: tuple[float, float, float, float]
) -> None:
    left, bottom, width, height = place
    axes = figure.add_axes(
        (left + 0.18 * width, bottom + 0.2 * height, 0.77 * width, 0.62 * height)
    )
    labels = [line[-1]["label"] for line in properties["metrics"]]
    for label in labels:
        axes.plot(_invented(label), label=label, linewidth=1.2)
    axes.set_title(properties["title"], size=10, weight="bold", loc="left")
    axes.set_ylabel(properties["yAxis"]["left"]["label"], size=8)
    axes.set_ylim(bottom=0)
    axes.set_xticks([0, 60, 120, 180], ["-3 h", "-2 h", "-1 h", "now"])
    axes.tick_params(labelsize=7)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="lower left",
        bbox_to_anchor=(left + 0.15 * width, bottom),
        ncols=len(labels),
        fontsize=7,
        frameon=False,
    )


def _invented(label: str) -> list[float]:
    """Return three hours of values, always the same ones."""
    shift = hashlib.sha256(label.encode()).digest()[0]
    if label in _USUAL:
        return [
            _USUAL[label] * (1 + 0.15 * math.sin((minute + shift) / 19))
            + 0.05 * _USUAL[label] * math.sin((minute + shift) * (minute + 7) / 11)
            for minute in range(_MINUTES)
        ]
    return [float(minute % 97 == shift % 97 and label not in _NEVER) for minute in range(_MINUTES)]


if __name__ == "__main__":
    main()
