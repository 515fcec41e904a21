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
from lib.local.emulator import Emulator
from lib.local.replay import Pipeline, find_pipeline, read_prices

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:tap-dev-price-alerts"
NOON = "2026-11-22T12:00:00Z"
PRICES = [
    {"timestamp": NOON, "symbol": "AAPL", "price": "200"},
    {"timestamp": NOON, "symbol": "IBM", "price": "100"},
]


@pytest.fixture
def sqs(aws: None) -> SQSClient:
    return boto3.client("sqs")


@pytest.fixture
def pipeline(sqs: SQSClient, table: Table) -> Pipeline:
    """A pipeline whose function does nothing."""
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName="/tap")
    logs.create_log_stream(logGroupName="/tap", logStreamName="one")
    return Pipeline(
        sqs=sqs,
        dynamodb=boto3.client("dynamodb"),
        logs=logs,
        queue_url=sqs.create_queue(QueueName="prices")["QueueUrl"],
        dlq_url=sqs.create_queue(QueueName="dead")["QueueUrl"],
        table_name=table.name,
        log_group="/tap",
    )


def counts(sqs: SQSClient, url: str) -> tuple[str, str]:
    """Return how many messages of a queue wait, and how many were only looked at."""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return (
        found["ApproximateNumberOfMessages"],
        found["ApproximateNumberOfMessagesNotVisible"],
    )


def test_prices_are_read_moment_by_moment_whatever_their_order(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("timestamp,symbol,price\n2001,A,3\n2000,A,1\n2001,B,4\n2000,B,2\n")
    moments = [[price["price"] for price in moment] for moment in read_prices(file)]
    assert moments == [["1", "2"], ["3", "4"]]
    real = [price for moment in read_prices(demo._PRICES) for price in moment]
    assert (len(real), real[0].keys()) == (560, PRICES[0].keys())


def test_a_subscriber_receives_each_published_message_once(sqs: SQSClient) -> None:
    subscriber = Subscriber(sqs)
    url = sqs.get_queue_url(QueueName="demo-subscriber")["QueueUrl"]
    sns = boto3.client("sns")
    topic_arn = sns.create_topic(Name="alerts")["TopicArn"]
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=subscriber.arn)
    sns.publish(TopicArn=topic_arn, Message='{"firing_id": "f-1"}')
    firings = iter(subscriber.receive(wait_seconds=0))
    assert next(firings) == {"firing_id": "f-1"}
    assert counts(sqs, url) == ("0", "1")  # until it is dealt with, it may be redelivered
    assert (list(firings), counts(sqs, url)) == ([], ("0", "0"))
    subscriber.close()
    assert "QueueUrls" not in sqs.list_queues()


def test_only_topics_of_the_account_may_send_to_a_subscriber(sqs: SQSClient) -> None:
    subscriber = Subscriber(sqs)
    url = sqs.get_queue_url(QueueName="demo-subscriber")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": subscriber.arn,
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:sns:us-east-1:123456789012:*"}},
    }


def test_a_subscriber_that_cannot_be_set_up_leaves_no_queue(sqs: SQSClient) -> None:
    def fail(**_: object) -> None:
        raise ConnectionError

    sqs.meta.events.register("before-call.sqs.SetQueueAttributes", fail)
    with pytest.raises(ConnectionError):
        Subscriber(sqs)
    assert "QueueUrls" not in sqs.list_queues()


class World:
    """The function, which deals with messages while somebody sleeps, and the module ``time``."""

    def __init__(self, table: Table, pipeline: Pipeline) -> None:
        self.now = 1_000.0
        self.to_come: list[Callable[[], object]] = []
        self._table = table
        self._message_id = ""
        pipeline.sqs.meta.events.register("after-call.sqs.SendMessage", self._note)

    def _note(self, parsed: dict[str, str], **_: object) -> None:
        self._message_id = parsed["MessageId"]

    def commits(self, symbol: str, **more: str) -> None:
        """Have the function write the symbol's state at the next sleep."""
        key = {"pk": f"SYMBOL#{symbol}", "sk": "STATE"}
        self.to_come.append(
            lambda: self._table.put_item(Item={**key, "message_id": self._message_id, **more})
        )

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _seconds: float) -> None:
        self.now += 1
        if self.to_come:
            self.to_come.pop(0)()


@pytest.fixture
def world(table: Table, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(table, pipeline)
    for module in ("lib.local.replay", "lib.client.subscriber"):
        monkeypatch.setattr(f"{module}.time", world)
    return world


def test_a_moment_is_one_message_and_lasts_until_each_symbol_is_dealt_with_and_delivered(
    sqs: SQSClient, pipeline: Pipeline, world: World
) -> None:
    world.commits("AAPL", outbox="a firing that is not published yet")
    world.commits("AAPL", step="a price that is not done yet")
    world.commits("IBM", message_id="of an earlier message")
    world.commits("IBM")
    world.commits("AAPL")
    pipeline.replay(PRICES)
    assert world.to_come == []
    assert pipeline.sent_at == {datetime.fromisoformat(NOON): 1_000.0}
    (message,) = sqs.receive_message(QueueUrl=pipeline.queue_url)["Messages"]
    assert json.loads(message["Body"]) == PRICES


@pytest.mark.usefixtures("world")
def test_a_replay_that_nobody_deals_with_is_given_up(pipeline: Pipeline) -> None:
    with pytest.raises(LocalError, match=f"the prices of {NOON} are not dealt with after 60 s"):
        pipeline.replay(PRICES)


def test_the_firings_recorded_are_those_on_all_pages_of_the_table(
    pipeline: Pipeline, table: Table
) -> None:
    table.put_item(Item={"pk": "SYMBOL#AAPL", "sk": "STATE", "firing_id": "no firing"})
    for number in range(4):
        firing = {"pk": "FIRINGS#AAPL", "sk": str(number), "firing_id": f"f-{number}"}
        table.put_item(Item={**firing, "padding": "x" * 390_000})
    assert pipeline.recorded_firing_ids() == {"f-0", "f-1", "f-2", "f-3"}


def test_dead_letters_are_received_once_and_known_by_their_ids(
    sqs: SQSClient, pipeline: Pipeline
) -> None:
    url = pipeline.dlq_url
    sent = [sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"] for body in "ab"]
    assert sorted(pipeline.dead_letter_ids(wait_seconds=0)) == sorted(sent)
    assert counts(sqs, url) == ("0", "0")
    assert pipeline.dead_letter_ids(wait_seconds=0) == []


def test_why_a_message_was_rejected_is_read_from_the_log(pipeline: Pipeline) -> None:
    messages = [
        "START RequestId: m-1",
        '{"message": "message rejected", "message_id": "m-1", "reason": "no price"}',
        '{"message": "message rejected", "message_id": "m-2", "reason": "another\'s"}',
        '{"message": "message received", "message_id": "m-1"}',
        '{"message": "cold start"}',
        '{"message": "message rejected", "message_id": "m-1", "reason": "still no price"}',
    ]
    pipeline.logs.put_log_events(
        logGroupName=pipeline.log_group,
        logStreamName="one",
        logEvents=[{"timestamp": 1_795_359_845_250, "message": each} for each in messages],
    )
    assert pipeline.refusals("m-1") == ["no price", "still no price"]


class Account(Emulator):
    """An account in which TapStack is being deployed; it is moto but for Lambda.

    moto gives a function no logging configuration.
    """

    mappings: list[dict[str, str]] = []  # noqa: RUF012  # replaced by each test

    def client(self, service: str) -> Any:
        return self if service == "lambda" else boto3.client(service)  # type: ignore[call-overload]  # any

    def list_event_source_mappings(self) -> dict[str, Any]:
        return {"EventSourceMappings": self.mappings}

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803  # boto3's name
        assert FunctionName == FUNCTION_ARN
        return {
            "Environment": {"Variables": {"TABLE_NAME": "tap-dev-alerts"}},
            "LoggingConfig": {"LogGroup": "/aws/lambda/tap-dev"},
        }


def test_a_pipeline_is_found_as_soon_as_it_has_its_mapping_and_its_dead_letter_queue(
    sqs: SQSClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, arn = Account("", "us-east-1"), "arn:aws:sqs:us-east-1:123456789012:tap-dev-"
    url, dlq_url = (
        sqs.create_queue(QueueName=f"tap-dev-{name}")["QueueUrl"] for name in ("prices", "dlq")
    )
    policy = json.dumps({"deadLetterTargetArn": f"{arn}dlq", "maxReceiveCount": 5})
    mapping = {"FunctionArn": FUNCTION_ARN, "EventSourceArn": f"{arn}prices"}

    assert find_pipeline(account) is None
    monkeypatch.setattr(Account, "mappings", [mapping])
    assert find_pipeline(account) is None
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": policy})
    pipeline = find_pipeline(account)

    assert pipeline
    assert (pipeline.queue_url, pipeline.dlq_url) == (url, dlq_url)
    assert (pipeline.table_name, pipeline.log_group) == ("tap-dev-alerts", "/aws/lambda/tap-dev")
    message_id = pipeline.send("body")
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert (message["Body"], message["MessageId"]) == ("body", message_id)
