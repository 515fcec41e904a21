"""Trail items: how positions, and what recent ticks did to a rule, are stored as text. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from price_alerts.domain.conditions import Side
from price_alerts.domain.progress import Announced, Progress, Status, Trail, in_order
from price_alerts.domain.ticks import Position

_REMEMBERED = 16_384
_CHANGE_FIELDS = 7
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def position_text(position: Position) -> str:
    """Write a position."""
    return json.dumps(_packed(position), separators=(",", ":"))


def position_of_text(text: str) -> Position:
    """Read a position."""
    return _unpacked(json.loads(text))


def trail_text(progress: Progress) -> str | None:
    """Write a rule's trail with what it belongs to; ``None`` if there is none.

    Who does not know of trails changes the rest of a rule's progress alone. Nearly all changes are
    firings that were announced under their own name: these are written once.
    """
    trail = progress.trail
    if not (trail.changes or trail.announced):
        return None
    plain = {each.name for each in trail.announced if each.at == each.name}
    plain &= {position for position, _ in trail.changes}
    changes = [
        [*_packed(position), *_state_of(before), *([1] if position in plain else [])]
        for position, before in trail.changes
    ]
    others = [each for each in trail.announced if each.at != each.name or each.name not in plain]
    document = [_state_of(progress), changes, announced_entries(others)]
    return json.dumps(document, separators=(",", ":"))


def trail_of(text: str, progress: Progress) -> Trail:
    """Read the trail that belongs to a progress; an empty one if it belongs to another."""
    belongs_to, changes, others = json.loads(text)
    if belongs_to != _state_of(progress):
        return Trail()
    plain = [_unpacked(entry[:3]) for entry in changes if len(entry) > _CHANGE_FIELDS]
    announced = [*announced_of(others), *(Announced(name, name) for name in plain)]
    return Trail(
        tuple((_unpacked(entry[:3]), _progress_of(entry[3:_CHANGE_FIELDS])) for entry in changes),
        in_order(announced),
    )


def _state_of(progress: Progress) -> list[Any]:
    return [
        str(progress.status),
        progress.disarmed and str(progress.disarmed),
        progress.last_fired_at_microseconds,
        progress.last_firing_id,
    ]


def _progress_of(entry: Sequence[Any]) -> Progress:
    status, disarmed, last_fired_at, last_firing_id = entry
    side = None if disarmed is None else Side(disarmed)
    return Progress(Status(status), side, last_fired_at, last_firing_id)


def announced_entries(announced: Iterable[Announced]) -> list[list[Any]]:
    """Write announcements: each its name, and what it stands for if that is another tick."""
    return [
        _packed(name) if at == name else [*_packed(name), at and _packed(at)]
        for name, at in ((each.name, each.at) for each in announced)
    ]


def announced_of(entries: Iterable[Sequence[Any]]) -> tuple[Announced, ...]:
    """Read announcements."""
    found = []
    for entry in entries:
        at = name = _unpacked(entry[:3])
        if len(entry) > 3:
            at = entry[3] and _unpacked(entry[3])
        found.append(Announced(name, at))
    return tuple(found)


def _packed(position: Position) -> list[Any]:
    return [position.timestamp_microseconds, shortened(position.message_id), place_of(position)]


def _unpacked(entry: Sequence[Any]) -> Position:
    timestamp_microseconds, short, place = entry
    return placed(timestamp_microseconds, lengthened(short), place)


def place_of(position: Position) -> Any:
    """Write what a position has besides its time and its message, in few characters.

    That is the ordinal alone where nothing else is known, as in the release before. SQS tells
    times in milliseconds.
    """
    if not (position.sent_at_microseconds or position.sequence):
        return position.ordinal
    lag = position.sent_at_microseconds // 1_000 - position.timestamp_microseconds // 1_000
    return [position.ordinal, lag, *([position.sequence] if position.sequence else [])]


def placed(timestamp_microseconds: int, message_id: str, place: Any) -> Position:
    """Read a position."""
    if isinstance(place, int):
        return Position(timestamp_microseconds, 0, 0, message_id, place)
    ordinal, lag, *sequence = place
    sent_at = (timestamp_microseconds // 1_000 + lag) * 1_000
    return Position(timestamp_microseconds, sum(sequence), sent_at, message_id, ordinal)


@lru_cache(_REMEMBERED)  # each is written again with the next ticks of its symbol
def shortened(name: str) -> str:
    """Write a message's id: a UUID, as all of SQS's are, in 22 characters instead of 36."""
    if not _UUID.fullmatch(name):
        return f"={name}"
    return base64.urlsafe_b64encode(bytes.fromhex(name.replace("-", ""))).decode().rstrip("=")


def lengthened(short: str) -> str:
    """Read a message's id."""
    if short.startswith("="):
        return short[1:]
    digits = base64.urlsafe_b64decode(f"{short}==").hex()
    return "-".join(digits[start:end] for start, end in pairwise((0, 8, 12, 16, 20, 32)))
