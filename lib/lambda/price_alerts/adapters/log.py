"""The log: what the function prints, for Lambda and CloudWatch.

Powertools would do the same, but loading it takes a tenth of a cold start.
"""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from price_alerts.domain.portions import portions

_MAX_VALUES = 100  # CloudWatch's embedded metric format: values of a metric in a line


class Lines:
    """Prints lines of JSON.

    Parameters
    ----------
    service
        The function's name, which every line has; the metrics' only dimension.
    namespace
        The metrics' namespace.

    Attributes
    ----------
    request_id
        The id of the present invocation, if it has one.
    """

    def __init__(self, service: str, namespace: str) -> None:
        self.request_id: str | None = None
        self._service = service
        self._namespace = namespace

    def info(self, message: str, **details: object) -> None:
        """Log something."""
        self._log("INFO", message, details)

    def warning(self, message: str, **details: object) -> None:
        """Log something that may need attention."""
        self._log("WARNING", message, details)

    def error(self, message: str, error: Exception | None = None, **details: object) -> None:
        """Log something that needs attention, with the exception that caused it."""
        if error:
            details["exception_name"] = type(error).__name__
            details["exception"] = "".join(traceback.format_exception(error))
        self._log("ERROR", message, details)

    def metrics(self, counts: Mapping[str, int], lags_milliseconds: Sequence[float]) -> None:
        """Report metrics: counts by their names, and ``Lag``, if there is one.

        Source: Amazon CloudWatch, "Specification: Embedded metric format".
        """
        lines: list[dict[str, Sequence[float]]] = [
            {"Lag": lags} for lags in portions(lags_milliseconds, _MAX_VALUES)
        ] or [{}]
        lines[0] |= {name: [count] for name, count in counts.items()}
        for values in lines:
            declared = {
                "Namespace": self._namespace,
                "Dimensions": [["service"]],
                "Metrics": [
                    {"Name": name, "Unit": "Milliseconds" if name == "Lag" else "Count"}
                    for name in values
                ],
            }
            about = {"Timestamp": time.time_ns() // 1_000_000, "CloudWatchMetrics": [declared]}
            _print({"_aws": about, "service": self._service, **values})

    def _log(self, level: str, message: str, details: Mapping[str, object]) -> None:
        # Lambda filters lines by their level, if they have one and a time like this.
        header = os.environ.get("_X_AMZN_TRACE_ID", "")  # Lambda sets it for each invocation
        line = {
            "level": level,
            "message": message,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "service": self._service,
            "request_id": self.request_id,
            "xray_trace_id": header.partition(";")[0].removeprefix("Root=") or None,
            **details,
        }
        _print({name: value for name, value in line.items() if value is not None})


def _print(line: Mapping[str, object]) -> None:
    print(json.dumps(line, separators=(",", ":")), flush=True)  # noqa: T201  # Lambda's log
