"""What a process makes once: containers with the real handler, and clients for the command line."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3

from tests.simulation.boundary import installed, printing_nothing

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

TABLE = "tap-simulation-alerts"
THRESHOLD = 108
NOBODY = "simulation"
_HANDLER = Path(__file__).parents[2] / "lib" / "lambda" / "index.py"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": NOBODY,
    "AWS_SECRET_ACCESS_KEY": NOBODY,
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": TABLE,
    "QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/prices",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:tap-simulation-alerts",
    "HIGH_PRICE_THRESHOLD": str(THRESHOLD),
    "METRICS_NAMESPACE": "PriceAlerts",
    "SERVICE_NAME": "tap-simulation-price-alerts",
    "POWERTOOLS_LOG_LEVEL": "CRITICAL",  # of the release before
}


class Equipment:
    """Containers, tables and a client for queues; made when they are first asked for."""

    def __init__(self) -> None:
        self._containers: dict[int, ModuleType] = {}
        self._tables: dict[int, Table] = {}
        self._sqs: Any = None

    def container(self, number: int) -> ModuleType:
        """Return a container's own handler, which remembers nothing yet."""
        if number not in self._containers:
            with patch.dict(os.environ, ENVIRONMENT), printing_nothing():
                self._containers[number] = _loaded(f"simulated_container_{number}")
        module = self._containers[number]
        begin_cold(module)
        return module

    def table(self, number: int) -> Table:
        """Return a table for one actor."""
        if number not in self._tables:
            with patch.dict(os.environ, ENVIRONMENT):
                self._tables[number] = boto3.resource("dynamodb").Table(TABLE)
        return self._tables[number]

    def sqs(self) -> Any:
        if self._sqs is None:
            with patch.dict(os.environ, ENVIRONMENT):
                self._sqs = boto3.client("sqs")
        return self._sqs


def begin_cold(module: Any) -> None:
    """Let a container forget what it remembers."""
    if hasattr(module, "build_processor"):
        module._processor = _built(module)
    else:
        module._processor._states.clear()
    for name in ("each", "_each", "each_call"):  # of the release before, too
        if hasattr(module._processor, name):
            setattr(module._processor, name, map)
    if hasattr(module._processor, "store"):
        module._processor.store._each = map
    if hasattr(module, "metrics"):  # of the release before
        module.metrics.clear_metrics()


def _built(module: Any) -> Any:
    if not signature(module.build_processor).parameters:  # of the release before
        return module.build_processor()
    return module.build_processor(module.config, module.table, module.sns)


def _loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, _HANDLER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def equipped() -> Iterator[Equipment]:
    """Put the simulation in the place of AWS, and make what a process needs once."""
    with patch.dict(os.environ, ENVIRONMENT), installed():
        yield _equipment


_equipment = Equipment()
