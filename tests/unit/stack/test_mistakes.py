"""Mistakes that no scanner finds: none is made, and each is found when it is planted."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.unit.stack.mistakes import CHECKS
from tests.unit.stack.stacks import (
    DLQ,
    FUNCTION,
    KEY,
    MAPPING,
    OPS,
    OPS_POLICY,
    PEOPLE,
    PEOPLE_POLICY,
    POLICY,
    QUEUE,
    REDRIVE,
    TABLE,
    TOPIC,
    TOPIC_POLICY,
    Stack,
    resource,
)

Plant = Callable[[Stack], object]


def wrongs(stack: Stack) -> list[str]:
    return [wrong for check in CHECKS for wrong in check(stack)]


def edited(address: str, edit: Callable[[list[dict[str, Any]]], object]) -> Plant:
    """Change the statements of a policy."""

    def plant(stack: Stack) -> None:
        attributes = resource(stack, address)
        document = json.loads(attributes["policy"])
        edit(document["Statement"])
        attributes["policy"] = json.dumps(document)

    return plant


def without(address: str, sid: str) -> Plant:
    def edit(statements: list[dict[str, Any]]) -> None:
        (statement,) = [each for each in statements if each["Sid"] == sid]
        statements.remove(statement)

    return edited(address, edit)


def without_condition(address: str, sid: str, *names: str) -> Plant:
    """Leave out a statement's condition, or some of it."""

    def edit(statements: list[dict[str, Any]]) -> None:
        (statement,) = [each for each in statements if each["Sid"] == sid]
        for name in names or list(statement["Condition"]):
            del statement["Condition"][name]

    return edited(address, edit)


def also(address: str, **statement: Any) -> Plant:
    return edited(address, lambda statements: statements.append({"Effect": "Allow", **statement}))


def setting(address: str, key: str, value: object) -> Plant:
    return lambda stack: resource(stack, address).update({key: value})


def leaving_out(address: str, key: str) -> Plant:
    return lambda stack: resource(stack, address).pop(key)


ALARM = "aws_cloudwatch_metric_alarm.monitoring_dead-letters"
ROOT = {"AWS": "arn:aws:iam::123456789012:root"}
MISTAKES: Mapping[str, Plant] = {
    **{
        f"{address} without TLS": without(address, "TlsOnly")
        for address in (QUEUE, DLQ, TOPIC_POLICY, OPS_POLICY)
    },
    "CloudWatch of any account on the ops topic": without_condition(
        OPS_POLICY, "TellOfAlarms", "StringEquals"
    ),
    "CloudWatch for anything on the ops topic": without_condition(
        OPS_POLICY, "TellOfAlarms", "ArnLike"
    ),
    "CloudWatch on the alert topic": also(
        TOPIC_POLICY,
        Principal={"Service": "cloudwatch.amazonaws.com"},
        Action="sns:Publish",
        Resource="*",
    ),
    "CloudWatch without a source in the key's policy": without_condition(KEY, "TellOfAlarms"),
    "sqs:* to the root": also(QUEUE, Principal=ROOT, Action="sqs:*", Resource="*"),
    "anybody may send": also(DLQ, Principal="*", Action="sqs:SendMessage", Resource="*"),
    "another account may send": without(QUEUE, "ThisAccountOnly"),
    "sqs:* in the role": also(POLICY, Action=["sqs:*"], Resource="arn:aws:sqs:x:1:q"),
    "any table in the role": also(POLICY, Action="dynamodb:GetItem", Resource="*"),
    "any log in the role": also(POLICY, Action="logs:PutLogEvents", Resource="arn:aws:logs:*:*:*"),
    "the key that AWS manages on the ops topic": setting(OPS, "kms_master_key_id", "alias/aws/sns"),
    "the key that AWS manages on the alert topic": setting(
        TOPIC, "kms_master_key_id", "alias/aws/sns"
    ),
    "the key that AWS owns on the table": setting(
        TABLE, "server_side_encryption", {"enabled": True}
    ),
    "an alarm without an action": leaving_out(ALARM, "alarm_actions"),
    "no redrive": lambda stack: stack["resource"].pop("aws_sqs_queue_redrive_policy"),
    "redrive of the wrong queue": setting(REDRIVE, "queue_url", f"${{{DLQ}.url}}"),
    "redrive to nowhere": setting(REDRIVE, "redrive_policy", "{}"),
    "no deletion protection": leaving_out(TABLE, "deletion_protection_enabled"),
    "no recovery": setting(TABLE, "point_in_time_recovery", {"enabled": False}),
    "no ReportBatchItemFailures": leaving_out(MAPPING, "function_response_types"),
    "visible too early": setting(QUEUE, "visibility_timeout_seconds", 60),
    "too long a time-out": setting(FUNCTION, "timeout", 16),
    "too long a window": setting(MAPPING, "maximum_batching_window_in_seconds", 31),
    "no hash of the code": leaving_out(FUNCTION, "source_code_hash"),
    "the hash of other code": setting(FUNCTION, "source_code_hash", "of another file"),
    "an account's number": setting(TOPIC, "name", "alerts-of-210987654321"),
}


# What prod has none of: people, and producers.
MORE_MISTAKES: Mapping[str, Plant] = {
    "people's topic without TLS": without(PEOPLE_POLICY, "TlsOnly"),
    "the key that AWS manages on people's topic": setting(
        PEOPLE, "kms_master_key_id", "alias/aws/sns"
    ),
    "anybody may publish to people": also(
        PEOPLE_POLICY, Principal="*", Action="sns:Publish", Resource="*"
    ),
    "anybody may send prices": without_condition(QUEUE, "SendPrices", "ArnEquals"),
}


@pytest.mark.parametrize("variant", ["prod", "full"])
def test_a_hardened_stack_makes_no_mistake(stacks: dict[str, Stack], variant: str) -> None:
    assert wrongs(stacks[variant]) == []


@pytest.mark.parametrize(
    ("variant", "plant"),
    [
        *(("prod", plant) for plant in MISTAKES.values()),
        *(("full", plant) for plant in MORE_MISTAKES.values()),
    ],
    ids=[*MISTAKES, *MORE_MISTAKES],
)
def test_a_mistake_that_is_planted_is_found(
    stacks: dict[str, Stack], variant: str, plant: Plant
) -> None:
    stack = copy.deepcopy(stacks[variant])
    plant(stack)
    assert len(wrongs(stack)) in {1, 2}
