"""The dashboard: is it working, is it late, is anything stuck? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.config.names import Account
from lib.stacks.alarms import PERIOD_SECONDS, Metric, metrics_of

_COLUMNS = 24  # CloudWatch: the width of the grid
_ALARMS_HEIGHT, _TITLE_HEIGHT, _GRAPH_HEIGHT = 3, 1, 6

Graph = tuple[str, str, Sequence[str]]

# Each row answers a question; a graph has a title, the unit of its axis and its metrics.
_ROWS: Sequence[tuple[str, Sequence[Graph]]] = (
    (
        "Is it working?",
        (
            ("Prices", "a minute", ("ticks", "late", "messages", "invalid")),
            ("Alerts", "a minute", ("firings", "publish_failures", "undeliverable", "set_aside")),
            ("Function", "a minute", ("invocations", "errors", "throttles")),
        ),
    ),
    (
        "Is it late?",
        (
            ("From price to alert", "ms", ("lag_p50", "lag_p99")),
            ("Oldest message", "s", ("age",)),
            ("Invocation", "ms", ("duration_p50", "duration_p99")),
        ),
    ),
    (
        "Is anything stuck?",
        (
            ("Queue", "messages", ("waiting", "in_flight")),
            ("Dead-letter queue", "messages", ("dead",)),
            ("Tried again", "a minute", ("failed", "handed_over", "conflicts")),
        ),
    ),
)


def dashboard_body(account: Account, alarm_names: Sequence[str]) -> dict[str, Any]:
    """Return the dashboard as CloudWatch expects it, with the states of the alarms at the top.

    Source: Amazon CloudWatch, "Dashboard body structure and syntax".
    """
    metrics = metrics_of(account.names)
    alarms = [account.arn("cloudwatch", f"alarm:{name}") for name in alarm_names]
    widgets = [
        _widget("alarm", (0, 0, _COLUMNS, _ALARMS_HEIGHT), {"title": "Alarms", "alarms": alarms})
    ]
    y = _ALARMS_HEIGHT
    for question, graphs in _ROWS:
        place = (0, y, _COLUMNS, _TITLE_HEIGHT)
        widgets.append(_widget("text", place, {"markdown": f"## {question}"}))
        y += _TITLE_HEIGHT
        width = _COLUMNS // len(graphs)
        for column, (title, unit, shown) in enumerate(graphs):
            properties = {
                "title": title,
                "view": "timeSeries",
                "region": account.region,
                "period": PERIOD_SECONDS,
                "yAxis": {"left": {"label": unit, "min": 0, "showUnits": False}},
                "metrics": [_line(name, metrics[name]) for name in shown],
            }
            widgets.append(_widget("metric", (column * width, y, width, _GRAPH_HEIGHT), properties))
        y += _GRAPH_HEIGHT
    return {"widgets": widgets}


def _widget(
    type_: str, place: tuple[int, int, int, int], properties: dict[str, Any]
) -> dict[str, Any]:
    names = ("x", "y", "width", "height")
    return {"type": type_, **dict(zip(names, place, strict=True)), "properties": properties}


def _line(name: str, metric: Metric) -> list[Any]:
    dimensions = [part for dimension in metric.dimensions.items() for part in dimension]
    style = {"stat": metric.statistic, "label": name.replace("_", " ")}
    return [metric.namespace, metric.name, *dimensions, style]
