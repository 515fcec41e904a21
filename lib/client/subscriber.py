"""A queue that receives what topics publish, and a wait for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from lib.formats.errors import LocalError


class Subscriber:
    """An SQS queue that topics of its account can send to, once it is subscribed."""

    def __init__(self, sqs: Any, name: str = "demo-subscriber") -> None:
        self._sqs = sqs
        self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        with ExitStack() as undoing:
            undoing.callback(self.close)
            self.arn = self._let_topics_send()
            undoing.pop_all()

    def _let_topics_send(self) -> str:
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        arn: str = attributes["Attributes"]["QueueArn"]
        topics = arn.replace(":sqs:", ":sns:").rpartition(":")[0] + ":*"
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnLike": {"aws:SourceArn": topics}},
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._sqs.set_queue_attributes(
            QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)}
        )
        return arn

    def receive(self, wait_seconds: int = 1) -> Iterator[Mapping[str, Any]]:
        """Wait for firings, and take them off the queue."""
        return map(json.loads, self.texts(wait_seconds))

    def texts(self, wait_seconds: int = 1) -> Iterator[str]:
        """Wait for the texts that topics send, and take them off the queue."""
        answer = self._sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
        )
        for message in answer.get("Messages", ()):
            yield json.loads(message["Body"])["Message"]
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])

    def close(self) -> None:
        """Delete the queue."""
        self._sqs.delete_queue(QueueUrl=self._url)


def wait_for(
    is_so: Callable[[], bool], otherwise: str, patience_seconds: float, poll_seconds: float
) -> None:
    """Poll a condition; what happens in the emulator raises no event here.

    Raises
    ------
    LocalError
        With the text ``otherwise``, when patience has run out.
    """
    give_up_at = time.monotonic() + patience_seconds
    while not is_so():
        if time.monotonic() > give_up_at:
            raise LocalError(otherwise)
        time.sleep(poll_seconds)
