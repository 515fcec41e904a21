from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.formats.price_times import LATEST_MICROSECONDS, Times, is_day_first, read_time
from price_alerts.domain.ticks import InvalidMessage, format_moment

USUAL = Times()
NEW_YORK = ZoneInfo("America/New_York")
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")

local_times = st.datetimes(datetime(1990, 1, 1), datetime(2030, 1, 1))


def reason(text: str, times: Times = USUAL) -> str:
    with pytest.raises(InvalidMessage) as refusal:
        read_time(text, times)
    return str(refusal.value)


@pytest.mark.parametrize(
    ("text", "times", "moment"),
    [
        ("2024-01-02", Times(), "2024-01-02T00:00:00Z"),
        ("2024-01-02", Times(NEW_YORK), "2024-01-02T05:00:00Z"),
        ("2024-07-02", Times(NEW_YORK), "2024-07-02T04:00:00Z"),
        ("2024-01-02 09:30", Times(NEW_YORK), "2024-01-02T14:30:00Z"),
        ("2024-01-02 09:30:00.5", Times(NEW_YORK), "2024-01-02T14:30:00.500000Z"),
        ("2024-01-02T09:30:00+01:00", Times(NEW_YORK), "2024-01-02T08:30:00Z"),
        ("2024-01-02T09:30:00Z", Times(NEW_YORK), "2024-01-02T09:30:00Z"),
        ("1704187800", Times(NEW_YORK), "2024-01-02T09:30:00Z"),
        ("1704187800.5", Times(), "2024-01-02T09:30:00.500000Z"),
        ("1.7041878e9", Times(), "2024-01-02T09:30:00Z"),
        ("Jan 02, 2024", Times(), "2024-01-02T00:00:00Z"),
        ("Sep 5, 2023", Times(NEW_YORK), "2023-09-05T04:00:00Z"),
        ("02/01/2024", Times(is_day_first=True), "2024-01-02T00:00:00Z"),
        ("01/02/2024", Times(is_day_first=False), "2024-01-02T00:00:00Z"),
        ("1/2/2024 09:30", Times(NEW_YORK, is_day_first=False), "2024-01-02T14:30:00Z"),
    ],
)
def test_a_time_is_read_in_the_zone_that_is_its_own_or_was_named(
    text: str, times: Times, moment: str
) -> None:
    assert format_moment(read_time(text, times)) == moment


@pytest.mark.parametrize(
    ("text", "times", "what"),
    [
        ("2024-01-02 09:30", Times(), "timestamp has no zone: name it with --time-zone, say UTC"),
        ("2024-11-03 01:30", Times(NEW_YORK), "timestamp is when clocks change"),  # twice
        ("2024-03-10 02:30", Times(NEW_YORK), "timestamp is when clocks change"),  # never
        ("01/02/2024", Times(), "timestamp may start with the day or the month: write YYYY-MM-DD"),
        ("13/02/2024", Times(is_day_first=False), "timestamp must be ISO 8601 with a zone"),
        ("Foo 02, 2024", Times(), "timestamp must be ISO 8601 with a zone"),
        ("Feb 30, 2024", Times(), "timestamp must be ISO 8601 with a zone"),
        ("", Times(), "timestamp must be ISO 8601 with a zone, or an epoch in seconds"),
        ("2010-03", Times(), "timestamp must be ISO 8601 with a zone"),
        ("-1", Times(), "timestamp must be an epoch in seconds"),
        ("1e30", Times(), "timestamp must be an epoch in seconds"),
        ("1969-12-31", Times(), "timestamp must not be before 1970"),
        ("9999-12-31T23:00:00-02:00", Times(), "timestamp must be before the year 10000 in UTC"),
        ("9999-12-31 20:00", Times(NEW_YORK), "timestamp must be before the year 10000 in UTC"),
        ("1/2/2024 9:30", Times(NEW_YORK, False), "timestamp must be ISO 8601 with a zone"),
        ("20240102", Times(), "timestamp must be written with hyphens, say 2010-03-01"),
    ],
)
def test_a_time_that_may_mean_another_moment_or_none_is_rejected(
    text: str, times: Times, what: str
) -> None:
    assert reason(text, times).startswith(what)


@pytest.mark.parametrize(
    ("zone", "date", "moment"),
    [
        ("America/Havana", "2023-11-05", "2023-11-05T04:00:00Z"),  # 0:00 comes twice
        ("Asia/Beirut", "2022-03-27", "2022-03-26T22:00:00Z"),  # 0:00 is skipped
    ],
)
def test_a_date_is_its_first_moment_where_clocks_are_changed_at_midnight(
    zone: str, date: str, moment: str
) -> None:
    assert format_moment(read_time(date, Times(ZoneInfo(zone)))) == moment


@given(local_times, st.sampled_from(ZONES))
def test_a_local_time_that_is_read_is_that_time_there(local: datetime, zone: str) -> None:
    there = ZoneInfo(zone)
    try:
        time = read_time(local.isoformat(" "), Times(there))
    except InvalidMessage:
        around = {
            (local + timedelta(hours=hours)).replace(tzinfo=there).utcoffset()
            for hours in (-25, 25)
        }
        assert len(around) == 2
    else:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time)
        assert moment.astimezone(there).replace(tzinfo=None) == local


def test_the_latest_time_can_be_printed() -> None:
    assert format_moment(LATEST_MICROSECONDS) == "9999-12-31T23:59:59.999999Z"
    assert read_time("9999-12-31T23:59:59.999999Z") == LATEST_MICROSECONDS


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Date", "01/31/2024", "02/01/2024"], False),
        (["31/01/2024"], True),
        (["01/02/2024 09:30", "02/02/2024 09:30", "13/02/2024 09:30"], True),
        (["01/02/2024", "02/02/2024"], None),
        (["2024-01-31"], None),
        ([], None),
    ],
)
def test_a_day_above_12_says_whether_dates_begin_with_it(
    texts: list[str], expected: bool | None
) -> None:
    assert is_day_first(texts) is expected
