"""The dashboard: is it working, is it late, is anything stuck? Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lib.config.names import Account
from lib.stacks.alarms import Metric, metrics_of

_COLUMNS = 24  # CloudWatch: the width of the grid
_HEIGHT, _TITLE_HEIGHT = 6, 1
_PERIOD_SECONDS = 60

Graph = tuple[str, str, Sequence[str]]

# Each row answers a question; a graph has a title, the unit of its axis and what it draws.
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
    """Return the dashboard as CloudWatch takes it.

    Source: Amazon CloudWatch, "Dashboard body structure and syntax".

    Parameters
    ----------
    account
        The stack.
    alarm_names
        The full names of its alarms, whose states stand on top.
    """
    metrics = metrics_of(account.names)
    widgets: list[dict[str, Any]] = [
        {
            "type": "alarm",
            **_place(0, 0, _COLUMNS, 3),
            "properties": {
                "title": "Alarms",
                "alarms": [account.arn("cloudwatch", f"alarm:{name}") for name in alarm_names],
            },
        }
    ]
    y = 3
    for question, graphs in _ROWS:
        widgets.append(
            {
                "type": "text",
                **_place(0, y, _COLUMNS, _TITLE_HEIGHT),
                "properties": {"markdown": f"## {question}"},
            }
        )
        y += _TITLE_HEIGHT
        width = _COLUMNS // len(graphs)
        for column, (title, unit, shown) in enumerate(graphs):
            widgets.append(
                {
                    "type": "metric",
                    **_place(column * width, y, width, _HEIGHT),
                    "properties": {
                        "title": title,
                        "view": "timeSeries",
                        "region": account.region,
                        "period": _PERIOD_SECONDS,
                        "yAxis": {"left": {"label": unit, "min": 0, "showUnits": False}},
                        "metrics": [_line(name, metrics[name]) for name in shown],
                    },
                }
            )
        y += _HEIGHT
    return {"widgets": widgets}


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "width": width, "height": height}


def _line(name: str, metric: Metric) -> list[Any]:
    dimensions = [part for dimension in metric.dimensions.items() for part in dimension]
    label = name.replace("_", " ")
    return [
        metric.namespace,
        metric.name,
        *dimensions,
        {"stat": metric.statistic, "label": label},
    ]
