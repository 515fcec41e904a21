"""The notifier: notices as SNS messages, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from price_alerts.notices import Notice
from price_alerts.ticks import format_timestamp

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import (
        BatchResultErrorEntryTypeDef,
        MessageAttributeValueTypeDef,
        PublishBatchRequestEntryTypeDef,
    )

__all__ = ["MAX_NOTICES_PER_PUBLISH", "Notifier", "Published", "message"]

MAX_NOTICES_PER_PUBLISH = 10  # SNS PublishBatch: entries in a request
_MAX_SUBJECT_CHARACTERS = 99  # SNS Publish: a subject has less than 100
_ATTEMPTS = 3
_PASSING_CODES = (
    "Throttl",
    "KMS",
    "Limit",
    "Authorization",
    "AccessDenied",
    "Internal",
    "Unavailable",
)


class Published(NamedTuple):
    """What became of some firings.

    Attributes
    ----------
    accepted
        Those that SNS accepted, in order.
    undeliverable
        Those that it rejects whenever they are tried, each with its reason.
    waiting
        The first that it rejected for now, and all after it: to be published again, in order.
    """

    accepted: list[Notice]
    undeliverable: list[tuple[Notice, str]]
    waiting: list[Notice]


class Notifier:
    """Publishes firings to one SNS topic."""

    def __init__(self, sns: SNSClient, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, notices: Sequence[Notice]) -> Published:
        """Publish up to ten firings of a symbol, if there are any.

        SNS may reject some entries of a request. The first that it rejects for now, and those
        after it, are published again, so that none is left behind by later ones; three times.
        """
        published = Published([], [], list(notices))
        for _ in range(_ATTEMPTS):
            if not published.waiting:
                break
            try:
                published = self._publish(published)
            except Exception:
                if not published.accepted:
                    raise
                break  # what was accepted must not be forgotten
        return published

    def _publish(self, before: Published) -> Published:
        response = self._sns.publish_batch(
            TopicArn=self._topic_arn,
            PublishBatchRequestEntries=[message(notice) for notice in before.waiting],
        )
        failed = {failure["Id"]: failure for failure in response.get("Failed", ())}
        accepted, undeliverable = [*before.accepted], [*before.undeliverable]
        for place, notice in enumerate(before.waiting):
            failure = failed.get(notice.firing.firing_id)
            if failure is None:
                accepted.append(notice)
            elif _is_for_good(failure):
                undeliverable.append((notice, failure["Code"]))
            else:
                return Published(accepted, undeliverable, before.waiting[place:])
        return Published(accepted, undeliverable, [])


def _is_for_good(failure: BatchResultErrorEntryTypeDef) -> bool:
    # A throttled request is the sender's fault, too, and so is a permission that is missing yet.
    code = failure["Code"]
    return failure["SenderFault"] and not any(word in code for word in _PASSING_CODES)


def message(notice: Notice) -> PublishBatchRequestEntryTypeDef:
    """Write a notice as the entry of a PublishBatch request."""
    firing = notice.firing
    condition, levels = firing.terms.condition, firing.terms.levels_in_words
    price = f"{firing.price:f}"
    previous = firing.previous_price
    subject = f"{firing.symbol} {condition.phrase} {' to '.join(levels)}: {price}"
    body = {
        "firing_id": firing.firing_id,
        "rule_id": firing.rule_id,
        "symbol": firing.symbol,
        "condition": condition,
        "levels": levels,
        "previous_price": None if previous is None else f"{previous:f}",
        "price": price,
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "message_id": firing.position.message_id,
        "fired_at": format_timestamp(firing.fired_at_microseconds),
        "owner": notice.owner,
        "note": notice.note,
        "text": notice.text,
    }
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in (
            ("symbol", firing.symbol),
            ("condition", condition),
            ("owner", notice.owner),
            ("rule_id", firing.rule_id),
        )
        if value  # SNS takes no empty attribute
    }
    attributes["price"] = {"DataType": "Number", "StringValue": price}
    return {
        "Id": firing.firing_id,
        "Subject": subject[:_MAX_SUBJECT_CHARACTERS],
        "Message": _json({"default": _json(body), "email": notice.text, "sms": notice.text}),
        "MessageStructure": "json",
        "MessageAttributes": attributes,
    }


def _json(document: Mapping[str, object]) -> str:
    # Escapes beyond ASCII would make it up to nine times as long, and SNS takes 256 KB a request.
    return json.dumps(document, ensure_ascii=False)
