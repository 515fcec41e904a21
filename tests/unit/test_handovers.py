"""Messages that need more time are sent again by the function, and recognised when they come."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError

from price_alerts.batch import Batch
from price_alerts.domain.ticks import Position, Tick
from tests.unit.doubles import NOW, SECOND, add_rules, body_of, items_of, rule

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

MOST_HANDOVERS = 15
TRIES = {"ApproximateReceiveCount": "1", "SentTimestamp": str(NOW // 1_000)}

Sent = list[dict[str, Any]]
_ids = itertools.count()


@pytest.fixture
def sent() -> Iterator[Sent]:
    """The parameters of the messages that are sent to SQS from now on."""
    requests: Sent = []
    name = "before-parameter-build.sqs.SendMessage"

    def keep(params: Any, **_: Any) -> None:
        requests.append(dict(params))

    boto3.setup_default_session()
    session: Any = boto3.DEFAULT_SESSION
    session.events.register(name, keep)
    yield requests
    session.events.unregister(name, keep)


@pytest.fixture
def queue_url(aws: None) -> str:
    return boto3.client("sqs").create_queue(QueueName="prices")["QueueUrl"]


@pytest.fixture
def index(
    load_index: Callable[[], ModuleType], queue_url: str, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    monkeypatch.setenv("QUEUE_URL", queue_url)
    return load_index()


Given = list[tuple[list[Tick], Batch]]


@pytest.fixture
def given(index: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Given:
    """What the handler gives to its processor, which finishes nothing here."""
    work: Given = []

    def process(ticks: list[Tick], batch: Batch, symbols: object) -> None:
        work.append((ticks, batch))
        batch.unfinished("AAPL", ticks)

    monkeypatch.setattr(index._processor, "process", process)
    monkeypatch.setattr(index, "_now_microseconds", lambda: NOW)
    return work


def record(message_id: str = "m-1", body: str = "", **more: Any) -> dict[str, Any]:
    return {"messageId": message_id, "body": body or body_of(), "attributes": TRIES, **more}


def carrying(**texts: str) -> dict[str, Any]:
    """Build message attributes as Lambda passes them on."""
    return {
        name: {
            "stringValue": text,
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Number" if text.isdecimal() else "String",
        }
        for name, text in texts.items()
    }


def arrived(request: Mapping[str, Any]) -> dict[str, Any]:
    """Build the record of a message that was sent, under the next id and a later time."""
    return {
        "messageId": f"copy-{next(_ids)}",
        "body": request["MessageBody"],
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": str(NOW // 1_000 + 90_000),
        },
        "messageAttributes": carrying(
            **{name: value["StringValue"] for name, value in request["MessageAttributes"].items()}
        ),
    }


def handle(index: ModuleType, *records: dict[str, Any], remaining: int = 10_000) -> list[str]:
    """Handle a batch; returns the ids of the messages that fail."""
    context = SimpleNamespace(
        aws_request_id="request-1", get_remaining_time_in_millis=lambda: remaining
    )
    answer = index.handler({"Records": list(records)}, context)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def metrics_of(lines: Callable[[], list[dict[str, Any]]]) -> dict[str, float]:
    (metrics,) = [line for line in lines() if "_aws" in line]
    names = ("Messages", "FailedMessages", "HandedOverMessages")
    return {name: metrics[name][0] for name in names}


@pytest.mark.usefixtures("given")
def test_a_message_that_needs_more_time_is_sent_again_and_does_not_fail(
    index: ModuleType, sent: Sent, queue_url: str
) -> None:
    assert handle(index, record("m-1")) == []
    (request,) = sent
    assert (request["QueueUrl"], request["MessageBody"]) == (queue_url, body_of())
    assert request["DelaySeconds"] > 0


def test_a_copy_has_the_position_of_the_first_message(
    index: ModuleType, sent: Sent, given: Given
) -> None:
    handle(index, record("m-1"))
    handle(index, arrived(sent[0]))
    handle(index, arrived(sent[1]))
    positions = {tick.position for ticks, _ in given for tick in ticks}
    assert positions == {Position(NOW, 0, NOW, "m-1", 0)}


def test_a_copy_is_known_to_have_come_before(index: ModuleType, sent: Sent, given: Given) -> None:
    handle(index, record("m-1"))
    handle(index, arrived(sent[0]))
    assert [batch.repeated_message_ids for _, batch in given] == [set(), {"m-1"}]


@pytest.mark.usefixtures("given")
def test_a_copy_that_fails_is_named_by_its_own_id(
    index: ModuleType, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle(index, record("m-1"))
    copy = arrived(sent[0])

    def process(ticks: list[Tick], batch: Batch, symbols: object) -> None:
        batch.failed("AAPL", ticks, ConnectionError("no answer"))

    monkeypatch.setattr(index._processor, "process", process)
    assert handle(index, copy) == [copy["messageId"]]


def test_what_a_message_did_before_it_was_sent_again_is_not_done_twice(
    index: ModuleType, table: Table, sent: Sent
) -> None:
    """One symbol of it is done, and another waits for somebody's delivery."""
    add_rules(table, rule("up", 100))
    table.put_item(
        Item={
            "pk": "SYMBOL#BUSY",
            "sk": "STATE",
            "version": 1,
            "lease_owner": "somebody",
            "lease_until_microseconds": 2**53,
            "outbox": {"version": 1, "firings": [], "changes": {}, "checked_rule_ids": []},
        }
    )
    bodies = [body_of(price="99"), body_of(price="101"), body_of(symbol='"BUSY"', price="200")]
    assert handle(index, record("m-1", f"[{', '.join(bodies)}]")) == []
    table.update_item(
        Key={"pk": "SYMBOL#BUSY", "sk": "STATE"},
        UpdateExpression="REMOVE outbox, lease_owner, lease_until_microseconds",
    )
    vars(index)["_processor"] = index.build_processor(index.config, index.table, index.sns)
    (request,) = sent
    assert handle(index, arrived(request)) == []
    fired = [(item["rule"], item["message_id"]) for item in items_of(table, "FIRINGS#")]
    assert fired == [("up", "m-1"), ("high-price-threshold", "m-1")]
    assert len(sent) == 1


def test_a_copy_and_its_message_in_one_batch_count_once(index: ModuleType, table: Table) -> None:
    copy = {
        **record("copy-1", body_of(price="200")),
        "messageAttributes": carrying(
            first_message_id="m-1", first_sent_at_milliseconds=TRIES["SentTimestamp"]
        ),
    }
    assert handle(index, record("m-1", body_of(price="200")), copy) == []
    (firing,) = items_of(table, "FIRINGS#")
    assert firing["message_id"] == "m-1"


@pytest.mark.usefixtures("given")
def test_a_message_is_sent_again_fifteen_times_and_then_fails(
    index: ModuleType, sent: Sent
) -> None:
    next_record = record("m-1")
    for _ in range(MOST_HANDOVERS):
        assert handle(index, next_record) == []
        next_record = arrived(sent[-1])
    assert handle(index, next_record) == [next_record["messageId"]]
    assert len(sent) == MOST_HANDOVERS


@pytest.mark.usefixtures("given")
def test_the_other_attributes_of_a_message_go_with_it(index: ModuleType, sent: Sent) -> None:
    handle(index, record("m-1", messageAttributes=carrying(source="feed-7")))
    attributes = sent[0]["MessageAttributes"]
    assert attributes["source"] == {"DataType": "String", "StringValue": "feed-7"}


@pytest.mark.usefixtures("given")
def test_in_a_fifo_queue_a_message_keeps_its_place_and_fails(index: ModuleType, sent: Sent) -> None:
    fifo: dict[str, Any] = {
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:prices.fifo",
        "attributes": {**TRIES, "MessageGroupId": "AAPL"},
    }
    assert handle(index, record("m-1", **fifo)) == ["m-1"]
    assert sent == []


@pytest.mark.usefixtures("given")
def test_without_a_queue_a_message_fails(
    index: ModuleType, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "config", index.config._replace(queue_url=""))
    assert (handle(index, record("m-1")), sent) == (["m-1"], [])


@pytest.mark.usefixtures("given")
def test_what_sqs_does_not_accept_fails(
    index: ModuleType,
    queue_url: str,
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    boto3.client("sqs").delete_queue(QueueUrl=queue_url)
    assert handle(index, record("m-1"), record("m-2")) == ["m-1", "m-2"]
    printed = lines()
    errors = [line for line in printed if line.get("level") == "ERROR"]
    assert [(error["message"], error["message_id"]) for error in errors] == [
        ("not handed over", "m-1"),
        ("not handed over", "m-2"),
    ]
    (metrics,) = [line for line in printed if "_aws" in line]
    assert (metrics["FailedMessages"], metrics["HandedOverMessages"]) == ([2.0], [0.0])


@pytest.mark.usefixtures("given")
def test_where_sqs_cannot_be_reached_it_is_tried_once(
    index: ModuleType, monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    def send_message(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://sqs")

    monkeypatch.setattr(index, "_queue", lambda: SimpleNamespace(send_message=send_message))
    assert handle(index, record("m-1"), record("m-2")) == ["m-1", "m-2"]
    (error,) = [line for line in lines() if line.get("level") == "ERROR"]
    assert error["message_id"] == "m-1"


@pytest.mark.usefixtures("given")
def test_a_message_that_is_in_a_batch_twice_is_sent_once(index: ModuleType, sent: Sent) -> None:
    assert handle(index, record("m-1"), record("m-1")) == []
    assert len(sent) == 1


@pytest.mark.usefixtures("given")
def test_what_was_sent_again_is_counted(
    index: ModuleType, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    handle(index, record("m-1"), record("m-2"), record("m-3", "{"))
    assert metrics_of(lines) == {"Messages": 3, "FailedMessages": 1, "HandedOverMessages": 2}


@pytest.mark.usefixtures("given")
def test_a_copy_beside_its_message_is_counted_like_any_other(
    index: ModuleType, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    copy = record("copy-1", messageAttributes=carrying(first_message_id="m-1"))
    handle(index, record("m-1"), copy)
    assert metrics_of(lines)["FailedMessages"] == 0


def test_what_fails_is_not_sent_again(
    index: ModuleType, sent: Sent, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    def process(ticks: list[Tick], batch: Batch, symbols: object) -> None:
        batch.unfinished("AAPL", ticks)
        batch.failed("MSFT", ticks[:1], ConnectionError("no answer"))

    monkeypatch.setattr(index._processor, "process", process)
    assert handle(index, record("m-1"), record("m-2")) == ["m-1"]
    assert [
        request["MessageAttributes"]["first_message_id"]["StringValue"] for request in sent
    ] == ["m-2"]


@pytest.mark.usefixtures("given")
def test_without_time_nothing_is_sent_again(index: ModuleType, sent: Sent) -> None:
    assert handle(index, record("m-1"), remaining=0) == ["m-1"]
    assert sent == []


@pytest.mark.usefixtures("given")
def test_where_time_runs_out_those_with_the_fewest_tries_left_were_sent_first(
    index: ModuleType, sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(message_id: str, count: int) -> dict[str, Any]:
        attributes = {**TRIES, "ApproximateReceiveCount": str(count)}
        return record(message_id, attributes=attributes)

    monkeypatch.setattr(index, "_now_microseconds", lambda: NOW + len(sent) * 6 * SECOND)
    records = [tried("m-1", 1), tried("m-4", 4), tried("m-2", 2)]
    assert handle(index, *records) == ["m-1"]


@pytest.mark.usefixtures("given")
def test_an_invalid_message_is_not_sent_again(index: ModuleType, sent: Sent) -> None:
    assert (handle(index, record("m-1", "{")), sent) == (["m-1"], [])


def test_a_repair_sends_nothing(index: ModuleType, sent: Sent, given: Given) -> None:
    assert index.handler({"repair": ["AAPL"]}, None) == {"unfinished": ["AAPL"]}
    assert sent == []


_DIGITS = "9" * 5_000


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"handovers": _DIGITS}, id="handovers"),
        pytest.param({"first_sent_at_milliseconds": _DIGITS}, id="time"),
        pytest.param({"first_sent_at_milliseconds": "9" * 30}, id="time of 30 digits"),
    ],
)
def test_hostile_attributes_do_not_harm_other_messages_nor_later_ones(
    index: ModuleType, table: Table, attributes: dict[str, str]
) -> None:
    high = body_of(price="200")
    hostile = record("m-1", high, messageAttributes=carrying(**attributes))
    handle(index, hostile, record("m-2", body_of(symbol='"GOOD"', price="200")))
    assert handle(index, record("m-3")) == []
    assert len(items_of(table, "FIRINGS#GOOD#")) == 1
    assert [item["pk"] for item in items_of(table, "SYMBOL#") if "outbox" in item] == []
