"""Synthesized stacks, and the way to their parts."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import cdktf

from lib.config.entries import Subscription
from lib.config.settings import Settings, load_settings
from lib.tap_stack import TapStack

Stack = dict[str, Any]

PROJECT = Path(__file__).parents[3]
CDKTF_JSON = PROJECT / "cdktf.json"
VARIANTS = {
    "dev": load_settings(CDKTF_JSON, "dev"),
    "prod": load_settings(CDKTF_JSON, "prod"),
    # Everything that may be left out is; whatever else has a value stands at its default.
    "bare": Settings(
        environment="bare",
        region="us-east-1",
        history_days=None,
        customer_managed_key=False,
        point_in_time_recovery=False,
        deletion_protection=False,
    ),
    # Everything is there, and no two numbers are alike.
    "full": Settings(
        environment="full",
        region="eu-central-1",
        high_price_threshold=Decimal("0.0000001"),
        batch_size=11,
        batch_window_seconds=2,
        late_ticks=17,
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
            Subscription("https", "https://example.com/another"),
        ),
        ops_subscriptions=(Subscription("email", "ops@example.com"),),
        subscriber_protocols=("email", "https"),
        producers=("arn:aws:iam::123456789012:role/feed",),
        lag_alarm_seconds=12,
        age_alarm_seconds=34,
        subnet_ids=("subnet-1", "subnet-2"),
        security_group_ids=("sg-1",),
        code_signing_config_arn=(
            "arn:aws:lambda:eu-central-1:123456789012:code-signing-config:csc-1"
        ),
        aws_provider=">= 6.5, < 6.10",
        tags={"team": "prices"},
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
KEY = "aws_kms_key.encryption_key"
OPS = "aws_sns_topic.messaging_ops"
TOPIC_POLICY = "aws_sns_topic_policy.messaging_topic-policy"
PEOPLE = "aws_sns_topic.messaging_people"
PEOPLE_POLICY = "aws_sns_topic_policy.messaging_people-policy"
OPS_POLICY = "aws_sns_topic_policy.messaging_ops-policy"
DASHBOARD = "aws_cloudwatch_dashboard.monitoring_dashboard"
ACCOUNT_ID = "${data.aws_caller_identity.caller.account_id}"
PARTITION = "${data.aws_partition.partition.partition}"
PACKAGE = "assets/alerts_package/HASH/price-alerts.zip"


def synthesize(settings: Settings, package: Path, *, has_boundary: bool = False) -> Stack:
    """Return a stack's configuration, its hashes taken out of ids and paths."""
    built = TapStack(cdktf.Testing.app(), settings, package, has_boundary=has_boundary)
    text = cdktf.Testing.synth(built)
    text = re.sub(r"/[0-9A-F]{32}/", "/HASH/", text)
    stack: Stack = json.loads(re.sub(r"_[0-9A-F]{8}\b", "", text))
    return stack


def resource(stack: Stack, address: str) -> dict[str, Any]:
    """The attributes at an address such as ``aws_sns_topic.messaging_topic``."""
    tree = stack["resource"]
    for part in address.split("."):
        tree = tree[part]
    attributes: dict[str, Any] = tree
    return attributes
