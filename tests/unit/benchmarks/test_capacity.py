"""Capacity: what DynamoDB's own pages say that items and calls take."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import Index, Item, Units, item_bytes, read_units, write_units

BY_DAY = Index(keys=("day", "at"), holds_all=True)
BY_RULE = Index(keys=("rule_id",), holds_all=False)


def item(size_bytes: int, **attributes: str) -> Item:
    """Build an item of so many bytes, of which some are the given texts."""
    used = sum(len(name) + len(text) for name, text in attributes.items())
    texts = {**attributes, "x": "." * (size_bytes - used - 1)}
    return {name: {"S": text} for name, text in texts.items()}


def entry(size_bytes: int, **attributes: str) -> Item:
    return item(size_bytes, pk="p", sk="s", **attributes)


@pytest.mark.parametrize(
    ("value", "size_bytes"),
    [
        ({"S": "Schuh größer"}, 14),
        ({"N": "0"}, 1),
        ({"N": "27"}, 2),
        ({"N": "-27.50"}, 3),
        ({"N": "12345"}, 4),
        ({"N": "1000000"}, 2),
        ({"B": b"\x00\x01\xff"}, 3),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"N": "1"}]}, 3 + 3 + 3),
        ({"M": {"key": {"S": "ab"}}}, 3 + 1 + 3 + 2),
    ],
)
def test_a_value_takes_what_the_developer_guide_says(value: Any, size_bytes: int) -> None:
    assert item_bytes({"name": value}) == 4 + size_bytes


def test_an_unknown_type_is_rejected() -> None:
    with pytest.raises(ValueError, match="no size is known for the type SS"):
        item_bytes({"name": {"SS": ["a"]}})


@pytest.mark.parametrize(
    ("sizes", "units"), [([], 1), ([4_096], 1), ([4_097], 2), ([2_000] * 4, 2), ([100] * 41, 2)]
)
def test_a_query_takes_one_unit_for_every_four_kilobytes_together(
    sizes: list[int], units: float
) -> None:
    items = [item(size) for size in sizes]
    assert read_units(items, is_consistent=True) == units
    assert read_units(items, is_consistent=False) == units / 2


@given(st.lists(st.integers(2, 20_000), max_size=5))
def test_of_a_batch_each_item_is_rounded_up_alone(sizes: list[int]) -> None:
    items = [*map(item, sizes), {}]  # what is not there takes one, too
    units = sum(-(-size // 4_096) for size in sizes) + 1
    assert read_units(items, is_consistent=True, each_alone=True) == units


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, item(1_024), 1),
        (None, item(1_025), 2),
        (item(3_000), item(10), 3),
        (item(10), item(3_000), 3),
        (item(1_025), None, 2),
        (None, None, 1),
    ],
)
def test_a_write_takes_one_unit_for_every_kilobyte_of_the_larger_item(
    before: Item | None, after: Item | None, units: int
) -> None:
    assert write_units(before, after) == units
    assert write_units(before, after, is_transactional=True) == 2 * units


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, entry(2_000, day="1", at="2"), 2),
        (entry(100, day="1", at="2"), entry(100, day="1"), 1),
        (entry(100, day="1", at="2"), entry(101, day="1", at="2"), 1),
        (entry(100, day="1", at="2"), entry(100, day="1", at="3"), 2),
        (entry(100, day="1"), entry(101, day="1"), 0),
        (entry(100, rule_id="r"), entry(200, rule_id="r"), 0),
        (None, entry(100, rule_id="r"), 1),
    ],
)
def test_an_index_takes_its_own_units_if_its_entry_changes(
    before: Item | None, after: Item, units: int
) -> None:
    alone = write_units(before, after)
    assert write_units(before, after, [BY_DAY, BY_RULE]) == alone + units


def test_units_add_up() -> None:
    assert Units(1, 2) + Units(3, 4) == Units(4, 6)
    assert Units(4, 6).total == 10
