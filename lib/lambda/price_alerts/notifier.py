"""The notifier: firings as SNS messages, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from price_alerts.engine import Firing
from price_alerts.ticks import format_timestamp

if TYPE_CHECKING:
    from decimal import Decimal

    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import (
        MessageAttributeValueTypeDef,
        PublishBatchRequestEntryTypeDef,
    )

__all__ = ["MAX_FIRINGS_PER_PUBLISH", "Notifier", "message"]

MAX_FIRINGS_PER_PUBLISH = 10  # SNS PublishBatch: entries in a request
_MAX_SUBJECT_CHARACTERS = 99  # SNS Publish: a subject has less than 100
_ATTEMPTS = 3


class Notifier:
    """Announces firings on one SNS topic."""

    def __init__(self, sns: SNSClient, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, firings: Sequence[Firing]) -> list[Firing]:
        """Announce up to ten firings.

        Returns
        -------
        list of Firing
            Those that SNS took. Entries that it refused were tried three times.
        """
        waiting = {firing.firing_id: firing for firing in firings}
        for _ in range(_ATTEMPTS):
            response = self._sns.publish_batch(
                TopicArn=self._topic_arn,
                PublishBatchRequestEntries=[message(firing) for firing in waiting.values()],
            )
            waiting = {
                failure["Id"]: waiting[failure["Id"]] for failure in response.get("Failed", ())
            }
            if not waiting:
                break
        return [firing for firing in firings if firing.firing_id not in waiting]


def message(firing: Firing) -> PublishBatchRequestEntryTypeDef:
    """Write a firing as the entry of a PublishBatch request."""
    price, levels = _text(firing.price), " ".join(map(_text, firing.levels))
    sentence = _sentence(firing, price, levels)
    subject = f"{firing.symbol} {firing.condition} {levels}: {price}"
    body = {
        "firing_id": firing.firing_id,
        "rule_id": firing.rule_id,
        "symbol": firing.symbol,
        "condition": firing.condition,
        "levels": [_text(level) for level in firing.levels],
        "previous_price": None if firing.previous_price is None else _text(firing.previous_price),
        "price": price,
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "fired_at": format_timestamp(firing.fired_at_microseconds),
        "owner": firing.owner,
        "note": firing.note,
        "text": sentence,
    }
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in (
            ("symbol", firing.symbol),
            ("condition", firing.condition),
            ("owner", firing.owner),
            ("rule_id", firing.rule_id),
        )
        if value  # SNS takes no empty attribute
    }
    attributes["price"] = {"DataType": "Number", "StringValue": price}
    return {
        "Id": firing.firing_id,
        "Subject": subject[:_MAX_SUBJECT_CHARACTERS],
        "Message": json.dumps({"default": json.dumps(body), "email": sentence, "sms": sentence}),
        "MessageStructure": "json",
        "MessageAttributes": attributes,
    }


def _sentence(firing: Firing, price: str, levels: str) -> str:
    before = "" if firing.previous_price is None else f", {_text(firing.previous_price)} before"
    note = f" {firing.note}" if firing.note else ""
    timestamp = format_timestamp(firing.timestamp_microseconds).replace(".000000", "")
    return f"{firing.symbol} is {firing.condition} {levels}: {price} at {timestamp}{before}.{note}"


def _text(number: Decimal) -> str:
    return f"{number:f}"
