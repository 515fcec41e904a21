"""The deployed role may do what the pipeline needs and no more; nobody else may do it."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lib.local.emulator import Emulator
from tests.integration.conftest import (
    FEED,
    Alerts,
    Deployed,
    allow_batches,
    eventually,
    forbid_batches,
    invoke,
    role_name,
)

# What the emulator asks for when the function is called; its poller, log, key and traces it does
# not check: those actions are compared with the documented ones in tests/unit/stacks.
NEEDED = (
    *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:UpdateItem"),
    "sns:Publish",
)
# For a symbol whose state is lost.
TO_BEGIN_AGAIN = ("dynamodb:ConditionCheckItem", "dynamodb:PutItem")


def policy_of(deployed: Deployed) -> tuple[str, dict[str, Any]]:
    """The role's policy: its ARN, and what it says."""
    iam = deployed.emulator.client("iam")
    role = role_name(deployed.emulator)
    (attached,) = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    arn = attached["PolicyArn"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    return arn, document


def put_policy(deployed: Deployed, arn: str, document: dict[str, Any]) -> None:
    """Replace a policy; it may have no more than five versions."""
    iam = deployed.emulator.client("iam")
    before = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True)
    iam.delete_policy_version(PolicyArn=arn, VersionId=before)


@contextmanager
def without(deployed: Deployed, action: str) -> Iterator[None]:
    """Take an action out of the role's policy for a while."""
    arn, document = policy_of(deployed)
    less = copy.deepcopy(document)
    for statement in less["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    less["Statement"] = [each for each in less["Statement"] if each["Action"]]
    put_policy(deployed, arn, less)
    if action == "sns:Publish":
        forbid_batches(deployed.emulator)
    try:
        yield
    finally:
        put_policy(deployed, arn, document)
        allow_batches(deployed.emulator)


@pytest.fixture
def goes_through(deployed: Deployed, alerts: Alerts, symbol: str) -> Callable[[], bool]:
    """Tells whether a price that a rule waits for is dealt with, as often as it is asked."""
    alerts.run("add", symbol, "crosses-up", "120", "--id", f"up-{symbol}".lower())
    low, high = uuid.uuid4().hex, uuid.uuid4().hex
    invoke(deployed, (low, json.dumps({"symbol": symbol, "price": 100})))
    body = json.dumps({"symbol": symbol, "price": 200})

    def goes_through() -> bool:
        answer = invoke(deployed, (high, body))
        fired = json.loads(alerts.run("history", symbol, "--json"))
        return (
            answer == {"batchItemFailures": []} and [each["sent"] for each in fired] == [True] * 2
        )

    return goes_through


def test_the_role_lets_a_price_through(goes_through: Callable[[], bool]) -> None:
    assert goes_through()


@pytest.mark.parametrize("action", NEEDED)
def test_without_one_of_its_actions_a_price_waits_until_it_is_back(
    deployed: Deployed, goes_through: Callable[[], bool], action: str
) -> None:
    with without(deployed, action):
        assert not goes_through()
    assert eventually(goes_through)


@pytest.mark.parametrize("action", TO_BEGIN_AGAIN)
def test_without_one_of_these_a_symbol_whose_state_is_lost_waits_until_it_is_back(
    deployed: Deployed, alerts: Alerts, symbol: str, action: str
) -> None:
    alerts.run("add", symbol, "above", "120", "--id", f"above-{symbol}".lower())
    deployed.emulator.client("dynamodb").delete_item(
        TableName=deployed.outputs["table_name"],
        Key={"pk": {"S": f"SYMBOL#{symbol}"}, "sk": {"S": "STATE"}},
    )
    message = uuid.uuid4().hex, json.dumps({"symbol": symbol, "price": 200})

    def goes_through() -> bool:
        answer: object = invoke(deployed, message)
        return answer == {"batchItemFailures": []}

    with without(deployed, action):
        assert not goes_through()
    assert eventually(goes_through)
    fired = json.loads(alerts.run("history", symbol, "--json"))
    assert f"above-{symbol}".lower() in {each["rule_id"] for each in fired}


def test_the_role_may_do_nothing_that_is_not_named_here(deployed: Deployed) -> None:
    allowed = {a for s in policy_of(deployed)[1]["Statement"] for a in s["Action"]}
    assert {each for each in allowed if each.startswith(("dynamodb:", "sns:"))} == {
        *NEEDED,
        *TO_BEGIN_AGAIN,
    }


DENIALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}


def denied(call: Callable[..., Any], **arguments: Any) -> bool:
    """Tell whether a call is denied, which is not every way to fail."""
    try:
        call(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIALS:
            raise
        return True
    return False


def stranger(deployed: Deployed) -> Emulator:
    """The root of another account, which the emulator knows by its number."""
    return replace(deployed.emulator, access_key_id="210987654321")


@pytest.mark.parametrize("queue", ["queue_url", "dlq_url"])
def test_a_foreign_account_cannot_send(deployed: Deployed, queue: str) -> None:
    send = stranger(deployed).client("sqs").send_message
    assert denied(send, QueueUrl=deployed.outputs[queue], MessageBody="a price")


@pytest.mark.parametrize("topic", ["topic_arn", "people_topic_arn", "ops_topic_arn"])
def test_a_foreign_account_cannot_publish(deployed: Deployed, topic: str) -> None:
    publish = stranger(deployed).client("sns").publish
    assert denied(publish, TopicArn=deployed.outputs[topic], Message="an alert")


@pytest.mark.parametrize("topic", ["topic_arn", "people_topic_arn"])
def test_not_even_the_accounts_root_can_publish_an_alert(deployed: Deployed, topic: str) -> None:
    publish = deployed.emulator.client("sns").publish
    assert denied(publish, TopicArn=deployed.outputs[topic], Message="an alert")


def insecure(client: Any) -> Any:
    """Have a client's requests come as if by plain HTTP through a proxy."""
    client.meta.events.register(
        "before-send",
        lambda request, **_: request.headers.update({"X-Forwarded-Proto": "http"}),
    )
    return client


@pytest.mark.parametrize("queue", ["queue_url", "dlq_url"])
def test_nobody_sends_by_plain_http(deployed: Deployed, queue: str) -> None:
    send = insecure(deployed.emulator.client("sqs")).send_message
    assert denied(send, QueueUrl=deployed.outputs[queue], MessageBody="a price")


def test_nobody_tells_the_operators_by_plain_http(deployed: Deployed) -> None:
    message = {"TopicArn": deployed.outputs["ops_topic_arn"], "Message": "an alarm"}
    assert denied(insecure(deployed.emulator.client("sns")).publish, **message)
    assert not denied(deployed.emulator.client("sns").publish, **message)


def test_a_named_producer_sends_and_does_nothing_else(deployed: Deployed, symbol: str) -> None:
    iam = deployed.emulator.client("iam")
    iam.create_user(UserName=FEED)
    key = iam.create_access_key(UserName=FEED)["AccessKey"]
    feed = replace(
        deployed.emulator,
        access_key_id=key["AccessKeyId"],
        secret_access_key=key["SecretAccessKey"],
    )
    sqs = feed.client("sqs")
    queue = {"QueueUrl": deployed.outputs["queue_url"]}
    assert not denied(
        sqs.send_message, **queue, MessageBody=f'{{"symbol": "{symbol}", "price": 1}}'
    )
    assert denied(sqs.receive_message, **queue)
    assert denied(sqs.send_message, QueueUrl=deployed.outputs["dlq_url"], MessageBody="a price")
