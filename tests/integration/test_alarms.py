"""An alarm of the deployed stack reaches whoever hears the ops topic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lib.local.replay import Subscriber
from tests.integration.conftest import Deployed, eventually


def test_an_alarm_goes_through_the_encrypted_ops_topic_to_its_subscriber(
    deployed: Deployed,
) -> None:
    client, topic = deployed.emulator.client, deployed.outputs["ops_topic_arn"]
    key = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]["KmsMasterKeyId"]
    assert client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "CUSTOMER"

    on_call = Subscriber(deployed.emulator.client("sqs"), "on-call")
    client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=on_call.arn)
    told: list[Mapping[str, Any]] = []

    def is_told() -> bool:
        told.extend(on_call.receive())
        return bool(told)

    client("cloudwatch").set_alarm_state(
        AlarmName="tap-dev-dead-letters", StateValue="ALARM", StateReason="a test"
    )
    try:
        assert eventually(is_told)
    finally:
        on_call.close()
    assert (told[0]["AlarmName"], told[0]["NewStateValue"]) == ("tap-dev-dead-letters", "ALARM")
