"""An SNS of one topic: what it takes is kept, in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.errors import AwsError

Params = Mapping[str, Any]
_MAX_ENTRIES, _MAX_BYTES = 10, 262_144


@dataclass(frozen=True)
class Announcement:
    """What a subscriber gets: the firing that it names, and of which rule and symbol it is."""

    firing_id: str
    rule_id: str
    symbol: str


@dataclass
class Topic:
    """Takes what is published; ``refuses`` returns why an entry is rejected, or ``None``."""

    refuses: Callable[[Announcement], str | None] = lambda _: None
    swallows: bool = False
    shuffles: bool = False
    offered: list[Announcement] = field(default_factory=list)
    taken: list[Announcement] = field(default_factory=list)

    def call(self, operation: str, params: Params) -> Any:
        """Answer a request."""
        if operation != "PublishBatch":
            raise AwsError("InvalidAction", operation)
        entries = params["PublishBatchRequestEntries"]
        if not entries:
            raise AwsError("EmptyBatchRequest")
        if len(entries) > _MAX_ENTRIES:
            raise AwsError("TooManyEntriesInBatchRequest")
        if len({entry["Id"] for entry in entries}) < len(entries):
            raise AwsError("BatchEntryIdsNotDistinct")
        if sum(len(entry["Message"].encode()) for entry in entries) > _MAX_BYTES:
            raise AwsError("BatchRequestTooLong")
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in entries:
            announcement = _read(entry["Message"])
            self.offered.append(announcement)
            fault = self.refuses(announcement)
            if fault:
                failure = {"Id": entry["Id"], "Code": fault, "Message": fault}
                answer["Failed"].append({**failure, "SenderFault": fault == "InvalidParameter"})
            else:
                answer["Successful"].append({"Id": entry["Id"], "MessageId": entry["Id"]})
                if not self.swallows:
                    self.taken.append(announcement)
        if self.shuffles and self.taken:  # the first of a request comes after the others
            self.taken.append(self.taken.pop(-min(len(entries), len(self.taken))))
        return answer


def _read(message: str) -> Announcement:
    body = json.loads(message)
    if "default" in body:  # of the release before
        body = json.loads(body["default"])
    return Announcement(body["firing_id"], body["rule_id"], body["symbol"])
