from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from price_alerts.domain import watches
from price_alerts.domain.rules import Rule
from price_alerts.domain.watches import ANYWHERE, Band, Line, Watch, level_key, level_of, pages
from tests.unit.rule_builders import watch

LEVELS = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent, Context(prec=40)),
    st.integers(-(10**34), 10**34),
    st.integers(-63, 29),
)


class Row:
    """An index of one line; remembers where its pages began."""

    def __init__(self, levels: Iterable[int]) -> None:
        self.pages: list[str] = []
        self._watches: list[Watch] = []
        for place, level in enumerate(levels):
            each = watch(f"crosses {level}", f"r{place:02}")
            insort(self._watches, each, key=lambda each: each.key)

    def watches(self, line: str, start: str, *, upward: bool, limit: int) -> Sequence[Watch]:
        assert line == "price"
        self.pages.append(start)
        if upward:
            return [each for each in self._watches if each.key > start][:limit]
        return [each for each in self._watches[::-1] if each.key < start][:limit]

    def new_rule_ids(self, limit: int) -> Sequence[str]:
        raise NotImplementedError

    def rules(self, rule_ids: Sequence[str]) -> dict[str, Rule]:
        raise NotImplementedError

    def all_rules(self) -> list[Rule]:
        raise NotImplementedError


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "_FIRST_PAGE", 2)
    monkeypatch.setattr(watches, "_LARGEST_PAGE", 3)


def met(line: Line, before: int, now: int, after_key: str | None = None) -> list[str]:
    """Return the rules on the way."""
    return [each.rule_id for each in line.between(Decimal(before), Decimal(now), after_key)]


def band(below: int | None, above: int | None) -> Band:
    return Band(
        None if below is None else Decimal(below), None if above is None else Decimal(above)
    )


@pytest.mark.parametrize(
    ("level", "key"),
    [
        *(("0", "0"), ("200", "2022"), ("2E+2", "2022"), ("200.0", "2022"), ("200.5", "2022005")),
        *(("0.07", "1987"), ("1E-18", "1821"), ("1E-128", "0721")),
        *(("-200", "-7977~"), ("-200.5", "-7977994~"), ("-0.07", "-8012~")),
    ],
)
def test_a_level_is_written_without_its_zeros(level: str, key: str) -> None:
    assert level_key(Decimal(level)) == key


@given(LEVELS, LEVELS)
def test_keys_sort_as_their_levels_do_and_can_be_read_back(one: Decimal, other: Decimal) -> None:
    assert (level_key(one) < level_key(other)) == (one < other)
    assert level_of(f"{level_key(one)}#r") == one
    if one < other:
        assert f"{level_key(one)}#r" < f"{level_key(one)}$" < f"{level_key(other)}#r"


@given(
    st.lists(st.integers(1, 9), max_size=20),
    st.lists(st.integers(1, 9), min_size=2, max_size=6),
    st.integers(0, 9),
)
def test_a_line_yields_what_is_on_the_way_and_settles_between_its_neighbours(
    levels: list[int], path: list[int], odd_one: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watches, "_FIRST_PAGE", 1)
        patch.setattr(watches, "_LARGEST_PAGE", 2)
        line = Line("price", Row(levels), Decimal(path[0]), None)
        for before, now in pairwise(path):
            low, high = sorted((before, now))
            places = sorted(range(len(levels)), key=lambda place: (levels[place], place))
            on_the_way = [f"r{place:02}" for place in places if low <= levels[place] <= high]
            if before == now:
                on_the_way = []
            assert met(line, before, now) == on_the_way[:: 1 if before < now else -1]
            line.settle(Decimal(now), lambda each: each.level != odd_one)
            near = [level for level in levels if level != odd_one]
            below = max((level for level in near if level <= now), default=None)
            above = min((level for level in near if level >= now), default=None)
            assert line.band == band(below, above)
            quiet = [
                number
                for number in range(11)
                if (below is None or below < number) and (above is None or number < above)
            ]
            assert [number for number in range(11) if line.is_quiet(Decimal(number))] == quiet


@pytest.mark.parametrize(
    ("before", "now", "after", "rule_ids"),
    [
        (9, 35, "r01", ["r02", "r03"]),
        (35, 9, "r02", ["r01", "r00"]),
        (9, 35, "r03", []),
        (35, 9, "r00", []),
    ],
)
@pytest.mark.usefixtures("_small_pages")
def test_a_line_goes_on_after_a_watch(
    before: int, now: int, after: str, rule_ids: list[str]
) -> None:
    levels = {"r00": 10, "r01": 20, "r02": 20, "r03": 30}
    after_key = f"{level_key(Decimal(levels[after]))}#{after}"
    line = Line("price", Row(levels.values()), Decimal(before), None)
    assert met(line, before, now, after_key) == rule_ids


def test_only_as_much_is_read_as_is_needed() -> None:
    row = Row(range(10, 200))
    line = Line("price", row, Decimal(9), None)
    assert (len(met(line, 9, 20)), len(row.pages)) == (11, 1)
    assert (len(met(line, 20, 9)), len(row.pages)) == (11, 2)  # what is below 10
    assert (len(met(line, 9, 24)), len(row.pages)) == (15, 2)
    assert (len(met(line, 24, 100)), len(row.pages)) == (77, 3)


@pytest.mark.usefixtures("_small_pages")
def test_an_end_of_the_line_is_asked_for_once() -> None:
    row = Row([10, 20, 30])
    line = Line("price", row, Decimal(9), None)
    for _ in range(2):
        met(line, 9, 99)
    assert row.pages == [level_key(Decimal(9)), f"{level_key(Decimal(20))}#r01"]


@pytest.mark.parametrize(
    ("known", "quiet", "loud"),
    [
        (band(10, 20), [11, 19], [10, 20]),
        (band(None, 20), [1, 19], [20]),
        (band(10, None), [11, 99], [10]),
        (ANYWHERE, [1, 99], []),
        (None, [], [14, 15, 16]),
    ],
)
def test_a_known_band_needs_no_reading(
    known: Band | None, quiet: list[int], loud: list[int]
) -> None:
    row = Row([10, 20])
    line = Line("price", row, Decimal(15), known)
    assert [number for number in quiet + loud if line.is_quiet(Decimal(number))] == quiet
    assert row.pages == []
    assert known is None or line.band == known


@pytest.mark.parametrize(
    ("now", "page", "rule_ids"), [(21, "2012", ["r01"]), (9, "2011$", ["r00"])]
)
def test_from_a_known_band_reading_begins_at_its_edge(
    now: int, page: str, rule_ids: list[str]
) -> None:
    row = Row([10, 20])
    assert met(Line("price", row, Decimal(15), band(10, 20)), 15, now) == rule_ids
    assert row.pages == [page]


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize(("count", "sizes"), [(0, []), (2, [2]), (5, [2, 3]), (6, [2, 3, 1])])
def test_a_line_is_read_to_its_end_page_by_page(count: int, sizes: list[int]) -> None:
    read = list(pages(Row(range(1, count + 1)), "price"))
    assert [len(page) for page in read] == sizes
    assert [each.level for page in read for each in page] == list(range(1, count + 1))
