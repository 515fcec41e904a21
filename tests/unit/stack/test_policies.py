"""The policies, word by word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lib.config.entries import Subscription
from lib.config.names import Account, Names
from lib.config.settings import Settings
from lib.stacks.policies import (
    dead_letter_queue_policy,
    function_policy,
    key_policy,
    ops_topic_policy,
    queue_policy,
    topic_policy,
    trust_policy,
)
from tests.unit.stack.stacks import POLICY, Stack, resource

REGION = "cn-north-1"
ACCOUNT = Account("aws-cn", "123456789012", REGION, Names("qa"))
SETTINGS = Settings(environment="qa", region=REGION)
FEED = "arn:aws-cn:iam::123456789012:role/feed"
ROOT = "arn:aws-cn:iam::123456789012:root"
ROLE = "arn:aws-cn:iam::123456789012:role/tap-qa-price-alerts-cn-north-1"
QUEUE = "arn:aws-cn:sqs:cn-north-1:123456789012:tap-qa-prices"
DLQ = "arn:aws-cn:sqs:cn-north-1:123456789012:tap-qa-prices-dlq"
TOPIC = "arn:aws-cn:sns:cn-north-1:123456789012:tap-qa-alerts"
PEOPLE = "arn:aws-cn:sns:cn-north-1:123456789012:tap-qa-people"
OPS = "arn:aws-cn:sns:cn-north-1:123456789012:tap-qa-ops"
TABLE = "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/tap-qa-alerts"
LOG = "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/aws/lambda/tap-qa-price-alerts"
ALARMS = {
    "StringEquals": {"aws:SourceAccount": "123456789012"},
    "ArnLike": {"aws:SourceArn": "arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:tap-qa-*"},
}


def statements(policy: str) -> list[dict[str, Any]]:
    document = json.loads(policy)
    assert document["Version"] == "2012-10-17"
    found: list[dict[str, Any]] = document["Statement"]
    return found


def without_sids(policy: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in each.items() if k != "Sid"} for each in statements(policy)]


def denial(action: str, target: str, condition: dict[str, Any]) -> dict[str, Any]:
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": target,
        "Condition": condition,
    }


def granted(policy: str) -> set[tuple[str, str]]:
    return {
        (action, target)
        for statement in statements(policy)
        if statement["Effect"] == "Allow"
        for action in statement["Action"]
        for target in (
            [statement["Resource"]]
            if isinstance(statement["Resource"], str)
            else statement["Resource"]
        )
    }


PLAIN = {"Bool": {"aws:SecureTransport": "false"}}
FOREIGN = {"StringNotEquals": {"aws:PrincipalAccount": "123456789012"}}


@pytest.mark.parametrize(
    ("policy", "queue"),
    [(queue_policy(ACCOUNT, SETTINGS), QUEUE), (dead_letter_queue_policy(ACCOUNT), DLQ)],
    ids=["queue", "dlq"],
)
def test_a_queue_is_closed_to_strangers_and_to_plain_http(policy: str, queue: str) -> None:
    assert without_sids(policy) == [denial("sqs:*", queue, PLAIN), denial("sqs:*", queue, FOREIGN)]


def test_a_producer_may_send_and_nothing_else() -> None:
    settings = replace(SETTINGS, producers=(FEED,))
    *_, last = without_sids(queue_policy(ACCOUNT, settings))
    assert last == {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["sqs:SendMessage"],
        "Resource": QUEUE,
        "Condition": {
            "ArnEquals": {"aws:PrincipalArn": [FEED]},
            "StringEquals": {"aws:PrincipalAccount": "123456789012"},
        },
    }


def test_a_topic_is_the_functions_alone() -> None:
    settings = replace(SETTINGS, subscriber_protocols=("sqs", "email"))
    others = {"ArnNotEquals": {"aws:PrincipalArn": ROLE}}
    protocols = {"StringNotEquals": {"sns:Protocol": ["sqs", "email"]}}
    assert without_sids(topic_policy(ACCOUNT, settings, PEOPLE)) == [
        denial("sns:Publish", PEOPLE, PLAIN),
        denial("sns:Publish", PEOPLE, others),
        denial("sns:Subscribe", PEOPLE, protocols),
    ]


def test_no_principal_is_named_that_could_be_deleted() -> None:
    """AWS would keep its unique id, and reject the policy when it is made again."""
    settings = replace(SETTINGS, producers=(FEED,))
    named = [
        each["Principal"]
        for policy in (
            *(topic_policy(ACCOUNT, settings, TOPIC), ops_topic_policy(ACCOUNT)),
            *(queue_policy(ACCOUNT, settings), dead_letter_queue_policy(ACCOUNT)),
            key_policy(ACCOUNT, settings, is_deployed_by_ci=True),
        )
        for each in statements(policy)
    ]
    services = {"Service": "cloudwatch.amazonaws.com"}, {"Service": f"logs.{REGION}.amazonaws.com"}
    allowed = ["*", {"AWS": "*"}, {"AWS": ROOT}, *services]
    assert [each for each in named if each not in allowed] == []


def test_the_ops_topic_is_the_alarms() -> None:
    assert without_sids(ops_topic_policy(ACCOUNT)) == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": ["sns:Publish"],
            "Resource": OPS,
            "Condition": ALARMS,
        },
        denial("sns:Publish", OPS, PLAIN),
    ]


def test_the_key_is_governed_by_the_account_and_used_by_log_and_alarms() -> None:
    administer, log, alarms = statements(key_policy(ACCOUNT, SETTINGS, is_deployed_by_ci=False))
    assert (administer["Principal"], administer["Action"]) == ({"AWS": ROOT}, ["kms:*"])
    assert log["Principal"] == {"Service": "logs.cn-north-1.amazonaws.com"}
    assert log["Condition"] == {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": LOG}}
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert alarms["Condition"] == ALARMS


def test_the_key_lets_ci_s_role_in_before_its_tag_counts() -> None:
    """Else the first deployment ends with EnableKeyRotation, right after CreateKey."""
    *_, deploy, by_grants = statements(key_policy(ACCOUNT, SETTINGS, is_deployed_by_ci=True))
    deployer = {
        "ArnEquals": {"aws:PrincipalArn": ["arn:aws-cn:iam::123456789012:role/tap-ci-deploy-qa"]},
        "StringEquals": {"aws:PrincipalAccount": "123456789012"},
    }
    assert (deploy["Principal"], deploy["Condition"]) == ({"AWS": "*"}, deployer)
    assert {"kms:EnableKeyRotation", "kms:DescribeKey", "kms:PutKeyPolicy"} <= {*deploy["Action"]}
    assert not {"kms:ScheduleKeyDeletion", "kms:*"} & {*deploy["Action"]}
    assert (by_grants["Action"], by_grants["Condition"]) == (
        ["kms:CreateGrant"],
        {**deployer, "Bool": {"kms:GrantIsForAWSResource": "true"}},
    )


def test_a_producer_may_use_the_key_for_the_queue_alone() -> None:
    *_, last = statements(
        key_policy(ACCOUNT, replace(SETTINGS, producers=(FEED,)), is_deployed_by_ci=False)
    )
    assert (last["Principal"], last["Action"]) == (
        {"AWS": "*"},
        ["kms:Decrypt", "kms:GenerateDataKey"],
    )
    assert last["Condition"] == {
        "ArnEquals": {"aws:PrincipalArn": [FEED]},
        "StringEquals": {
            "aws:PrincipalAccount": "123456789012",
            "kms:ViaService": "sqs.cn-north-1.amazonaws.com",
        },
    }


def test_only_lambda_takes_the_role() -> None:
    assert statements(trust_policy()) == [
        {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ]


PLAIN_GRANTS = {
    *((f"sqs:{action}", QUEUE) for action in ("DeleteMessage", "GetQueueAttributes")),
    ("sqs:ReceiveMessage", QUEUE),
    ("sqs:SendMessage", QUEUE),
    *((f"dynamodb:{action}", TABLE) for action in ("BatchGetItem", "BatchWriteItem")),
    *((f"dynamodb:{action}", TABLE) for action in ("ConditionCheckItem", "PutItem")),
    *((f"dynamodb:{action}", TABLE) for action in ("Query", "UpdateItem")),
    ("sns:Publish", TOPIC),
    ("sqs:SendMessage", DLQ),
    *((f"logs:{action}", f"{LOG}:log-stream:*") for action in ("CreateLogStream", "PutLogEvents")),
    *((f"xray:{action}", "*") for action in ("PutTelemetryRecords", "PutTraceSegments")),
}


def test_the_role_may_do_this_and_nothing_more() -> None:
    assert granted(function_policy(ACCOUNT, SETTINGS, None)) == PLAIN_GRANTS


def test_the_role_may_publish_to_people_where_there_are_some() -> None:
    settings = replace(SETTINGS, subscriptions=(Subscription("sms", "+15551234567"),))
    more = granted(function_policy(ACCOUNT, settings, None)) - PLAIN_GRANTS
    assert more == {("sns:Publish", PEOPLE)}


def test_the_role_may_not_send_to_a_queue_that_keeps_an_order() -> None:
    fifo = replace(ACCOUNT, names=Names("qa", is_fifo=True))
    actions = {action for action, _ in granted(function_policy(fifo, SETTINGS, None))}
    assert "sqs:SendMessage" not in actions


def test_with_a_key_the_role_may_use_it() -> None:
    more = granted(function_policy(ACCOUNT, SETTINGS, "arn:key")) - PLAIN_GRANTS
    assert more == {("kms:Decrypt", "arn:key"), ("kms:GenerateDataKey", "arn:key")}


def test_in_a_vpc_the_role_may_connect_to_its_subnets() -> None:
    settings = replace(SETTINGS, subnet_ids=("subnet-1",), security_group_ids=("sg-1",))
    ec2 = "arn:aws-cn:ec2:cn-north-1:123456789012"
    interfaces = f"{ec2}:network-interface/*"
    assert granted(function_policy(ACCOUNT, settings, None)) - PLAIN_GRANTS == {
        ("ec2:CreateNetworkInterface", interfaces),
        ("ec2:CreateNetworkInterface", f"{ec2}:subnet/subnet-1"),
        ("ec2:CreateNetworkInterface", f"{ec2}:security-group/sg-1"),
        ("ec2:AssignPrivateIpAddresses", interfaces),
        ("ec2:DeleteNetworkInterface", f"{ec2}:*/*"),
        ("ec2:UnassignPrivateIpAddresses", interfaces),
        ("ec2:DescribeNetworkInterfaces", "*"),
        ("ec2:DescribeSubnets", "*"),
    }


def test_in_a_vpc_the_code_itself_may_not_do_what_lambda_may() -> None:
    settings = replace(SETTINGS, subnet_ids=("subnet-1",), security_group_ids=("sg-1",))
    policy = function_policy(ACCOUNT, settings, None)
    (denied,) = [each for each in statements(policy) if each["Effect"] == "Deny"]
    function = "arn:aws-cn:lambda:cn-north-1:123456789012:function:tap-qa-price-alerts"
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": function}}
    assert denied["Resource"] == "*"
    ec2 = {action for action, _ in granted(policy) if action.startswith("ec2:")}
    assert set(denied["Action"]) == ec2


def test_every_statement_has_a_name_of_its_own(stacks: dict[str, Stack]) -> None:
    names = [each["Sid"] for each in statements(resource(stacks["full"], POLICY)["policy"])]
    assert len(set(names)) == len(names)
