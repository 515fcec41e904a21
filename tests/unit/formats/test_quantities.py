from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.formats.quantities import distance_of, duration_of, moment_of, seconds_of, since_of
from price_alerts.domain.conditions import Distance, RuleError
from price_alerts.domain.ticks import format_moment
from tests.unit.doubles import NOW, SECOND

DAY = 86_400 * SECOND
NEW_YEAR = 1_798_761_600_000_000  # 2027-01-01T00:00:00Z
LAST = 253_402_300_799_999_999  # of the year 9999


@pytest.mark.parametrize(
    ("word", "value"),
    [("0.10", "0.1"), ("1e3", "1000"), ("-5.50", "-5.5"), ("0", "0"), ("9" * 30, "9" * 30)],
)
def test_a_distance_is_read_exactly(word: str, value: str) -> None:
    assert distance_of(word) == Distance(Decimal(value), is_percent=False)
    assert distance_of(f"{word}%") == Distance(Decimal(value), is_percent=True)


@pytest.mark.parametrize(
    "word", ["", "%", "5 %", "5%%", "1,00", "1_000", "NaN", "a lot", "1.1e30", "1e-31"]
)
def test_anything_else_is_rejected_with_examples(word: str) -> None:
    with pytest.raises(RuleError) as error:
        distance_of(word)
    assert str(error.value) == (
        f"{word.removesuffix('%')!r} is not a number (0 or between 1e-30 and 1e30 in size, with at "
        "most 34 significant digits): write 200, 0.25, -3 or 5%"
    )


def test_commas_between_thousands_are_not_read_but_understood() -> None:
    with pytest.raises(RuleError, match=r"^'1,000\.5' has commas: write 1000\.5$"):
        distance_of("1,000.5%")


@given(st.integers(1, 9_999_999_999), st.sampled_from(["seconds", "minutes", "hours", "days"]))
def test_a_duration_is_a_number_and_a_unit(number: int, unit: str) -> None:
    seconds = number * timedelta(**{unit: 1}) // timedelta(seconds=1)
    assert seconds_of(f"{number}{unit[0]}") == seconds == seconds_of(duration_of(seconds))


@pytest.mark.parametrize("word", ["1w", "8d", "25h", "61m", "90s"])
def test_a_duration_is_written_in_the_largest_unit_that_fits(word: str) -> None:
    assert duration_of(seconds_of(word)) == word


@pytest.mark.parametrize("word", ["", "15", "m", "0m", "-1m", "1.5h", "1h30m", "1 h", "1H", "1y"])
def test_another_duration_is_rejected_with_an_example(word: str) -> None:
    with pytest.raises(RuleError, match="write a whole number and s, m, h, d or w, say 15m"):
        seconds_of(word)


@pytest.mark.parametrize(
    ("word", "moment"),
    [
        ("30d", NOW + 30 * DAY),
        ("2027-01-01", NEW_YEAR),
        ("2027-01-01T01:00+01:00", NEW_YEAR),
        ("1798761600", NEW_YEAR),
    ],
)
def test_a_moment_is_a_duration_from_now_a_date_or_a_time(word: str, moment: int) -> None:
    assert moment_of(word, NOW) == moment


@given(st.integers(0, LAST))
def test_every_moment_can_be_written_and_read_again(moment: int) -> None:
    iso = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)).isoformat()
    assert moment_of(format_moment(moment), NOW) == moment == moment_of(iso, NOW)


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("soon", "is no time since 1970: write a duration, say 30d"),
        ("2027-13-01", "is no time since 1970: write a duration, say 30d"),
        ("2027-01-01T00:00:00", "is no time since 1970"),
        ("1969-12-31", "is no time since 1970"),
        ("-30d", "is no time since 1970"),
        ("999999w", "is too far in the future: the last year is 9999"),
        ("9999-12-31T23:59:59-01:00", "is too far in the future: the last year is 9999"),
    ],
)
def test_another_moment_is_rejected_with_examples(word: str, what: str) -> None:
    for read in (moment_of, since_of):
        if (read, word) != (since_of, "999999w"):
            with pytest.raises(RuleError, match=f"^'{word}' {what}"):
                read(word, NOW)


@pytest.mark.parametrize(
    ("word", "moment"), [("24h", NOW - DAY), ("2027-01-01", NEW_YEAR), ("99999w", 0)]
)
def test_a_duration_may_count_back_from_now(word: str, moment: int) -> None:
    assert since_of(word, NOW) == moment
