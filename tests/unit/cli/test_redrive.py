from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from lib.cli.errors import CliError
from lib.cli.redrive import Redrive, redrive
from tests.unit.cli.doubles import Answer, answer_with, refusal
from tests.unit.doubles import NOW

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

VALID = '{"symbol": "AAPL", "price": 200}'
INVALID = "no JSON"
DLQ_ARN = "arn:aws:sqs:us-east-1:123456789012:tap-test-prices-dlq"


def task(started: int, status: str, moved: int = 0, **more: str) -> Answer:
    """A move of messages, as SQS tells of it."""
    return {
        "SourceArn": DLQ_ARN,
        "StartedTimestamp": started,
        "Status": status,
        "ApproximateNumberOfMessagesMoved": moved,
        **more,
    }


class Moves:
    """SQS's own moving of messages: what it tells each time that it is asked."""

    def __init__(self, sqs: SQSClient, dlq_url: str, *told: Answer | None) -> None:
        self.started: list[Answer] = []
        self.naps: list[float] = []
        self._told = list(told)
        sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
        answer_with(sqs, "ListMessageMoveTasks", self._list)
        answer_with(sqs, "StartMessageMoveTask", self._start)

    def _list(self, request: Answer) -> Answer:
        assert request == {"SourceArn": DLQ_ARN, "MaxResults": 1}
        told = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        return {"Results": [told]} if told else {}

    def _start(self, request: Answer) -> Answer:
        self.started.append(request)
        return {"TaskHandle": "handle"}


def cannot_move(sqs: SQSClient, answer: Answer) -> None:
    """Be an emulator that does not know how to move messages."""
    answer_with(sqs, "ListMessageMoveTasks", lambda _: answer)


def drive(sqs: SQSClient, dlq_url: str, queue_url: str, naps: list[float] | None = None) -> Redrive:
    slept = [] if naps is None else naps
    return redrive(sqs, dlq_url, queue_url, NOW, slept.append)


def bodies(sqs: SQSClient, url: str) -> Sequence[str]:
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return sorted(message["Body"] for message in messages)


def test_sqs_moves_the_messages_itself(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    moves = Moves(
        sqs,
        dlq_url,
        None,
        None,
        task(7, "RUNNING", 1),
        task(7, "RUNNING", 2),
        task(7, "COMPLETED", 3),
    )
    assert drive(sqs, dlq_url, queue_url, moves.naps) == Redrive(moved=3, refused=0)
    assert moves.started == [{"SourceArn": DLQ_ARN}]
    assert moves.naps == [1.0] * 3


def test_an_earlier_move_is_not_taken_for_this_one(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    before = task(6, "COMPLETED", 99)
    Moves(sqs, dlq_url, before, before, task(7, "COMPLETED", 1))
    assert drive(sqs, dlq_url, queue_url).moved == 1


@pytest.mark.parametrize("status", ["RUNNING", "CANCELLING"])
def test_a_second_move_at_the_same_time_is_refused(
    sqs: SQSClient, queue_url: str, dlq_url: str, status: str
) -> None:
    moves = Moves(sqs, dlq_url, task(6, status))
    with pytest.raises(CliError, match="are being moved already: wait until that is done"):
        drive(sqs, dlq_url, queue_url)
    assert moves.started == []


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (task(7, "FAILED", 2, FailureReason="AccessDenied"), "AccessDenied"),
        (task(7, "CANCELLED", 2), "cancelled"),
    ],
)
def test_a_move_that_does_not_end_well_says_why(
    sqs: SQSClient, queue_url: str, dlq_url: str, end: Answer, reason: str
) -> None:
    Moves(sqs, dlq_url, None, end)
    with pytest.raises(CliError, match=f"SQS moved 2 messages, then stopped: {reason}"):
        drive(sqs, dlq_url, queue_url)


@pytest.mark.parametrize("told", [None, task(7, "RUNNING", 1)])
def test_a_move_is_not_waited_for_for_ever(
    sqs: SQSClient, queue_url: str, dlq_url: str, told: Answer | None
) -> None:
    naps: list[float] = []
    Moves(sqs, dlq_url, None, told)
    with pytest.raises(CliError, match="SQS is still moving the dead letters"):
        drive(sqs, dlq_url, queue_url, naps)
    assert sum(naps) == 600


def test_a_move_that_is_denied_stays_an_error(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    cannot_move(sqs, refusal("AccessDenied", status=403))
    with pytest.raises(ClientError, match="AccessDenied"):
        drive(sqs, dlq_url, queue_url)


def test_those_that_will_be_refused_again_are_counted(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    sqs.send_message(QueueUrl=dlq_url, MessageBody=INVALID)
    Moves(sqs, dlq_url, None, task(7, "COMPLETED", 2))
    assert drive(sqs, dlq_url, queue_url) == Redrive(moved=2, refused=1)


def test_where_nothing_is_nothing_is_moved(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    assert drive(sqs, dlq_url, queue_url) == Redrive(0, 0)


@pytest.mark.parametrize(
    "answer",
    [
        refusal("InvalidAction"),
        refusal("AWS.SimpleQueueService.UnsupportedOperation"),
        refusal("UnknownOperationException"),
        refusal("", status=404),
        refusal("InternalFailure", status=501),
    ],
)
def test_where_sqs_cannot_move_messages_they_are_sent_and_deleted(
    sqs: SQSClient, queue_url: str, dlq_url: str, answer: Answer
) -> None:
    cannot_move(sqs, answer)
    for body in (VALID, INVALID):
        sqs.send_message(QueueUrl=dlq_url, MessageBody=body)
    assert drive(sqs, dlq_url, queue_url) == Redrive(moved=2, refused=1)
    assert bodies(sqs, queue_url) == sorted([VALID, INVALID])
    assert bodies(sqs, dlq_url) == []


def test_any_number_of_messages_is_sent_and_deleted(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    cannot_move(sqs, refusal("InvalidAction"))
    for _ in range(25):
        sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    assert drive(sqs, dlq_url, queue_url).moved == 25


def test_a_message_that_is_sent_again_keeps_its_attributes(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    cannot_move(sqs, refusal("InvalidAction"))
    sqs.send_message(
        QueueUrl=dlq_url,
        MessageBody=VALID,
        MessageAttributes={
            "feed": {"DataType": "String", "StringValue": "one"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    )
    drive(sqs, dlq_url, queue_url)
    [message] = sqs.receive_message(QueueUrl=queue_url, MessageAttributeNames=["All"])["Messages"]
    attributes = message["MessageAttributes"]
    assert (attributes["feed"]["StringValue"], attributes["raw"]["BinaryValue"]) == ("one", b"\x00")


def test_a_message_that_could_not_be_sent_is_not_deleted(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    cannot_move(sqs, refusal("InvalidAction"))
    sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    answer_with(sqs, "SendMessage", lambda _: refusal("OverLimit"))
    with pytest.raises(ClientError, match="OverLimit"):
        drive(sqs, dlq_url, queue_url)
    counts = sqs.get_queue_attributes(QueueUrl=dlq_url, AttributeNames=["All"])["Attributes"]
    assert counts["ApproximateNumberOfMessagesNotVisible"] == "1"


def test_a_message_that_comes_back_meanwhile_is_not_moved_twice(
    sqs: SQSClient, dlq_url: str
) -> None:
    """Here the queue that it is sent to is the dead-letter queue itself."""
    cannot_move(sqs, refusal("InvalidAction"))
    sqs.send_message(QueueUrl=dlq_url, MessageBody=INVALID)
    assert drive(sqs, dlq_url, dlq_url) == Redrive(moved=1, refused=1)
    assert bodies(sqs, dlq_url) == [INVALID]


def test_a_message_of_a_fifo_queue_keeps_its_group(sqs: SQSClient) -> None:
    source, queue = (
        sqs.create_queue(
            QueueName=name, Attributes={"FifoQueue": "true", "ContentBasedDeduplication": "true"}
        )["QueueUrl"]
        for name in ("dlq.fifo", "prices.fifo")
    )
    sqs.send_message(QueueUrl=source, MessageBody=VALID, MessageGroupId="AAPL")
    sqs.send_message(QueueUrl=queue, MessageBody=VALID, MessageGroupId="AAPL")  # as it came first
    cannot_move(sqs, refusal("InvalidAction"))
    assert drive(sqs, source, queue) == Redrive(1, 0)
    messages = sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    assert [each["Attributes"].get("MessageGroupId") for each in messages] == ["AAPL"] * 2
