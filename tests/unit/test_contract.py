"""What holds the infrastructure and the function together."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
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
# A transaction needs no action of its own, but those of its parts.
PARTS = {
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Delete": "dynamodb:DeleteItem",
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
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


def actions(source: str) -> set[str]:
    """Which actions on AWS a source needs: for its calls, and for what it puts in transactions."""
    nodes = list(ast.walk(ast.parse(source)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    return {ACTIONS[name] for name in attributes & ACTIONS.keys()} | {
        PARTS[name] for name in texts & PARTS.keys()
    }


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
    needed = {
        action for path in (LIB / "lambda").rglob("*.py") for action in actions(path.read_text())
    }
    [policy] = stack["resource"]["aws_iam_policy"].values()
    granted = {
        action
        for statement in json.loads(policy["policy"])["Statement"]
        for action in statement["Action"]
    }
    assert {name for name in granted if name.startswith(("dynamodb:", "sns:"))} == needed


# --- planted mistakes: the scan can find something ---------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("table.put_item(Item={})", {"dynamodb:PutItem"}),
        ("self._table.meta.client.query()", {"dynamodb:Query"}),
        ('{"Delete": {"Key": key}}', {"dynamodb:DeleteItem"}),
        ("client.transact_write_items(TransactItems=items)", set()),
    ],
)
def test_an_action_is_found(source: str, found: set[str]) -> None:
    assert actions(source) == found
