"""The notifier: notices as SNS messages, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from price_alerts.domain.notices import Notice
from price_alerts.domain.ticks import format_timestamp
from price_alerts.ports import Published

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import (
        BatchResultErrorEntryTypeDef,
        MessageAttributeValueTypeDef,
        PublishBatchRequestEntryTypeDef,
    )

Entry = Callable[[Notice], "PublishBatchRequestEntryTypeDef"]  # such as `message`

_MAX_SUBJECT_CHARACTERS = 99  # SNS Publish: a subject has less than 100
# Source: Amazon SNS, "Filter policy constraints". No numeric filter matches what exceeds them.
_MAX_FILTERED_NUMBER, _MAX_FILTERED_DECIMALS = Decimal(10**9), 5
_ATTEMPTS = 3
_PASSING_CODES = [
    "Throttl",
    "KMS",
    "Limit",
    "Authorization",
    "AccessDenied",
    "Internal",
    "Unavailable",
]


class Notifier:
    """Publishes firings to SNS: as JSON for programs, and as sentences for people.

    Parameters
    ----------
    topic_arn, people_topic_arn
        The topic for programs, and that for people; empty if the stack has none.
    """

    def __init__(self, sns: SNSClient, topic_arn: str, people_topic_arn: str = "") -> None:
        self._sns = sns
        self._topic_arn = topic_arn
        self._people_topic_arn = people_topic_arn

    def publish(self, notices: Sequence[Notice]) -> Published:
        """Publish up to ten firings of a symbol, in order.

        A firing is accepted once every topic has accepted it. Programs come first: if people's
        topic rejects a firing for now, programs get it again, and know it by its id.
        """
        programs = self._publish_to(self._topic_arn, message, notices)
        if not self._people_topic_arn:
            return programs
        settled = notices[: len(notices) - len(programs.waiting)]
        people = self._publish_to(self._people_topic_arn, sentence, settled)
        return _combined(notices, programs, people)

    def _publish_to(self, topic_arn: str, entry: Entry, notices: Sequence[Notice]) -> Published:
        """Publish to one topic, in up to three requests.

        SNS may reject some entries of a request. The first that it rejects for now is published
        again with all after it, so that later ones do not overtake it.
        """
        published = Published([], [], list(notices))
        for _ in range(_ATTEMPTS):
            if not published.waiting:
                break
            try:
                published = self._publish(topic_arn, entry, published)
            except Exception:
                if not published.accepted:
                    raise
                break  # what was accepted must not be forgotten
        return published

    def _publish(self, topic_arn: str, entry: Entry, before: Published) -> Published:
        response = self._sns.publish_batch(
            TopicArn=topic_arn,
            PublishBatchRequestEntries=[entry(notice) for notice in before.waiting],
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


def _combined(notices: Sequence[Notice], programs: Published, people: Published) -> Published:
    """Return what became of firings that were published to programs, then to people."""
    settled = len(notices) - len(programs.waiting) - len(people.waiting)
    reasons = {
        notice.firing.firing_id: reason
        for notice, reason in (*people.undeliverable, *programs.undeliverable)
    }
    published = Published([], [], list(notices[settled:]))
    for notice in notices[:settled]:
        reason = reasons.get(notice.firing.firing_id)
        if reason is None:
            published.accepted.append(notice)
        else:
            published.undeliverable.append((notice, reason))
    return published


def _is_for_good(failure: BatchResultErrorEntryTypeDef) -> bool:
    # Throttling is the sender's fault, too, and so is a permission that is still missing.
    code = failure["Code"]
    return failure["SenderFault"] and not any(word in code for word in _PASSING_CODES)


def message(notice: Notice) -> PublishBatchRequestEntryTypeDef:
    """Return a notice for programs, as the entry of a PublishBatch request.

    It has no ``MessageStructure``: with one, SNS sends no attributes, and filter policies match
    nothing. Source: Amazon SNS, "Message attributes".
    """
    firing = notice.firing
    previous = firing.previous_price
    body = {
        "text": notice.text,  # first, for whoever reads it unparsed
        "firing_id": firing.firing_id,
        "rule_id": firing.rule_id,
        "symbol": firing.symbol,
        "condition": firing.terms.condition,
        "levels": firing.terms.levels_in_words,
        "previous_price": None if previous is None else f"{previous:f}",
        "price": f"{firing.price:f}",
        "timestamp": format_timestamp(firing.timestamp_microseconds),
        "message_id": firing.position.message_id,
        "fired_at": format_timestamp(firing.fired_at_microseconds),
        "owner": notice.owner,
        "note": notice.note,
    }
    # Escapes beyond ASCII could make it nine times as long, and SNS accepts 256 KB a request.
    return _entry(notice, json.dumps(body, ensure_ascii=False))


def sentence(notice: Notice) -> PublishBatchRequestEntryTypeDef:
    """Return a notice for people, as the entry of a PublishBatch request."""
    return _entry(notice, notice.text)


def _entry(notice: Notice, text: str) -> PublishBatchRequestEntryTypeDef:
    firing = notice.firing
    condition, levels = firing.terms.condition, firing.terms.levels_in_words
    subject = f"{firing.symbol} {condition.phrase} {' to '.join(levels)}: {firing.price:f}"
    texts = {
        "symbol": firing.symbol,
        "condition": condition,
        "owner": notice.owner,
        "rule_id": firing.rule_id,
    }
    attributes: dict[str, MessageAttributeValueTypeDef] = {
        name: {"DataType": "String", "StringValue": value}
        for name, value in texts.items()
        if value  # SNS rejects an empty attribute
    }
    if _can_be_filtered(firing.price):
        attributes["price"] = {"DataType": "Number", "StringValue": f"{firing.price:f}"}
    return {
        "Id": firing.firing_id,
        "Subject": subject[:_MAX_SUBJECT_CHARACTERS],
        "Message": text,
        "MessageAttributes": attributes,
    }


def _can_be_filtered(price: Decimal) -> bool:
    decimals = max(0, -int(price.as_tuple().exponent))
    return price.copy_abs() <= _MAX_FILTERED_NUMBER and decimals <= _MAX_FILTERED_DECIMALS
