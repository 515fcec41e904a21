from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import boto3
import pytest

from price_alerts.engine import Firing
from price_alerts.notifier import Notifier, message
from tests.unit.doubles import Topic, firing

LONGEST = Decimal("999999999999999999.999999999999999999")


def fields(entry: Any) -> dict[str, Any]:
    """Return what programs read: the JSON in the message for all but people."""
    decoded: dict[str, Any] = json.loads(json.loads(entry["Message"])["default"])
    return decoded


def publish(topic: Any, firings: list[Firing]) -> list[Firing]:
    return Notifier(topic, "arn:topic").publish(firings)


def numbered(count: int) -> list[Firing]:
    return [firing(firing_id=f"f-{number}") for number in range(count)]


def test_a_program_reads_every_field_exactly() -> None:
    assert fields(message(firing(note="Sell some."))) == {
        "firing_id": "0123456789abcdef0123456789abcdef",
        "rule_id": "high-price-threshold",
        "symbol": "AAPL",
        "condition": "above",
        "levels": ["150"],
        "previous_price": "149.5",
        "price": "200.25",
        "timestamp": "2026-11-22T15:04:05.250000Z",
        "fired_at": "2026-11-22T15:04:06.250000Z",
        "owner": "stack",
        "note": "Sell some.",
        "text": (
            "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before. Sell some."
        ),
    }


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z, 149.5 before."),
        ({"previous_price": None}, "AAPL is above 150: 200.25 at 2026-11-22T15:04:05.250000Z."),
    ],
)
def test_people_read_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    texts = json.loads(message(firing(**changes))["Message"])
    assert texts.keys() == {"default", "email", "sms"}
    assert [texts["email"], texts["sms"], json.loads(texts["default"])["text"]] == [sentence] * 3


def test_an_entry_carries_identifier_structure_and_subject() -> None:
    entry = message(firing())
    assert entry.keys() == {"Id", "Subject", "Message", "MessageStructure", "MessageAttributes"}
    assert (entry["Id"], entry["MessageStructure"]) == (firing().firing_id, "json")
    assert entry["Subject"] == "AAPL above 150: 200.25"


def test_filter_policies_find_typed_attributes() -> None:
    assert message(firing())["MessageAttributes"] == {
        "symbol": {"DataType": "String", "StringValue": "AAPL"},
        "condition": {"DataType": "String", "StringValue": "above"},
        "owner": {"DataType": "String", "StringValue": "stack"},
        "rule_id": {"DataType": "String", "StringValue": "high-price-threshold"},
        "price": {"DataType": "Number", "StringValue": "200.25"},
    }


def test_an_empty_owner_is_no_attribute() -> None:
    assert message(firing(owner=""))["MessageAttributes"].keys() == {
        "symbol",
        "condition",
        "rule_id",
        "price",
    }


def test_an_unknown_price_before_is_null() -> None:
    assert fields(message(firing(previous_price=None)))["previous_price"] is None


@pytest.mark.parametrize(
    ("price", "text"), [("2E+2", "200"), ("1E-18", "0.000000000000000001"), ("0.1", "0.1")]
)
def test_prices_are_written_without_an_exponent(price: str, text: str) -> None:
    number = Decimal(price)
    entry = message(firing(price=number, previous_price=number, levels=(number,)))
    read = fields(entry)
    assert [read["price"], read["previous_price"], *read["levels"]] == [text] * 3
    assert entry["MessageAttributes"]["price"]["StringValue"] == text


@pytest.mark.parametrize("symbol", ["A", "A" * 32])
def test_the_subject_is_printable_and_short_enough_for_sns(symbol: str) -> None:
    entry = message(firing(symbol=symbol, levels=(LONGEST,), price=LONGEST, note="é\n"))
    assert re.fullmatch(r"[ -~]{1,99}", entry["Subject"])


def test_firings_go_out_in_one_request() -> None:
    topic, firings = Topic(), numbered(10)
    assert publish(topic, firings) == firings
    assert [request["TopicArn"] for request in topic.requests] == ["arn:topic"]
    assert topic.requests[0]["PublishBatchRequestEntries"] == [message(f) for f in firings]


def test_only_what_was_refused_is_tried_again() -> None:
    topic, firings = Topic(), numbered(3)
    topic.refused = lambda firing_id: firing_id != "f-0" and len(topic.requests) == 1
    assert publish(topic, firings) == firings
    assert topic.published == ["f-0", "f-1", "f-2"]


def test_what_is_refused_three_times_is_left() -> None:
    topic, firings = Topic(), numbered(3)
    topic.refused = lambda firing_id: firing_id == "f-1"
    assert publish(topic, firings) == [firings[0], firings[2]]
    assert len(topic.requests) == 3


def test_a_queue_that_subscribed_receives_the_firing(aws: None) -> None:
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    topic_arn = sns.create_topic(Name="alerts")["TopicArn"]
    queue_url = sqs.create_queue(QueueName="received")["QueueUrl"]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:123456789012:received",
        Attributes={"RawMessageDelivery": "true", "FilterPolicy": '{"symbol": ["AAPL"]}'},
    )
    firings = [firing(firing_id="other", symbol="MSFT"), firing()]
    assert Notifier(sns, topic_arn).publish(firings) == firings
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(entry["Body"])["firing_id"] for entry in received] == [firing().firing_id]
