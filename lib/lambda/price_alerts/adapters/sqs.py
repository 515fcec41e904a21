"""SQS: messages as Lambda passes them on, and what one carries when it is sent again. Pure.

SQS gives a message that is sent again a new id and a new time. Attributes carry the first ones,
so that its ticks keep their positions and are recognised.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

_FIRST_ID, _FIRST_SENT_AT = "first_message_id", "first_sent_at_milliseconds"
_HANDOVERS = "handovers"
_ID = re.compile(r"[\w-]{1,40}", re.ASCII)  # SQS's are UUIDs
_MAX_DIGITS = 18
_MAX_ATTRIBUTES = 10  # SQS: message attributes of a message


class Record(NamedTuple):
    """A message in a batch.

    Attributes
    ----------
    message_id, first_id
        Its id, and the id under which it was sent first.
    sent_at_microseconds
        When it was sent first; ``None`` if that is unknown.
    group
        The group in which it keeps its place; ``None`` in a standard queue.
    receive_count, handovers
        How often it was received under its present id, and how often the function sent it again.
    attributes
        The message's own attributes.
    """

    message_id: str
    first_id: str
    sent_at_microseconds: int | None
    group: str | None
    receive_count: int
    handovers: int
    body: Any
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Record:
        """Read a record of an SQS event."""
        system: Mapping[str, str] = record.get("attributes") or {}
        attributes: Mapping[str, Any] = record.get("messageAttributes") or {}
        message_id = record.get("messageId", "")
        first_id = _text(attributes, _FIRST_ID)
        times = _whole(system.get("SentTimestamp", "")), _whole(_text(attributes, _FIRST_SENT_AT))
        sent_at = min((time for time in times if time is not None), default=None)
        # In a standard queue, a group is about fairness.
        is_fifo = record.get("eventSourceARN", "").endswith(".fifo")
        count = _whole(system.get("ApproximateReceiveCount", ""))
        return cls(
            message_id=message_id,
            first_id=first_id if _ID.fullmatch(first_id) else message_id,
            sent_at_microseconds=None if sent_at is None else sent_at * 1_000,
            group=system.get("MessageGroupId") if is_fifo else None,
            receive_count=1 if count is None else count,
            handovers=_whole(_text(attributes, _HANDOVERS)) or 0,
            body=record.get("body"),
            attributes=attributes,
        )

    @property
    def is_repeated(self) -> bool:
        """Whether its ticks may have been applied before."""
        return self.receive_count > 1 or self.first_id != self.message_id

    @property
    def handed_over(self) -> dict[str, Any]:
        """The message with what it carries when the function sends it again."""
        others = {
            name: {"DataType": value["dataType"], "StringValue": value["stringValue"]}
            for name, value in self.attributes.items()
            if value.get("stringValue")
        }
        attributes = carried_attributes(self.first_id, self.sent_at_microseconds, others)
        attributes[_HANDOVERS] = {"DataType": "Number", "StringValue": str(self.handovers + 1)}
        return {"MessageBody": self.body, "MessageAttributes": attributes}


def carried_attributes(
    first_id: str, sent_at_microseconds: int | None, others: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the attributes of a message that is sent again.

    Parameters
    ----------
    first_id, sent_at_microseconds
        The id under which it was sent first, and when.
    others
        The attributes that it has; as many are kept as there is room for.
    """
    attributes = {_FIRST_ID: {"DataType": "String", "StringValue": first_id}}
    if sent_at_microseconds is not None:
        text = str(sent_at_microseconds // 1_000)
        attributes[_FIRST_SENT_AT] = {"DataType": "Number", "StringValue": text}
    room = _MAX_ATTRIBUTES - len(attributes) - 1  # for the number of handovers
    kept = [name for name in others if name not in (_FIRST_ID, _FIRST_SENT_AT, _HANDOVERS)][:room]
    return attributes | {name: others[name] for name in kept}


def with_followers(records: Sequence[Record], failed: Collection[str]) -> set[str]:
    """Add to the first ids of messages that fail those that must be retried after them.

    Source: AWS Lambda, "Implementing partial batch responses", for FIFO queues.
    """
    held_up: set[str] = set()
    held_up_groups: set[str | None] = set()
    for record in records:
        if record.first_id in failed or record.group in held_up_groups:
            held_up.add(record.first_id)
            held_up_groups |= {record.group} - {None}
    return held_up


def _text(attributes: Mapping[str, Any], name: str) -> str:
    text = (attributes.get(name) or {}).get("stringValue")
    return text if isinstance(text, str) else ""


def _whole(text: str) -> int | None:
    is_whole = text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS
    return int(text) if is_whole else None
