"""The Terraform configuration that each environment synthesizes to, resource by resource."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.settings import Settings, Subscription, load_settings
from lib.tap_stack import TapStack

Stack = dict[str, Any]

CDKTF_JSON = Path(__file__).parents[2] / "cdktf.json"
VARIANTS = {
    "dev": load_settings(CDKTF_JSON, "dev"),
    "prod": load_settings(CDKTF_JSON, "prod"),
    # Everything that may be left out is; whatever else has a value stands at its default.
    "bare": Settings(environment="bare", region="us-east-1"),
    # Everything is there, and no two numbers are alike.
    "full": Settings(
        environment="full",
        region="eu-central-1",
        high_price_threshold=Decimal("0.0000001"),
        batch_size=11,
        batch_window_seconds=2,
        maximum_concurrency=3,
        reserved_concurrency=4,
        function_timeout_seconds=7,
        memory_mebibytes=129,
        visibility_timeout_seconds=45,
        max_receive_count=6,
        queue_retention_seconds=3_600,
        dlq_retention_seconds=7_200,
        log_level="DEBUG",
        log_retention_days=14,
        subscriptions=(
            Subscription("email", "a@example.com"),
            Subscription("https", "https://example.com/hook"),
        ),
    ),
}

QUEUE = "aws_sqs_queue.messaging_queue"
DLQ = "aws_sqs_queue.messaging_dlq"
REDRIVE = "aws_sqs_queue_redrive_policy.messaging_redrive"
TABLE = "aws_dynamodb_table.storage_table"
TOPIC = "aws_sns_topic.messaging_topic"
LOG = "aws_cloudwatch_log_group.alerts_log"
ROLE = "aws_iam_role.alerts_role"
POLICY = "aws_iam_policy.alerts_policy"
ATTACHMENT = "aws_iam_role_policy_attachment.alerts_attachment"
FUNCTION = "aws_lambda_function.alerts_function"
MAPPING = "aws_lambda_event_source_mapping.alerts_mapping"
PERMISSIONS = "data.aws_iam_policy_document.alerts_permissions"
TRUST = "data.aws_iam_policy_document.alerts_trust"
PACKAGE = "assets/alerts_package/HASH/price-alerts.zip"


@pytest.fixture(scope="module")
def stacks(package: Path) -> dict[str, Stack]:
    """Each variant's configuration, its hashes taken out of ids and paths."""
    return {name: synthesize(settings, package) for name, settings in VARIANTS.items()}


def synthesize(settings: Settings, package: Path) -> Stack:
    text = cdktf.Testing.synth(TapStack(cdktf.Testing.app(), settings, package))
    text = re.sub(r"/[0-9A-F]{32}/", "/HASH/", text)
    stack: Stack = json.loads(re.sub(r"_[0-9A-F]{8}\b", "", text))
    return stack


@pytest.fixture(params=VARIANTS)
def settings(request: pytest.FixtureRequest) -> Settings:
    return VARIANTS[request.param]


@pytest.fixture
def stack(settings: Settings, stacks: dict[str, Stack]) -> Stack:
    return stacks[settings.environment]


def resource(stack: Stack, address: str) -> dict[str, Any]:
    """The attributes at an address such as ``aws_sns_topic.messaging_topic``."""
    tree = stack if address.startswith("data.") else stack["resource"]
    for part in address.split("."):
        tree = tree[part]
    return tree


def granted(stack: Stack) -> list[tuple[str, str]]:
    """Each action that the role may do, with what it may do it to."""
    return [
        (action, target)
        for statement in resource(stack, PERMISSIONS)["statement"]
        for action in statement["actions"]
        for target in statement["resources"]
    ]


def physical_names(stack: Stack) -> list[str]:
    """The names that the resources have in the account."""
    return [
        attributes[key]
        for resources in stack["resource"].values()
        for attributes in resources.values()
        for key in ("name", "function_name")
        if not attributes.get(key, "${").startswith("${")
    ]


# --- the stack as a whole ----------------------------------------------------------------


def test_no_two_numbers_of_the_full_variant_are_alike() -> None:
    full = VARIANTS["full"]
    numbers = [value for f in fields(full) if isinstance(value := getattr(full, f.name), int)]
    assert sorted(set(numbers)) == sorted(numbers)


def test_a_stack_holds_these_resources_and_nothing_more(settings: Settings, stack: Stack) -> None:
    assert {kind: len(found) for kind, found in stack["resource"].items()} == {
        "aws_cloudwatch_log_group": 1,
        "aws_dynamodb_table": 1,
        "aws_iam_policy": 1,
        "aws_iam_role": 1,
        "aws_iam_role_policy_attachment": 1,
        "aws_lambda_event_source_mapping": 1,
        "aws_lambda_function": 1,
        "aws_sns_topic": 1,
        "aws_sqs_queue": 2,
        "aws_sqs_queue_redrive_policy": 1,
        **({"aws_sns_topic_subscription": 2} if settings.environment == "full" else {}),
    }


def test_a_stack_reads_two_policy_documents_and_nothing_more(stack: Stack) -> None:
    assert {kind: set(found) for kind, found in stack["data"].items()} == {
        "aws_iam_policy_document": {"alerts_permissions", "alerts_trust"}
    }


def test_a_stack_is_named_after_its_environment(settings: Settings, package: Path) -> None:
    stack = TapStack(cdktf.Testing.app(), settings, package)
    assert stack.node.id == f"tap-{settings.environment}"


def test_the_provider_is_any_from_5_100_to_6(stack: Stack) -> None:
    assert stack["terraform"]["required_providers"] == {
        "aws": {"source": "aws", "version": ">= 5.100.0, < 7.0.0"}
    }


def test_the_provider_works_in_the_settings_region(settings: Settings, stack: Stack) -> None:
    assert stack["provider"] == {"aws": [{"region": settings.region}]}


def test_the_outputs_are_what_a_user_of_the_stack_needs(stack: Stack) -> None:
    assert {name: output["value"] for name, output in stack["output"].items()} == {
        "queue_url": f"${{{QUEUE}.url}}",
        "dlq_url": f"${{{DLQ}.url}}",
        "topic_arn": f"${{{TOPIC}.arn}}",
        "table_name": f"${{{TABLE}.name}}",
        "function_name": f"${{{FUNCTION}.function_name}}",
    }


def test_every_name_begins_with_the_prefix(settings: Settings, stack: Stack) -> None:
    names = [name.removeprefix("/aws/lambda/") for name in physical_names(stack)]
    assert [name for name in names if not name.startswith(f"{settings.prefix}-")] == []


def test_every_resource_that_has_a_name_was_looked_at(stack: Stack) -> None:
    assert len(physical_names(stack)) == 8


def test_two_environments_share_no_name(stacks: dict[str, Stack]) -> None:
    names = [name for stack in stacks.values() for name in set(physical_names(stack))]
    assert sorted(set(names)) == sorted(names)


# --- messaging ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "name", "retention"),
    [
        (QUEUE, "prices", "queue_retention_seconds"),
        (DLQ, "prices-dlq", "dlq_retention_seconds"),
    ],
)
def test_a_queue_is(
    settings: Settings, stack: Stack, address: str, name: str, retention: str
) -> None:
    assert resource(stack, address) == {
        "name": f"{settings.prefix}-{name}",
        "message_retention_seconds": getattr(settings, retention),
        "visibility_timeout_seconds": settings.visibility_timeout_seconds,
        "max_message_size": 262_144,
        "sqs_managed_sse_enabled": True,
    }


def test_the_queue_hands_what_keeps_failing_to_the_dlq(settings: Settings, stack: Stack) -> None:
    count = settings.max_receive_count
    policy = f'{{"deadLetterTargetArn" = {DLQ}.arn, "maxReceiveCount" = {count}}}'
    assert resource(stack, REDRIVE) == {
        "queue_url": f"${{{QUEUE}.url}}",
        "redrive_policy": f"${{jsonencode({policy})}}",
    }


def test_the_topic_is(settings: Settings, stack: Stack) -> None:
    assert resource(stack, TOPIC) == {"name": f"{settings.prefix}-alerts"}


def test_everybody_in_the_settings_hears_the_topic(settings: Settings, stack: Stack) -> None:
    subscriptions = stack["resource"].get("aws_sns_topic_subscription", {})
    assert sorted(subscriptions.values(), key=str) == sorted(
        (
            {
                "topic_arn": f"${{{TOPIC}.arn}}",
                "protocol": subscription.protocol,
                "endpoint": subscription.endpoint,
            }
            for subscription in settings.subscriptions
        ),
        key=str,
    )


def test_a_subscription_keeps_its_address_when_one_before_it_goes(package: Path) -> None:
    settings = VARIANTS["full"]
    fewer = replace(settings, subscriptions=settings.subscriptions[1:])

    before, after = (
        synthesize(variant, package)["resource"]["aws_sns_topic_subscription"]
        for variant in (settings, fewer)
    )

    assert len(after) == len(before) - 1
    assert after.items() <= before.items()


# --- storage -----------------------------------------------------------------------------


def test_the_table_is(settings: Settings, stack: Stack) -> None:
    assert resource(stack, TABLE) == {
        "name": f"{settings.prefix}-alerts",
        "billing_mode": "PAY_PER_REQUEST",
        "hash_key": "pk",
        "range_key": "sk",
        "ttl": {"attribute_name": "expires_at_epoch", "enabled": True},
        "attribute": [
            {"name": name, "type": "S"} for name in ("pk", "sk", "day", "fired_at", "rule_id")
        ],
        "global_secondary_index": [
            {
                "name": "by_day",
                "hash_key": "day",
                "range_key": "fired_at",
                "projection_type": "ALL",
            },
            {"name": "by_rule", "hash_key": "rule_id", "projection_type": "KEYS_ONLY"},
        ],
    }


def test_the_table_declares_the_attributes_that_are_keys_and_no_other(stack: Stack) -> None:
    table = resource(stack, TABLE)
    keyed = [table, *table["global_secondary_index"]]
    keys = {part[key] for part in keyed for key in ("hash_key", "range_key") if key in part}
    assert {attribute["name"] for attribute in table["attribute"]} == keys


# --- the function ------------------------------------------------------------------------


def test_the_function_is(settings: Settings, stack: Stack) -> None:
    function = dict(resource(stack, FUNCTION))
    del function["environment"], function["description"]
    reserved = settings.reserved_concurrency
    assert function == {
        "function_name": f"{settings.prefix}-price-alerts",
        "runtime": "python3.13",
        "architectures": ["arm64"],
        "handler": "index.handler",
        "filename": PACKAGE,
        "source_code_hash": f'${{filebase64sha256("{PACKAGE}")}}',
        "role": f"${{{ROLE}.arn}}",
        "timeout": settings.function_timeout_seconds,
        "memory_size": settings.memory_mebibytes,
        **({} if reserved is None else {"reserved_concurrent_executions": reserved}),
        "logging_config": {
            "log_format": "JSON",
            "application_log_level": settings.log_level,
            "log_group": f"${{{LOG}.name}}",
        },
        "depends_on": [ATTACHMENT],
    }


@pytest.mark.parametrize(
    ("variant", "threshold"),
    [
        ("dev", {"HIGH_PRICE_THRESHOLD": "150"}),
        ("full", {"HIGH_PRICE_THRESHOLD": "0.0000001"}),
        ("bare", {}),
    ],
)
def test_the_function_is_told(
    stacks: dict[str, Stack], variant: str, threshold: dict[str, str]
) -> None:
    assert resource(stacks[variant], FUNCTION)["environment"]["variables"] == {
        "TABLE_NAME": f"${{{TABLE}.name}}",
        "TOPIC_ARN": f"${{{TOPIC}.arn}}",
        "POWERTOOLS_LOG_LEVEL": VARIANTS[variant].log_level,
        "POWERTOOLS_METRICS_NAMESPACE": "PriceAlerts",
        "POWERTOOLS_SERVICE_NAME": f"tap-{variant}-price-alerts",
        **threshold,
    }


def test_the_log_group_is(settings: Settings, stack: Stack) -> None:
    assert resource(stack, LOG) == {
        "name": f"/aws/lambda/{settings.prefix}-price-alerts",
        "retention_in_days": settings.log_retention_days,
    }


def test_the_queue_feeds_the_function(settings: Settings, stack: Stack) -> None:
    maximum = settings.maximum_concurrency
    scaling = {} if maximum is None else {"scaling_config": {"maximum_concurrency": maximum}}
    assert resource(stack, MAPPING) == {
        "event_source_arn": f"${{{QUEUE}.arn}}",
        "function_name": f"${{{FUNCTION}.function_name}}",
        "function_response_types": ["ReportBatchItemFailures"],
        "batch_size": settings.batch_size,
        "maximum_batching_window_in_seconds": settings.batch_window_seconds,
        **scaling,
        "depends_on": [ATTACHMENT],
    }


# --- permissions -------------------------------------------------------------------------


def test_only_lambda_may_take_the_role(stack: Stack) -> None:
    lambda_service = {"type": "Service", "identifiers": ["lambda.amazonaws.com"]}
    assert resource(stack, TRUST) == {
        "statement": [{"actions": ["sts:AssumeRole"], "principals": [lambda_service]}]
    }


def test_the_role_may_do_this_and_nothing_more(stack: Stack) -> None:
    assert sorted(granted(stack)) == [
        ("dynamodb:BatchGetItem", f"${{{TABLE}.arn}}"),
        ("dynamodb:ConditionCheckItem", f"${{{TABLE}.arn}}"),
        ("dynamodb:DeleteItem", f"${{{TABLE}.arn}}"),
        ("dynamodb:GetItem", f"${{{TABLE}.arn}}"),
        ("dynamodb:PutItem", f"${{{TABLE}.arn}}"),
        ("dynamodb:Query", f"${{{TABLE}.arn}}"),
        ("dynamodb:UpdateItem", f"${{{TABLE}.arn}}"),
        ("logs:CreateLogStream", f"${{{LOG}.arn}}:log-stream:*"),
        ("logs:PutLogEvents", f"${{{LOG}.arn}}:log-stream:*"),
        ("sns:Publish", f"${{{TOPIC}.arn}}"),
        ("sqs:DeleteMessage", f"${{{QUEUE}.arn}}"),
        ("sqs:GetQueueAttributes", f"${{{QUEUE}.arn}}"),
        ("sqs:ReceiveMessage", f"${{{QUEUE}.arn}}"),
    ]


def test_every_statement_of_the_role_only_allows(stack: Stack) -> None:
    statements = resource(stack, PERMISSIONS)["statement"]
    assert {frozenset(statement) for statement in statements} == {
        frozenset(("sid", "actions", "resources"))
    }


@pytest.mark.parametrize(
    ("address", "attributes"),
    [
        (ROLE, {"assume_role_policy": f"${{{TRUST}.json}}"}),
        (POLICY, {"policy": f"${{{PERMISSIONS}.json}}"}),
    ],
)
def test_the_role_and_its_policy_are_named_after_the_region_too(
    settings: Settings, stack: Stack, address: str, attributes: dict[str, str]
) -> None:
    name = f"{settings.prefix}-price-alerts-{settings.region}"
    assert resource(stack, address) == {"name": name, **attributes}


def test_the_policy_is_attached_to_the_role(stack: Stack) -> None:
    assert resource(stack, ATTACHMENT) == {
        "role": f"${{{ROLE}.name}}",
        "policy_arn": f"${{{POLICY}.arn}}",
    }


# --- planted mistakes: the checks of what matters most can fail ---------------------------


def keeps_what_fails(stack: Stack) -> bool:
    policies = stack["resource"].get("aws_sqs_queue_redrive_policy", {}).values()
    return any(
        policy["queue_url"] == f"${{{QUEUE}.url}}" and f"{DLQ}.arn" in policy["redrive_policy"]
        for policy in policies
    )


def reports_single_failures(stack: Stack) -> bool:
    mapping = resource(stack, MAPPING)
    return "ReportBatchItemFailures" in mapping.get("function_response_types", [])


def hides_messages_long_enough(stack: Stack) -> bool:
    mapping = resource(stack, MAPPING)
    window = mapping["maximum_batching_window_in_seconds"]
    least = 6 * resource(stack, FUNCTION)["timeout"] + window
    return bool(resource(stack, QUEUE)["visibility_timeout_seconds"] >= least)


def grants_no_wildcard(stack: Stack) -> bool:
    return not any(
        "*" in action or target.removesuffix(":log-stream:*").count("*")
        for action, target in granted(stack)
    )


def notices_new_code(stack: Stack) -> bool:
    function = resource(stack, FUNCTION)
    return function["filename"] in function.get("source_code_hash", "")


def setting(address: str, key: str, value: object) -> Callable[[Stack], None]:
    return lambda stack: resource(stack, address).update({key: value})


def granting(action: str, target: str) -> Callable[[Stack], None]:
    statement = {"actions": [action], "resources": [target]}
    return lambda stack: resource(stack, PERMISSIONS)["statement"].append(statement)


CHECKS = [
    keeps_what_fails,
    reports_single_failures,
    hides_messages_long_enough,
    grants_no_wildcard,
    notices_new_code,
]


@pytest.mark.parametrize("check", CHECKS)
def test_no_environment_makes_this_mistake(stack: Stack, check: Callable[[Stack], bool]) -> None:
    assert check(stack)


@pytest.mark.parametrize(
    ("check", "plant"),
    [
        (keeps_what_fails, lambda stack: stack["resource"].pop("aws_sqs_queue_redrive_policy")),
        (keeps_what_fails, setting(REDRIVE, "queue_url", f"${{{DLQ}.url}}")),
        (keeps_what_fails, setting(REDRIVE, "redrive_policy", "{}")),
        (reports_single_failures, setting(MAPPING, "function_response_types", [])),
        (
            reports_single_failures,
            lambda stack: resource(stack, MAPPING).pop("function_response_types"),
        ),
        (hides_messages_long_enough, setting(QUEUE, "visibility_timeout_seconds", 43)),
        (hides_messages_long_enough, setting(FUNCTION, "timeout", 8)),
        (hides_messages_long_enough, setting(MAPPING, "maximum_batching_window_in_seconds", 4)),
        (grants_no_wildcard, granting("sqs:*", QUEUE)),
        (grants_no_wildcard, granting("*", QUEUE)),
        (grants_no_wildcard, granting("dynamodb:GetItem", "*")),
        (grants_no_wildcard, granting("logs:PutLogEvents", "arn:aws:logs:*:*:*")),
        (notices_new_code, lambda stack: resource(stack, FUNCTION).pop("source_code_hash")),
        (notices_new_code, setting(FUNCTION, "source_code_hash", "of another file")),
    ],
)
def test_a_planted_mistake_is_found(
    stacks: dict[str, Stack], check: Callable[[Stack], bool], plant: Callable[[Stack], object]
) -> None:
    stack = copy.deepcopy(stacks["full"])
    plant(stack)
    assert not check(stack)
