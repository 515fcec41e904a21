from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from lib.client.dead_letters import list_dead_letters
from price_alerts.adapters.sqs import carried_attributes
from tests.unit.cli.doubles import Answer, answer_with, refusal
from tests.unit.doubles import NOW

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

VALID = '{"symbol": "AAPL", "price": 200}'
INVALID = '{"symbol": "AAPL", "price": "a lot"}'


@pytest.fixture
def url(dlq_url: str) -> str:
    return dlq_url


def send(sqs: SQSClient, url: str, body: str) -> str:
    return sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"]


def counts(sqs: SQSClient, url: str) -> tuple[str, str]:
    """How many messages wait in the queue, and how many of them somebody is looking at."""
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return (
        found["ApproximateNumberOfMessages"],
        found["ApproximateNumberOfMessagesNotVisible"],
    )


def test_an_empty_queue_lists_nothing(sqs: SQSClient, url: str) -> None:
    assert list_dead_letters(sqs, url, NOW) == []


def test_a_dead_letter_says_why_the_handler_refuses_it(sqs: SQSClient, url: str) -> None:
    message_id = send(sqs, url, INVALID)
    [letter] = list_dead_letters(sqs, url, NOW)
    assert (letter.message_id, letter.is_refused, letter.reason, letter.preview) == (
        message_id,
        True,
        "tick 0: price must be a JSON number, or a string that holds one",
        INVALID,
    )


def test_a_dead_letter_with_several_faults_tells_the_first_and_their_number(
    sqs: SQSClient, url: str
) -> None:
    send(sqs, url, f"[{VALID}, 5, {INVALID}, {{}}]")
    [letter] = list_dead_letters(sqs, url, NOW)
    assert letter.reason == "tick 1: must be a JSON object, and 2 more"


def test_a_dead_letter_that_was_sent_again_has_the_id_and_time_of_the_first_time(
    sqs: SQSClient, url: str
) -> None:
    sqs.send_message(
        QueueUrl=url,
        MessageBody=VALID,
        MessageAttributes=carried_attributes("first", 5_000, {}),
    )
    [letter] = list_dead_letters(sqs, url, NOW)
    assert (letter.message_id, letter.sent_at_microseconds) == ("first", 5_000)


def test_dead_letters_that_were_sent_first_as_one_are_listed_each(sqs: SQSClient, url: str) -> None:
    for _ in range(2):
        sqs.send_message(
            QueueUrl=url,
            MessageBody=VALID,
            MessageAttributes=carried_attributes("first", 5_000, {}),
        )
    assert [each.message_id for each in list_dead_letters(sqs, url, NOW)] == ["first", "first"]


def test_attributes_of_any_kind_are_passed_over(sqs: SQSClient, url: str) -> None:
    message_id = sqs.send_message(
        QueueUrl=url,
        MessageBody=VALID,
        MessageAttributes={"first_message_id": {"DataType": "Binary", "BinaryValue": b"x"}},
    )["MessageId"]
    [letter] = list_dead_letters(sqs, url, NOW)
    assert letter.message_id == message_id


def test_a_dead_letter_that_is_valid_now_is_to_be_redriven(sqs: SQSClient, url: str) -> None:
    send(sqs, url, VALID)
    [letter] = list_dead_letters(sqs, url, NOW)
    assert not letter.is_refused
    assert letter.reason == "valid now: it was not finished in time, redrive it"


def test_a_timestamp_is_held_against_the_present(sqs: SQSClient, url: str) -> None:
    send(sqs, url, '{"symbol": "AAPL", "price": 1, "timestamp": "2026-11-22T15:10:00Z"}')
    [then] = list_dead_letters(sqs, url, NOW)
    [later] = list_dead_letters(sqs, url, NOW + 300_000_000)
    assert (then.is_refused, later.is_refused) == (True, False)


def test_a_dead_letter_tells_its_age_and_how_often_it_was_received(
    sqs: SQSClient, url: str
) -> None:
    send(sqs, url, VALID)
    [first] = list_dead_letters(sqs, url, NOW)
    [second] = list_dead_letters(sqs, url, NOW)
    assert (first.receive_count, second.receive_count) == (1, 2)
    assert first.sent_at_microseconds == second.sent_at_microseconds > 1_700_000_000_000_000


@pytest.mark.parametrize(
    ("body", "preview"),
    [
        ("x" * 100, "x" * 60),
        ('\n{\n  "a":\t1\n}\n', '{ "a": 1 }'),
        ("red \x7f\u202eand", "red and"),
    ],
)
def test_a_preview_is_short_and_printable(
    sqs: SQSClient, url: str, body: str, preview: str
) -> None:
    send(sqs, url, body)
    [letter] = list_dead_letters(sqs, url, NOW)
    assert letter.preview == preview


def test_many_dead_letters_are_listed_once_each_the_oldest_first(sqs: SQSClient, url: str) -> None:
    sent = {send(sqs, url, VALID) for _ in range(25)}
    letters = list_dead_letters(sqs, url, NOW)
    assert {letter.message_id for letter in letters} == sent
    assert len(letters) == 25
    ages = [letter.sent_at_microseconds for letter in letters]
    assert ages == sorted(ages)


def test_a_message_that_comes_twice_is_listed_once(sqs: SQSClient, url: str) -> None:
    message = {
        "MessageId": "m-1",
        "ReceiptHandle": "r",
        "Body": VALID,
        "Attributes": {"SentTimestamp": "1", "ApproximateReceiveCount": "1"},
    }
    answer_with(sqs, "ReceiveMessage", lambda _: {"Messages": [message]})
    answer_with(sqs, "ChangeMessageVisibilityBatch", lambda _: {})
    assert len(list_dead_letters(sqs, url, NOW)) == 1


def test_no_more_are_listed_than_wanted(sqs: SQSClient, url: str) -> None:
    for _ in range(25):
        send(sqs, url, VALID)
    assert len(list_dead_letters(sqs, url, NOW, limit=12)) == 12
    assert counts(sqs, url) == ("25", "0")


def test_a_list_leaves_all_where_it_was(sqs: SQSClient, url: str) -> None:
    for _ in range(12):
        send(sqs, url, INVALID)
    list_dead_letters(sqs, url, NOW)
    assert counts(sqs, url) == ("12", "0")


def test_a_list_that_is_interrupted_leaves_all_where_it_was(sqs: SQSClient, url: str) -> None:
    for _ in range(12):
        send(sqs, url, INVALID)
    answers: list[Answer | None] = [None, refusal("RequestThrottled")]
    answer_with(sqs, "ReceiveMessage", lambda _: answers.pop(0))
    with pytest.raises(ClientError, match="RequestThrottled"):
        list_dead_letters(sqs, url, NOW)
    assert counts(sqs, url) == ("12", "0")
