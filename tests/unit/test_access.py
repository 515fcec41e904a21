"""Who may use the stack's parts, decided by a second opinion: the function, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lib.config.names import Account, Names
from lib.config.settings import Settings
from lib.stacks.ci_policies import boundary_policy
from lib.stacks.policies import (
    dead_letter_queue_policy,
    function_policy,
    key_policy,
    ops_topic_policy,
    queue_policy,
    topic_policy,
)
from tests.function_actions import FEEDING, actions
from tests.iam.simulator import Caller, Policy, Request, Simulator, running_simulator
from tests.needed import needed

A, B = "123456789012", "210987654321"
LIB = Path(__file__).parents[2] / "lib"
SETTINGS = Settings(environment="dev", region="us-east-1")
ACCOUNT = Account("aws", A, "us-east-1", Names("dev"))
KEY = ACCOUNT.arn("kms", "key/0a1b")
POLICIES: dict[str, Policy] = {
    KEY: json.loads(key_policy(ACCOUNT, SETTINGS, is_deployed_by_ci=True)),
    ACCOUNT.queue: json.loads(queue_policy(ACCOUNT, SETTINGS)),
    ACCOUNT.dead_letter_queue: json.loads(dead_letter_queue_policy(ACCOUNT)),
    **{
        topic: json.loads(topic_policy(ACCOUNT, SETTINGS, topic))
        for topic in (ACCOUNT.topic, ACCOUNT.people_topic)
    },
    ACCOUNT.ops_topic: json.loads(ops_topic_policy(ACCOUNT)),
}
OURS = {"aws:ResourceTag/stack": "tap-dev"}
EVERYTHING: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
FUNCTION = Caller(
    ACCOUNT.role,
    [json.loads(function_policy(ACCOUNT, SETTINGS, KEY))],
    json.loads(boundary_policy(ACCOUNT, SETTINGS)),
)
ADMINISTRATOR = Caller(f"arn:aws:iam::{A}:role/administrator", [EVERYTHING])
STRANGERS = {
    "of the account": Caller(f"arn:aws:iam::{A}:role/stranger"),
    "of another account": Caller(f"arn:aws:iam::{B}:role/administrator", [EVERYTHING]),
}
STREAM = f"{ACCOUNT.log_group}:log-stream:2026/11/28/[1]0a1b"


def request_of(action: str, resource: str) -> Request:
    context = OURS if action.startswith("kms:") else {}
    return Request(action, resource, context, POLICIES.get(resource))


def requests_of_the_function() -> list[Request]:
    """What its code calls, and what Lambda does under its role."""
    sources = (LIB / "lambda").rglob("*.py")
    called = {action for path in sources for action in actions(path.read_text())}
    on = {"dynamodb": ACCOUNT.table, "sns": ACCOUNT.topic, "sqs": ACCOUNT.queue}
    return [
        *(request_of(action, on[action.partition(":")[0]]) for action in sorted(called | FEEDING)),
        request_of("sqs:SendMessage", ACCOUNT.dead_letter_queue),
        *(request_of(f"kms:{use}", KEY) for use in ("Decrypt", "GenerateDataKey")),
        *(request_of(f"logs:{use}", STREAM) for use in ("CreateLogStream", "PutLogEvents")),
        *(request_of(f"xray:Put{what}", "*") for what in ("TelemetryRecords", "TraceSegments")),
    ]


# What somebody would do with the stack who should not.
MISUSES = [
    request_of(action, resource)
    for action, resource in (
        ("dynamodb:DeleteTable", ACCOUNT.table),
        ("dynamodb:Scan", ACCOUNT.table),
        ("iam:PassRole", ACCOUNT.role),
        ("kms:Decrypt", ACCOUNT.arn("kms", "key/other")),
        ("kms:PutKeyPolicy", KEY),
        ("logs:DeleteLogGroup", ACCOUNT.log_group),
        ("sns:Publish", ACCOUNT.ops_topic),
        ("sns:SetTopicAttributes", ACCOUNT.people_topic),
        ("sns:SetTopicAttributes", ACCOUNT.topic),
        ("sns:Subscribe", ACCOUNT.topic),
        ("sqs:PurgeQueue", ACCOUNT.queue),
        ("sqs:ReceiveMessage", ACCOUNT.dead_letter_queue),
        ("sqs:SetQueueAttributes", ACCOUNT.queue),
    )
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with needed(), running_simulator() as simulator:
        yield simulator


def test_the_function_may_do_all_that_it_does(simulator: Simulator) -> None:
    assert simulator.denied(FUNCTION, requests_of_the_function()) == set()


def test_the_function_may_do_nothing_else(simulator: Simulator) -> None:
    assert simulator.allowed(FUNCTION, MISUSES) == []


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_may_do_nothing(simulator: Simulator, stranger: str) -> None:
    requests = [*requests_of_the_function(), *MISUSES]
    guarded = [each for each in requests if each.resource_policy]
    assert {each.resource for each in guarded} == POLICIES.keys()
    assert simulator.allowed(STRANGERS[stranger], guarded) == []


def test_not_even_an_administrator_publishes_an_alert(simulator: Simulator) -> None:
    publish = request_of("sns:Publish", ACCOUNT.topic)
    assert simulator.allowed(ADMINISTRATOR, [publish]) == []


def test_nobody_publishes_or_sends_without_tls(simulator: Simulator) -> None:
    plain = {"aws:SecureTransport": "false"}
    requests = [
        replace(request, context=plain)
        for request in (
            request_of("sns:Publish", ACCOUNT.topic),
            request_of("sns:Publish", ACCOUNT.ops_topic),
            request_of("sqs:SendMessage", ACCOUNT.queue),
            request_of("sqs:SendMessage", ACCOUNT.dead_letter_queue),
        )
    ]
    for caller in (FUNCTION, ADMINISTRATOR):
        assert simulator.allowed(caller, requests) == []


# --- planted mistakes --------------------------------------------------------------------


@pytest.mark.parametrize("taken", sorted({str(each) for each in requests_of_the_function()}))
def test_what_the_function_s_role_lacks_is_named(simulator: Simulator, taken: str) -> None:
    action, _, resource = taken.partition(" on ")
    (policy,) = FUNCTION.policies
    left = [
        statement
        for statement in policy["Statement"]
        if statement["Resource"].rstrip("*") not in resource or action not in statement["Action"]
    ]
    lacking = replace(FUNCTION, policies=[{**policy, "Statement": left}])
    # What the topic's policy allows besides would hide it.
    requests = [
        replace(each, resource_policy=None) if each.resource == ACCOUNT.topic else each
        for each in requests_of_the_function()
    ]
    assert taken in simulator.denied(lacking, requests)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sqs:SendMessage", ACCOUNT.queue),
        ("sns:Publish", ACCOUNT.ops_topic),
        ("sns:SetTopicAttributes", ACCOUNT.people_topic),
        ("kms:Decrypt", KEY),
    ],
)
def test_a_policy_that_lets_anybody_in_is_seen(
    simulator: Simulator, action: str, resource: str
) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}
    opened = {"Version": "2012-10-17", "Statement": [statement]}
    request = replace(request_of(action, resource), resource_policy=opened)
    for stranger in STRANGERS.values():
        assert simulator.allowed(stranger, [request]) == [request]
