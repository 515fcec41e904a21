"""Who may use the stack's parts, decided by a second opinion: the function, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lib.config.names import Account, Names
from tests.function_actions import FEEDING, actions
from tests.iam.simulator import Caller, Context, Policy, Request, Simulator
from tests.unit.stacks.snapshots import ACCOUNT_ID, PROJECT, Stack

ACCOUNT = Account("aws", ACCOUNT_ID, "us-east-1", Names("prod"))
KEY = ACCOUNT.arn("kms", "key/0a1b")
OTHER_ACCOUNT_ID = "210987654321"
EVERYTHING: Policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
ADMINISTRATOR = Caller(f"arn:aws:iam::{ACCOUNT_ID}:role/administrator", [EVERYTHING])
STRANGERS = [
    Caller(f"arn:aws:iam::{ACCOUNT_ID}:role/stranger"),
    Caller(f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/administrator", [EVERYTHING]),
]
PRODUCER = Caller(f"arn:aws:iam::{ACCOUNT_ID}:role/feed")
DEPLOYER = Caller(ACCOUNT.deploy_role)
BY_SQS = {"kms:ViaService": "sqs.us-east-1.amazonaws.com"}
FOR_AWS = {"kms:GrantIsForAWSResource": "true"}
PLAIN = {"aws:SecureTransport": "false"}


@dataclass(frozen=True)
class Parts:
    """The stack's policies: those of its parts by their ARNs, and the function's role."""

    policies: Mapping[str, Policy]
    function: Caller

    def request(self, action: str, resource: str, context: Context | None = None) -> Request:
        tag = {"aws:ResourceTag/stack": "tap-prod"} if action.startswith("kms:") else {}
        return Request(
            action, resource, tag if context is None else context, self.policies.get(resource)
        )


@pytest.fixture(scope="module")
def parts(deployed: dict[str, Stack]) -> Parts:
    resources = deployed["prod, access"]["resource"]

    def policy(kind: str, name: str) -> Any:
        found = {key.rpartition("_")[0]: each["policy"] for key, each in resources[kind].items()}
        return found[name]

    boundary = deployed["ci"]["resource"]["aws_iam_policy"]["boundary-prod"]["policy"]
    own = policy("aws_iam_policy", "alerts_policy")
    for statement in own["Statement"]:
        if statement["Sid"] == "UseTheKey":
            statement["Resource"] = KEY
    return Parts(
        {
            KEY: policy("aws_kms_key", "encryption_key"),
            ACCOUNT.queue: policy("aws_sqs_queue", "messaging_queue"),
            ACCOUNT.dead_letter_queue: policy("aws_sqs_queue", "messaging_dlq"),
            ACCOUNT.topic: policy("aws_sns_topic_policy", "messaging_topic-policy"),
            ACCOUNT.people_topic: policy("aws_sns_topic_policy", "messaging_people-policy"),
            ACCOUNT.ops_topic: policy("aws_sns_topic_policy", "messaging_ops-policy"),
        },
        Caller(ACCOUNT.role, [own], boundary),
    )


@pytest.fixture(scope="module")
def needed(parts: Parts) -> list[Request]:
    """What the function's code calls, and what Lambda does under its role."""
    sources = (PROJECT / "lib" / "lambda").rglob("*.py")
    called = {action for path in sources for action in actions(path.read_text("utf-8"))}
    on = {"dynamodb": ACCOUNT.table, "sns": ACCOUNT.topic, "sqs": ACCOUNT.queue}
    stream = f"{ACCOUNT.log_group}:log-stream:2026/11/28/[1]0a1b"
    pairs = [
        *((action, on[action.partition(":")[0]]) for action in sorted(called | FEEDING)),
        ("sns:Publish", ACCOUNT.people_topic),
        ("sqs:SendMessage", ACCOUNT.dead_letter_queue),
        *((f"kms:{use}", KEY) for use in ("Decrypt", "GenerateDataKey")),
        *((f"logs:{use}", stream) for use in ("CreateLogStream", "PutLogEvents")),
        *((f"xray:Put{what}", "*") for what in ("TelemetryRecords", "TraceSegments")),
    ]
    return [parts.request(*pair) for pair in pairs]


# What somebody would do with the stack who should not.
MISUSES = [
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
]


@pytest.fixture(scope="module")
def misuses(parts: Parts) -> list[Request]:
    return [parts.request(*pair) for pair in MISUSES]


def test_the_function_may_do_all_that_it_does_and_nothing_else(
    simulator: Simulator, parts: Parts, needed: list[Request], misuses: list[Request]
) -> None:
    assert simulator.denied(parts.function, needed) == set()
    assert simulator.allowed(parts.function, misuses) == []


def test_each_action_of_the_function_comes_from_its_role_and_its_boundary(
    simulator: Simulator, parts: Parts, needed: list[Request]
) -> None:
    all_of_it = {str(each) for each in needed}
    assert simulator.denied(replace(parts.function, policies=[]), needed) == all_of_it
    nothing = {**EVERYTHING, "Statement": [{**EVERYTHING["Statement"][0], "Effect": "Deny"}]}
    assert simulator.denied(replace(parts.function, boundary=nothing), needed) == all_of_it


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        *((stranger, []) for stranger in STRANGERS),
        (PRODUCER, [f"sqs:SendMessage on {ACCOUNT.queue}"]),
    ],
    ids=str,
)
def test_others_may_do_nothing_but_producers_send_prices(
    simulator: Simulator,
    parts: Parts,
    needed: list[Request],
    misuses: list[Request],
    *,
    caller: Caller,
    allowed: list[str],
) -> None:
    guarded = [each for each in (*needed, *misuses) if each.resource_policy]
    assert {each.resource for each in guarded} == parts.policies.keys()
    assert [str(each) for each in simulator.allowed(caller, guarded)] == allowed


@pytest.mark.parametrize(
    ("caller", "action", "resource", "context", "is_allowed"),
    [
        (ADMINISTRATOR, "sns:Publish", ACCOUNT.topic, {}, False),
        (ADMINISTRATOR, "sns:Publish", ACCOUNT.people_topic, {}, False),
        (ADMINISTRATOR, "sns:Publish", ACCOUNT.ops_topic, {}, True),
        (ADMINISTRATOR, "sns:Publish", ACCOUNT.ops_topic, PLAIN, False),
        (ADMINISTRATOR, "sqs:SendMessage", ACCOUNT.queue, {}, True),
        (ADMINISTRATOR, "sqs:SendMessage", ACCOUNT.queue, PLAIN, False),
        (ADMINISTRATOR, "sqs:SendMessage", ACCOUNT.dead_letter_queue, PLAIN, False),
        (PRODUCER, "sqs:SendMessage", ACCOUNT.queue, PLAIN, False),
        (PRODUCER, "kms:Decrypt", KEY, BY_SQS, True),
        (PRODUCER, "kms:GenerateDataKey", KEY, BY_SQS, True),
        *(
            (ADMINISTRATOR, "sns:Subscribe", topic, {"sns:Protocol": protocol}, protocol == "https")
            for topic in (ACCOUNT.topic, ACCOUNT.people_topic)
            for protocol in ("https", "http")
        ),
        # Before the key's tag counts, or the first deployment ends right after CreateKey.
        (DEPLOYER, "kms:EnableKeyRotation", KEY, {}, True),
        (DEPLOYER, "kms:PutKeyPolicy", KEY, {}, True),
        (DEPLOYER, "kms:CreateGrant", KEY, FOR_AWS, True),
        (DEPLOYER, "kms:CreateGrant", KEY, {}, False),
        (DEPLOYER, "kms:ScheduleKeyDeletion", KEY, {}, False),
        (DEPLOYER, "kms:DisableKey", KEY, {}, False),
    ],
)
def test_some_may_do_something_on_its_conditions(
    simulator: Simulator,
    parts: Parts,
    *,
    caller: Caller,
    action: str,
    resource: str,
    context: Context,
    is_allowed: bool,
) -> None:
    (decision,) = simulator.decide(caller, [parts.request(action, resource, context)])
    assert decision.is_allowed == is_allowed


def test_the_function_publishes_with_tls_alone(simulator: Simulator, parts: Parts) -> None:
    topics = (ACCOUNT.topic, ACCOUNT.people_topic)
    requests = [parts.request("sns:Publish", topic, PLAIN) for topic in topics]
    assert simulator.allowed(parts.function, requests) == []


def test_no_principal_is_named_that_could_be_deleted(parts: Parts) -> None:
    """AWS would keep its unique id, and reject the policy when it is created again."""
    named = {
        str(statement["Principal"])
        for policy in parts.policies.values()
        for statement in policy["Statement"]
    }
    services = ("cloudwatch", f"logs.{ACCOUNT.region}")
    assert named <= {
        *("*", str({"AWS": "*"}), str({"AWS": ACCOUNT.root})),
        *(str({"Service": f"{name}.amazonaws.com"}) for name in services),
    }
