"""Recent items: how a symbol's recent ticks, and what they did, are stored in few bytes. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from price_alerts.adapters.items import Attributes, Item
from price_alerts.adapters.trail_items import (
    announced_entries,
    announced_of,
    lengthened,
    place_of,
    placed,
    position_of_text,
    position_text,
    shortened,
)
from price_alerts.domain.progress import Trail
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.ticks import Position
from price_alerts.domain.windows import EXTREMES, Queue


def recent_attributes(recent: Recent) -> Attributes:
    """Write recent ticks; the last of them is the state's own tick, and left out."""
    attributes: Attributes = {
        "ticks": _written(recent.marks[:-1]),
        "windows": windows_attributes(recent.windows),
        "begun": {name: position_text(position) for name, position in recent.begun.items()},
    }
    if recent.own.announced:
        entries = announced_entries(recent.own.announced)
        attributes["own"] = json.dumps(entries, separators=(",", ":"))
    if recent.own_since is not None:
        attributes["own_since"] = position_text(recent.own_since)
    if recent.rules_since is not None:
        attributes["rules_since"] = position_text(recent.rules_since)
    return {name: value for name, value in attributes.items() if value}


def recent_of(attributes: Item, position: Position, price: Decimal) -> Recent:
    """Read recent ticks; the state's own tick is the last of them."""
    own_since, rules_since = (
        None if text is None else position_of_text(text)
        for text in (attributes.get("own_since"), attributes.get("rules_since"))
    )
    return Recent(
        marks=(*_read(attributes.get("ticks", "[]")), Mark(position, price)),
        windows=windows_of(attributes.get("windows", {})),
        begun={name: position_of_text(text) for name, text in attributes.get("begun", {}).items()},
        own=Trail(announced=announced_of(json.loads(attributes.get("own", "[]")))),
        own_since=own_since,
        rules_since=rules_since,
    )


def windows_attributes(windows: Mapping[str, Queue]) -> Attributes:
    """Write windows, each under its name."""
    return {name: [list(entry) for entry in queue] for name, queue in windows.items()}


def windows_of(attributes: Item) -> dict[str, Queue]:
    """Read the windows that are among some attributes."""
    return {
        name: tuple((int(bucket), price) for bucket, price in attributes[name])
        for name in EXTREMES
        if name in attributes
    }


def _written(marks: Sequence[Mark]) -> str:
    """Write ticks as text, for what is the same in all of them costs room in a list of maps.

    A time is written as the distance from the one before, the id of the same message as nothing,
    and one that is a UUID, as all of SQS's are, in 22 characters instead of 36.
    """
    entries = []
    time, message_id = 0, ""
    for mark in marks:
        now, name = mark.position.timestamp_microseconds, mark.position.message_id
        short = "" if name == message_id else shortened(name)
        entries.append([now - time, short, place_of(mark.position), str(mark.price)])
        time, message_id = now, name
    return json.dumps(entries, separators=(",", ":"))


def _read(text: str) -> Iterator[Mark]:
    time, message_id = 0, ""
    for distance, short, place, price in json.loads(text):
        time += distance
        message_id = lengthened(short) if short else message_id
        yield Mark(placed(time, message_id, place), Decimal(price))
