"""Times in files of prices: what a tick accepts, dates, and times of a named zone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

from price_alerts.domain.ticks import InvalidMessage, NumberLiteral, parse_timestamp

LATEST_MICROSECONDS = (datetime.max - datetime(1970, 1, 1)) // timedelta(microseconds=1)

_REMEMBERED = 65_536  # a file repeats its moments for each symbol
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# As an epoch it would be of 1970.
_DATE_WITHOUT_HYPHENS = re.compile(r"(?:19|20)[0-9]{6}")
_NUMBER = re.compile(r"-?[0-9]+(?:[.eE].*)?")
_SLASHES = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(.*)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IN_WORDS = re.compile(rf"({'|'.join(_MONTHS)}) ([0-9]{{1,2}}), ([0-9]{{4}})")


@dataclass(frozen=True, slots=True)
class Times:
    """What the times of a file mean if they do not say so.

    Attributes
    ----------
    zone
        The zone of dates and times that name none. Without it, a date begins at midnight in UTC,
        and a time is rejected.
    is_day_first
        Whether ``01/02/2024`` is the first of February; ``None`` if unknown.
    """

    zone: tzinfo | None = None
    is_day_first: bool | None = None


def is_day_first(texts: Iterable[str]) -> bool | None:
    """Return whether dates with slashes begin with the day; ``None`` if no day is above 12."""
    for text in texts:
        date = _SLASHES.fullmatch(text)
        if date and max(int(date[1]), int(date[2])) > 12:
            return int(date[1]) > 12
    return None


@lru_cache(_REMEMBERED)
def read_time(text: str, times: Times = Times()) -> int:
    """Read a time as microseconds since 1970.

    Raises
    ------
    InvalidMessage
        If it is none, or ambiguous.
    """
    if _DATE_WITHOUT_HYPHENS.fullmatch(text):
        raise InvalidMessage("timestamp must be written with hyphens, say 2010-03-01")
    if _NUMBER.fullmatch(text):
        return parse_timestamp(NumberLiteral(text))
    time = parse_timestamp(_with_zone(_iso(text, times.is_day_first), times.zone))
    if time > LATEST_MICROSECONDS:
        raise InvalidMessage("timestamp must be before the year 10000 in UTC")
    return time


def _iso(text: str, is_day_first: bool | None) -> str:
    """Return a date in words or with slashes in ISO 8601."""
    if date := _IN_WORDS.fullmatch(text):
        return f"{date[3]}-{_MONTHS.index(date[1]) + 1:02}-{int(date[2]):02}"
    date = _SLASHES.fullmatch(text)
    if not date:
        return text
    if is_day_first is None:
        raise InvalidMessage("timestamp may start with the day or the month: write YYYY-MM-DD")
    day, month = (int(date[place]) for place in ((1, 2) if is_day_first else (2, 1)))
    return f"{date[3]}-{month:02}-{day:02}{date[4]}"


def _with_zone(text: str, zone: tzinfo | None) -> str:
    """Add the zone's offset to a date or a time without one."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo:
        return text
    is_date = _DATE.fullmatch(text)
    if zone is None and not is_date:
        raise InvalidMessage("timestamp has no zone: name it with --time-zone, say UTC")
    moment = moment.replace(tzinfo=zone or UTC)
    # A date is its first moment, even where clocks are changed at midnight.
    if not is_date and moment.utcoffset() != moment.replace(fold=1).utcoffset():
        raise InvalidMessage(f"timestamp is when clocks change in {zone}: write it with its offset")
    return moment.isoformat()
