from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.client.dead_letters import letter_of
from lib.client.redrive import Redrive, redrive
from price_alerts.domain.ticks import parse_message
from tests.unit.cli.doubles import Answer, answer_with, refusal
from tests.unit.doubles import NOW, Container, Topic

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

VALID = '{"symbol": "AAPL", "price": 200}'
INVALID = "no JSON"
# SQS: attributes of a message
MOST_ATTRIBUTES = 10


def received(sqs: SQSClient, url: str) -> Sequence[MessageTypeDef]:
    return sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    ).get("Messages", [])


def bodies(sqs: SQSClient, url: str) -> Sequence[str]:
    return sorted(message["Body"] for message in received(sqs, url))


def counts(sqs: SQSClient, url: str) -> tuple[str, str]:
    """How many messages wait in the queue, and how many of them somebody is looking at."""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return (
        found["ApproximateNumberOfMessages"],
        found["ApproximateNumberOfMessagesNotVisible"],
    )


def fail_to_send(sqs: SQSClient, *answers: Answer | None) -> None:
    """Have the sending of messages answered in turn; ``None`` sends one."""
    left = list(answers)
    answer_with(sqs, "SendMessage", lambda _: left.pop(0))


REJECTED = refusal("InvalidParameterValue", "Message must be shorter than 262144 bytes.")


def test_messages_are_sent_back_and_deleted(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    for body in (VALID, INVALID):
        sqs.send_message(QueueUrl=dlq_url, MessageBody=body)
    assert redrive(sqs, dlq_url, queue_url, NOW) == Redrive(moved=2, refused=1)
    assert bodies(sqs, queue_url) == sorted([VALID, INVALID])
    assert counts(sqs, dlq_url) == ("0", "0")


def test_where_nothing_is_nothing_is_moved(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    assert redrive(sqs, dlq_url, queue_url, NOW) == Redrive()


def test_any_number_of_messages_is_moved(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    for _ in range(25):
        sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    assert redrive(sqs, dlq_url, queue_url, NOW).moved == 25


def test_how_far_it_has_come_is_said_after_each_message(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    for _ in range(3):
        sqs.send_message(QueueUrl=dlq_url, MessageBody=INVALID)
    said: list[Redrive] = []
    redrive(sqs, dlq_url, queue_url, NOW, on_progress=said.append)
    assert said == [Redrive(1, 1), Redrive(2, 2), Redrive(3, 3)]


def test_a_message_keeps_the_id_and_the_time_under_which_it_was_sent_first(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    message_id = sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)["MessageId"]
    [first] = received(sqs, dlq_url)
    sqs.change_message_visibility(
        QueueUrl=dlq_url, ReceiptHandle=first["ReceiptHandle"], VisibilityTimeout=0
    )
    redrive(sqs, dlq_url, queue_url, NOW)
    redrive(sqs, queue_url, dlq_url, NOW)  # as if it were given up again
    redrive(sqs, dlq_url, queue_url, NOW)
    [message] = received(sqs, queue_url)
    letter = letter_of(message, NOW)
    assert message["MessageId"] != message_id == letter.message_id
    assert letter.sent_at_microseconds == int(first["Attributes"]["SentTimestamp"]) * 1_000


def test_what_was_applied_does_not_fire_again(
    sqs: SQSClient, queue_url: str, dlq_url: str, container: Container, topic: Topic
) -> None:
    """Its price has no timestamp, and so counts from when it was sent first."""

    def apply(url: str) -> None:
        [message] = received(sqs, url)
        letter = letter_of(message, NOW)
        content = parse_message(
            message["Body"], letter.message_id, letter.sent_at_microseconds, NOW
        )
        container.process(content.ticks)
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )

    sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    apply(dlq_url)
    redrive(sqs, dlq_url, queue_url, NOW)
    apply(queue_url)
    assert len(topic.published) == 1


def test_a_message_keeps_its_attributes(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    sqs.send_message(
        QueueUrl=dlq_url,
        MessageBody=VALID,
        MessageAttributes={
            "feed": {"DataType": "String", "StringValue": "one"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    )
    redrive(sqs, dlq_url, queue_url, NOW)
    [message] = received(sqs, queue_url)
    attributes = message["MessageAttributes"]
    assert (attributes["feed"]["StringValue"], attributes["raw"]["BinaryValue"]) == ("one", b"\x00")


def test_a_message_may_have_as_many_attributes_as_there_can_be(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    attributes: Any = {
        f"a{number}": {"DataType": "String", "StringValue": "x"}
        for number in range(MOST_ATTRIBUTES)
    }
    message_id = sqs.send_message(
        QueueUrl=dlq_url, MessageBody=VALID, MessageAttributes=attributes
    )["MessageId"]
    redrive(sqs, dlq_url, queue_url, NOW)
    [message] = received(sqs, queue_url)
    assert letter_of(message, NOW).message_id == message_id
    assert len(message["MessageAttributes"]) <= MOST_ATTRIBUTES


@pytest.mark.parametrize(
    "code", ["InvalidMessageContents", "InvalidParameterValue", "InvalidParameterValueException"]
)
def test_a_message_that_sqs_rejects_stays_and_the_others_are_moved(
    sqs: SQSClient, queue_url: str, dlq_url: str, code: str
) -> None:
    sent = [sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)["MessageId"] for _ in range(12)]
    fail_to_send(sqs, refusal(code, "too long"), *[None] * 11)
    done = redrive(sqs, dlq_url, queue_url, NOW)
    assert (done.moved, list(done.unsent.values())) == (11, ["too long"])
    assert set(done.unsent) < set(sent)
    [message] = received(sqs, dlq_url)  # at once
    assert message["MessageId"] in done.unsent


def test_a_message_that_sqs_rejects_is_not_counted_as_refused(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    sqs.send_message(QueueUrl=dlq_url, MessageBody=INVALID)
    fail_to_send(sqs, REJECTED)
    said: list[Redrive] = []
    redrive(sqs, dlq_url, queue_url, NOW, on_progress=said.append)
    assert [(done.moved, done.refused, len(done.unsent)) for done in said] == [(0, 0, 1)]


def test_any_other_error_ends_it_and_the_rest_stays(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    for _ in range(3):
        sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    fail_to_send(sqs, None, refusal("AccessDenied", status=403))
    with pytest.raises(ClientError, match="AccessDenied"):
        redrive(sqs, dlq_url, queue_url, NOW)
    assert (counts(sqs, queue_url), counts(sqs, dlq_url)) == (("1", "0"), ("2", "0"))


def test_a_message_that_was_sent_and_not_deleted_is_recognised_by_its_first_id(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    sqs.send_message(QueueUrl=dlq_url, MessageBody=VALID)
    answers = [refusal("AccessDenied", status=403), None]
    answer_with(sqs, "DeleteMessage", lambda _: answers.pop(0))
    with pytest.raises(ClientError, match="AccessDenied"):
        redrive(sqs, dlq_url, queue_url, NOW)
    redrive(sqs, dlq_url, queue_url, NOW)
    one, other = (letter_of(message, NOW) for message in received(sqs, queue_url))
    assert one.message_id == other.message_id
    assert one.sent_at_microseconds == other.sent_at_microseconds


def test_a_message_that_comes_back_meanwhile_is_not_moved_twice(
    sqs: SQSClient, dlq_url: str
) -> None:
    """Here the queue that it is sent to is the dead-letter queue itself."""
    sqs.send_message(QueueUrl=dlq_url, MessageBody=INVALID)
    assert redrive(sqs, dlq_url, dlq_url, NOW) == Redrive(moved=1, refused=1)
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
    assert redrive(sqs, source, queue, NOW) == Redrive(1, 0)
    messages = received(sqs, queue)
    assert [each["Attributes"].get("MessageGroupId") for each in messages] == ["AAPL"] * 2


def test_a_message_of_a_standard_queue_may_have_a_group(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    """There it is about fairness, and an id for deduplication is rejected."""
    message = {
        "MessageId": "m-1",
        "ReceiptHandle": "r",
        "Body": VALID,
        "Attributes": {
            "SentTimestamp": "1",
            "ApproximateReceiveCount": "1",
            "MessageGroupId": "AAPL",
        },
    }
    answers: list[Answer] = [{"Messages": [message]}, {}]
    requests: list[Answer] = []

    def send(request: Answer) -> Answer:
        requests.append(request)
        return {"MessageId": "m-2"}

    answer_with(sqs, "ReceiveMessage", lambda _: answers.pop(0))
    answer_with(sqs, "SendMessage", send)
    answer_with(sqs, "DeleteMessage", lambda _: {})
    redrive(sqs, dlq_url, queue_url, NOW)
    [request] = requests
    assert request["MessageGroupId"] == "AAPL"
    assert "MessageDeduplicationId" not in request
