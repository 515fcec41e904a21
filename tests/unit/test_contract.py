"""What holds the infrastructure and the function together, and the modules apart."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.settings import Settings, SettingsError
from lib.tap_stack import TapStack
from price_alerts.config import ENVIRONMENT_VARIABLES, Config, ConfigError
from price_alerts.ticks import MAX_BODY_BYTES

LIB = Path(__file__).parents[2] / "lib"
DOMAIN = LIB / "lambda" / "price_alerts"

# Which of the domain's modules each of them may import: never one to its right.
# index → processing → store, notifier → engine → rules, ticks
MAY_IMPORT: dict[str, set[str]] = {
    "__init__": set(),
    "config": {"ticks"},
    "ticks": set(),
    "rules": set(),
    "engine": {"rules", "ticks"},
    "notifier": {"engine", "rules", "ticks"},
    "store": {"engine", "rules", "ticks"},
    "processing": {"engine", "notifier", "rules", "store", "ticks"},
}
PURE = ("engine", "rules", "ticks")
# Of the standard library, what would make a pure module depend on more than its arguments.
IMPURE = {
    *("asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "signal"),
    *("socket", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid"),
}
INFRASTRUCTURE = {"cdktf", "cdktf_cdktf_provider_aws", "constructs", "jsii", "lib", "main"}
# What the role must allow for each call that the function makes to AWS.
ACTIONS = {
    "batch_get_item": "dynamodb:BatchGetItem",
    "delete_item": "dynamodb:DeleteItem",
    "get_item": "dynamodb:GetItem",
    "publish_batch": "sns:Publish",
    "put_item": "dynamodb:PutItem",
    "query": "dynamodb:Query",
    "scan": "dynamodb:Scan",
    "update_item": "dynamodb:UpdateItem",
}


@pytest.fixture(scope="module")
def stack(package: Path) -> dict[str, Any]:
    settings = Settings(
        environment="test", region="us-east-1", high_price_threshold=Decimal("150.10")
    )
    stack: dict[str, Any] = json.loads(
        cdktf.Testing.synth(TapStack(cdktf.Testing.app(), settings, package))
    )
    return stack


@pytest.fixture(scope="module")
def variables(stack: dict[str, Any]) -> dict[str, str]:
    [function] = stack["resource"]["aws_lambda_function"].values()
    variables: dict[str, str] = function["environment"]["variables"]
    return variables


def imports(source: str) -> Iterator[str]:
    """The full name of every module that a source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def packages(source: str) -> set[str]:
    """The packages that a source imports; an empty name stands for its own."""
    return {name.split(".")[0] for name in imports(source)}


def domain_imports(source: str) -> set[str]:
    """Which of the domain's modules a source imports."""
    modules = {path.stem for path in DOMAIN.glob("*.py")} | {"index"}
    parts = [name.split(".") for name in imports(source)]
    inner = {part[1] for part in parts if part[0] == "price_alerts" and part[1:]}
    return (inner | {part[0] for part in parts if part[0] == "index"}) & modules


def impurities(source: str) -> set[str]:
    """What in a source asks more than its arguments: a library, the system or the clock."""
    allowed = (sys.stdlib_module_names | {"price_alerts"}) - IMPURE
    clock = {
        node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow"}
    }
    return (packages(source) - allowed) | clock


# --- the stack and the function ----------------------------------------------------------


def test_the_stack_sets_what_the_function_reads_and_nothing_more(
    variables: dict[str, str],
) -> None:
    assert set(variables) == ENVIRONMENT_VARIABLES


def test_the_function_reads_the_threshold_exactly_as_it_was_set(variables: dict[str, str]) -> None:
    assert Config.from_environment(variables).high_price_threshold == Decimal("150.10")


@pytest.mark.parametrize("text", ["1e17", "1e18", "1e-18", "1e-19", "0", "-1", "1.5"])
def test_stack_and_function_take_the_same_thresholds(variables: dict[str, str], text: str) -> None:
    def takes(read: Callable[[], object]) -> bool:
        try:
            read()
        except (ConfigError, SettingsError):
            return False
        return True

    threshold = Decimal(text)
    stack_takes_it = takes(
        lambda: Settings(environment="test", region="us-east-1", high_price_threshold=threshold)
    )
    environment = {**variables, "HIGH_PRICE_THRESHOLD": f"{threshold:f}"}
    assert takes(lambda: Config.from_environment(environment)) is stack_takes_it


def test_the_queue_takes_a_message_as_long_as_the_function_reads(stack: dict[str, Any]) -> None:
    queues = stack["resource"]["aws_sqs_queue"].values()
    assert {queue["max_message_size"] for queue in queues} == {MAX_BODY_BYTES}


def test_the_role_allows_what_the_function_calls_and_nothing_more(stack: dict[str, Any]) -> None:
    called = {
        ACTIONS[node.attr]
        for path in (LIB / "lambda").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ACTIONS
    }
    granted = {
        action
        for document in stack["data"]["aws_iam_policy_document"].values()
        for statement in document["statement"]
        for action in statement["actions"]
    }
    assert {name for name in granted if name.startswith(("dynamodb:", "sns:"))} == called


# --- who imports whom --------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(LIB.glob("*.py")), ids=lambda path: path.stem)
def test_the_infrastructure_never_imports_the_function(path: Path) -> None:
    assert packages(path.read_text()) & {"price_alerts", "index"} == set()


@pytest.mark.parametrize(
    "path",
    sorted((LIB / "lambda").rglob("*.py")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_the_function_never_imports_the_infrastructure(path: Path) -> None:
    assert packages(path.read_text()) & INFRASTRUCTURE == set()


def test_cdktf_is_imported_by_the_infrastructure_alone() -> None:
    others = [path for path in LIB.rglob("*.py") if path.parent != LIB]
    users = [path for path in others if "cdktf" in packages(path.read_text())]
    assert (bool(others), users) == (True, [])


def test_every_module_of_the_domain_has_its_place() -> None:
    assert {path.stem for path in DOMAIN.glob("*.py")} == set(MAY_IMPORT)


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_the_domain_s_modules_depend_one_way(module: str) -> None:
    assert domain_imports((DOMAIN / f"{module}.py").read_text()) - MAY_IMPORT[module] == set()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_asks_neither_aws_nor_the_clock_nor_the_system(module: str) -> None:
    assert impurities((DOMAIN / f"{module}.py").read_text()) == set()


# --- planted mistakes: the scans can find something --------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import price_alerts.store", {"store"}),
        ("import price_alerts.store as s, index", {"store", "index"}),
        ("from price_alerts import store", {"store"}),
        ("from price_alerts.store import Store", {"store"}),
        ("def late():\n    from price_alerts.store import Store", {"store"}),
        ("if TYPE_CHECKING:\n    from index import handler", {"index"}),
        ("import json", set()),
    ],
)
def test_an_import_of_the_domain_is_found(source: str, found: set[str]) -> None:
    assert domain_imports(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import boto3", {"boto3"}),
        ("from botocore.exceptions import ClientError", {"botocore"}),
        ("import os.path", {"os"}),
        ("from time import time", {"time"}),
        ("from datetime import datetime\ndatetime.now()", {"now"}),
        ("import datetime\ndatetime.date.today()", {"today"}),
        ("from . import store", {""}),
        ("import json, re\nfrom price_alerts.ticks import Tick", set()),
    ],
)
def test_an_impurity_is_found(source: str, found: set[str]) -> None:
    assert impurities(source) == found
