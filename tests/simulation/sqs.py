"""An SQS of a queue of prices and its dead-letter queue, and its event source for Lambda."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from botocore import xform_name

from tests.simulation.errors import AwsError

Params = Mapping[str, Any]
QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/prices"
DEAD_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/prices-dlq"
_ARN = "arn:aws:sqs:us-east-1:123456789012:"
_SECOND = 1_000_000
_DEDUPLICATION = 300 * _SECOND  # a FIFO queue takes the same message once in five minutes


@dataclass
class Message:
    """A message; ``visible_at`` is when it can be received next."""

    message_id: str
    body: str
    sent_at: int  # in microseconds, of which SQS gives whole milliseconds
    group: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    visible_at: int = 0
    receives: int = 0
    number: int = 0  # in the order in which messages were sent

    def record(self, arn: str) -> dict[str, Any]:
        """Write it as Lambda's event source does."""
        attributes = {
            "SentTimestamp": str(self.sent_at // 1_000),
            "ApproximateReceiveCount": str(self.receives),
            **({"MessageGroupId": self.group} if self.group is not None else {}),
        }
        return {
            "messageId": self.message_id,
            "receiptHandle": self.message_id,
            "body": self.body,
            "attributes": attributes,
            "messageAttributes": {
                name: {
                    "stringValue": value["StringValue"],
                    "stringListValues": [],
                    "binaryListValues": [],
                    "dataType": value["DataType"],
                }
                for name, value in self.attributes.items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": "us-east-1",
        }


@dataclass
class Queue:
    """A queue; one that keeps order holds up a group while a message of it is being worked on.

    Parameters
    ----------
    random
        Decides in which order a standard queue gives messages, and which of them twice.
    disorder
        A standard queue gives any of its first `disorder` messages next.
    duplicates
        How many of a standard queue's messages come twice, from 0 to 1.
    """

    name: str
    random: Random
    is_fifo: bool = False
    visibility: int = 60 * _SECOND
    max_receives: int | None = None
    dead: Queue | None = None
    disorder: int = 1
    duplicates: float = 0.0
    messages: dict[str, Message] = field(default_factory=dict)
    has_doubled: bool = False
    has_buried: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def arn(self) -> str:
        return f"{_ARN}{self.name}{'.fifo' if self.is_fifo else ''}"

    def put(self, message: Message) -> None:
        message.number = next(self._numbers)
        self.messages[message.message_id] = message

    def delete(self, message_id: str) -> None:
        self.messages.pop(message_id, None)

    def ready_at(self) -> int | None:
        """Return when the next message can be received; ``None`` if there is none."""
        heads = self._heads() if self.is_fifo else self.messages.values()
        return min((message.visible_at for message in heads), default=None)

    def _heads(self) -> list[Message]:
        heads: dict[str | None, Message] = {}
        for message in self.messages.values():
            heads.setdefault(message.group, message)
        return list(heads.values())

    def take(self, limit: int, now: int, visibility: int | None = None) -> list[Message]:
        """Receive up to `limit` messages; a standard queue may give one twice."""
        hidden_for = self.visibility if visibility is None else visibility
        taken: list[Message] = []
        for message in self._order(now):
            if len(taken) >= limit:
                break
            message.receives += 1
            if self.dead and self.max_receives and message.receives > self.max_receives:
                self.has_buried = True
                del self.messages[message.message_id]
                message.visible_at = now
                self.dead.put(message)
                continue
            message.visible_at = now + hidden_for
            taken.append(message)
            if self.duplicates and self.random.random() < self.duplicates:
                self.has_doubled = True
                if self.random.random() < 0.5 and len(taken) < limit:
                    taken.append(message)
                else:
                    message.visible_at = now + self.random.randrange(30_000)
        return taken

    def _order(self, now: int) -> list[Message]:
        if self.is_fifo:
            held: set[str | None] = set()
            order: list[Message] = []
            for message in self.messages.values():
                if message.visible_at > now:
                    held.add(message.group)
                if message.group not in held:
                    order.append(message)
            return order
        waiting = [message for message in self.messages.values() if message.visible_at <= now]
        order = []
        while waiting:
            reach = min(self.disorder, len(waiting))
            order.append(waiting.pop(self.random.randrange(reach)))
        return order


class Queues:
    """Both queues, for their clients."""

    def __init__(self, prices: Queue, dead: Queue, now: Callable[[], int]) -> None:
        self._by_url = {QUEUE_URL: prices, DEAD_URL: dead}
        self._now = now
        self._sent: dict[tuple[str, str], tuple[int, str]] = {}  # by queue and deduplication id

    def call(self, operation: str, params: Params) -> Any:
        """Answer a request."""
        answer = getattr(self, f"_{xform_name(operation)}", None)
        if answer is None:
            raise AwsError("AWS.SimpleQueueService.UnsupportedOperation", operation)
        return answer(self._by_url[params["QueueUrl"]], params)

    def _send_message(self, queue: Queue, params: Params) -> dict[str, Any]:
        name, now = params.get("MessageDeduplicationId"), self._now()
        if queue.is_fifo and name is not None:
            sent_at, message_id = self._sent.get((queue.name, name), (-_DEDUPLICATION, ""))
            if now - sent_at < _DEDUPLICATION:
                return {"MessageId": message_id}
        message = Message(
            str(uuid.uuid4()),
            params["MessageBody"],
            now,
            params.get("MessageGroupId"),
            params.get("MessageAttributes", {}),
            visible_at=now,
        )
        queue.put(message)
        if name is not None:
            self._sent[queue.name, name] = (message.sent_at, message.message_id)
        return {"MessageId": message.message_id}

    def _receive_message(self, queue: Queue, params: Params) -> dict[str, Any]:
        hidden_for = params.get("VisibilityTimeout", 30) * _SECOND
        messages = []
        for message in queue.take(params.get("MaxNumberOfMessages", 1), self._now(), hidden_for):
            entry: dict[str, Any] = {
                "MessageId": message.message_id,
                "ReceiptHandle": message.message_id,
                "Body": message.body,
                "Attributes": message.record(queue.arn)["attributes"],
            }
            if message.attributes and params.get("MessageAttributeNames"):
                entry["MessageAttributes"] = dict(message.attributes)
            messages.append(entry)
        return {"Messages": messages} if messages else {}

    def _delete_message(self, queue: Queue, params: Params) -> dict[str, Any]:
        queue.delete(params["ReceiptHandle"])
        return {}

    def _change_message_visibility_batch(self, queue: Queue, params: Params) -> dict[str, Any]:
        for entry in params["Entries"]:
            if message := queue.messages.get(entry["ReceiptHandle"]):
                message.visible_at = self._now() + entry["VisibilityTimeout"] * _SECOND
        return {"Successful": [{"Id": entry["Id"]} for entry in params["Entries"]], "Failed": []}
