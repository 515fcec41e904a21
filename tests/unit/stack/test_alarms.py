"""Alarms and dashboard: what they look at is there, and what they tell can be acted on."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lib.config.names import Names
from lib.config.settings import Settings
from lib.stacks.alarms import METRICS_NAMESPACE, alarms_of, metrics_of
from tests.unit.stack.stacks import DASHBOARD, OPS, PROJECT, VARIANTS, Stack, resource

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

NAMES = Names("test")
SETTINGS = Settings(environment="test", region="us-east-1")
# Of those that AWS documents for these services, the ones that could be used here.
AWS_METRICS = {
    "AWS/Lambda": {
        *("Duration", "Errors", "Invocations", "Throttles"),
    },
    "AWS/SQS": {
        *("ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesNotVisible"),
        *("ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent"),
    },
}
AWS_DIMENSIONS = {
    "AWS/Lambda": {"FunctionName": NAMES.function},
    "AWS/SQS": {"QueueName": NAMES.queue},
}
STATISTIC = re.compile(r"Sum|Maximum|Minimum|Average|SampleCount|p[0-9]{1,2}(\.[0-9]{1,2})?")


@pytest.fixture
def emitted(
    table: Table, _fresh_handler: None, capsys: pytest.CaptureFixture[str]
) -> Mapping[str, Mapping[str, str]]:
    """The dimensions of each metric that the handler emits for a price that fires."""
    boto3.client("sns").create_topic(Name="tap-test-alerts")
    index = importlib.import_module("index")
    record = {"messageId": "m-1", "body": '{"symbol": "AAPL", "price": 200}'}
    index.handler({"Records": [record]}, None)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "_aws" in line]
    (declared,) = line["_aws"]["CloudWatchMetrics"]
    assert declared["Namespace"] == METRICS_NAMESPACE
    (dimensions,) = declared["Dimensions"]
    return {
        metric["Name"]: {name: line[name] for name in dimensions} for metric in declared["Metrics"]
    }


def test_every_metric_of_ours_is_one_that_the_handler_emits(
    emitted: Mapping[str, Mapping[str, str]],
) -> None:
    ours = [each for each in metrics_of(NAMES).values() if each.namespace == METRICS_NAMESPACE]
    assert {metric.name: metric.dimensions for metric in ours} == emitted


def test_every_other_metric_is_one_that_aws_documents() -> None:
    for metric in metrics_of(NAMES).values():
        if metric.namespace != METRICS_NAMESPACE:
            assert metric.name in AWS_METRICS[metric.namespace]
            assert metric.dimensions.keys() == AWS_DIMENSIONS[metric.namespace].keys()


def test_every_statistic_is_one_that_cloudwatch_knows() -> None:
    assert all(STATISTIC.fullmatch(metric.statistic) for metric in metrics_of(NAMES).values())


def built(stack: Stack) -> dict[str, dict[str, Any]]:
    alarms: dict[str, dict[str, Any]] = stack["resource"]["aws_cloudwatch_metric_alarm"]
    return {alarm["alarm_name"]: alarm for alarm in alarms.values()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_alarm_tells_ops_when_it_goes_off_and_when_it_is_over(
    stacks: dict[str, Stack], variant: str
) -> None:
    for alarm in built(stacks[variant]).values():
        assert alarm["alarm_actions"] == alarm["ok_actions"] == [f"${{{OPS}.arn}}"]
        assert (alarm["actions_enabled"], alarm["treat_missing_data"]) == (True, "notBreaching")


def test_an_alarm_looks_at_the_last_minutes_of_its_metric(stacks: dict[str, Stack]) -> None:
    alarm = built(stacks["prod"])["tap-prod-old-messages"]
    (query,) = alarm["metric_query"]
    assert query == {
        "id": "value",
        "return_data": True,
        "metric": {
            "namespace": "AWS/SQS",
            "metric_name": "ApproximateAgeOfOldestMessage",
            "dimensions": {"QueueName": "tap-prod-prices"},
            "period": 60,
            "stat": "Maximum",
        },
    }
    assert (alarm["threshold"], alarm["evaluation_periods"]) == (300, 2)
    assert alarm["comparison_operator"] == "GreaterThanThreshold"


def test_invalid_messages_count_in_percent_of_all(stacks: dict[str, Stack]) -> None:
    alarm = built(stacks["prod"])["tap-prod-invalid-messages"]
    part, whole, percent = alarm["metric_query"]
    names = [query["metric"]["metric_name"] for query in (part, whole)]
    assert names == ["InvalidMessages", "Messages"]
    assert percent["expression"] == "IF(whole > 0, 100 * part / whole, 0)"
    assert [bool(query.get("return_data")) for query in (part, whole, percent)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("setting", "alarm", "threshold"),
    [
        ({"lag_alarm_seconds": 7}, "late-announcements", 7_000),
        ({"age_alarm_seconds": 7}, "old-messages", 7),
        ({"function_timeout_seconds": 5}, "function-slow", 4_000),
    ],
)
def test_a_threshold_follows_the_settings(
    setting: dict[str, Any], alarm: str, threshold: float
) -> None:
    alarms = {each.name: each for each in alarms_of(NAMES, replace(SETTINGS, **setting))}
    assert alarms[alarm].threshold == threshold


@pytest.mark.parametrize(
    ("alarm", "metric"),
    [
        ("dead-letters", "ApproximateNumberOfMessagesVisible"),
        ("function-errors", "Errors"),
        ("publish-failures", "PublishFailures"),
        ("undeliverable-alerts", "UndeliverableFirings"),
        ("rules-set-aside", "RulesSetAside"),
    ],
)
def test_what_should_never_happen_sets_an_alarm_off_at_once(alarm: str, metric: str) -> None:
    found = {each.name: each for each in alarms_of(NAMES, SETTINGS)}[alarm]
    assert (found.metric.name, found.threshold, found.minutes) == (metric, 0, 1)


def sections() -> Iterator[tuple[str, str]]:
    """The runbook's sections: title and text."""
    text = (PROJECT / "docs" / "runbook.md").read_text("utf-8")
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        yield title, body


def test_the_runbook_has_a_section_for_every_alarm_that_says_what_to_type() -> None:
    runbook = dict(sections())
    names = [alarm.name for alarm in alarms_of(NAMES, SETTINGS)]
    assert [name for name in runbook if name in names] == names
    for name in names:
        assert "```console" in runbook[name], name


def test_an_alarm_names_its_section_of_the_runbook(stacks: dict[str, Stack]) -> None:
    for name, alarm in built(stacks["prod"]).items():
        section = name.removeprefix("tap-prod-")
        assert alarm["alarm_description"].endswith(f"What to do: docs/runbook.md, {section}.")


# --- the dashboard -----------------------------------------------------------------------


@pytest.fixture
def widgets(stacks: dict[str, Stack]) -> list[dict[str, Any]]:
    body = json.loads(resource(stacks["prod"], DASHBOARD)["dashboard_body"])
    found: list[dict[str, Any]] = body["widgets"]
    return found


def test_no_widget_lies_over_another_or_outside_of_the_grid(widgets: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for widget in widgets:
        cells = {
            (widget["x"] + x, widget["y"] + y)
            for x in range(widget["width"])
            for y in range(widget["height"])
        }
        assert not taken & cells
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
    assert len(taken) == 24 * (max(y for _, y in taken) + 1)  # and nothing is left empty


def test_the_dashboard_shows_the_state_of_every_alarm(
    stacks: dict[str, Stack], widgets: list[dict[str, Any]]
) -> None:
    (alarms,) = [each["properties"]["alarms"] for each in widgets if each["type"] == "alarm"]
    shown = [arn.rpartition(":alarm:")[2] for arn in alarms]
    assert sorted(shown) == sorted(built(stacks["prod"]))


def test_the_dashboard_asks_the_three_questions(widgets: list[dict[str, Any]]) -> None:
    texts = [each["properties"]["markdown"] for each in widgets if each["type"] == "text"]
    assert texts == ["## Is it working?", "## Is it late?", "## Is anything stuck?"]


def test_every_graph_is_as_cloudwatch_documents_it(widgets: list[dict[str, Any]]) -> None:
    graphs = [each["properties"] for each in widgets if each["type"] == "metric"]
    assert len(graphs) == 9
    for graph in graphs:
        assert graph["view"] == "timeSeries"
        assert (graph["region"], graph["period"]) == ("us-east-1", 60)
        assert graph["title"]
        for namespace, name, *dimensions, rendering in graph["metrics"]:
            assert namespace.startswith(("AWS/", METRICS_NAMESPACE))
            assert (isinstance(name, str), len(dimensions) % 2) == (True, 0)
            assert rendering.keys() == {"stat", "label"}


def test_the_dashboard_shows_every_metric_once(widgets: list[dict[str, Any]]) -> None:
    shown = [
        (line[0], line[1], *line[2:-1], line[-1]["stat"])
        for each in widgets
        if each["type"] == "metric"
        for line in each["properties"]["metrics"]
    ]
    wanted = [
        (each.namespace, each.name, *next(iter(each.dimensions.items())), each.statistic)
        for each in metrics_of(Names("prod")).values()
    ]
    assert sorted(shown) == sorted(wanted)
