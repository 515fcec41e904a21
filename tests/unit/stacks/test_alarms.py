"""Alarms and dashboard: what they show is emitted, and what they report can be acted on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lib.config.names import Account, Names
from lib.config.settings import Settings
from lib.stacks.alarms import METRICS_NAMESPACE, alarms_of, metrics_of
from lib.stacks.dashboard import dashboard_body
from tests.unit.stacks.snapshots import PROJECT

NAMES = Names("test")
ALARMS = [
    alarm.name for alarm in alarms_of(NAMES, Settings(environment="test", region="us-east-1"))
]
WIDGETS: list[dict[str, Any]] = dashboard_body(
    Account("aws", "123456789012", "us-east-1", NAMES), [NAMES.alarm(name) for name in ALARMS]
)["widgets"]


def test_every_metric_of_ours_is_one_that_the_handler_emits(
    load_index: Callable[[], ModuleType], lines: Callable[[], list[dict[str, Any]]]
) -> None:
    record = {"messageId": "m-1", "body": '{"symbol": "AAPL", "price": 200}'}
    load_index().handler({"Records": [record]}, None)
    (line,) = [line for line in lines() if "_aws" in line]
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    (dimensions,) = declared["Dimensions"]
    ours = [each for each in metrics_of(NAMES).values() if each.namespace == METRICS_NAMESPACE]
    assert declared["Namespace"] == METRICS_NAMESPACE
    assert {metric.name: metric.dimensions for metric in ours} == {
        metric["Name"]: {name: line[name] for name in dimensions} for metric in declared["Metrics"]
    }


def test_the_runbook_has_a_section_for_every_alarm_that_says_what_to_type() -> None:
    text = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
    runbook = dict(section.split("\n", 1) for section in text.split("\n## ")[1:])
    assert [name for name in runbook if name in ALARMS] == ALARMS
    assert [name for name in ALARMS if "```console" not in runbook[name]] == []


def test_the_widgets_fill_the_grid_and_none_is_over_another() -> None:
    cells = Counter(
        (widget["x"] + x, widget["y"] + y)
        for widget in WIDGETS
        for x in range(widget["width"])
        for y in range(widget["height"])
    )
    rows = max(y for _, y in cells) + 1
    assert cells == {(x, y): 1 for x in range(24) for y in range(rows)}


def test_the_dashboard_shows_every_alarm_and_every_metric_once() -> None:
    (alarms,) = [each["properties"]["alarms"] for each in WIDGETS if each["type"] == "alarm"]
    assert [arn.rpartition(":tap-test-")[2] for arn in alarms] == ALARMS
    shown = [
        (*line[:-1], line[-1]["stat"])
        for each in WIDGETS
        for line in each["properties"].get("metrics", [])
    ]
    metrics = metrics_of(NAMES).values()
    assert sorted(shown) == sorted(
        (each.namespace, each.name, *next(iter(each.dimensions.items())), each.statistic)
        for each in metrics
    )
