"""The way of dead letters back to the queue of prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from botocore.exceptions import ClientError

from lib.client.dead_letters import DeadLetter, letter_of, receive, release
from price_alerts.adapters.sqs import carried_attributes
from price_alerts.domain.shapes import SHAPES, Shape

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef, SendMessageRequestTypeDef

# What SQS says of a message that it will never take.
_REJECTIONS = {
    *("InvalidMessageContents", "InvalidParameterValue", "InvalidParameterValueException"),
}


@dataclass(frozen=True, slots=True)
class Redrive:
    """What became of the messages.

    Attributes
    ----------
    moved
        How many were sent back.
    refused
        How many of these the handler will refuse again.
    unsent
        Those that SQS rejects, each id with the reason: they stay in the dead-letter queue.
    """

    moved: int = 0
    refused: int = 0
    unsent: Mapping[str, str] = field(default_factory=dict)


def redrive(  # noqa: PLR0913  # two queues, and what the handler would say of a message
    sqs: SQSClient,
    dead_letter_queue_url: str,
    queue_url: str,
    now_microseconds: int,
    *,
    shapes: Sequence[Shape] = SHAPES,
    on_progress: Callable[[Redrive], object] = lambda _done: None,
) -> Redrive:
    """Move all messages back to the queue of prices, where they are tried again.

    They are sent and then deleted one by one, so that none is ever lost. Each carries the id and
    the time under which it was sent first: what was applied of it is not applied again. SQS moves
    messages itself too, but gives them new ids and times, and all of them would count again.

    Parameters
    ----------
    sqs
        A client for both queues.
    dead_letter_queue_url, queue_url
        From where to where.
    now_microseconds
        The present, for the handler's check.
    shapes
        What feeds emit.
    on_progress
        Called with what is done so far, after each message.
    """
    done = Redrive()
    sent: set[str] = set()
    kept: list[str] = []  # receipts of those that stay
    is_over = False
    try:
        while not is_over:
            messages = receive(sqs, dead_letter_queue_url)
            kept += [message["ReceiptHandle"] for message in messages]
            is_over = not messages
            for message in messages:
                if message["MessageId"] in sent:
                    is_over = True  # refused again already
                    continue
                letter = letter_of(message, now_microseconds, shapes)
                request = _request(message, queue_url, letter)
                try:
                    sent.add(sqs.send_message(**request)["MessageId"])
                except ClientError as error:
                    if error.response["Error"]["Code"] not in _REJECTIONS:
                        raise
                    reason = error.response["Error"]["Message"]
                    unsent = {**done.unsent, letter.message_id: reason}
                    done = Redrive(done.moved, done.refused, unsent)
                else:
                    receipt = message["ReceiptHandle"]
                    sqs.delete_message(QueueUrl=dead_letter_queue_url, ReceiptHandle=receipt)
                    kept.remove(receipt)
                    done = Redrive(done.moved + 1, done.refused + letter.is_refused, done.unsent)
                on_progress(done)
    finally:
        release(sqs, dead_letter_queue_url, kept)
    return done


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
        # Or the queue would take it for the one that it has had before.
        request["MessageDeduplicationId"] = uuid4().hex
    return request
