"""Message groups: in a FIFO queue, who fails holds up those behind it in its group. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["group_of", "with_followers"]


def group_of(record: Mapping[str, Any]) -> str | None:
    """Return the group in which a record keeps its place; ``None`` in a standard queue."""
    if not record.get("eventSourceARN", "").endswith(".fifo"):
        return None  # there, a group is about fairness
    group: str | None = (record.get("attributes") or {}).get("MessageGroupId")
    return group


def with_followers(
    messages: Collection[tuple[str, str | None]], failed: Collection[str]
) -> set[str]:
    """Add to the messages that fail those that must come again behind them.

    Source: AWS Lambda, "Implementing partial batch responses", for FIFO queues.

    Parameters
    ----------
    messages
        The ids of a batch's messages with their groups, in the order of the batch.
    failed
        The ids of those that fail.
    """
    held_up: set[str] = set()
    held_up_groups: set[str] = set()
    for message_id, group in messages:
        if message_id in failed or group in held_up_groups:
            held_up.add(message_id)
            if group is not None:
                held_up_groups.add(group)
    return held_up
