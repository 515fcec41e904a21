"""cdktf.json as it is read, before anything in it is judged."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lib.config.document import (
    ConfigurationError,
    Fault,
    environment_names,
    not_literal,
    read_configuration,
    stack_name,
    texts_in,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cdktf.json"


def refusal(path: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(path)
    return str(caught.value)


# --- the file ----------------------------------------------------------------------------


def test_a_document_is_what_the_file_holds(path: Path) -> None:
    path.write_text('{"app": "käse", "context": {"common": [1, true, null]}}', "utf-8")
    assert read_configuration(path) == {"app": "käse", "context": {"common": [1, True, None]}}


@pytest.mark.parametrize("literal", ["0.1", "1e2", "1e400"])
def test_a_fraction_is_a_decimal_of_just_that_value(path: Path, literal: str) -> None:
    path.write_text(f'{{"value": {literal}}}')
    value = read_configuration(path)["value"]
    assert (type(value), value) == (Decimal, Decimal(literal))


def test_a_whole_number_stays_one(path: Path) -> None:
    path.write_text('{"value": 5}')
    assert type(read_configuration(path)["value"]) is int


def test_a_file_that_is_not_there_cannot_be_read(path: Path) -> None:
    assert refusal(path) == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    "content", [b"", b"// note\n{}", b'{"a": "\xff"}', b"[" * 200_000], ids=range(4)
)
def test_what_is_no_json_says_so_in_one_line(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    text = refusal(path)
    assert (text[:13], len(text.splitlines())) == ("is not JSON: ", 1)


def test_a_number_of_too_many_digits_is_none(path: Path) -> None:
    path.write_text('{"value": 1e9999999999999999999}')
    assert refusal(path) == "holds a number that is beyond all bounds"


@pytest.mark.parametrize("text", ["[]", "null"])
def test_what_is_no_object_is_no_configuration(path: Path, text: str) -> None:
    path.write_text(text)
    assert refusal(path) == "the document must be a JSON object"


# --- names -------------------------------------------------------------------------------


def test_a_stack_is_named_after_its_environment() -> None:
    assert stack_name("dev") == "tap-dev"


def test_the_environments_are_listed_as_they_stand() -> None:
    document: dict[str, Any] = {"context": {"common": {}, "environments": {"qa": {}, "dev": None}}}
    assert environment_names(document) == ["qa", "dev"]


NO_ENVIRONMENTS: list[dict[str, Any]] = [
    {},
    {"context": ["environments"]},
    {"context": {}},
    {"context": {"environments": ["dev"]}},
]


@pytest.mark.parametrize("document", NO_ENVIRONMENTS)
def test_a_document_without_environments_has_none(document: dict[str, Any]) -> None:
    assert environment_names(document) == []


# --- texts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("", [""]),
        ({"a": {"b": ["c", {"d": "e"}, [["f"]]]}, "g": 1}, ["a", "b", "c", "d", "e", "f", "g"]),
        (None, []),
    ],
)
def test_the_texts_of_a_value_are_all_its_strings_and_keys(value: object, texts: list[str]) -> None:
    assert list(texts_in(value)) == texts


@pytest.mark.parametrize("text", ["a${b", "%{if true}a%{endif}", "{stack}${a}"])
def test_what_terraform_would_evaluate_elsewhere_is_not_literal(text: str) -> None:
    assert not_literal(text) == (
        "${…} and %{…} are not evaluated in a backend, Terraform takes them literally; "
        "write the value itself"
    )


def test_a_stack_that_is_left_over_is_not_literal() -> None:
    assert not_literal("a/{stack}.b") == "{stack} is replaced in cdktf.json only; write it there"


@pytest.mark.parametrize("text", ["", "{Stack}", "$ {a}", "100%", "$a"])
def test_what_terraform_takes_as_it_is_is_literal(text: str) -> None:
    assert not_literal(text) is None


# --- faults ------------------------------------------------------------------------------


def test_a_fault_is_one_line_whatever_its_names_hold() -> None:
    assert str(Fault("cdktf.json: a\nb", "is\r\nc")) == "cdktf.json: a b: is c"


def test_a_configuration_error_is_a_value_error() -> None:
    assert issubclass(ConfigurationError, ValueError)
