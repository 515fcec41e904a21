"""The files that -backend-config names: which arguments they hold, and which hold none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.backend.terraform import Argument, init_arguments
from lib.config.document import ConfigurationError


def read(folder: Path, file: str, text: str) -> list[tuple[str, Any]]:
    """The arguments in a file that is named on the command line, in order."""
    (folder / file).write_text(text, "utf-8")
    arguments = init_arguments({"TF_CLI_ARGS_init": f"-backend-config={file}"}, folder)
    return [(argument.name, argument.value) for argument in arguments]


def refusal(file: str, folder: Path) -> str:
    """What the refusal of that file says."""
    with pytest.raises(ConfigurationError) as caught:
        init_arguments({"TF_CLI_ARGS_init": f"'-backend-config={file}'"}, folder)
    return str(caught.value)


def test_a_file_in_terraform_s_language_is_read(tmp_path: Path) -> None:
    text = """
        # a comment
        bucket = "b" // another
        /* and
           a third */
        encrypt = true
        use_lockfile = false
        max_retries = 5
        token = null
        shared_config_files = ["a", "b"]
        assume_role = {
          role_arn = "r"
          tags = { team = "t", "a b" = "c" }
        }
    """
    assert read(tmp_path, "prod.tfbackend", text) == [
        ("bucket", "b"),
        ("encrypt", True),
        ("use_lockfile", False),
        ("max_retries", 5),
        ("token", None),
        ("shared_config_files", ["a", "b"]),
        ("assume_role", {"role_arn": "r", "tags": {"team": "t", "a b": "c"}}),
    ]


def test_a_file_in_json_is_read(tmp_path: Path) -> None:
    text = '{"bucket": "b", "encrypt": true, "max_retries": 5, "token": null, "tags": {"a": ["b"]}}'
    assert read(tmp_path, "prod.json", text) == [
        ("bucket", "b"),
        ("encrypt", True),
        ("max_retries", 5),
        ("token", None),
        ("tags", {"a": ["b"]}),
    ]


@pytest.mark.parametrize(
    ("file", "text"), [("a.tfbackend", ""), ("a.hcl", "# b"), ("a.json", "{}")]
)
def test_a_file_may_be_empty(tmp_path: Path, file: str, text: str) -> None:
    assert read(tmp_path, file, text) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [("a.tfbackend", 'key = "a"'), ("a.hcl", 'key = "a"'), ("a.json", '{"key": "a"}')],
)
def test_a_byte_order_mark_is_no_part_of_it(tmp_path: Path, file: str, text: str) -> None:
    assert read(tmp_path, file, f"\ufeff{text}") == [("key", "a")]


@pytest.mark.parametrize("value", ["abc", "var.x", "foo()", "[abc]", "{a = abc}"])
def test_a_value_without_quotes_is_refused(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.tfbackend").write_text(f"bucket = {value}\n")
    text = refusal("a.tfbackend", tmp_path)
    assert (
        text.startswith("TF_CLI_ARGS_init: -backend-config=a.tfbackend: cannot be understood: "),
        "is no value; strings stand in quotes" in text,
        len(text.splitlines()),
    ) == (True, True, 1)


def test_text_beyond_ascii_is_read_as_utf_8(tmp_path: Path) -> None:
    assert read(tmp_path, "prod.tfbackend", 'key = "größe"') == [("key", "größe")]


def test_an_argument_of_a_file_is_no_text_and_tells_its_place(tmp_path: Path) -> None:
    (tmp_path / "prod.tfbackend").write_text('key = "a"', "utf-8")
    environment = {"TF_CLI_ARGS": f"-backend-config={tmp_path / 'prod.tfbackend'}"}
    assert init_arguments(environment, Path("/nowhere")) == [
        Argument(
            place=f"TF_CLI_ARGS: -backend-config={tmp_path}/prod.tfbackend: key",
            name="key",
            value="a",
            is_text=False,
            is_ours=False,
        )
    ]


def test_a_relative_file_lies_in_the_folder_that_terraform_runs_in(tmp_path: Path) -> None:
    folder = tmp_path / "stacks" / "tap-dev"
    folder.mkdir(parents=True)
    assert read(folder, "../../prod.tfbackend", 'key = "a"') == [("key", "a")]


def test_files_and_arguments_stay_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"key": "file"}', "utf-8")
    value = "-backend-config=key=before -backend-config a.json -backend-config=key=after"
    arguments = init_arguments({"TF_CLI_ARGS_init": value}, tmp_path)
    assert [argument.value for argument in arguments] == ["before", "file", "after"]


def test_a_missing_file_is_told_where_it_was_looked_for(tmp_path: Path) -> None:
    assert refusal("no.tfbackend", tmp_path) == (
        "TF_CLI_ARGS_init: -backend-config=no.tfbackend: cannot be read: No such file or "
        f"directory; Terraform runs in {tmp_path}, so write an absolute path"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028"])
def test_a_line_end_in_a_missing_file_s_name_does_not_break_the_line(
    tmp_path: Path, end: str
) -> None:
    assert refusal(f"a{end}b", tmp_path) == (
        "TF_CLI_ARGS_init: -backend-config=a b: cannot be read: No such file or directory; "
        f"Terraform runs in {tmp_path}, so write an absolute path"
    )


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.tfbackend", b'key = "a'),
        ("a.tfbackend", b"key"),
        ("a.tfbackend", b"key = \n"),
        ("a.tfbackend", b"key = <<EOT\na"),
        ("a.tfbackend", b'key = "\xff"'),
        ("a.json", b""),
        ("a.json", b'{"key": "a",}'),
        ("a.json", b'key = "a"'),
        ("a.json", b'{"key": "\xff"}'),
        ("a\nb.json", b""),
        ("a\nb.tfbackend", b"key"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_in_one_line(
    tmp_path: Path, file: str, content: bytes
) -> None:
    (tmp_path / file).write_bytes(content)
    text = refusal(file, tmp_path)
    name = file.replace("\n", " ")
    assert (
        text.startswith(f"TF_CLI_ARGS_init: -backend-config={name}: cannot be understood: "),
        text.endswith('; write lines like name = "value"'),
        len(text.splitlines()),
    ) == (True, True, 1)


def test_all_that_the_parser_would_have_taken_instead_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.tfbackend").write_text("key")
    assert "Expected" not in refusal("a.tfbackend", tmp_path)


@pytest.mark.parametrize(
    "text", ['""', '"ab"', "[]", '["ab"]', '[["a", "b"]]', '[{"a": 1}]', "5", "null", "true"]
)
def test_a_file_in_json_that_holds_no_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert refusal("a.json", tmp_path) == (
        "TF_CLI_ARGS_init: -backend-config=a.json: cannot be understood: it holds no object; "
        'write lines like name = "value"'
    )


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<<EOT\na\n  b\nEOT", "a\n  b"),
        ("<<-EOT\n    a\n      b\n    EOT", "a\n  b"),
        ('<<POLICY\n{"a": "b\\n"}\nPOLICY', '{"a": "b\\n"}'),
        ("<<EOT\n${a}\nEOT", "${a}"),
        ("<<EOT\na\tb\nEOT", "a\tb"),
    ],
    ids=["plain", "indented", "quotes and escapes", "template", "tab"],
)
def test_a_heredoc_is_its_text(tmp_path: Path, written: str, text: str) -> None:
    [(_, before), (_, value), (_, after)] = read(
        tmp_path, "a.tfbackend", f'one = "1"\ntwo = {written}\nthree = "3"\n'
    )
    # The end of the last line is Terraform's to keep and the parser's to drop.
    assert (before, value.removesuffix("\n"), after) == ("1", text, "3")


def test_a_heredoc_in_an_object_is_its_text(tmp_path: Path) -> None:
    [(name, value)] = read(tmp_path, "a.tfbackend", "a = {\n  b = <<EOT\nc\nEOT\n}\n")
    assert (name, value["b"].removesuffix("\n")) == ("a", "c")
