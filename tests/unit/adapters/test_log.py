"""Lines: what Lambda and CloudWatch find in what the function prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from price_alerts.adapters.log import Lines

Printed = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def printer() -> Lines:
    return Lines("alerts", "Prices")


def test_a_line_has_its_level_its_time_its_request_and_its_trace(
    printer: Lines, lines: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer.info("one", place=1)
    printer.request_id = "request-1"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3f;Parent=5399;Sampled=1")
    printer.warning("two", place=2)
    printed = lines()
    times = [line.pop("timestamp") for line in printed]
    assert [datetime.fromisoformat(at).isoformat(timespec="milliseconds") for at in times] == times
    assert {at[-6:] for at in times} == {"+00:00"}
    assert printed == [
        {"level": "INFO", "message": "one", "service": "alerts", "place": 1},
        {
            "level": "WARNING",
            "message": "two",
            "service": "alerts",
            "request_id": "request-1",
            "xray_trace_id": "1-5759e988-bd862e3f",
            "place": 2,
        },
    ]


def test_an_error_is_logged_with_its_causes(printer: Lines, lines: Printed) -> None:
    error = ValueError("above")
    error.__cause__ = KeyError("below")
    printer.error("failed", error, place=3)
    printer.error("alone")
    line, alone = lines()
    assert (line["level"], line["exception_name"], line["place"]) == ("ERROR", "ValueError", 3)
    assert "KeyError: 'below'" in line["exception"]
    assert line["exception"].endswith("ValueError: above\n")
    assert "exception" not in alone


def test_whatever_a_text_holds_a_line_is_one_line_of_ascii_and_flushed(
    printer: Lines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(sys.stdout, "flush", lambda: flushed.append(True))
    text = 'a\n"b"\u2028\ud800é'
    printer.info("odd", text=text)
    out = capsys.readouterr().out
    assert (out.isascii(), out.count("\n"), json.loads(out)["text"]) == (True, 1, text)
    assert flushed


@pytest.mark.parametrize(("lags", "sizes"), [(0, []), (1, [1]), (100, [100]), (201, [100, 100, 1])])
def test_metrics_are_counted_once_and_a_line_has_at_most_100_lags(
    printer: Lines, lines: Printed, lags: int, sizes: list[int]
) -> None:
    printer.metrics({"Ticks": 3, "Firings": 0}, [float(lag) for lag in range(lags)])
    printed = lines()
    assert [value for line in printed for value in line.get("Lag", ())] == list(range(lags))
    assert [len(line["Lag"]) for line in printed if "Lag" in line] == sizes
    counted = [{"Ticks", "Firings"}, *[set[str]()] * (len(sizes) - 1)]
    assert (printed[0]["Ticks"], printed[0]["Firings"]) == ([3], [0])
    for line, counts in zip(printed, counted, strict=True):
        assert line["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
        (declared,) = line["_aws"]["CloudWatchMetrics"]
        units = {metric["Name"]: metric["Unit"] for metric in declared["Metrics"]}
        has_lags = {"Lag": "Milliseconds"} if sizes else {}
        assert units == has_lags | dict.fromkeys(counts, "Count")
        assert line.keys() == {"_aws", "service", *units}
        assert (declared["Namespace"], declared["Dimensions"]) == ("Prices", [["service"]])
