"""Recent items: how positions, recent ticks and what these did are stored in few bytes. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import Any

from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import Announced, Progress, Status, Trail, in_order
from price_alerts.domain.recent import Mark, Recent
from price_alerts.domain.ticks import Position
from price_alerts.domain.windows import EXTREMES, Queue

_CHANGE_FIELDS = 7
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# --- positions -------------------------------------------------------------------------------


def position_text(position: Position) -> str:
    """Return a position as text."""
    return _json(_packed(position))


def position_of_text(text: str) -> Position:
    """Read a position."""
    return _unpacked(json.loads(text))


def _packed(position: Position) -> list[Any]:
    return [position.timestamp_microseconds, _shortened(position.message_id), _place(position)]


def _unpacked(entry: Sequence[Any]) -> Position:
    timestamp_microseconds, short, place = entry
    return _position(timestamp_microseconds, _lengthened(short), place)


def _place(position: Position) -> Any:
    """Return what a position has besides its time and its message, in few characters.

    That is the ordinal alone where nothing else is known, as in the release before. SQS's times
    are in milliseconds.
    """
    if not (position.sent_at_microseconds or position.sequence):
        return position.ordinal
    lag = position.sent_at_microseconds // 1_000 - position.timestamp_microseconds // 1_000
    return [position.ordinal, lag, *([position.sequence] if position.sequence else [])]


def _position(timestamp_microseconds: int, message_id: str, place: Any) -> Position:
    if isinstance(place, int):
        return Position(timestamp_microseconds, 0, 0, message_id, place)
    ordinal, lag, *sequence = place
    sent_at = (timestamp_microseconds // 1_000 + lag) * 1_000
    return Position(timestamp_microseconds, sum(sequence), sent_at, message_id, ordinal)


@lru_cache(16_384)  # each is written again with the next ticks of its symbol
def _shortened(message_id: str) -> str:
    """Write a UUID, as all ids of SQS are, in 22 characters instead of 36."""
    if not _UUID.fullmatch(message_id):
        return f"={message_id}"
    return base64.urlsafe_b64encode(bytes.fromhex(message_id.replace("-", ""))).decode().rstrip("=")


def _lengthened(short: str) -> str:
    if short.startswith("="):
        return short[1:]
    digits = base64.urlsafe_b64decode(f"{short}==").hex()
    return "-".join(digits[start:end] for start, end in pairwise((0, 8, 12, 16, 20, 32)))


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


# --- trails ----------------------------------------------------------------------------------


def trail_text(progress: Progress) -> str | None:
    """Return a rule's trail as text, with the progress that it belongs to; ``None`` without one.

    Older code changes a rule's progress and leaves its trail. Nearly all changes are firings that
    were announced under their own name: these are written once.
    """
    trail = progress.trail
    if not (trail.changes or trail.announced):
        return None
    plain = {each.name for each in trail.announced if each.at == each.name}
    plain &= {position for position, _ in trail.changes}
    changes = [
        [*_packed(position), *_fields_of(before), *([1] if position in plain else [])]
        for position, before in trail.changes
    ]
    others = [each for each in trail.announced if each.at != each.name or each.name not in plain]
    return _json([_fields_of(progress), changes, _announced_entries(others)])


def trail_of(text: str, progress: Progress) -> Trail:
    """Read the trail that belongs to a progress; an empty one if it belongs to another."""
    belongs_to, changes, others = json.loads(text)
    if belongs_to != _fields_of(progress):
        return Trail()
    plain = [_unpacked(entry[:3]) for entry in changes if len(entry) > _CHANGE_FIELDS]
    announced = [*_announced_of(others), *(Announced(name, name) for name in plain)]
    return Trail(
        tuple((_unpacked(entry[:3]), _progress_of(*entry[3:_CHANGE_FIELDS])) for entry in changes),
        in_order(announced),
    )


def _fields_of(progress: Progress) -> list[Any]:
    return [
        str(progress.status),
        progress.disarmed and str(progress.disarmed),
        progress.last_fired_at_microseconds,
        progress.last_firing_id,
    ]


def _progress_of(status: str, disarmed: str | None, *last: Any) -> Progress:
    return Progress(Status(status), None if disarmed is None else Side(disarmed), *last)


def _announced_entries(announced: Iterable[Announced]) -> list[list[Any]]:
    """Write announcements: each its name, and what it stands for if that is another tick."""
    return [
        _packed(name) if at == name else [*_packed(name), at and _packed(at)]
        for name, at in ((each.name, each.at) for each in announced)
    ]


def _announced_of(entries: Iterable[Sequence[Any]]) -> Iterator[Announced]:
    for entry in entries:
        name = _unpacked(entry[:3])
        yield Announced(name, (entry[3] and _unpacked(entry[3])) if len(entry) > 3 else name)


# --- recent ticks ----------------------------------------------------------------------------


def recent_attributes(recent: Recent) -> dict[str, Any]:
    """Return recent ticks as attributes; the last of them is the state's own tick."""
    attributes: dict[str, Any] = {
        "ticks": _marks_text(recent.marks[:-1]),
        "windows": windows_attributes(recent.windows),
        "begun": {name: position_text(position) for name, position in recent.begun.items()},
        "own": recent.own.announced and _json(_announced_entries(recent.own.announced)),
        "own_since": recent.own_since and position_text(recent.own_since),
        "rules_since": recent.rules_since and position_text(recent.rules_since),
    }
    return {name: value for name, value in attributes.items() if value}


def recent_of(attributes: Mapping[str, Any], position: Position, price: Decimal) -> Recent:
    """Read recent ticks; the state's own tick is the last of them."""
    own_since, rules_since = (
        None if text is None else position_of_text(text)
        for text in (attributes.get("own_since"), attributes.get("rules_since"))
    )
    return Recent(
        marks=(*_marks_of(attributes.get("ticks", "[]")), Mark(position, price)),
        windows=windows_of(attributes.get("windows", {})),
        begun={name: position_of_text(text) for name, text in attributes.get("begun", {}).items()},
        own=Trail(announced=tuple(_announced_of(json.loads(attributes.get("own", "[]"))))),
        own_since=own_since,
        rules_since=rules_since,
    )


def windows_attributes(windows: Mapping[str, Queue]) -> dict[str, Any]:
    """Return windows as attributes, each under its name."""
    return {name: [list(entry) for entry in queue] for name, queue in windows.items()}


def windows_of(attributes: Mapping[str, Any]) -> dict[str, Queue]:
    """Read the windows among some attributes."""
    return {
        name: tuple((int(bucket), price) for bucket, price in attributes[name])
        for name in EXTREMES
        if name in attributes
    }


def _marks_text(marks: Sequence[Mark]) -> str:
    """Write ticks as text, which takes less room than a list of maps.

    A time is written as the distance to the one before, the id of the same message as nothing.
    """
    entries = []
    time, message_id = 0, ""
    for mark in marks:
        now, name = mark.position.timestamp_microseconds, mark.position.message_id
        short = "" if name == message_id else _shortened(name)
        entries.append([now - time, short, _place(mark.position), str(mark.price)])
        time, message_id = now, name
    return _json(entries)


def _marks_of(text: str) -> Iterator[Mark]:
    time, message_id = 0, ""
    for distance, short, place, price in json.loads(text):
        time += distance
        message_id = _lengthened(short) if short else message_id
        yield Mark(_position(time, message_id, place), Decimal(price))
