"""In what two synthesized stacks differ."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.stack_differences import (
    ABSENT,
    Difference,
    count_blocks,
    excerpts,
    find_differences,
)

NUMBERS_AND_TEXTS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
DOCUMENTS = st.recursive(
    NUMBERS_AND_TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


def found(before: Any, after: Any) -> list[tuple[str, str, str]]:
    differences = find_differences(before, after)
    return [(each.place, each.before, each.after) for each in differences]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", "1", "2")]),
        ({"a": 1, "b": 2}, {"a": 3, "b": 4}, [("a", "1", "3"), ("b", "2", "4")]),
        ({"a": 1}, {}, [("a", "1", ABSENT)]),
        ({}, {"a": None}, [("a", ABSENT, "null")]),
        ({"a": {}}, {}, [("a", "{}", ABSENT)]),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, [("a[1].b", "2", "3")]),
        ({"a": [1]}, {"a": [1, 2]}, [("a[1]", ABSENT, "2")]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [("a[0]", "1", "2"), ("a[1]", "2", "1")]),
        ({"a": True}, {"a": 1}, [("a", "true", "1")]),
        ({"a": "1"}, {"a": 1}, [("a", '"1"', "1")]),
        ({"a": {"b": 1}}, {"a": [1]}, [("a", '{"b": 1}', "[1]")]),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, []),
    ],
    ids=str,
)
def test_a_difference_is_told_where_it_is_innermost(
    before: Any, after: Any, expected: list[tuple[str, str, str]]
) -> None:
    assert found(before, after) == expected


@given(DOCUMENTS, DOCUMENTS)
def test_two_documents_differ_if_and_only_if_their_texts_do(before: Any, after: Any) -> None:
    is_equal = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (found(before, after) == []) == is_equal


@given(DOCUMENTS)
def test_a_document_differs_from_no_copy_of_itself(document: Any) -> None:
    assert found(document, copy.deepcopy(document)) == []


def test_resources_and_data_sources_are_counted_and_nothing_else() -> None:
    document = {
        "data": {"aws_partition": {"partition": {}}},
        "output": {"one": {}, "other": {}},
        "resource": {"aws_sqs_queue": {"queue": {}, "dlq": {}}, "aws_sns_topic": {"topic": {}}},
    }
    assert count_blocks(document) == 4


def test_a_stack_of_nothing_has_nothing_to_count() -> None:
    assert count_blocks({"terraform": {}}) == 0


def test_what_is_short_is_shown_whole() -> None:
    assert excerpts(Difference("a", '"aws"', '"hashicorp/aws"')) == ('"aws"', '"hashicorp/aws"')


@pytest.mark.parametrize("lead", ["", "x" * 500])
def test_of_what_is_long_the_part_that_differs_is_shown(lead: str) -> None:
    before, after = excerpts(Difference("a", f"{lead}old{'y' * 500}", f"{lead}new{'y' * 500}"))
    assert "old" in before
    assert "new" in after
    assert max(len(before), len(after)) <= 50
    assert before.startswith("…") == bool(lead)
    assert before.endswith("…")


def test_what_ends_where_the_excerpt_does_is_not_said_to_go_on() -> None:
    before, _after = excerpts(Difference("a", f"{'x' * 500}old", f"{'x' * 500}new"))
    assert before == f"…{'x' * 12}old"
