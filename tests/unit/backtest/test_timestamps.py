"""Many timestamps read at once, against each of them read alone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backtest import timestamps
from lib.backtest.timestamps import timestamps_of
from lib.formats.price_times import Times, read_time
from price_alerts.domain.ticks import InvalidMessage

ZONES = [ZoneInfo(name) for name in ("America/New_York", "Asia/Kolkata", "America/Havana", "UTC")]

moments = st.datetimes(
    datetime(1969, 12, 30),
    timezones=st.integers(-23 * 60, 23 * 60).map(lambda n: timezone(timedelta(minutes=n))),
)
texts = st.one_of(
    moments.map(datetime.isoformat),
    moments.map(lambda moment: moment.isoformat(" ", "milliseconds")),
    moments.map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}Z"),
    moments.map(lambda moment: f"{moment:%Y-%m-%d}"),
    st.integers(-1, 10**15).map(str),
    st.from_regex(
        r"[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,10})?(Z|\+01:[0-9]{2})",
        fullmatch=True,
    ),
)
local_texts = st.one_of(
    st.datetimes(datetime(1969, 12, 30), datetime(2030, 1, 1)),
    # Around where clocks are changed.
    st.datetimes(datetime(2024, 3, 9), datetime(2024, 3, 11)),
    st.datetimes(datetime(2024, 11, 2), datetime(2024, 11, 4)),
    st.just(datetime.max),
).map(lambda moment: moment.isoformat(" ", "seconds")) | st.just("0000-01-01 00:00:00")
# Many texts of one shape.
alike = st.builds(
    lambda drawn, timespec: [each.astimezone(UTC).isoformat(timespec=timespec) for each in drawn],
    st.lists(moments, min_size=2, max_size=20),
    st.sampled_from(("auto", "microseconds")),
)


def one_by_one(given_texts: Sequence[str], zone: ZoneInfo | None = None) -> list[int] | str:
    try:
        return [read_time(text, Times(zone)) for text in given_texts]
    except InvalidMessage:
        return "rejected"


def all_at_once(given_texts: Sequence[str], zone: ZoneInfo | None = None) -> list[int] | str:
    try:
        return list(timestamps_of(given_texts, Times(zone)).tolist())
    except InvalidMessage:
        return "rejected"


@settings(max_examples=40)
@given(st.lists(texts, min_size=1, max_size=6) | alike)
def test_many_texts_are_read_as_each_of_them_alone(given_texts: list[str]) -> None:
    assert all_at_once(given_texts) == one_by_one(given_texts)


@settings(max_examples=60)
@given(
    st.lists(local_texts | local_texts.map(lambda text: text[:10]), min_size=1, max_size=6),
    st.sampled_from(ZONES),
)
def test_times_of_a_named_zone_are_read_as_each_of_them_alone(
    given_texts: list[str], zone: ZoneInfo
) -> None:
    assert all_at_once(given_texts, zone) == one_by_one(given_texts, zone)


ODD = """
2011-02-29T00:00:00.000Z 2010-04-31T00:00:00.000Z 2010-00-01T00:00:00.000Z
2010-13-01T00:00:00.000Z 2010-01-00T00:00:00.000Z 2010-01-01T24:00:00.000Z
2010-01-01T00:60:00.000Z 2010-01-01T00:00:60.000Z 1969-12-31T23:59:59.999Z
2010-01-01T00:00:00.00Z0 2010-01-01T00:00:00,000Z 2010-01-01_00:00:00.000Z
2010-01-01T00:00:00.0000 2010-01-01T00:00:00\u0660000Z 0001-01-01T00:00:00.000Z
2010-01-01T00:00:0a.000Z 2000-02-29T00:00:00.000Z 0000-01-01T00:00:00.000Z
"""


def test_an_odd_text_among_usual_ones_is_read_as_if_alone() -> None:
    usual = ["2012-02-29T12:34:56.789Z", "2009-12-31T00:00:00.001Z"]
    for each in (text.replace("_", " ") for text in ODD.split()):
        for given_texts in ([each, *usual], [*usual, each]):
            assert all_at_once(given_texts) == one_by_one(given_texts), given_texts


UTC_TEXTS = [
    *("2010-03-01", "2010-03-01T01:02:03Z", "2010-03-01 01:02:03+05:30", "2010-03-01T01:02:03.4Z"),
    *("2010-03-01T01:02:03.456789-11:59", "2010-03-01T01:02:03.4567891Z"),
    *("2010-03-01T01:02:03.456789999Z", "267401600", "1267401600", "99999999999"),
    *("100000000000", "99999999999999"),
]
LOCAL_TEXTS = ["2024-07-02", "2024-07-02 09:30:00", "2024-07-02T09:30:00.25"]


@pytest.mark.parametrize(
    ("text", "zone"),
    [(text, None) for text in UTC_TEXTS] + [(text, zone) for text in LOCAL_TEXTS for zone in ZONES],
)
def test_texts_of_every_usual_shape_are_read_at_once(
    monkeypatch: pytest.MonkeyPatch, text: str, zone: ZoneInfo | None
) -> None:
    given_texts = [text, text.replace("1", "3", 1), text.replace("02", "03", 1)] * 10
    expected = one_by_one(given_texts, zone)
    alone: list[str] = []

    def counted(text: str, *style: Times) -> int:
        alone.append(text)
        return read_time(text, *style)

    monkeypatch.setattr(timestamps, "read_time", counted)

    assert all_at_once(given_texts, zone) == expected
    assert len(alone) <= 1  # the offset of all, or the unit


def test_an_epoch_may_not_begin_with_a_zero() -> None:
    assert all_at_once(["1267401600", "0267401600"]) == "rejected"


def test_texts_of_very_many_lengths_are_read_one_by_one() -> None:
    given_texts = [f"2010-03-01T00:00:00.{'1' * digits}Z" for digits in range(1, 25)]

    assert all_at_once(given_texts) == one_by_one(given_texts)
