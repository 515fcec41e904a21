"""A test alert, and what is left of it; the function is a container of the tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from lib.client.target import Target
from lib.client.trial import TEXT, send_test_alert
from lib.formats.errors import CliError
from price_alerts.domain.ticks import parse_message
from tests.unit.client.doubles import answer_with
from tests.unit.doubles import NOW, Clock, Container, Topic, items_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table


class Function:
    """Works on what is in the queue whenever somebody waits."""

    def __init__(self, target: Target, queue_url: str, topic: Topic) -> None:
        self.seconds = 0.0
        self.target, self._queue_url = target, queue_url
        self._container = Container(target.table, Clock(), topic)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        queue = self.target.sqs.receive_message(QueueUrl=self._queue_url, WaitTimeSeconds=0)
        for message in queue.get("Messages", []):
            content = parse_message(message["Body"], message["MessageId"], NOW, NOW + 10**12)
            self._container.process(content.ticks)


@pytest.fixture
def function(target: Target, alerts: Table, queue_url: str, topic: Topic) -> Function:
    return Function(target, queue_url, topic)


def send(function: Function) -> str:
    return send_test_alert(function.target, 9, sleep=function.sleep, clock=lambda: function.seconds)


def what_is_left(table: Table) -> list[str]:
    return [item["pk"] for item in items_of(table, "") if not item["pk"].startswith("FIRINGS#")]


def test_a_test_alert_takes_the_way_of_all_alerts_and_leaves_only_its_firing(
    alerts: Table, function: Function, topic: Topic
) -> None:
    firing_id = send(function)
    [request] = topic.requests
    [entry] = request["PublishBatchRequestEntries"]
    alert = json.loads(entry["Message"])
    assert (alert["text"], alert["firing_id"], alert["owner"]) == (TEXT, firing_id, "test")
    assert alert["symbol"].startswith("TEST.")
    assert what_is_left(alerts) == []


def no_function(target: Target, _topic: Topic) -> None:
    answer_with(target.sqs, "ReceiveMessage", lambda _: {})


def no_queue(target: Target, _topic: Topic) -> None:
    refused = {"Id": "0", "SenderFault": True, "Code": "InvalidMessageContents"}
    answer_with(target.sqs, "SendMessageBatch", lambda _: {"Successful": [], "Failed": [refused]})


def no_topic(_target: Target, topic: Topic) -> None:
    topic.refused, topic.code, topic.is_sender_fault = (lambda _: True), "InvalidParameter", True


@pytest.mark.parametrize(
    ("breaks", "what"),
    [
        (no_function, "tap-test published no alert within 9 s: see ./alerts status"),
        (no_queue, "the queue of tap-test rejects prices: "),
        (no_topic, "SNS rejects the alert: "),
    ],
)
def test_why_there_is_no_alert_is_said_and_nothing_is_left(
    function: Function, topic: Topic, breaks: Callable[[Target, Topic], None], what: str
) -> None:
    breaks(function.target, topic)
    with pytest.raises(CliError, match=f"^{what}"):
        send(function)
    assert what_is_left(function.target.table) == []
