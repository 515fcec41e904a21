"""An alarm of the deployed stack reaches whoever hears the ops topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from lib.client.subscriber import Subscriber
from tests.integration.conftest import Deployed, eventually


@pytest.fixture
def on_call(deployed: Deployed) -> Iterator[Subscriber]:
    """Who hears the ops topic, for one test only: others count its subscriptions."""
    sns = deployed.emulator.client("sns")
    subscriber = Subscriber(deployed.emulator.client("sqs"), "on-call")
    subscription = sns.subscribe(
        TopicArn=deployed.outputs["ops_topic_arn"],
        Protocol="sqs",
        Endpoint=subscriber.arn,
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    yield subscriber
    sns.unsubscribe(SubscriptionArn=subscription)
    subscriber.close()


def test_an_alarm_goes_through_the_encrypted_ops_topic_to_its_subscriber(
    deployed: Deployed, on_call: Subscriber
) -> None:
    client, topic = deployed.emulator.client, deployed.outputs["ops_topic_arn"]
    key = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"]
    assert client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "CUSTOMER"

    told: list[Mapping[str, Any]] = []

    def is_told() -> bool:
        told.extend(on_call.receive())
        return bool(told)

    client("cloudwatch").set_alarm_state(
        AlarmName="tap-dev-dead-letters", StateValue="ALARM", StateReason="a test"
    )
    assert eventually(is_told)
    assert (told[0]["AlarmName"], told[0]["NewStateValue"]) == ("tap-dev-dead-letters", "ALARM")
