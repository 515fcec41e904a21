"""What holds the infrastructure and the function together."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.config.document import SettingsError
from lib.config.entries import Subscription
from lib.config.settings import Settings
from lib.tap_stack import TapStack
from price_alerts.config import ENVIRONMENT_VARIABLES, Config, ConfigError
from price_alerts.domain.ticks import MAX_BODY_BYTES
from tests.function_actions import FEEDING, SERVICES, actions

LIB = Path(__file__).parents[2] / "lib"

SHAPES = {"mine": {"when": {"kind": "px"}, "symbol": "sym", "price": "last"}}


@pytest.fixture(scope="module")
def stack(package: Path) -> dict[str, Any]:
    settings = Settings(
        environment="test",
        region="us-east-1",
        high_price_threshold=Decimal("150.10"),
        shapes=SHAPES,
        subscriptions=(Subscription("email", "a@example.com"),),
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


def granted(stack: dict[str, Any]) -> set[tuple[str, str]]:
    """What the role may do, and on what, with Lambda's own work left out."""
    [policy] = stack["resource"]["aws_iam_policy"].values()
    return {
        (action, target)
        for statement in json.loads(policy["policy"])["Statement"]
        for action in statement["Action"]
        for target in (
            [statement["Resource"]]
            if isinstance(statement["Resource"], str)
            else statement["Resource"]
        )
        if action.startswith(tuple(f"{service}:" for service in SERVICES))
        and action not in FEEDING
        and statement["Sid"] != "GiveUp"
    }


# --- the stack and the function ----------------------------------------------------------


def test_the_stack_sets_what_the_function_reads_and_nothing_more(
    variables: dict[str, str],
) -> None:
    assert set(variables) == ENVIRONMENT_VARIABLES


def test_the_function_reads_the_shapes_that_were_set(variables: dict[str, str]) -> None:
    assert Config.from_environment(variables).shapes[0].name == "mine"


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
    assert {action for action, _ in granted(stack)} == needed


def test_the_function_sends_only_to_the_queue_that_feeds_it(stack: dict[str, Any]) -> None:
    resources = [resource for action, resource in granted(stack) if action == "sqs:SendMessage"]
    assert [resource.rpartition(":")[2] for resource in resources] == ["tap-test-prices"]


# --- planted mistakes: the scan can find something ---------------------------------------


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("table.put_item(Item={})", {"dynamodb:PutItem"}),
        ("self._table.meta.client.query()", {"dynamodb:Query"}),
        ("client.batch_write_item(RequestItems={})", {"dynamodb:BatchWriteItem"}),
        ("client.transact_write_items(TransactItems=[{'Put': {}}])", {"dynamodb:PutItem"}),
        ("sns.publish_batch()", {"sns:Publish"}),
        ("queue().send_message()", {"sqs:SendMessage"}),
        ("notices.append(notice)", set()),
    ],
)
def test_an_action_is_found(source: str, found: set[str]) -> None:
    assert actions(source) == found
