"""Lines: what Lambda and CloudWatch find in what the function prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from price_alerts.adapters.log import Lines

Printed = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Lines:
    return Lines("alerts", "Prices")


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_kind_of_line_has_its_level(lines: Lines, printed: Printed) -> None:
    lines.info("one", place=1)
    lines.warning("two", place=2)
    lines.error("three", place=3)
    found = [(line["level"], line["message"], line["place"]) for line in printed()]
    assert found == [("INFO", "one", 1), ("WARNING", "two", 2), ("ERROR", "three", 3)]


def test_lambda_can_read_the_time_of_a_line(lines: Lines, printed: Printed) -> None:
    lines.info("now")
    (line,) = printed()
    time = datetime.fromisoformat(line["timestamp"])
    assert (line["timestamp"][-6:], time.isoformat(timespec="milliseconds")) == (
        "+00:00",
        line["timestamp"],
    )


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=5399;Sampled=1", "1-5759e988-"),
        ("Root=1-5759e988-bd862e3fe1be46a994272793", "1-5759e988-"),
        ("", None),
    ],
)
def test_a_line_leads_to_its_trace(
    lines: Lines,
    printed: Printed,
    monkeypatch: pytest.MonkeyPatch,
    header: str,
    told: str | None,
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    lines.info("traced")
    (line,) = printed()
    trace_id = line.get("xray_trace_id")
    assert trace_id is None if told is None else trace_id == f"{told}bd862e3fe1be46a994272793"


def test_what_is_not_known_is_left_out(lines: Lines, printed: Printed) -> None:
    lines.info("bare")
    lines.request_id = "request-1"
    lines.info("named")
    assert [line.get("request_id", "none") for line in printed()] == ["none", "request-1"]


def test_an_exception_is_told_with_its_causes(lines: Lines, printed: Printed) -> None:
    error = ValueError("above")
    error.__cause__ = KeyError("below")
    lines.error("failed", error)
    (line,) = printed()
    assert line["exception_name"] == "ValueError"
    assert ["KeyError: 'below'" in line["exception"], line["exception"][-18:]] == [
        True,
        "ValueError: above\n",
    ]


def test_whatever_a_text_holds_a_line_is_one_line_of_ascii(
    lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    text = 'a\n"b"\u2028\ud800é'
    lines.info("odd", text=text)
    out = capsys.readouterr().out
    assert (out.isascii(), out.count("\n"), json.loads(out)["text"]) == (True, 1, text)


def test_metrics_without_a_lag_are_one_line(lines: Lines, printed: Printed) -> None:
    lines.metrics({"Ticks": 3, "Firings": 0}, [])
    (line,) = printed()
    (declared,) = line["_aws"].pop("CloudWatchMetrics")
    assert declared == {
        "Namespace": "Prices",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": "Ticks", "Unit": "Count"}, {"Name": "Firings", "Unit": "Count"}],
    }
    assert line.pop("_aws").keys() == {"Timestamp"}
    assert line == {"service": "alerts", "Ticks": [3], "Firings": [0]}


@pytest.mark.parametrize(("lags", "sizes"), [(1, [1]), (100, [100]), (201, [100, 100, 1])])
def test_a_line_has_no_more_lags_than_cloudwatch_takes(
    lines: Lines, printed: Printed, lags: int, sizes: list[int]
) -> None:
    lines.metrics({"Ticks": 3}, [float(lag) for lag in range(lags)])
    found = printed()
    assert [value for line in found for value in line["Lag"]] == list(range(lags))
    assert [len(line["Lag"]) for line in found] == sizes
    assert [line["Ticks"] for line in found if "Ticks" in line] == [[3]]  # counted once
    for line in found:
        (declared,) = line["_aws"]["CloudWatchMetrics"]
        units = {metric["Name"]: metric["Unit"] for metric in declared["Metrics"]}
        assert units.pop("Lag") == "Milliseconds"
        assert units.keys() <= {"Ticks"}
