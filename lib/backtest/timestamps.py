"""Many timestamps read at once, each exactly as if it were read alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from functools import reduce
from itertools import repeat

import numpy as np
import numpy.typing as npt

from lib.backtest.columns import Numbers
from lib.formats.price_times import LATEST_MICROSECONDS, Times, read_time

# The usual shape: digits at fixed places, and everything else the same in each text.
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?P<clock>[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.(?P<fraction>[0-9]{1,9}))?"
    r"(?P<zone>Z|[+-][01][0-9]:[0-5][0-9])?)?"
)
_EPOCH = re.compile(r"[1-9][0-9]{8,16}")
_MOST_LENGTHS = 16
_YEAR_2000 = read_time("2000-01-01")


def timestamps_of(
    texts: Sequence[str],
    style: Times = Times(),  # noqa: B008  # it is frozen
) -> Numbers:
    """Return timestamps in microseconds since 1970; raises `InvalidMessage` if one is invalid."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    different = np.unique(lengths)
    if len(different) > _MOST_LENGTHS:
        return _one_by_one(texts, style)
    times = np.empty(len(texts), np.int64)
    for length in different:
        places = np.flatnonzero(lengths == length)
        alike = texts if len(different) == 1 else [texts[place] for place in places.tolist()]
        found = _of_one_shape(alike, style)
        times[places] = _one_by_one(alike, style) if found is None else found
    return times


def _one_by_one(texts: Sequence[str], style: Times) -> Numbers:
    return np.fromiter(map(read_time, texts, repeat(style)), np.int64, len(texts))


def _of_one_shape(texts: Sequence[str], style: Times) -> Numbers | None:
    """Read texts of one length; ``None`` if they are not all valid and of one shape."""
    moment, text = _MOMENT.fullmatch(texts[0]), "".join(texts)
    if not (moment or _EPOCH.fullmatch(texts[0])) or not text.isascii():
        return None
    table = np.frombuffer(text.encode(), np.uint8).reshape(len(texts), -1)
    zone_at = moment.start("zone") if moment and moment["zone"] else len(texts[0])
    is_digit = np.array([place < zone_at and c.isdigit() for place, c in enumerate(texts[0])])
    places = np.ascontiguousarray(table.T)
    if (places[is_digit] - ord("0") > 9).any() or (
        places[~is_digit] != places[~is_digit, :1]
    ).any():
        return None
    if moment:
        return _moments(table[:, :zone_at], moment, style.zone)
    if places[0].min() == ord("0"):
        return None
    unit = read_time(texts[0]) // int(texts[0])  # the same for all of one length
    number: Numbers = reduce(lambda number, row: number * 10 + row, places - np.int64(ord("0")))
    return number * unit


def _moments(
    table: npt.NDArray[np.uint8], shape: re.Match[str], zone: tzinfo | None
) -> Numbers | None:
    try:
        local = np.ascontiguousarray(table).view(f"S{table.shape[1]}").ravel().astype("M8[us]")
    except ValueError:  # no such day or time
        return None
    offsets = _offsets(local, shape, zone)
    if offsets is None:
        return None
    times: Numbers = local.astype(np.int64) - offsets
    return None if times.min() < 0 or times.max() > LATEST_MICROSECONDS else times


def _offsets(
    local: npt.NDArray[np.datetime64], shape: re.Match[str], zone: tzinfo | None
) -> Numbers | int | None:
    """Return how far times are ahead of UTC; ``None`` if that changes within a day."""
    if shape["zone"]:
        return _YEAR_2000 - read_time(f"2000-01-01T00:00:00{shape['zone']}")
    if zone is None:
        return None if shape["clock"] else 0
    days, places = np.unique(local.astype("M8[D]").astype(np.int64), return_inverse=True)
    if days[0] < 0:
        return None
    offsets = []
    for day in days.tolist():
        start = datetime(1970, 1, 1, tzinfo=zone) + timedelta(days=day)
        ends = (start, start.replace(hour=23, minute=59, second=59))
        found = {end.replace(fold=fold).utcoffset() for end in ends for fold in (0, 1)}
        offsets.append(found.pop())
        if found:  # clocks change
            return None
    return np.array(offsets, "m8[us]").astype(np.int64)[places]
