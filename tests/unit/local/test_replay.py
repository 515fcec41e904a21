"""Prices on their way through a pipeline, and what is seen at its ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from lib.client.subscriber import Subscriber
from lib.formats.errors import LocalError
from lib.local import demo
from lib.local.replay import Pipeline, read_prices
from tests.unit.local.doubles import Mocked

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

AWS = Mocked("", "us-east-1")
NOON = "2026-11-22T12:00:00Z"
PRICES = [
    {"timestamp": NOON, "symbol": "AAPL", "price": "200"},
    {"timestamp": NOON, "symbol": "IBM", "price": "100"},
]


class Time:
    """Stands for the module ``time``: one thing happens each time that somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.to_come: list[Callable[[], object]] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _seconds: float) -> None:
        self.now += 1
        if self.to_come:
            self.to_come.pop(0)()


@pytest.fixture
def sqs(aws: None) -> SQSClient:
    return boto3.client("sqs")


@pytest.fixture
def pipeline(sqs: SQSClient, table: Table) -> Pipeline:
    """A pipeline whose function does nothing."""
    logs = AWS.client("logs")
    logs.create_log_group(logGroupName="/tap")
    logs.create_log_stream(logGroupName="/tap", logStreamName="one")
    return Pipeline(
        sqs=sqs,
        dynamodb=AWS.client("dynamodb"),
        logs=logs,
        queue_url=sqs.create_queue(QueueName="prices")["QueueUrl"],
        dlq_url=sqs.create_queue(QueueName="dead")["QueueUrl"],
        table_name=table.name,
        log_group="/tap",
    )


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    for module in ("lib.local.replay", "lib.client.subscriber"):
        monkeypatch.setattr(f"{module}.time", time)
    return time


def message_in(sqs: SQSClient, pipeline: Pipeline) -> Any:
    """Take the one message off the pipeline's queue."""
    [message] = sqs.receive_message(QueueUrl=pipeline.queue_url)["Messages"]
    return message


def write_log(pipeline: Pipeline, *messages: str) -> None:
    pipeline.logs.put_log_events(
        logGroupName=pipeline.log_group,
        logStreamName="one",
        logEvents=[{"timestamp": 1_795_359_845_250, "message": message} for message in messages],
    )


def test_prices_are_read_moment_by_moment_whatever_their_order(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("timestamp,symbol,price\n2001,A,3\n2000,A,1\n2001,B,4\n2000,B,2\n")
    moments = [[price["price"] for price in moment] for moment in read_prices(file)]
    assert moments == [["1", "2"], ["3", "4"]]


def test_the_real_prices_are_all_there() -> None:
    moments = read_prices(demo._PRICES)
    assert sum(map(len, moments)) == 560
    assert {price.keys() == PRICES[0].keys() for moment in moments for price in moment} == {True}


def test_what_the_topic_publishes_reaches_the_subscriber(aws: None) -> None:
    subscriber = Subscriber(AWS.client("sqs"))
    sns = AWS.client("sns")
    topic_arn = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=subscriber.arn)
    sns.publish(TopicArn=topic_arn, Message='{"firing_id": "f-1"}')
    assert list(subscriber.receive(wait_seconds=0)) == [{"firing_id": "f-1"}]


def in_flight(sqs: SQSClient, url: str) -> tuple[str, str]:
    """Count a queue's messages: those that wait, and those that were only looked at."""
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return (
        counts["ApproximateNumberOfMessages"],
        counts["ApproximateNumberOfMessagesNotVisible"],
    )


def announce(sqs: SQSClient) -> str:
    """Put an announcement on the subscriber's queue; returns the queue's address."""
    url = sqs.get_queue_url(QueueName="demo-subscriber")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"Message": "{}"}))
    return url


def test_what_was_received_is_gone(sqs: SQSClient) -> None:
    subscriber = Subscriber(AWS.client("sqs"))
    url = announce(sqs)
    list(subscriber.receive(wait_seconds=0))
    assert in_flight(sqs, url) == ("0", "0")


def test_what_was_not_dealt_with_comes_again(sqs: SQSClient) -> None:
    subscriber = Subscriber(AWS.client("sqs"))
    url = announce(sqs)
    next(iter(subscriber.receive(wait_seconds=0)))
    assert in_flight(sqs, url) == ("0", "1")


def test_a_subscriber_that_is_closed_leaves_no_queue(sqs: SQSClient) -> None:
    Subscriber(AWS.client("sqs"), "other").close()
    assert "QueueUrls" not in sqs.list_queues()


def test_a_topic_may_send_to_a_subscriber(sqs: SQSClient) -> None:
    subscriber = Subscriber(AWS.client("sqs"))
    url = sqs.get_queue_url(QueueName="demo-subscriber")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
    assert (statement["Action"], statement["Resource"]) == ("sqs:SendMessage", subscriber.arn)


def test_no_topic_of_another_account_may(sqs: SQSClient) -> None:
    Subscriber(AWS.client("sqs"))
    url = sqs.get_queue_url(QueueName="demo-subscriber")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:*"}
    }


def test_a_subscriber_that_cannot_be_made_leaves_no_queue(sqs: SQSClient) -> None:
    client = AWS.client("sqs")

    def refuse(**_: object) -> None:
        raise ConnectionError

    client.meta.events.register("before-call.sqs.SetQueueAttributes", refuse)
    with pytest.raises(ConnectionError):
        Subscriber(client)
    assert "QueueUrls" not in sqs.list_queues()


def test_an_empty_queue_holds_no_firings(aws: None) -> None:
    assert list(Subscriber(AWS.client("sqs")).receive(wait_seconds=0)) == []


def test_a_message_that_is_sent_is_known_by_its_identifier(
    sqs: SQSClient, pipeline: Pipeline
) -> None:
    identifier = pipeline.send("body")
    message = message_in(sqs, pipeline)
    assert (message["Body"], message["MessageId"]) == ("body", identifier)


class Function:
    """What the function does to the table once it has got the message."""

    def __init__(self, table: Table, pipeline: Pipeline) -> None:
        self._table = table
        self._sqs: Any = pipeline.sqs
        self._sqs.meta.events.register("after-call.sqs.SendMessage", self._note)
        self.message_id = ""

    def _note(self, parsed: dict[str, str], **_: object) -> None:
        self.message_id = parsed["MessageId"]

    def commits(self, symbol: str, **more: str) -> Callable[[], object]:
        return lambda: self._put(symbol, {"message_id": self.message_id} | more)

    def _put(self, symbol: str, fields: dict[str, str]) -> None:
        self._table.put_item(Item={"pk": f"SYMBOL#{symbol}", "sk": "STATE"} | fields)


@pytest.fixture
def function(table: Table, pipeline: Pipeline) -> Function:
    return Function(table, pipeline)


def test_a_moment_is_replayed_in_one_message(
    sqs: SQSClient, pipeline: Pipeline, function: Function, time: Time
) -> None:
    time.to_come = [function.commits("AAPL"), function.commits("IBM")]
    pipeline.replay(PRICES)
    assert json.loads(message_in(sqs, pipeline)["Body"]) == PRICES


def test_a_replay_lasts_until_every_symbol_is_dealt_with(
    pipeline: Pipeline, function: Function, time: Time
) -> None:
    time.to_come = [
        function.commits("AAPL"),
        function.commits("IBM", message_id="of an earlier message"),
        function.commits("IBM"),
    ]
    pipeline.replay(PRICES)
    assert time.to_come == []


def test_a_replay_lasts_until_every_firing_is_announced(
    pipeline: Pipeline, function: Function, time: Time
) -> None:
    time.to_come = [
        function.commits("IBM"),
        function.commits("AAPL", outbox="a firing that is not published yet"),
        function.commits("AAPL", step="a price that is not done yet"),
        function.commits("AAPL"),
    ]
    pipeline.replay(PRICES)
    assert time.to_come == []


def test_a_replay_remembers_when_it_sent_its_prices(
    pipeline: Pipeline, function: Function, time: Time
) -> None:
    time.to_come = [function.commits("AAPL"), function.commits("IBM")]
    pipeline.replay(PRICES)
    assert pipeline.sent_at == {datetime.fromisoformat(NOON): 1_000.0}


def test_a_replay_that_nobody_deals_with_is_given_up(pipeline: Pipeline, time: Time) -> None:
    with pytest.raises(LocalError, match=f"the prices of {NOON} are not dealt with after 60 s"):
        pipeline.replay(PRICES)


def test_the_firings_recorded_are_those_in_the_table(pipeline: Pipeline, table: Table) -> None:
    table.put_item(Item={"pk": "FIRINGS#AAPL", "sk": "1", "firing_id": "f-1"})
    table.put_item(Item={"pk": "SYMBOL#AAPL", "sk": "STATE", "firing_id": "no firing"})
    assert pipeline.recorded_firing_ids() == {"f-1"}


def test_the_firings_recorded_may_fill_many_pages(pipeline: Pipeline, table: Table) -> None:
    for number in range(4):
        firing = {"pk": "FIRINGS#AAPL", "sk": str(number), "firing_id": f"f-{number}"}
        table.put_item(Item={**firing, "padding": "x" * 390_000})
    assert pipeline.recorded_firing_ids() == {"f-0", "f-1", "f-2", "f-3"}


def test_the_dead_letters_are_known_by_their_identifiers(
    sqs: SQSClient, pipeline: Pipeline
) -> None:
    sent = [
        sqs.send_message(QueueUrl=pipeline.dlq_url, MessageBody=body)["MessageId"] for body in "ab"
    ]
    assert sorted(pipeline.dead_letter_ids(wait_seconds=0)) == sorted(sent)


def test_a_dead_letter_is_taken_once(sqs: SQSClient, pipeline: Pipeline) -> None:
    sqs.send_message(QueueUrl=pipeline.dlq_url, MessageBody="body")
    pipeline.dead_letter_ids(wait_seconds=0)
    assert in_flight(sqs, pipeline.dlq_url) == ("0", "0")


def test_an_empty_dead_letter_queue_holds_none(pipeline: Pipeline) -> None:
    assert pipeline.dead_letter_ids(wait_seconds=0) == []


def test_a_messages_refusals_are_read_from_the_log(pipeline: Pipeline) -> None:
    write_log(
        pipeline,
        "START RequestId: m-1",
        '{"message": "message rejected", "message_id": "m-1", "reason": "no price"}',
        '{"message": "message rejected", "message_id": "m-2", "reason": "another\'s"}',
        '{"message": "message received", "message_id": "m-1"}',
        '{"message": "cold start"}',
        '{"message": "message rejected", "message_id": "m-1", "reason": "still no price"}',
    )
    assert pipeline.refusals("m-1") == ["no price", "still no price"]
