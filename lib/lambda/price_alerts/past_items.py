"""Past items: how a symbol's last ticks stand in its state's item, in few bytes. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from price_alerts.items import Attributes, Item, known, progress_attributes, progress_of
from price_alerts.past import Change, Mark, Past
from price_alerts.ticks import Position
from price_alerts.windows import EXTREMES, Queue, pushed

__all__ = ["past_attributes", "past_of", "windows_attributes", "windows_of"]

_REMEMBERED = 16_384
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def past_attributes(past: Past) -> Attributes:
    """Write a past as it stands in its state, whose price and position are its last tick's."""
    *marks, _ = past.marks
    places = {mark.position: place for place, mark in enumerate(past.marks)}
    base = past.marks[0]
    attributes: Attributes = {
        "ticks": _written(marks),
        "windows": windows_attributes(base.windows),
        "changes": [
            known(
                {
                    "at": places[change.position],
                    "rule": change.rule_id,
                    "before": change.before and progress_attributes(change.before),
                    "fired": None if change.told_at is None else places[change.told_at],
                    "new": change.was_new or None,
                    "taken": change.is_taken or None,
                }
            )
            for change in past.changes
        ],
    }
    return {name: value for name, value in attributes.items() if value}


def past_of(attributes: Item, position: Position, price: Decimal) -> Past:
    """Read a past from its attributes; the state's own tick is its last."""
    windows = windows_of(attributes.get("windows", {}))
    marks: list[Mark] = []
    for taken, at in [*_read(attributes["ticks"]), (position, price)]:
        if marks and at is not None:
            windows = {
                name: pushed(name, queue, at, taken.timestamp_microseconds)
                for name, queue in windows.items()
            }
        marks.append(Mark(taken, at, windows))
    changes = [
        Change(
            position=marks[int(entry["at"])].position,
            rule_id=entry["rule"],
            before=progress_of(entry["before"]) if "before" in entry else None,
            told_at=marks[int(entry["fired"])].position if "fired" in entry else None,
            was_new="new" in entry,
            is_taken="taken" in entry,
        )
        for entry in attributes.get("changes", ())
    ]
    return Past(tuple(marks), tuple(changes))


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
        now, name, ordinal = mark.position
        short = "" if name == message_id else _shortened(name)
        price = None if mark.price is None else str(mark.price)
        entries.append([now - time, short, ordinal, price])
        time, message_id = now, name
    return json.dumps(entries, separators=(",", ":"))


def _read(text: str) -> Iterator[tuple[Position, Decimal | None]]:
    time, message_id = 0, ""
    for distance, short, ordinal, price in json.loads(text):
        time += distance
        message_id = _lengthened(short) if short else message_id
        yield Position(time, message_id, ordinal), None if price is None else Decimal(price)


@lru_cache(_REMEMBERED)  # each is written again with the next ticks of its symbol
def _shortened(name: str) -> str:
    if not _UUID.fullmatch(name):
        return f"={name}"
    return base64.urlsafe_b64encode(bytes.fromhex(name.replace("-", ""))).decode().rstrip("=")


def _lengthened(short: str) -> str:
    if short.startswith("="):
        return short[1:]
    digits = base64.urlsafe_b64decode(f"{short}==").hex()
    return "-".join(digits[start:end] for start, end in pairwise((0, 8, 12, 16, 20, 32)))
