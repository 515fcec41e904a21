"""The way of dead letters back to the queue of prices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

from botocore.exceptions import ClientError

from lib.cli.dead_letters import list_dead_letters, receive, release
from lib.cli.errors import CliError

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import (
        ListMessageMoveTasksResultEntryTypeDef,
        SendMessageRequestTypeDef,
    )

__all__ = ["Redrive", "redrive"]

_POLL_SECONDS = 1.0
_MAX_POLLS = 600
_MOVING = ("RUNNING", "CANCELLING")
# What an emulator says that cannot move messages.
_UNSUPPORTED = {
    *("AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation"),
    *("InvalidAction", "NotImplemented", "UnknownOperation", "UnknownOperationException"),
}
_UNSUPPORTED_STATUS = (404, 405, 501)


@dataclass(frozen=True, slots=True)
class Redrive:
    """How many messages were moved, and how many of them will be refused again."""

    moved: int
    refused: int


def redrive(
    sqs: SQSClient,
    dead_letter_queue_url: str,
    queue_url: str,
    now_microseconds: int,
    sleep: Callable[[float], object] = time.sleep,
) -> Redrive:
    """Move all messages back to the queue of prices, where they are tried again as new ones.

    SQS moves them itself; where it cannot, they are sent and then deleted one by one, so that none
    is ever lost.

    Parameters
    ----------
    sqs
        A client for both queues.
    dead_letter_queue_url, queue_url
        From where to where.
    now_microseconds
        The present, for the handler's check.
    sleep
        Waits for so many seconds, between two questions whether all are moved.

    Returns
    -------
    Redrive
        What was moved. Of the first thousand it is known whether they will be refused again.

    Raises
    ------
    CliError
        If they are being moved already, or SQS did not move them to the end.
    """
    letters = list_dead_letters(sqs, dead_letter_queue_url, now_microseconds)
    if not letters:
        return Redrive(0, 0)
    attributes = sqs.get_queue_attributes(
        QueueUrl=dead_letter_queue_url, AttributeNames=["QueueArn"]
    )
    moved = _move(sqs, attributes["Attributes"]["QueueArn"], sleep)
    if moved is None:
        moved = _send_again(sqs, dead_letter_queue_url, queue_url)
    return Redrive(moved, sum(letter.is_refused for letter in letters))


def _move(sqs: SQSClient, source_arn: str, sleep: Callable[[float], object]) -> int | None:
    """Have SQS move all messages; returns how many it moved, ``None`` if it cannot."""
    try:
        before = _latest_task(sqs, source_arn)
        if before and before["Status"] in _MOVING:
            raise CliError("the dead letters are being moved already: wait until that is done")
        sqs.start_message_move_task(SourceArn=source_arn)
    except ClientError as error:
        if _is_unsupported(error):
            return None
        raise
    last_start = before["StartedTimestamp"] if before else None
    for _ in range(_MAX_POLLS):
        task = _latest_task(sqs, source_arn)
        if task and task["StartedTimestamp"] != last_start and task["Status"] not in _MOVING:
            moved = task.get("ApproximateNumberOfMessagesMoved", 0)
            if task["Status"] != "COMPLETED":
                reason = task.get("FailureReason") or task["Status"].lower()
                raise CliError(f"SQS moved {moved} messages, then stopped: {reason}")
            return moved
        sleep(_POLL_SECONDS)
    raise CliError("SQS is still moving the dead letters: see later what is left of them")


def _latest_task(sqs: SQSClient, source_arn: str) -> ListMessageMoveTasksResultEntryTypeDef | None:
    tasks = sqs.list_message_move_tasks(SourceArn=source_arn, MaxResults=1).get("Results")
    return tasks[0] if tasks else None


def _is_unsupported(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error.response["Error"]["Code"] in _UNSUPPORTED or status in _UNSUPPORTED_STATUS


def _send_again(sqs: SQSClient, source_url: str, queue_url: str) -> int:
    sent: set[str] = set()
    while True:
        messages = receive(sqs, source_url)
        back = [message for message in messages if message["MessageId"] in sent]
        for message in messages:
            if message in back:
                continue
            request: SendMessageRequestTypeDef = {
                "QueueUrl": queue_url,
                "MessageBody": message["Body"],
                "MessageAttributes": message.get("MessageAttributes", {}),
            }
            if group := message["Attributes"].get("MessageGroupId"):
                request["MessageGroupId"] = group
                # Or a FIFO queue would take it for the one that it has had before.
                request["MessageDeduplicationId"] = uuid4().hex
            answer = sqs.send_message(**request)
            sent.add(answer["MessageId"])
            sqs.delete_message(QueueUrl=source_url, ReceiptHandle=message["ReceiptHandle"])
        if back or not messages:  # refused again already, or all are gone
            release(sqs, source_url, [message["ReceiptHandle"] for message in back])
            return len(sent)
