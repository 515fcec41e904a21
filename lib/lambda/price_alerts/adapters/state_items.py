"""State items: how states with their outboxes, and firings, are stored. Pure."""

from __future__ import annotations

import json
import zlib
from decimal import Decimal
from typing import Any

from price_alerts.adapters.items import (
    SCHEMA,
    STATE_SCHEMA,
    Attributes,
    Item,
    check_schema,
    day_key,
    firing_key,
    progress_attributes,
    progress_of,
    terms_attributes,
    terms_of,
    without_none,
)
from price_alerts.adapters.recent_items import (
    recent_attributes,
    recent_of,
    windows_attributes,
    windows_of,
)
from price_alerts.domain.notices import Notice
from price_alerts.domain.state import Firing, Lease, Outbox, State, Step, Threshold
from price_alerts.domain.ticks import Position, format_timestamp
from price_alerts.domain.watches import Band

# Compressing an outbox of fewer rules would hardly make it smaller.
_MAX_PLAIN_RULES = 100
_MAX_NUMBER_DIGITS = 38  # Amazon DynamoDB Developer Guide, "Data types"


def state_attributes(state: State) -> Attributes:
    """Return a state's attributes, without its key."""
    attributes: Attributes = {
        "schema": STATE_SCHEMA,
        "version": state.version,
        "nonce": state.nonce,
        "price": state.price,
        "threshold": state.threshold,
        "threshold_before": state.threshold_before and list(state.threshold_before),
        **(_position_attributes(state.position) if state.position else {}),
        **windows_attributes(state.windows),
        "outbox": state.outbox and _outbox_attributes(state.outbox),
    }
    if state.bands is not None:
        attributes["band"] = {
            line: [_number(band.below), _number(band.above)] for line, band in state.bands.items()
        }
    if state.step:
        attributes["step"] = {
            # As text: a move in percent may have more digits than the table's numbers.
            "before": {line: str(number) for line, number in state.step.before.items()},
            "line": state.step.line,
            "after_key": state.step.after_key,
        }
    if state.recent:
        attributes["recent"] = recent_attributes(state.recent)
        # Older code moves the symbol on without them, and leaves this version behind.
        attributes["recent_version"] = state.version
    if state.lease:
        attributes["lease_owner"], attributes["lease_until_microseconds"] = state.lease
    return without_none(attributes)


def state_of(symbol: str, item: Item | None) -> State:
    """Read a state's item; version 0 without an item.

    Raises
    ------
    UnreadableItem
        If newer code wrote it.
    """
    if item is None:
        return State(symbol)
    check_schema(item, STATE_SCHEMA)
    lease = bands = step = recent = threshold_before = None
    position = _position_of(item) if "message_id" in item else None
    if "lease_owner" in item:
        lease = Lease(item["lease_owner"], int(item["lease_until_microseconds"]))
    if "band" in item:
        bands = {line: Band(*map(_number_of, levels)) for line, levels in item["band"].items()}
    if "step" in item:
        before = {line: Decimal(text) for line, text in item["step"]["before"].items()}
        step = Step(before, item["step"]["line"], item["step"]["after_key"])
    if "threshold_before" in item:
        level, until_microseconds = item["threshold_before"]
        threshold_before = Threshold(level, int(until_microseconds))
    if position and "recent" in item and item.get("recent_version") == item["version"]:
        recent = recent_of(item["recent"], position, item["price"])
    return State(
        symbol=symbol,
        version=int(item["version"]),
        nonce=item.get("nonce"),
        price=item.get("price"),
        position=position,
        threshold=item.get("threshold"),
        threshold_before=threshold_before,
        windows=windows_of(item),
        bands=bands,
        step=step,
        recent=recent,
        outbox=_outbox_of(symbol, item["outbox"]) if "outbox" in item else None,
        lease=lease,
    )


def firing_item(
    notice: Notice, sent_at_microseconds: int, undeliverable: str | None = None
) -> Attributes:
    """Return the item of a firing.

    Parameters
    ----------
    sent_at_microseconds
        When it was published, or SNS rejected it.
    undeliverable
        Why SNS rejected it for good; ``None`` if it was published.
    """
    firing = notice.firing
    fired_at = format_timestamp(firing.fired_at_microseconds)
    return without_none(
        {
            **firing_key(firing),
            "schema": SCHEMA,
            **_firing_attributes(firing),
            "symbol": firing.symbol,
            "timestamp": format_timestamp(firing.timestamp_microseconds),
            "day": day_key(firing.firing_id, fired_at),
            "fired_at": fired_at,
            "owner": notice.owner,
            "note": notice.note,
            "text": notice.text,
            "sent": undeliverable is None,
            "sent_at": format_timestamp(sent_at_microseconds),
            "undeliverable": undeliverable,
        }
    )


def _firing_attributes(firing: Firing) -> Attributes:
    # Not "rule_id": that is the key of the index by_rule, which holds rules and no firings.
    return without_none(
        {
            "firing_id": firing.firing_id,
            "rule": firing.rule_id,
            **terms_attributes(firing.terms),
            "previous_price": firing.previous_price,
            "price": firing.price,
            **_position_attributes(firing.position),
            "fired_at_microseconds": firing.fired_at_microseconds,
        }
    )


def _firing_of(symbol: str, item: Item) -> Firing:
    return Firing(
        firing_id=item["firing_id"],
        rule_id=item["rule"],
        symbol=symbol,
        terms=terms_of(item),
        previous_price=item.get("previous_price"),
        price=item["price"],
        position=_position_of(item),
        fired_at_microseconds=int(item["fired_at_microseconds"]),
    )


def _position_attributes(position: Position) -> Attributes:
    return without_none(
        {
            "timestamp_microseconds": position.timestamp_microseconds,
            "sequence": position.sequence or None,
            "message_sent_at_microseconds": position.sent_at_microseconds or None,
            "message_id": position.message_id,
            "message_ordinal": position.ordinal,
        }
    )


def _position_of(item: Item) -> Position:
    return Position(
        int(item["timestamp_microseconds"]),
        int(item.get("sequence", 0)),
        int(item.get("message_sent_at_microseconds", 0)),
        item["message_id"],
        int(item["message_ordinal"]),
    )


def _number(number: Decimal | None) -> Decimal | str | None:
    """Return a number, as text if it has more digits than the table's numbers."""
    if number is None or len(number.as_tuple().digits) <= _MAX_NUMBER_DIGITS:
        return number
    return str(number)


def _number_of(number: Decimal | str | None) -> Decimal | None:
    return None if number is None else Decimal(number)


def _outbox_attributes(outbox: Outbox) -> Attributes:
    content: Attributes = {
        "firings": [_firing_attributes(firing) for firing in outbox.firings],
        "changes": {
            rule_id: progress_attributes(progress) for rule_id, progress in outbox.changes.items()
        },
        "checked_rule_ids": list(outbox.checked_rule_ids),
        "spent": [list(watch) for watch in outbox.spent],
    }
    if len(outbox.rule_ids) > _MAX_PLAIN_RULES:
        text = json.dumps(content, default=lambda number: {"N": str(number)}, separators=(",", ":"))
        content = {"content": zlib.compress(text.encode())}  # a unit is 1 KB
    return {"version": outbox.version, **content}


def _outbox_of(symbol: str, attributes: Item) -> Outbox:
    content: Any = attributes
    if "content" in attributes:
        content = json.loads(
            zlib.decompress(attributes["content"].value),  # of boto3's Binary
            object_hook=lambda entry: Decimal(entry["N"]) if entry.keys() == {"N"} else entry,
        )
    return Outbox(
        version=int(attributes["version"]),
        firings=tuple(_firing_of(symbol, entry) for entry in content["firings"]),
        changes={rule_id: progress_of(entry) for rule_id, entry in content["changes"].items()},
        checked_rule_ids=tuple(content["checked_rule_ids"]),
        spent=tuple((line, key) for line, key in content.get("spent", ())),
    )
