"""The values of an S3 backend's arguments: what text stands for, and which of them count."""

from __future__ import annotations

import pytest

from lib.backend.init_arguments import Argument
from lib.backend.s3 import values_of
from tests.unit.s3_block import MUST_BE, OF_TYPE, complaints

# The last three are digits elsewhere: five in Arabic and Devanagari, and a squared two.
NO_NUMBERS = [
    *("five", "", "true", "[5]", "-1", "+1", "1_000", " 5", "5 ", "5\n", "5.0", "1e3", "0x5"),
    *("1" * 20, "\u0665", "\u096b", "\u00b2"),
]
# --- text from the command line ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        *(("profile", text, text) for text in ("", "true", "5", "null", '["a"]', '"a"')),
        *(("unheard_of", text, text) for text in ("true", "5", '["a"]')),
        *(("encrypt", "true", True), ("encrypt", "1", True)),
        *(("encrypt", "false", False), ("encrypt", "0", False)),
        *(("encrypt", text, text) for text in ("True", "yes", "", "2")),
        *(
            ("max_retries", "5", 5),
            ("max_retries", "0", 0),
            ("max_retries", "123456789", 123456789),
        ),
        *(("max_retries", text, text) for text in NO_NUMBERS),
        ("shared_config_files", '["a", "b"]', ["a", "b"]),
        ("shared_config_files", "[]", []),
        ("shared_config_files", '["a"', '["a"'),
        ("shared_config_files", '"a"', "a"),
        ("state_tags", '{a = "b", "c" = "d"}', {"a": "b", "c": "d"}),
        ("state_tags", "{", "{"),
        ("endpoints", "{}", {}),
        ("endpoints", "", ""),
    ],
)
def test_text_becomes_what_terraform_makes_of_it(name: str, text: str, value: object) -> None:
    assert values_of([Argument("here", name, text, is_text=True)]) == {name: value}


def test_what_is_no_text_stays_as_it_is() -> None:
    assert values_of([Argument("here", "encrypt", "true")]) == {"encrypt": "true"}


def test_text_that_stands_for_null_is_as_absent() -> None:
    assert values_of([Argument("here", "shared_config_files", "null", is_text=True)]) == {}


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *(("bool", "true"), ("bool", "0"), ("number", "5"), ("string", "5")),
        *(("set(string)", '["a"]'), ("map(string)", '{a = "b"}'), ("object", '{s3 = "a"}')),
    ],
)
def test_text_that_stands_for_the_right_type_is_taken(type_: str, text: str) -> None:
    assert complaints(OF_TYPE[type_], text, is_text=True) == []


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *(("bool", "yes"), ("bool", "True"), *(("number", text) for text in NO_NUMBERS)),
        *(("set(string)", "a"), ("set(string)", "[1]"), ("set(string)", '{a = "b"}')),
        *(("map(string)", "a=b"), ("map(string)", "{a = 1}"), ("map(string)", '["a"]')),
        *(("object", "a"), ("object", '["a"]')),
    ],
)
def test_text_that_stands_for_another_type_is_refused(type_: str, text: str) -> None:
    assert complaints(OF_TYPE[type_], text, is_text=True) == [f"here: {MUST_BE[type_]}"]


# --- which value counts ------------------------------------------------------------------


def test_nested_values_stand_beside_their_parent() -> None:
    endpoints = {"s3": "a", "sts": None}
    assert values_of([Argument("here", "endpoints", endpoints)]) == {
        "endpoints": endpoints,
        "endpoints.s3": "a",
    }


def test_nested_text_is_converted_with_its_parent() -> None:
    assert values_of([Argument("here", "endpoints", '{s3 = "a"}', is_text=True)]) == {
        "endpoints": {"s3": "a"},
        "endpoints.s3": "a",
    }


def test_only_an_object_has_nested_values() -> None:
    assert values_of([Argument("here", "state_tags", {"a": "b"})]) == {"state_tags": {"a": "b"}}


def test_of_several_values_the_last_one_counts() -> None:
    arguments = [
        Argument("here", "key", "a"),
        Argument("there", "key", "b"),
        Argument("there", "key", "c", is_text=True),
    ]
    assert values_of(arguments) == {"key": "c"}


def test_nothing_counts_that_is_nested_in_an_earlier_value() -> None:
    arguments = [
        Argument("here", "endpoints", {"s3": "a", "sts": "b"}),
        Argument("there", "endpoints", {"s3": "c"}),
    ]
    assert values_of(arguments) == {"endpoints": {"s3": "c"}, "endpoints.s3": "c"}


def test_a_value_of_null_is_as_absent() -> None:
    assert values_of([Argument("here", "key", None)]) == {}


@pytest.mark.parametrize(("name", "value"), [("key", "a"), ("endpoints", {"s3": "a"})])
def test_a_later_null_takes_a_value_away(name: str, value: object) -> None:
    arguments = [Argument("here", name, value), Argument("there", name, None)]
    assert values_of(arguments) == {}


@pytest.mark.parametrize("name", ["endpoints.s3", "assume_role.role_arn", "bucket.a", "a.b.c"])
@pytest.mark.parametrize("is_text", [False, True])
def test_a_name_with_a_dot_stands_for_no_value(name: str, is_text: bool) -> None:
    assert values_of([Argument("here", name, "a", is_text=is_text)]) == {}


def test_a_name_with_a_dot_takes_no_nested_value_s_place() -> None:
    arguments = [
        Argument("here", "endpoints", {"s3": "a"}),
        Argument("there", "endpoints.s3", "b"),
    ]
    assert values_of(arguments)["endpoints.s3"] == "a"


@pytest.mark.parametrize("name", ["profile", "encrypt", "max_retries", "endpoints", "kms_key_id"])
def test_nothing_is_said_of_an_argument_that_is_null(name: str) -> None:
    assert complaints(name, None) == []


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_an_argument_that_is_null_is_missed_if_it_must_be_there(name: str) -> None:
    assert complaints(name, None) == [f"block: {name} is missing; add it"]
