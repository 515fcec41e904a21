"""Numbers, durations and moments in the words of the command line, and back, exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from price_alerts.domain.conditions import Distance, RuleError
from price_alerts.domain.ticks import (
    NUMBER_LIMITS,
    InvalidMessage,
    format_moment,
    parse_price,
    parse_timestamp,
)

# A number as some write it.
THOUSANDS = re.compile(r"-?[1-9][0-9]{0,2}(?:,[0-9]{3})+(\.[0-9]+)?")
_UNITS_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile(r"([1-9][0-9]{0,9})([wdhms])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LAST_MICROSECONDS = 253_402_300_799_999_999  # 9999-12-31T23:59:59.999999Z


def number_of(word: str, examples: str = "200, 0.25 or -3") -> Decimal:
    """Read a number that could be a price; raises RuleError if it is none."""
    try:
        return parse_price(word)
    except InvalidMessage:
        if THOUSANDS.fullmatch(word):
            raise RuleError(f"{word!r} has commas: write {word.replace(',', '')}") from None
        raise RuleError(f"{word!r} is not a number ({NUMBER_LIMITS}): write {examples}") from None


def distance_of(word: str) -> Distance:
    """Read ``200`` or ``5%``; raises RuleError if it could not be a price."""
    number = number_of(word.removesuffix("%"), "200, 0.25, -3 or 5%")
    return Distance(number, word.endswith("%"))


def seconds_of(word: str) -> int:
    """Read a duration such as ``15m`` as seconds; raises RuleError if it is none."""
    duration = _DURATION.fullmatch(word)
    if duration is None:
        raise RuleError(
            f"{word!r} is not a duration: write a whole number and s, m, h, d or w, say 15m"
        )
    return int(duration[1]) * _UNITS_SECONDS[duration[2]]


def duration_of(seconds: int) -> str:
    """Return a duration in the largest unit that fits a whole number of times."""
    unit = next(unit for unit, size in _UNITS_SECONDS.items() if seconds % size == 0)
    return f"{seconds // _UNITS_SECONDS[unit]}{unit}"


def is_duration(word: str) -> bool:
    """Return whether a word is a duration such as ``30d``, and no moment."""
    return _DURATION.fullmatch(word) is not None


def moment_of(word: str, now_microseconds: int) -> int:
    """Return a future moment as microseconds since 1970.

    It is a duration from now, a date (its first moment in UTC), or ISO 8601 with a zone.

    Raises
    ------
    RuleError
        If it is none of these.
    """
    from_now = seconds_of(word) * 1_000_000 if is_duration(word) else None
    moment = _parsed(word) if from_now is None else now_microseconds + from_now
    if moment > _LAST_MICROSECONDS:
        raise RuleError(f"{word!r} is too far in the future: the last year is 9999")
    return moment


def since_of(word: str, now_microseconds: int) -> int:
    """Return a past moment like `moment_of`; a duration counts back from now."""
    if is_duration(word):
        return max(0, now_microseconds - seconds_of(word) * 1_000_000)
    return moment_of(word, now_microseconds)


def shown_moment(moment_microseconds: int, *, is_utc: bool) -> str:
    """Return a moment in UTC, or in this machine's zone, like ``2027-01-31T16:00:00+01:00``."""
    if is_utc:
        return format_moment(moment_microseconds)
    local = (_EPOCH + timedelta(microseconds=moment_microseconds)).astimezone()
    return local.isoformat().replace("+00:00", "Z")


def ago(moment_microseconds: int, now_microseconds: int) -> str:
    """Return how long ago a moment is, in the largest unit that fits: ``3h ago``."""
    seconds = max(0, now_microseconds - moment_microseconds) // 1_000_000
    unit = next((unit for unit, size in _UNITS_SECONDS.items() if seconds >= size), "s")
    return f"{seconds // _UNITS_SECONDS[unit]}{unit} ago"


def _parsed(word: str) -> int:
    try:
        return parse_timestamp(f"{word}T00:00:00Z" if _DATE.fullmatch(word) else word)
    except InvalidMessage:
        raise RuleError(
            f"{word!r} is no time since 1970: write a duration, say 30d, a date, say 2027-01-31, "
            "or ISO 8601 with a zone, say 2027-01-31T16:00:00Z"
        ) from None
