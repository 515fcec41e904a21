"""The dead-letter queue: what lies in it, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from price_alerts.adapters.sqs import Record
from price_alerts.domain.shapes import SHAPES, Shape
from price_alerts.domain.ticks import parse_message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_VALID = "valid now: it was not finished in time, redrive it"
_PREVIEW_CHARACTERS = 60
# For as long as it takes to look at all of them, nobody gets the same message twice.
_VISIBILITY_SECONDS = 60
# With it SQS asks all of its servers; without it, a message can seem to be gone.
_WAIT_SECONDS = 1
_MAX_MESSAGES = 10  # SQS: messages in a request
_MAX_LETTERS = 1_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in the dead-letter queue.

    Attributes
    ----------
    message_id
        The id under which it was sent first; log and history name it so.
    sent_at_microseconds
        When it was sent first.
    receive_count
        How often it has been received; looking at it counts as well.
    is_refused
        Whether the handler would refuse it again.
    reason
        Why, in the handler's own words.
    preview
        How its body begins: up to 60 printable characters.
    """

    message_id: str
    sent_at_microseconds: int
    receive_count: int
    is_refused: bool
    reason: str
    preview: str


def list_dead_letters(
    sqs: SQSClient,
    queue_url: str,
    now_microseconds: int,
    limit: int = _MAX_LETTERS,
    shapes: Sequence[Shape] = SHAPES,
) -> list[DeadLetter]:
    """Look at the messages, which stay where they are.

    Parameters
    ----------
    sqs, queue_url
        The dead-letter queue.
    now_microseconds
        The present, for the handler's check.
    limit
        The most that are looked at.
    shapes
        What feeds emit.

    Returns
    -------
    list of DeadLetter
        The oldest first; without those that somebody else is looking at.
    """
    letters: dict[str, DeadLetter] = {}
    receipts: list[str] = []
    try:
        while len(letters) < limit:
            messages = receive(sqs, queue_url)
            receipts += [message["ReceiptHandle"] for message in messages]
            known = len(letters)
            letters |= {
                message["MessageId"]: letter_of(message, now_microseconds, shapes)
                for message in messages
            }
            if len(letters) == known:
                break
    finally:
        release(sqs, queue_url, receipts)
    return sorted(letters.values(), key=lambda letter: letter.sent_at_microseconds)[:limit]


def receive(sqs: SQSClient, queue_url: str) -> Sequence[MessageTypeDef]:
    """Take up to ten messages, which nobody else gets for a minute; none if there are no more."""
    answer = sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=_MAX_MESSAGES,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount", "MessageGroupId"],
        VisibilityTimeout=_VISIBILITY_SECONDS,
        WaitTimeSeconds=_WAIT_SECONDS,
    )
    return answer.get("Messages", [])


def release(sqs: SQSClient, queue_url: str, receipts: Sequence[str]) -> None:
    """Let messages be received again at once; what fails comes again by itself after a minute."""
    for start in range(0, len(receipts), _MAX_MESSAGES):
        sqs.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for index, receipt in enumerate(receipts[start : start + _MAX_MESSAGES])
            ],
        )


def letter_of(
    message: MessageTypeDef, now_microseconds: int, shapes: Sequence[Shape] = SHAPES
) -> DeadLetter:
    """Look at a message that was received, as the handler would."""
    attributes = message.get("MessageAttributes", {})
    record = Record.of(
        {
            "messageId": message["MessageId"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": {
                name: {"stringValue": value.get("StringValue")}
                for name, value in attributes.items()
            },
        }
    )
    content = parse_message(
        record.body, record.first_id, record.sent_at_microseconds, now_microseconds, shapes
    )
    refusal = content.faults[0] if content.faults else None
    if len(content.faults) > 1:
        refusal = f"{refusal}, and {len(content.faults) - 1} more"
    words = " ".join(message["Body"].split())
    return DeadLetter(
        message_id=record.first_id,
        sent_at_microseconds=record.sent_at_microseconds or 0,
        receive_count=record.receive_count,
        is_refused=refusal is not None,
        reason=refusal or _VALID,
        preview="".join(filter(str.isprintable, words))[:_PREVIEW_CHARACTERS],
    )
