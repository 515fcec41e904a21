"""Prices sent through a deployed pipeline, and what comes out at its ends."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from lib.client.subscriber import wait_for
from lib.local.emulator import Emulator

_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 60.0

Price = Mapping[str, str]


def read_prices(path: Path) -> list[list[Price]]:
    """Read a prices file (CSV with ``timestamp``, ``symbol`` and ``price``), grouped by time."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["timestamp"])
    return [list(group) for _, group in groupby(rows, key=lambda row: row["timestamp"])]


@dataclass(slots=True)
class Pipeline:
    """A deployed pipeline, seen by those who send prices and look after it.

    Attributes
    ----------
    sent_at
        When the prices of each timestamp were sent, by `time.monotonic`.
    """

    sqs: Any
    dynamodb: Any
    logs: Any
    queue_url: str
    dlq_url: str
    table_name: str
    log_group: str
    sent_at: dict[datetime, float] = field(default_factory=dict)

    def send(self, body: str) -> str:
        """Send one message; returns its id."""
        answer = self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)
        return str(answer["MessageId"])

    def replay(self, prices: Sequence[Price]) -> None:
        """Send the prices of one moment and wait until they are processed.

        A standard queue may swap messages, and years pass here in seconds: the next moment's
        prices must not overtake these.
        """
        timestamp = prices[0]["timestamp"]
        self.sent_at[datetime.fromisoformat(timestamp)] = time.monotonic()
        message_id = self.send(json.dumps(list(prices)))
        wait_for(
            lambda: all(self._is_processed(price["symbol"], message_id) for price in prices),
            f"the prices of {timestamp} are not dealt with after {_PATIENCE_SECONDS:.0f} s",
            _PATIENCE_SECONDS,
            _POLL_SECONDS,
        )

    def recorded_firing_ids(self) -> set[str]:
        """Return the ids of the firings in the table."""
        pages = self.dynamodb.get_paginator("scan").paginate(
            TableName=self.table_name,
            FilterExpression="begins_with(pk, :firings)",
            ExpressionAttributeValues={":firings": {"S": "FIRINGS#"}},
        )
        return {item["firing_id"]["S"] for page in pages for item in page["Items"]}

    def dead_letter_ids(self, wait_seconds: int = 1) -> list[str]:
        """Receive and delete dead letters; returns the messages' ids."""
        answer = self.sqs.receive_message(
            QueueUrl=self.dlq_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_seconds
        )
        messages = answer.get("Messages", ())
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.dlq_url, ReceiptHandle=message["ReceiptHandle"])
        return [message["MessageId"] for message in messages]

    def refusals(self, message_id: str) -> list[str]:
        """Read from the function's log why a message was rejected, once for each attempt."""
        records = [json.loads(line) for line in self.log_lines() if line.startswith("{")]
        return [
            record["reason"]
            for record in records
            if record.get("message_id") == message_id and "reason" in record
        ]

    def log_lines(self) -> list[str]:
        """Read the function's log."""
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=self.log_group)
        return [event["message"] for page in pages for event in page["events"]]

    def _is_processed(self, symbol: str, message_id: str) -> bool:
        state = self.dynamodb.get_item(
            TableName=self.table_name,
            Key={"pk": {"S": f"SYMBOL#{symbol}"}, "sk": {"S": "STATE"}},
            ConsistentRead=True,
        ).get("Item", {})
        is_seen = state.get("message_id") == {"S": message_id}
        return is_seen and not state.keys() & {"outbox", "step"}


def find_pipeline(emulator: Emulator) -> Pipeline | None:
    """Find the deployed pipeline by its event source mapping.

    It works long before the deployment that creates it has ended; ``None`` until then.
    """
    functions = emulator.client("lambda")
    mappings = functions.list_event_source_mappings()["EventSourceMappings"]
    if not mappings:
        return None
    sqs = emulator.client("sqs")
    function = functions.get_function_configuration(FunctionName=mappings[0]["FunctionArn"])
    queue_name = mappings[0]["EventSourceArn"].rpartition(":")[2]
    queue_url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["RedrivePolicy"])
    policy = answer.get("Attributes", {}).get("RedrivePolicy")
    if not policy:
        return None
    dlq_name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
    return Pipeline(
        sqs=sqs,
        dynamodb=emulator.client("dynamodb"),
        logs=emulator.client("logs"),
        queue_url=queue_url,
        dlq_url=sqs.get_queue_url(QueueName=dlq_name)["QueueUrl"],
        table_name=function["Environment"]["Variables"]["TABLE_NAME"],
        log_group=function["LoggingConfig"]["LogGroup"],
    )
