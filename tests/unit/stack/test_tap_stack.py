"""The Terraform configuration that each environment synthesizes to, resource by resource."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.config.entries import Subscription
from lib.config.settings import Settings
from lib.tap_stack import TapStack
from tests.unit.stack.stacks import (
    ACCOUNT_ID,
    ATTACHMENT,
    DASHBOARD,
    DLQ,
    FUNCTION,
    KEY,
    LOG,
    MAPPING,
    OPS,
    OPS_POLICY,
    PACKAGE,
    PARTITION,
    PEOPLE,
    PEOPLE_POLICY,
    POLICY,
    QUEUE,
    REDRIVE,
    ROLE,
    TABLE,
    TOPIC,
    TOPIC_POLICY,
    VARIANTS,
    Stack,
    resource,
    synthesize,
)


@pytest.fixture(params=VARIANTS)
def settings(request: pytest.FixtureRequest) -> Settings:
    return VARIANTS[request.param]


@pytest.fixture
def stack(settings: Settings, stacks: dict[str, Stack]) -> Stack:
    return stacks[settings.environment]


def arn(settings: Settings, service: str, name: str) -> str:
    return f"arn:{PARTITION}:{service}:{settings.region}:{ACCOUNT_ID}:{name}"


def key_of(settings: Settings) -> str | None:
    return f"${{{KEY}.arn}}" if settings.customer_managed_key else None


def known(attributes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is not there."""
    return {name: value for name, value in attributes.items() if value is not None}


def without(attributes: dict[str, Any], *names: str) -> dict[str, Any]:
    """Leave out what another test looks at."""
    return {name: value for name, value in attributes.items() if name not in names}


def physical_names(stack: Stack) -> list[str]:
    """The names that the resources have in the account."""
    return [
        attributes[key]
        for resources in stack["resource"].values()
        for attributes in resources.values()
        for key in ("name", "function_name", "alarm_name", "dashboard_name")
        if not attributes.get(key, "${").startswith("${")
    ]


# --- the stack as a whole ----------------------------------------------------------------


def test_no_two_numbers_of_the_full_variant_are_alike() -> None:
    full = VARIANTS["full"]
    numbers = [value for f in fields(full) if type(value := getattr(full, f.name)) is int]
    assert sorted(set(numbers)) == sorted(numbers)


def test_a_stack_holds_these_resources_and_nothing_more(settings: Settings, stack: Stack) -> None:
    assert {kind: len(found) for kind, found in stack["resource"].items()} == {
        "aws_cloudwatch_dashboard": 1,
        "aws_cloudwatch_log_group": 1,
        "aws_cloudwatch_metric_alarm": 10,
        "aws_dynamodb_table": 1,
        "aws_iam_policy": 1,
        "aws_iam_role": 1,
        "aws_iam_role_policy_attachment": 1,
        "aws_lambda_event_source_mapping": 1,
        "aws_lambda_function": 1,
        **({"aws_kms_alias": 1, "aws_kms_key": 1} if settings.customer_managed_key else {}),
        "aws_sns_topic": 3 if settings.people else 2,
        "aws_sns_topic_policy": 3 if settings.people else 2,
        "aws_sqs_queue": 2,
        "aws_sqs_queue_redrive_policy": 1,
        **({"aws_sns_topic_subscription": 4} if settings.environment == "full" else {}),
    }


def test_a_stack_asks_where_it_stands_and_nothing_more(stack: Stack) -> None:
    assert stack["data"] == {
        "aws_caller_identity": {"caller": {}},
        "aws_partition": {"partition": {}},
    }


def test_a_stack_is_named_after_its_environment(settings: Settings, package: Path) -> None:
    stack = TapStack(cdktf.Testing.app(), settings, package)
    assert stack.node.id == f"tap-{settings.environment}"


def test_the_provider_is_the_one_of_the_settings(settings: Settings, stack: Stack) -> None:
    wanted = {"full": ">= 6.5, < 6.10"}.get(settings.environment, "~> 5.100")
    assert stack["terraform"]["required_providers"] == {"aws": {"source": "aws", "version": wanted}}


def test_the_provider_works_in_the_settings_region_and_tags_everything(
    settings: Settings, stack: Stack
) -> None:
    tags = {"stack": settings.prefix, **settings.tags}
    assert stack["provider"] == {
        "aws": [{"region": settings.region, "default_tags": [{"tags": tags}]}]
    }


def test_the_outputs_are_what_a_user_of_the_stack_needs(settings: Settings, stack: Stack) -> None:
    assert {name: output["value"] for name, output in stack["output"].items()} == {
        "queue_url": f"${{{QUEUE}.url}}",
        "dlq_url": f"${{{DLQ}.url}}",
        "topic_arn": f"${{{TOPIC}.arn}}",
        "table_name": f"${{{TABLE}.name}}",
        "function_name": f"${{{FUNCTION}.function_name}}",
        "ops_topic_arn": f"${{{OPS}.arn}}",
        "dashboard_url": (
            f"https://{settings.region}.console.aws.amazon.com/cloudwatch/home"
            f"?region={settings.region}#dashboards/dashboard/{settings.prefix}"
        ),
        **({"people_topic_arn": f"${{{PEOPLE}.arn}}"} if settings.people else {}),
    }


def test_every_name_begins_with_the_prefix(settings: Settings, stack: Stack) -> None:
    prefixes = ("/aws/lambda/", "alias/")
    names = physical_names(stack)
    for prefix in prefixes:
        names = [name.removeprefix(prefix) for name in names]
    assert [name for name in names if not f"{name}-".startswith(f"{settings.prefix}-")] == []


def test_every_resource_that_has_a_name_was_looked_at(settings: Settings, stack: Stack) -> None:
    count = 20 + bool(settings.people) + settings.customer_managed_key
    assert len(physical_names(stack)) == count


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
    own_key = key_of(settings)
    assert without(resource(stack, address), "policy", "redrive_allow_policy") == {
        "name": f"{settings.prefix}-{name}",
        "message_retention_seconds": getattr(settings, retention),
        "visibility_timeout_seconds": settings.visibility_timeout_seconds,
        "max_message_size": 262_144,
        **({"kms_master_key_id": own_key} if own_key else {"sqs_managed_sse_enabled": True}),
    }


def test_the_dlq_takes_messages_of_the_queue_alone(settings: Settings, stack: Stack) -> None:
    queue = arn(settings, "sqs", f"{settings.prefix}-prices")
    allowed = resource(stack, DLQ)["redrive_allow_policy"]
    for token, value in ((PARTITION, PARTITION[2:-1]), (ACCOUNT_ID, ACCOUNT_ID[2:-1])):
        queue = queue.replace(token, f"${{{value}}}")
    assert allowed == (
        f'${{jsonencode({{"redrivePermission" = "byQueue", "sourceQueueArns" = ["{queue}"]}})}}'
    )


def test_the_queue_hands_what_keeps_failing_to_the_dlq(settings: Settings, stack: Stack) -> None:
    count = settings.max_receive_count
    policy = f'{{"deadLetterTargetArn" = {DLQ}.arn, "maxReceiveCount" = {count}}}'
    assert resource(stack, REDRIVE) == {
        "queue_url": f"${{{QUEUE}.url}}",
        "redrive_policy": f"${{jsonencode({policy})}}",
    }


def alert_topics(settings: Settings) -> dict[str, str]:
    """The addresses of the topics that alerts are published to, by the ends of their names."""
    return {"alerts": TOPIC, **({"people": PEOPLE} if settings.people else {})}


def test_a_topic_of_alerts_is(settings: Settings, stack: Stack) -> None:
    for name, address in alert_topics(settings).items():
        assert resource(stack, address) == {
            "name": f"{settings.prefix}-{name}",
            "kms_master_key_id": key_of(settings) or "alias/aws/sns",
        }


def test_the_ops_topic_is(settings: Settings, stack: Stack) -> None:
    """CloudWatch may not use the key that AWS manages: no alarm would be heard of."""
    assert resource(stack, OPS) == known(
        {"name": f"{settings.prefix}-ops", "kms_master_key_id": key_of(settings)}
    )


@pytest.mark.parametrize(
    ("address", "topic"), [(TOPIC_POLICY, TOPIC), (PEOPLE_POLICY, PEOPLE), (OPS_POLICY, OPS)]
)
def test_a_topic_has_its_policy(stacks: dict[str, Stack], address: str, topic: str) -> None:
    attributes = without(resource(stacks["full"], address), "policy", "depends_on")
    assert attributes == {"arn": f"${{{topic}.arn}}"}


def test_everybody_in_the_settings_hears_a_topic(settings: Settings, stack: Stack) -> None:
    subscriptions = stack["resource"].get("aws_sns_topic_subscription", {})
    people = {"email", "sms"}
    wanted = [
        (PEOPLE if each.protocol in people else TOPIC, each) for each in settings.subscriptions
    ]
    wanted += [(OPS, each) for each in settings.ops_subscriptions]
    assert {tuple(sorted(each.items())) for each in subscriptions.values()} == {
        (
            ("endpoint", subscription.endpoint),
            ("protocol", subscription.protocol),
            ("topic_arn", f"${{{topic}.arn}}"),
        )
        for topic, subscription in wanted
    }


@pytest.mark.parametrize(
    ("protocol", "endpoint", "is_person"),
    [
        ("email", "a@example.com", True),
        ("sms", "+15551234567", True),
        ("email-json", "a@example.com", False),
        ("https", "https://example.com", False),
        ("sqs", "arn:aws:sqs:us-east-1:123456789012:q", False),
    ],
)
def test_a_topic_for_people_is_there_only_for_people(
    protocol: str, endpoint: str, is_person: bool
) -> None:
    settings = replace(VARIANTS["bare"], subscriptions=(Subscription(protocol, endpoint),))
    assert (bool(settings.people), bool(settings.programs)) == (is_person, not is_person)


def test_a_subscription_keeps_its_address_when_one_before_it_goes(package: Path) -> None:
    settings = VARIANTS["full"]
    fewer = replace(settings, subscriptions=settings.subscriptions[:1] + settings.subscriptions[2:])

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
        "server_side_encryption": known({"enabled": True, "kms_key_arn": key_of(settings)}),
        "point_in_time_recovery": {"enabled": settings.point_in_time_recovery},
        "deletion_protection_enabled": settings.deletion_protection,
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
    vpc = None
    if settings.subnet_ids:
        vpc = {
            "subnet_ids": list(settings.subnet_ids),
            "security_group_ids": list(settings.security_group_ids),
        }
    function = without(resource(stack, FUNCTION), "environment", "description")
    assert function == known(
        {
            "function_name": f"{settings.prefix}-price-alerts",
            "runtime": "python3.13",
            "architectures": ["arm64"],
            "handler": "index.handler",
            "filename": PACKAGE,
            "source_code_hash": f'${{filebase64sha256("{PACKAGE}")}}',
            "role": f"${{{ROLE}.arn}}",
            "timeout": settings.function_timeout_seconds,
            "memory_size": settings.memory_mebibytes,
            "reserved_concurrent_executions": settings.reserved_concurrency,
            "kms_key_arn": key_of(settings),
            "tracing_config": {"mode": "Active"},
            "dead_letter_config": {
                "target_arn": arn(settings, "sqs", f"{settings.prefix}-prices-dlq")
            },
            "vpc_config": vpc,
            "code_signing_config_arn": settings.code_signing_config_arn,
            "logging_config": {
                "log_format": "JSON",
                "application_log_level": settings.log_level,
                "log_group": f"${{{LOG}.name}}",
            },
            "depends_on": [ATTACHMENT],
        }
    )


@pytest.mark.parametrize(
    ("variant", "more"),
    [
        ("dev", {"HIGH_PRICE_THRESHOLD": "150", "HISTORY_DAYS": "400"}),
        (
            "full",
            {
                "HIGH_PRICE_THRESHOLD": "0.0000001",
                "HISTORY_DAYS": "400",
                "PEOPLE_TOPIC_ARN": f"${{{PEOPLE}.arn}}",
            },
        ),
        ("bare", {}),
    ],
)
def test_the_function_is_told(stacks: dict[str, Stack], variant: str, more: dict[str, str]) -> None:
    assert resource(stacks[variant], FUNCTION)["environment"]["variables"] == {
        "LATE_TICKS": str(VARIANTS[variant].late_ticks),
        "TABLE_NAME": f"${{{TABLE}.name}}",
        "TOPIC_ARN": f"${{{TOPIC}.arn}}",
        "QUEUE_URL": f"${{{QUEUE}.url}}",
        "METRICS_NAMESPACE": "PriceAlerts",
        "SERVICE_NAME": f"tap-{variant}-price-alerts",
        **more,
    }


def test_the_log_group_is(settings: Settings, stack: Stack) -> None:
    assert resource(stack, LOG) == known(
        {
            "name": f"/aws/lambda/{settings.prefix}-price-alerts",
            "retention_in_days": settings.log_retention_days,
            "kms_key_id": key_of(settings),
        }
    )


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


# --- role, key, dashboard ----------------------------------------------------------------


@pytest.mark.parametrize(("address", "policy"), [(ROLE, "assume_role_policy"), (POLICY, "policy")])
def test_the_role_and_its_policy_are_named_after_the_region_too(
    settings: Settings, stack: Stack, address: str, policy: str
) -> None:
    name = f"{settings.prefix}-price-alerts-{settings.region}"
    assert without(resource(stack, address), policy) == {"name": name}


def test_where_ci_deploys_the_role_cannot_be_allowed_more_than_tap_ci_says(package: Path) -> None:
    stack = synthesize(VARIANTS["prod"], package, has_boundary=True)
    boundary = f"arn:{PARTITION}:iam::{ACCOUNT_ID}:policy/tap-ci-boundary-prod"
    assert resource(stack, ROLE)["permissions_boundary"] == boundary


@pytest.mark.parametrize("by_ci", [True, False])
def test_where_ci_deploys_its_role_may_use_the_key_at_once(package: Path, by_ci: bool) -> None:
    stack = synthesize(VARIANTS["prod"], package, has_boundary=by_ci)
    assert ("role/tap-ci-deploy-prod" in resource(stack, KEY)["policy"]) is by_ci


def test_the_policy_is_attached_to_the_role(stack: Stack) -> None:
    assert resource(stack, ATTACHMENT) == {
        "role": f"${{{ROLE}.name}}",
        "policy_arn": f"${{{POLICY}.arn}}",
    }


def test_the_key_rotates_and_can_be_kept_for_a_month(stacks: dict[str, Stack]) -> None:
    attributes = without(resource(stacks["prod"], KEY), "policy", "description")
    assert attributes == {"enable_key_rotation": True, "deletion_window_in_days": 30}


def test_the_dashboard_is_named_after_the_stack(settings: Settings, stack: Stack) -> None:
    dashboard = resource(stack, DASHBOARD)
    assert dashboard["dashboard_name"] == settings.prefix
    assert json.loads(dashboard["dashboard_body"])["widgets"]
