"""cdktf.json as it is read, before anything in it is checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.config.document import (
    ConfigurationError,
    Fault,
    environment_names,
    not_literal,
    read_configuration,
    texts_in,
)


def test_a_document_is_what_the_file_holds_with_exact_fractions(tmp_path: Path) -> None:
    path = tmp_path / "cdktf.json"
    path.write_text('{"app": "käse", "values": [1, true, null, 0.1, 1e2, 1e400]}', "utf-8")
    assert repr(read_configuration(path)) == (
        "{'app': 'käse', 'values': "
        "[1, True, None, Decimal('0.1'), Decimal('1E+2'), Decimal('1E+400')]}"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"// note\n{}", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a": "\xff"}', "is not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b"[" * 200_000, "is not JSON: "),
        (b'{"value": 1e9999999999999999999}', "holds a number that is beyond all bounds"),
        (b"[]", "the document must be a JSON object"),
    ],
    ids=range(6),
)
def test_a_file_that_holds_no_object_is_rejected_in_one_line(
    tmp_path: Path, content: bytes | None, text: str
) -> None:
    if content is not None:
        (tmp_path / "cdktf.json").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(tmp_path / "cdktf.json")
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"context": {"common": {}, "environments": {"qa": {}, "dev": None}}}, ["qa", "dev"]),
        ({"context": {"environments": ["dev"]}}, []),
        ({"context": ["environments"]}, []),
        ({}, []),
    ],
)
def test_the_environments_are_listed_in_order(document: dict[str, Any], names: list[str]) -> None:
    assert environment_names(document) == names


def test_the_texts_of_a_value_are_all_its_strings_and_keys() -> None:
    value = {"a": {"b": ["c", {"d": "e"}, [["f"]]]}, "g": [1, None, ""]}
    assert list(texts_in(value)) == ["a", "b", "c", "d", "e", "f", "g", ""]


def test_only_what_terraform_takes_as_it_is_is_literal() -> None:
    template = (
        "${…} and %{…} are not evaluated in a backend, Terraform takes them literally; "
        "write the value itself"
    )
    assert {not_literal(text) for text in ("a${b", "%{if true}a%{endif}", "{stack}${a}")} == {
        template
    }
    assert not_literal("a/{stack}.b") == "{stack} is replaced in cdktf.json only; write it there"
    assert {not_literal(text) for text in ("", "{Stack}", "$ {a}", "100%", "$a")} == {None}


def test_a_fault_is_one_line_whatever_its_names_hold() -> None:
    assert str(Fault("cdktf.json: a\nb", "is\r\nc")) == "cdktf.json: a b: is c"
