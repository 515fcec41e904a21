"""The dead-letter queue: its messages, why each failed, and their way back to the queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from lib.formats.errors import CliError
from price_alerts.adapters.sqs import Record, carried_attributes
from price_alerts.domain.portions import portions
from price_alerts.domain.shapes import SHAPES, Shape
from price_alerts.domain.ticks import parse_message

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef, SendMessageRequestTypeDef

_VALID = "valid now: it was not finished in time, redrive it"
_PREVIEW_CHARACTERS = 60
# As long as it takes to read all messages, so that none is received twice.
_VISIBILITY_SECONDS = 60
# With it SQS asks all of its servers; without it, a message can seem to be gone.
_WAIT_SECONDS = 1
_MAX_MESSAGES = 10  # SQS: messages in a request
_MAX_LETTERS = 1_000
# SQS's codes for a message that it will never accept.
_REJECTIONS = {"InvalidMessageContents", "InvalidParameterValue", "InvalidParameterValueException"}


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message in the dead-letter queue.

    Attributes
    ----------
    message_id, sent_at_microseconds
        Of its first sending; the log and the history use this id.
    receive_count
        How often it has been received; a look at it counts as well.
    is_refused
        Whether the handler would reject it again.
    reason
        Why, in the handler's own words.
    preview
        The beginning of its body: up to 60 printable characters.
    """

    message_id: str
    sent_at_microseconds: int
    receive_count: int
    is_refused: bool
    reason: str
    preview: str


@dataclass(frozen=True, slots=True)
class Redrive:
    """How far a redrive has come.

    Attributes
    ----------
    moved
        How many messages were sent back.
    refused
        How many of these the handler will reject again.
    unsent
        The ids of those that SQS rejects, with the reason: they stay in the dead-letter queue.
    """

    moved: int = 0
    refused: int = 0
    unsent: Mapping[str, str] = field(default_factory=dict)


def list_dead_letters(
    sqs: SQSClient,
    queue_url: str,
    now_microseconds: int,
    limit: int = _MAX_LETTERS,
    shapes: Sequence[Shape] = SHAPES,
) -> list[DeadLetter]:
    """Return the messages, the oldest first, and leave them in the queue.

    Messages that someone else is looking at are left out. The handler's check needs the present
    and the shapes that feeds emit.
    """
    letters: dict[str, DeadLetter] = {}
    receipts: list[str] = []
    try:
        count = -1
        while count < len(letters) < limit:  # until no message is new
            count = len(letters)
            messages = _receive(sqs, queue_url)
            receipts += [message["ReceiptHandle"] for message in messages]
            letters |= {
                message["MessageId"]: letter_of(message, now_microseconds, shapes)
                for message in messages
            }
    finally:
        _release(sqs, queue_url, receipts)
    return sorted(letters.values(), key=lambda letter: letter.sent_at_microseconds)[:limit]


def purge(sqs: SQSClient, queue_url: str) -> None:
    """Delete all messages for good, within a minute.

    Raises
    ------
    CliError
        If that was asked for less than a minute ago: SQS does it once a minute.
    """
    try:
        sqs.purge_queue(QueueUrl=queue_url)
    except ClientError as error:
        if not error.response["Error"]["Code"].endswith("PurgeQueueInProgress"):
            raise
        raise CliError("the queue is being purged already: try again in a minute") from None


def redrive(  # noqa: PLR0913  # two queues, and what the handler's check needs
    sqs: SQSClient,
    dead_letter_queue_url: str,
    queue_url: str,
    now_microseconds: int,
    *,
    shapes: Sequence[Shape] = SHAPES,
    on_progress: Callable[[Redrive], object] = lambda _done: None,
) -> Redrive:
    """Move all messages back to the queue of prices, where they are retried.

    They are sent and then deleted one by one, so that none is ever lost. Each carries the id and
    the time of its first sending, so that ticks that were applied are not applied again. SQS has a
    redrive of its own, which gives new ids and times: all ticks would count again.

    ``on_progress`` is called after each message.
    """
    done = Redrive()
    sent: set[str] = set()
    kept: list[str] = []  # receipts of those that stay
    is_over = False
    try:
        while not is_over:
            messages = _receive(sqs, dead_letter_queue_url)
            kept += [message["ReceiptHandle"] for message in messages]
            is_over = not messages
            for message in messages:
                if message["MessageId"] in sent:
                    is_over = True  # it failed again already
                    continue
                letter = letter_of(message, now_microseconds, shapes)
                try:
                    answer = sqs.send_message(**_request(message, queue_url, letter))
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _REJECTIONS:
                        raise
                    reason = error.response["Error"]["Message"]
                    unsent = {**done.unsent, letter.message_id: reason}
                    done = Redrive(done.moved, done.refused, unsent)
                else:
                    sent.add(answer["MessageId"])
                    receipt = message["ReceiptHandle"]
                    sqs.delete_message(QueueUrl=dead_letter_queue_url, ReceiptHandle=receipt)
                    kept.remove(receipt)
                    done = Redrive(done.moved + 1, done.refused + letter.is_refused, done.unsent)
                on_progress(done)
    finally:
        _release(sqs, dead_letter_queue_url, kept)
    return done


def letter_of(
    message: MessageTypeDef, now_microseconds: int, shapes: Sequence[Shape] = SHAPES
) -> DeadLetter:
    """Check a received message as the handler would."""
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
    faults = parse_message(
        record.body, record.first_id, record.sent_at_microseconds, now_microseconds, shapes
    ).faults
    reason = faults[0] if faults else _VALID
    if len(faults) > 1:
        reason += f", and {len(faults) - 1} more"
    words = " ".join(message["Body"].split())
    return DeadLetter(
        message_id=record.first_id,
        sent_at_microseconds=record.sent_at_microseconds or 0,
        receive_count=record.receive_count,
        is_refused=bool(faults),
        reason=reason,
        preview="".join(filter(str.isprintable, words))[:_PREVIEW_CHARACTERS],
    )


def _receive(sqs: SQSClient, queue_url: str) -> Sequence[MessageTypeDef]:
    """Receive up to ten messages, which nobody else gets for a minute; none at the queue's end."""
    answer = sqs.receive_message(
        QueueUrl=queue_url,
        MaxNumberOfMessages=_MAX_MESSAGES,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount", "MessageGroupId"],
        VisibilityTimeout=_VISIBILITY_SECONDS,
        WaitTimeSeconds=_WAIT_SECONDS,
    )
    return answer.get("Messages", [])


def _release(sqs: SQSClient, queue_url: str, receipts: Sequence[str]) -> None:
    """Make messages visible at once; if that fails, they are visible after a minute."""
    for some in portions(receipts, _MAX_MESSAGES):
        sqs.change_message_visibility_batch(
            QueueUrl=queue_url,
            Entries=[
                {"Id": str(index), "ReceiptHandle": receipt, "VisibilityTimeout": 0}
                for index, receipt in enumerate(some)
            ],
        )


def _request(
    message: MessageTypeDef, queue_url: str, letter: DeadLetter
) -> SendMessageRequestTypeDef:
    attributes: dict[str, Any] = carried_attributes(
        letter.message_id, letter.sent_at_microseconds, message.get("MessageAttributes", {})
    )
    request: SendMessageRequestTypeDef = {
        "QueueUrl": queue_url,
        "MessageBody": message["Body"],
        "MessageAttributes": attributes,
    }
    if group := message["Attributes"].get("MessageGroupId"):
        request["MessageGroupId"] = group
    if queue_url.endswith(".fifo"):
        # The queue would drop it as a duplicate of its first sending.
        request["MessageDeduplicationId"] = uuid4().hex
    return request
