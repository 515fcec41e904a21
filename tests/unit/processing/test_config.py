"""The function's settings, and what holds the function and its infrastructure together."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.config.document import SettingsError
from lib.config.entries import Subscription
from lib.config.settings import Settings
from lib.tap_stack import TapStack
from price_alerts.config import Config, ConfigError
from price_alerts.domain.shapes import SHAPES, Shape
from price_alerts.domain.ticks import MAX_BODY_BYTES
from tests.function_actions import FEEDING, SERVICES, actions

FUNCTION = Path(__file__).parents[3] / "lib" / "lambda"
MEMORY = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"  # Lambda sets it; the stack does not
REQUIRED = {"TABLE_NAME": "alerts", "TOPIC_ARN": "arn:topic"}
MINE = {"mine": {"when": {"kind": "px"}, "symbol": "sym", "price": "last"}}
COMPLETE = {
    **REQUIRED,
    "HIGH_PRICE_THRESHOLD": "150.5",
    "HISTORY_DAYS": "30",
    "LATE_TICKS": "7",
    "PEOPLE_TOPIC_ARN": "arn:people",
    "QUEUE_URL": "https://sqs/prices",
    "METRICS_NAMESPACE": "Prices",
    "SERVICE_NAME": "handler",
    "SHAPES": json.dumps(MINE),
}


def test_every_variable_is_read_and_only_table_and_topic_are_required() -> None:
    assert {name.lower() for name in COMPLETE} == {*Config._fields} - {"memory_mebibytes"}
    bare = Config.from_environment(REQUIRED)
    assert bare == Config(
        table_name="alerts",
        topic_arn="arn:topic",
        people_topic_arn="",
        high_price_threshold=None,
        history_days=None,
        late_ticks=16,
        shapes=SHAPES,
        memory_mebibytes=256,
        queue_url="",
        metrics_namespace="PriceAlerts",
        service_name="price-alerts",
    )
    assert Config.from_environment({**COMPLETE, MEMORY: "512"}) == Config(
        table_name="alerts",
        topic_arn="arn:topic",
        people_topic_arn="arn:people",
        high_price_threshold=Decimal("150.5"),
        history_days=30,
        late_ticks=7,
        shapes=(Shape("mine", {"kind": ["px"]}, symbol="sym", prices=["last"]), *SHAPES),
        memory_mebibytes=512,
        queue_url="https://sqs/prices",
        metrics_namespace="Prices",
        service_name="handler",
    )
    empty = dict.fromkeys(("HIGH_PRICE_THRESHOLD", "HISTORY_DAYS", "LATE_TICKS", "SHAPES"), "")
    assert Config.from_environment({**REQUIRED, **empty}) == bare


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("TABLE_NAME", [""], "set TABLE_NAME in the function's environment"),
        (
            "HISTORY_DAYS",
            ["0", "-1", "1.5", "ever", "\u0661"],
            "HISTORY_DAYS must be a whole number of days, from 1 on",
        ),
        (
            "LATE_TICKS",
            ["101", "-1", "1.5", "many", "\u0661"],
            "LATE_TICKS must be a whole number from 0 to 100",
        ),
        (
            "SHAPES",
            ["mine", "[]", '{"mine": {}}', '{"mine": 1}'],
            "SHAPES must be JSON as in cdktf.json",
        ),
        (
            "HIGH_PRICE_THRESHOLD",
            ["NaN", "sNaN", "Infinity", "high", "1,5", "1_0", "1e31", "-9e-31"],
            "HIGH_PRICE_THRESHOLD: price must ",
        ),
    ],
)
def test_a_variable_that_cannot_be_read_is_named(name: str, texts: list[str], message: str) -> None:
    for text in texts:
        with pytest.raises(ConfigError) as error:
            Config.from_environment({**REQUIRED, name: text})
        assert str(error.value).startswith(message)


def test_the_limits_of_a_variable_are_accepted() -> None:
    for late_ticks in (0, 100):
        environment = {**REQUIRED, "LATE_TICKS": str(late_ticks), "HISTORY_DAYS": "1"}
        config = Config.from_environment(environment)
        assert (config.late_ticks, config.history_days) == (late_ticks, 1)
    with pytest.raises(ConfigError, match="set TABLE_NAME and TOPIC_ARN in"):
        Config.from_environment({})


# --- the stack and the function --------------------------------------------------------------


@pytest.fixture(scope="module")
def stack(package: Path) -> dict[str, Any]:
    settings = Settings(
        environment="test",
        region="us-east-1",
        high_price_threshold=Decimal("150.10"),
        shapes=MINE,
        subscriptions=(Subscription("email", "a@example.com"),),
    )
    stack: dict[str, Any] = json.loads(
        cdktf.Testing.synth(TapStack(cdktf.Testing.app(), settings, package))
    )
    return stack


def test_the_stack_sets_what_the_function_reads_and_nothing_more(stack: dict[str, Any]) -> None:
    [function] = stack["resource"]["aws_lambda_function"].values()
    variables = function["environment"]["variables"]
    assert variables.keys() == COMPLETE.keys()
    config = Config.from_environment(variables)
    assert (config.shapes[0].name, config.high_price_threshold) == ("mine", Decimal("150.10"))
    queues = stack["resource"]["aws_sqs_queue"].values()
    assert {queue["max_message_size"] for queue in queues} == {MAX_BODY_BYTES}


@pytest.mark.parametrize("text", ["1e17", "1e18", "1e-18", "1e-19", "0", "-1", "1.5"])
def test_stack_and_function_accept_the_same_thresholds(text: str) -> None:
    accepted: list[str] = []
    threshold = Decimal(text)
    with suppress(SettingsError):
        Settings(environment="test", region="us-east-1", high_price_threshold=threshold)
        accepted.append("stack")
    with suppress(ConfigError):
        Config.from_environment({**REQUIRED, "HIGH_PRICE_THRESHOLD": f"{threshold:f}"})
        accepted.append("function")
    assert len(accepted) != 1


def test_the_role_allows_what_the_function_calls_and_nothing_more(stack: dict[str, Any]) -> None:
    [policy] = stack["resource"]["aws_iam_policy"].values()
    needed = {
        action for path in FUNCTION.rglob("*.py") for action in actions(path.read_text("utf-8"))
    }
    granted: dict[str, Any] = {
        action: statement["Resource"]
        for statement in json.loads(policy["policy"])["Statement"]
        for action in statement["Action"]
        if statement["Sid"] != "GiveUp" and action.partition(":")[0] in SERVICES
    }
    assert granted.keys() - FEEDING == needed
    assert granted["sqs:SendMessage"].rpartition(":")[2] == "tap-test-prices"


def test_an_action_is_found_in_a_source() -> None:
    sources = {
        "table.put_item(Item={})": {"dynamodb:PutItem"},
        "client.transact_write_items(TransactItems=[{'Put': {}}])": {"dynamodb:PutItem"},
        "sns.publish_batch()": {"sns:Publish"},
        "notices.append(notice)": set(),
    }
    assert {source: actions(source) for source in sources} == sources
