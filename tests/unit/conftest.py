"""What every unit test has: no network, dummy credentials, the function's environment."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import pytest
from botocore.loaders import JSONFileLoader, Loader
from hypothesis import settings
from moto import mock_aws
from pytest_socket import disable_socket, enable_socket

from lib.stacks.lambda_package import build_package
from price_alerts.adapters.store import Store
from price_alerts.domain.state import State
from tests.engine_driver import Driver
from tests.unit.doubles import Clock, Container, Topic, create_table, drop_handler
from tests.unit.quick_dynamodb import quick_dynamodb

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

# The same examples every time: who sees a red build can repeat it.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

NOBODY = "testing"
FUNCTION_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": NOBODY,
    "AWS_SECRET_ACCESS_KEY": NOBODY,
    "AWS_DEFAULT_REGION": "us-east-1",
    "TABLE_NAME": "tap-test-alerts",
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:tap-test-alerts",
    "HIGH_PRICE_THRESHOLD": "150",
    "METRICS_NAMESPACE": "PriceAlerts",
    "SERVICE_NAME": "tap-test-price-alerts",
}


class CurrentStdout:
    """Whatever is stdout when something is written: pytest changes it after each set-up."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@pytest.fixture(autouse=True, scope="session")
def _quick_clients() -> Iterator[None]:
    """Do once what boto3 and moto do for each client and each account, and what takes them long."""
    load = JSONFileLoader.load_file
    read = cache(partial(load, JSONFileLoader()))
    list_services = Loader.list_available_services
    services: dict[tuple[str, ...], list[str]] = {}

    def load_once(loader: JSONFileLoader, path: str) -> Any:
        # moto changes what it reads of SQS.
        return load(loader, path) if "sqs" in Path(path).parts else read(path)

    def list_once(loader: Loader, type_name: str) -> list[str]:
        key = (type_name, *loader.search_paths)
        if key not in services:
            services[key] = list_services(loader, type_name)
        return services[key]

    with (
        patch.object(JSONFileLoader, "load_file", load_once),
        patch.object(Loader, "list_available_services", list_once),
        # It answers the requests library, too, which nothing here uses.
        patch("moto.core.models.RESPONSES_METHODS", ()),
    ):
        yield


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        *("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "CDKTF_OUTDIR"),
        *("TAP_ENVIRONMENT", "TAP_MOVING_STATE", "TERRAFORM_BINARY_NAME"),
        *("TF_CLI_ARGS", "TF_CLI_ARGS_init", "QUEUE_URL"),
    ):
        monkeypatch.delenv(name, raising=False)
    for name, value in FUNCTION_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def _closed_sockets(request: pytest.FixtureRequest) -> object:
    """No unit test reaches out; those marked ``loopback`` may talk to this machine."""
    if request.node.get_closest_marker("loopback"):
        enable_socket()
    else:
        disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture
def moto() -> Iterator[None]:
    """An AWS account in this process; boto3 keeps its session, for the models take long to load."""
    with mock_aws(config={"core": {"reset_boto3_session": False}}):
        yield


@pytest.fixture
def aws(moto: None) -> Iterator[None]:
    """The same, with the simulation's DynamoDB."""
    with quick_dynamodb():
        yield


@pytest.fixture
def table(aws: None) -> Table:
    return create_table(FUNCTION_ENVIRONMENT["TABLE_NAME"])


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)


@pytest.fixture
def calls(table: Table) -> list[str]:
    """The names of the operations called on the table from now on."""
    names: list[str] = []
    table.meta.client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: names.append(model.name)
    )
    return names


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def topic() -> Topic:
    return Topic()


@pytest.fixture
def container(table: Table, clock: Clock, topic: Topic) -> Container:
    return Container(table, clock, topic)


@pytest.fixture
def commits() -> list[State]:
    """The states that ``driver`` has committed."""
    return []


@pytest.fixture
def driver(commits: list[State]) -> Driver:
    """The engine over rules that are kept in memory."""
    return Driver(on_commit=commits.append)


@pytest.fixture
def _fresh_handler() -> Iterator[None]:
    """The handler is imported for this test, and forgotten after it."""
    drop_handler()
    yield
    drop_handler()


@pytest.fixture
def index(table: Table, _fresh_handler: None) -> ModuleType:
    """The handler, imported when its table is there."""
    return importlib.import_module("index")


@pytest.fixture
def load_index(table: Table, _fresh_handler: None) -> Callable[[], ModuleType]:
    """Import the handler when its table and its topic are there; its lines go to stdout."""
    boto3.client("sns").create_topic(Name="tap-test-alerts")

    def load() -> ModuleType:
        with patch("sys.stdout", CurrentStdout()):
            return importlib.import_module("index")

    return load


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """Read what was printed: every line of it is JSON."""
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The function's zip, built once."""
    return build_package(tmp_path_factory.mktemp("package") / "price-alerts.zip")


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a file, of rules if it has no other name."""

    def write(content: str | bytes, name: str = "rules.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
