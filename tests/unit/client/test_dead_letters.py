from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from lib.client.dead_letters import Redrive, letter_of, list_dead_letters, purge, redrive
from price_alerts.adapters.sqs import carried_attributes
from price_alerts.domain.ticks import parse_message
from tests.unit.client.doubles import Answer, answer_with, refusal
from tests.unit.doubles import NOW, Container, Topic

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

VALID = '{"symbol": "AAPL", "price": 200}'
INVALID = "no JSON"
DENIED = refusal("AccessDenied", status=403)


def send(sqs: SQSClient, url: str, *bodies: str, **more: Any) -> list[str]:
    return [sqs.send_message(QueueUrl=url, MessageBody=b, **more)["MessageId"] for b in bodies]


def received(sqs: SQSClient, url: str) -> Sequence[MessageTypeDef]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["All"],
    )
    return answer.get("Messages", [])


def counts(sqs: SQSClient, url: str) -> tuple[int, int]:
    """How many messages wait in the queue, and how many of them somebody is looking at."""
    found: Any = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return int(found[names[0]]), int(found[names[1]])


def answer_in_turn(sqs: SQSClient, operation: str, *answers: Answer | None) -> None:
    left = list(answers)
    answer_with(sqs, operation, lambda _: left.pop(0))


# --- what is in the queue ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (VALID, None),
        ('{"symbol": "AAPL", "price": "a lot"}', "tick 0: price must be a JSON number, or a stri"),
        (
            f'[{VALID}, 5, "x", {{}}]',
            "tick 1: must be a JSON object, and 2",
        ),
    ],
)
def test_a_dead_letter_has_the_handlers_reason(
    sqs: SQSClient, dlq_url: str, body: str, reason: str | None
) -> None:
    assert list_dead_letters(sqs, dlq_url, NOW) == []
    [message_id] = send(sqs, dlq_url, body)
    for count in (1, 2):
        [letter] = list_dead_letters(sqs, dlq_url, NOW)
        assert (letter.message_id, letter.receive_count) == (message_id, count)
        assert letter.is_refused == bool(reason)
        valid = "valid now: it was not finished in time, redrive it"
        assert letter.reason.startswith(reason or valid)
        assert letter.sent_at_microseconds > 1_700_000_000_000_000


def test_a_timestamp_is_compared_with_the_present(sqs: SQSClient, dlq_url: str) -> None:
    send(sqs, dlq_url, '{"symbol": "AAPL", "price": 1, "timestamp": "2026-11-22T15:10:00Z"}')
    refused = [
        list_dead_letters(sqs, dlq_url, now)[0].is_refused for now in (NOW, NOW + 300_000_000)
    ]
    assert refused == [True, False]


def test_dead_letters_keep_the_id_and_the_time_of_their_first_sending(
    sqs: SQSClient, dlq_url: str
) -> None:
    first = {"MessageAttributes": carried_attributes("first", 5_000, {})}
    binary = {"first_message_id": {"DataType": "Binary", "BinaryValue": b"x"}}
    send(sqs, dlq_url, VALID, VALID, **first)
    [other] = send(sqs, dlq_url, VALID, MessageAttributes=binary)
    letters = list_dead_letters(sqs, dlq_url, NOW)
    assert [letter.message_id for letter in letters] == ["first", "first", other]
    assert letters[0].sent_at_microseconds == 5_000


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        ("x" * 100, "x" * 60),
        ('\n{\n  "a":\t1\n}\n', '{ "a": 1 }'),
        ("red \x7f\u202eand", "red and"),
    ],
)
def test_a_preview_is_short_and_printable(
    sqs: SQSClient, dlq_url: str, body: str, preview: str
) -> None:
    send(sqs, dlq_url, body)
    assert list_dead_letters(sqs, dlq_url, NOW)[0].preview == preview


def test_a_list_has_each_message_once_and_leaves_all_in_the_queue(
    sqs: SQSClient, dlq_url: str
) -> None:
    sent = send(sqs, dlq_url, *[VALID] * 25)
    letters = list_dead_letters(sqs, dlq_url, NOW)
    assert sorted(letter.message_id for letter in letters) == sorted(sent)
    ages = [letter.sent_at_microseconds for letter in letters]
    assert ages == sorted(ages)
    assert len(list_dead_letters(sqs, dlq_url, NOW, limit=12)) == 12
    counted = sum(each.receive_count for each in list_dead_letters(sqs, dlq_url, NOW))
    assert counted == 25 + 20 + 25  # the limit stops the reading
    answer_in_turn(sqs, "ReceiveMessage", None, refusal("RequestThrottled"))
    with pytest.raises(ClientError, match="RequestThrottled"):
        list_dead_letters(sqs, dlq_url, NOW)
    assert counts(sqs, dlq_url) == (25, 0)


def message_of(**attributes: str) -> Answer:
    """An answer with one message, which moto would not give."""
    system = {"SentTimestamp": "1", "ApproximateReceiveCount": "1", **attributes}
    message = {"MessageId": "m-1", "ReceiptHandle": "r", "Body": VALID, "Attributes": system}
    return {"Messages": [message]}


def test_a_message_that_is_received_twice_is_listed_once(sqs: SQSClient, dlq_url: str) -> None:
    answer_with(sqs, "ReceiveMessage", lambda _: message_of())
    answer_with(sqs, "ChangeMessageVisibilityBatch", lambda _: {})
    assert len(list_dead_letters(sqs, dlq_url, NOW)) == 1


# --- back to the queue of prices ---------------------------------------------------------


def test_messages_are_moved_one_by_one(sqs: SQSClient, queue_url: str, dlq_url: str) -> None:
    reports: list[Redrive] = []
    assert redrive(sqs, dlq_url, queue_url, NOW) == Redrive()
    send(sqs, dlq_url, *[INVALID] * 2, *[VALID] * 23)
    # Nothing is left that would have to be released.
    answer_with(sqs, "ChangeMessageVisibilityBatch", lambda _: pytest.fail("released"))
    done = redrive(sqs, dlq_url, queue_url, NOW, on_progress=reports.append)
    assert done == reports[-1] == Redrive(moved=25, refused=2)
    assert [report.moved for report in reports] == list(range(1, 26))
    assert (counts(sqs, dlq_url), counts(sqs, queue_url)) == ((0, 0), (25, 0))


def test_a_message_that_was_applied_does_not_fire_again(
    sqs: SQSClient, queue_url: str, dlq_url: str, container: Container, topic: Topic
) -> None:
    """It has no timestamp, and keeps the id and the time of its first sending, however often."""

    def apply(url: str) -> tuple[str, int]:
        [message] = received(sqs, url)
        letter = letter_of(message, NOW)
        first = letter.message_id, letter.sent_at_microseconds
        container.process(parse_message(message["Body"], *first, NOW).ticks)
        sqs.change_message_visibility(
            QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
        return first

    send(sqs, dlq_url, VALID)
    first = apply(dlq_url)
    redrive(sqs, dlq_url, queue_url, NOW)
    redrive(sqs, queue_url, dlq_url, NOW)  # as if it had failed again
    redrive(sqs, dlq_url, queue_url, NOW)
    assert apply(queue_url) == first
    assert len(topic.published) == 1


@pytest.mark.parametrize("others", [0, 8])
def test_a_message_keeps_its_attributes_as_far_as_sqs_allows(
    sqs: SQSClient, queue_url: str, dlq_url: str, others: int
) -> None:
    attributes: Any = {
        "feed": {"DataType": "String", "StringValue": "one"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00"},
        **{f"a{n}": {"DataType": "String", "StringValue": "x"} for n in range(others)},
    }
    [message_id] = send(sqs, dlq_url, VALID, MessageAttributes=attributes)
    redrive(sqs, dlq_url, queue_url, NOW)
    [message] = received(sqs, queue_url)
    kept = message["MessageAttributes"]
    assert letter_of(message, NOW).message_id == message_id
    assert len(kept) <= 10
    if not others:
        assert (kept["feed"]["StringValue"], kept["raw"]["BinaryValue"]) == ("one", b"\x00")


@pytest.mark.parametrize(
    "code", ["InvalidMessageContents", "InvalidParameterValue", "InvalidParameterValueException"]
)
def test_a_message_that_sqs_rejects_stays_and_the_others_are_moved(
    sqs: SQSClient, queue_url: str, dlq_url: str, code: str
) -> None:
    sent = send(sqs, dlq_url, *[INVALID] * 12)
    answer_in_turn(sqs, "SendMessage", refusal(code, "too long"), *[None] * 11)
    reports: list[Redrive] = []
    done = redrive(sqs, dlq_url, queue_url, NOW, on_progress=reports.append)
    assert (done.moved, done.refused, [*done.unsent.values()]) == (11, 11, ["too long"])
    assert (reports[0].refused, len(reports)) == (0, 12)
    [message] = received(sqs, dlq_url)  # at once
    assert message["MessageId"] in done.unsent.keys() & set(sent)


@pytest.mark.parametrize(
    ("operation", "answers", "there", "left"),
    [("SendMessage", [None, DENIED], 1, 2), ("DeleteMessage", [DENIED, None, None, None], 4, 0)],
)
def test_another_error_ends_it_and_loses_nothing(  # noqa: PLR0917  # fixtures
    sqs: SQSClient,
    queue_url: str,
    dlq_url: str,
    operation: str,
    answers: list[Answer | None],
    there: int,
    left: int,
) -> None:
    send(sqs, dlq_url, *[VALID] * 3)
    answer_in_turn(sqs, operation, *answers)
    with pytest.raises(ClientError, match="AccessDenied"):
        redrive(sqs, dlq_url, queue_url, NOW)
    if operation == "DeleteMessage":  # sent twice, under one first id
        redrive(sqs, dlq_url, queue_url, NOW)
        ids = {letter_of(message, NOW).message_id for message in received(sqs, queue_url)}
        assert len(ids) == 3
    assert (sum(counts(sqs, queue_url)), counts(sqs, dlq_url)) == (there, (left, 0))


def test_a_message_that_is_rejected_again_meanwhile_is_not_moved_twice(
    sqs: SQSClient, dlq_url: str
) -> None:
    """Here the queue that it is sent to is the dead-letter queue itself."""
    send(sqs, dlq_url, INVALID)
    assert redrive(sqs, dlq_url, dlq_url, NOW) == Redrive(moved=1, refused=1)
    assert counts(sqs, dlq_url) == (1, 0)


def test_a_message_of_a_fifo_queue_keeps_its_group_and_is_no_duplicate(sqs: SQSClient) -> None:
    fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    source, queue = (
        sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"]
        for name in ("dlq.fifo", "prices.fifo")
    )
    for url in (source, queue):
        send(sqs, url, VALID, MessageGroupId="AAPL")
    assert redrive(sqs, source, queue, NOW) == Redrive(1, 0)
    groups = [each["Attributes"].get("MessageGroupId") for each in received(sqs, queue)]
    assert groups == ["AAPL"] * 2


def test_a_message_of_a_standard_queue_may_have_a_group(
    sqs: SQSClient, queue_url: str, dlq_url: str
) -> None:
    """It is about fairness there, and SQS rejects an id for deduplication."""
    requests: list[Answer] = []
    answer_in_turn(sqs, "ReceiveMessage", message_of(MessageGroupId="AAPL"), {})

    def send_message(request: Answer) -> Answer:
        requests.append(request)
        return {"MessageId": "m-2"}

    answer_with(sqs, "SendMessage", send_message)
    answer_with(sqs, "DeleteMessage", lambda _: {})
    redrive(sqs, dlq_url, queue_url, NOW)
    assert requests[0]["MessageGroupId"] == "AAPL"
    assert "MessageDeduplicationId" not in requests[0]


def test_why_a_purge_is_rejected_is_not_hidden(sqs: SQSClient, dlq_url: str) -> None:
    answer_with(sqs, "PurgeQueue", lambda _: refusal("AccessDenied"))
    with pytest.raises(ClientError, match="AccessDenied"):
        purge(sqs, dlq_url)
