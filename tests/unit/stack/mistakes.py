"""What scanners do not see: checks of a synthesized stack, each for one mistake.

A check returns what is wrong, in words; nothing is wrong with a stack for which all are silent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

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
    TABLE,
    TOPIC,
    TOPIC_POLICY,
    Stack,
    resource,
)

Check = Callable[[Stack], Iterator[str]]
Statement = dict[str, Any]

_CLOSED = {
    **dict.fromkeys((QUEUE, DLQ), "sqs:*"),
    **dict.fromkeys((TOPIC_POLICY, PEOPLE_POLICY, OPS_POLICY), "sns:Publish"),
}
_REDRIVE = "aws_sqs_queue_redrive_policy"
# What AWS itself knows no resources for.
_UNBOUNDED = {
    *("xray:PutTelemetryRecords", "xray:PutTraceSegments"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"),
    "ec2:DeleteNetworkInterface",  # Lambda's guide asks for all resources
}


def statements(stack: Stack, address: str) -> list[Statement]:
    """The statements of a policy; none, if there is no policy."""
    found: list[Statement] = json.loads(resource(stack, address).get("policy", "{}")).get(
        "Statement", []
    )
    return found


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def allows(stack: Stack, address: str) -> list[Statement]:
    return [each for each in statements(stack, address) if each["Effect"] == "Allow"]


def is_there(stack: Stack, address: str) -> bool:
    """Tell whether a stack has a resource; people's topic is the only one that may be missing."""
    kind, name = address.split(".")
    return name in stack["resource"].get(kind, {})


def tls_only(stack: Stack) -> Iterator[str]:
    for address, action in _CLOSED.items():
        if is_there(stack, address) and not any(
            statement["Effect"] == "Deny"
            and statement["Principal"] == "*"
            and statement["Action"] == action
            and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in statements(stack, address)
        ):
            yield f"{address} takes requests without TLS"


def services_have_a_source(stack: Stack) -> Iterator[str]:
    for address in filter(
        lambda each: is_there(stack, each), (KEY, TOPIC_POLICY, PEOPLE_POLICY, OPS_POLICY)
    ):
        for statement in allows(stack, address):
            if "cloudwatch.amazonaws.com" not in str(statement["Principal"]):
                continue
            condition = statement.get("Condition", {})
            if "aws:SourceAccount" not in condition.get("StringEquals", {}):
                yield f"{address}: CloudWatch of any account may {statement['Action']}"
            if "aws:SourceArn" not in condition.get("ArnLike", {}):
                yield f"{address}: CloudWatch may {statement['Action']} for anything"


def nobody_may_do_everything(stack: Stack) -> Iterator[str]:
    for address in filter(lambda each: is_there(stack, each), _CLOSED):
        for statement in allows(stack, address):
            if any("*" in action for action in listed(statement["Action"])):
                yield f"{address} lets {statement['Principal']} do {statement['Action']}"
            named = statement.get("Condition", {}).get("ArnEquals", {}).get("aws:PrincipalArn")
            is_anybody = (
                "*" in listed(statement["Principal"]) or "*" in statement["Principal"].values()
            )
            if is_anybody and not named:
                yield f"{address} lets anybody do {statement['Action']}"


def only_this_account(stack: Stack) -> Iterator[str]:
    for address in (QUEUE, DLQ):
        if not any(
            statement["Effect"] == "Deny"
            and "aws:PrincipalAccount" in statement["Condition"].get("StringNotEquals", {})
            for statement in statements(stack, address)
        ):
            yield f"{address} is open to other accounts"


def the_role_has_no_wildcards(stack: Stack) -> Iterator[str]:
    for statement in allows(stack, POLICY):
        for action in listed(statement["Action"]):
            if "*" in action:
                yield f"the role may {action}"
            for target in listed(statement["Resource"]):
                bare = target.removesuffix(":log-stream:*").removesuffix("network-interface/*")
                if "*" in bare and action not in _UNBOUNDED:
                    yield f"the role may {action} with {target}"


def alarms_can_be_heard(stack: Stack) -> Iterator[str]:
    """The key that AWS manages does not let CloudWatch use it."""
    if "alias/aws/" in resource(stack, OPS).get("kms_master_key_id", ""):
        yield "CloudWatch may not use the ops topic's key"
    for name, alarm in stack["resource"]["aws_cloudwatch_metric_alarm"].items():
        if alarm.get("alarm_actions") != [f"${{{OPS}.arn}}"]:
            yield f"the alarm {name} tells nobody"


def one_key_for_all(stack: Stack) -> Iterator[str]:
    key = f"${{{KEY}.arn}}"
    log = "aws_cloudwatch_log_group.alerts_log"
    for address, name in (
        *((QUEUE, "kms_master_key_id"), (DLQ, "kms_master_key_id")),
        *((name, "kms_master_key_id") for name in (TOPIC, PEOPLE, OPS) if is_there(stack, name)),
        *((log, "kms_key_id"), (FUNCTION, "kms_key_arn")),
    ):
        if resource(stack, address).get(name) != key:
            yield f"{address} is not encrypted with the stack's own key"
    if resource(stack, TABLE)["server_side_encryption"].get("kms_key_arn") != key:
        yield "the table is not encrypted with the stack's own key"


def failures_are_kept(stack: Stack) -> Iterator[str]:
    policies = stack["resource"].get(_REDRIVE, {}).values()
    if not any(
        policy["queue_url"] == f"${{{QUEUE}.url}}" and f"{DLQ}.arn" in policy["redrive_policy"]
        for policy in policies
    ):
        yield "what keeps failing is lost"


def data_is_kept(stack: Stack) -> Iterator[str]:
    table = resource(stack, TABLE)
    if not table.get("deletion_protection_enabled"):
        yield "the table can be destroyed"
    if not table.get("point_in_time_recovery", {}).get("enabled"):
        yield "the table cannot be set back"


def single_failures_are_reported(stack: Stack) -> Iterator[str]:
    if "ReportBatchItemFailures" not in resource(stack, MAPPING).get("function_response_types", []):
        yield "one bad message brings back its whole batch"


def messages_are_hidden_long_enough(stack: Stack) -> Iterator[str]:
    mapping, function = resource(stack, MAPPING), resource(stack, FUNCTION)
    least = 6 * function["timeout"] + mapping["maximum_batching_window_in_seconds"]
    if resource(stack, QUEUE)["visibility_timeout_seconds"] < least:
        yield "a message comes again while it is still being worked on"


def new_code_is_noticed(stack: Stack) -> Iterator[str]:
    function = resource(stack, FUNCTION)
    if function["filename"] not in function.get("source_code_hash", ""):
        yield "new code is not deployed"


def no_account_is_written_down(stack: Stack) -> Iterator[str]:
    for number in set(re.findall(r"\b[0-9]{12}\b", json.dumps(stack))) - {"123456789012"}:
        yield f"the account {number} is written down"


CHECKS: list[Check] = [
    tls_only,
    services_have_a_source,
    nobody_may_do_everything,
    only_this_account,
    the_role_has_no_wildcards,
    alarms_can_be_heard,
    one_key_for_all,
    failures_are_kept,
    data_is_kept,
    single_failures_are_reported,
    messages_are_hidden_long_enough,
    new_code_is_noticed,
    no_account_is_written_down,
]
