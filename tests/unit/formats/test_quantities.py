from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.formats.quantities import (
    distance_of,
    duration_of,
    moment_of,
    seconds_of,
    since_of,
)
from price_alerts.domain.conditions import Distance, RuleError
from price_alerts.domain.ticks import format_moment
from tests.unit.doubles import NOW, SECOND

DAY = 86_400 * SECOND
NEW_YEAR = 1_798_761_600_000_000  # 2027-01-01T00:00:00Z
LAST = 253_402_300_799_999_999  # of the year 9999


@pytest.mark.parametrize(
    ("word", "value", "is_percent"),
    [
        ("200", "200", False),
        ("0.10", "0.1", False),
        ("1e3", "1000", False),
        ("5%", "5", True),
        ("-5.50", "-5.5", False),
        ("0", "0", False),
        ("0.000000000000000000000000000001%", "1e-30", True),
        ("99999999999999999.99999999999999999", "99999999999999999.99999999999999999", False),
    ],
)
def test_a_distance_is_read_exactly(word: str, value: str, is_percent: bool) -> None:
    assert distance_of(word) == Distance(Decimal(value), is_percent)


def test_what_is_no_distance_is_rejected_with_examples() -> None:
    for word in ("", "%", "5 %", "5%%", "1,000", "1_000", "NaN", "a lot", "1.1e30", "1e-31"):
        with pytest.raises(RuleError) as refusal:
            distance_of(word)
        assert str(refusal.value) == (
            f"{word!r} is not a number (0 or between 1e-30 and 1e30 in size, with at most 34 "
            "significant digits): write 200, 0.25, -3 or 5%"
        )


@pytest.mark.parametrize(
    ("word", "seconds"),
    [("1s", 1), ("15m", 900), ("2h", 7_200), ("30d", 2_592_000), ("1w", 604_800)],
)
def test_a_duration_is_a_number_and_a_unit(word: str, seconds: int) -> None:
    assert (seconds_of(word), duration_of(seconds)) == (seconds, word)


def test_what_is_no_duration_is_rejected_with_an_example() -> None:
    for word in ("", "15", "m", "0m", "-1m", "1.5h", "1h30m", "1 h", "1H", "1y"):
        with pytest.raises(RuleError, match="write a whole number and s, m, h, d or w, say 15m"):
            seconds_of(word)


@given(st.integers(1, 999_999_999), st.sampled_from("smhdw"))
def test_every_duration_can_be_written_and_read_again(number: int, unit: str) -> None:
    seconds = seconds_of(f"{number}{unit}")
    assert seconds_of(duration_of(seconds)) == seconds


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("30d", NOW + 30 * DAY),
        ("1s", NOW + SECOND),
        ("2027-01-01", NEW_YEAR),
        ("2027-01-01T00:00:00Z", NEW_YEAR),
        ("2027-01-01T01:00+01:00", NEW_YEAR),
        ("2027-01-01T00:00:00.000001Z", NEW_YEAR + 1),
        ("1798761600", NEW_YEAR),
        ("9999-12-31T23:59:59.999999Z", LAST),
    ],
)
def test_a_moment_is_a_duration_from_now_or_a_date_or_a_time(word: str, moment: int) -> None:
    assert moment_of(word, NOW) == moment


def test_what_is_no_moment_is_rejected_with_examples() -> None:
    for word in ("", "soon", "2027-13-01", "2027-01-01T00:00:00", "1969-12-31", "20270101", "-30d"):
        with pytest.raises(RuleError, match="is no time since 1970: write a duration, say 30d"):
            moment_of(word, NOW)


@pytest.mark.parametrize("word", ["999999w", "9999-12-31T23:59:59-01:00"])
def test_a_moment_that_cannot_be_written_is_refused(word: str) -> None:
    with pytest.raises(RuleError, match="is too far in the future: the last year is 9999"):
        moment_of(word, NOW)


@pytest.mark.parametrize(
    ("word", "moment"), [("24h", NOW - DAY), ("2027-01-01", NEW_YEAR), ("99999w", 0)]
)
def test_since_a_duration_is_since_so_long_ago(word: str, moment: int) -> None:
    assert since_of(word, NOW) == moment


@given(st.integers(0, LAST))
def test_every_moment_can_be_written_and_read_again(moment: int) -> None:
    assert moment_of(format_moment(moment), NOW) == moment
