"""The backend arguments that terraform init gets from the command line in the environment."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.backend.terraform import Argument, init_arguments, value_of_expression
from lib.config.document import ConfigurationError

PLACE = "TF_CLI_ARGS_init: -backend-config="
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="=\0"), min_size=1)


def arguments(value: str, folder: Path = Path()) -> list[tuple[str, Any]]:
    """The arguments in a value of TF_CLI_ARGS_init, in order."""
    found = init_arguments({"TF_CLI_ARGS_init": value}, folder)
    return [(argument.name, argument.value) for argument in found]


def read(folder: Path, file: str, text: str) -> list[tuple[str, Any]]:
    """The arguments in a file that is named on the command line, in order."""
    (folder / file).write_text(text, "utf-8")
    return arguments(f"-backend-config={file}", folder)


def refusal(file: str, folder: Path) -> str:
    """Why that file is rejected."""
    with pytest.raises(ConfigurationError) as caught:
        arguments(f"'-backend-config={file}'", folder)
    return str(caught.value)


# --- the command line --------------------------------------------------------------------


@given(
    st.lists(st.tuples(NAMES, st.text(st.characters(codec="utf-8"))), max_size=3),
    st.sampled_from(["-backend-config=", "--backend-config=", "-backend-config "]),
)
@settings(max_examples=30)
def test_each_argument_is_read_whatever_it_holds(given: list[tuple[str, str]], flag: str) -> None:
    value = " ".join(flag + shlex.quote(f"{name}={value}") for name, value in given)
    assert arguments(f"-lock=false {value} -input=false") == given


def test_what_sets_no_argument_of_the_backend_is_ignored() -> None:
    flags = ("", "-backend-configs=key=a", "-backend=key=a", "-backend-config=", "-backend-config")
    assert [arguments(value) for value in flags] == [[]] * 5


def test_the_variable_of_every_command_lies_over_the_one_of_init() -> None:
    # Terraform puts the former behind the latter: command, TF_CLI_ARGS_init, TF_CLI_ARGS.
    environment = {
        "TF_CLI_ARGS": "-backend-config=key='a=b' -backend-config=bucket=b",
        "TF_CLI_ARGS_init": "-backend-config=key=c -backend-config",
        "TF_CLI_ARGS_plan": "-backend-config=key=d",
    }
    assert init_arguments(environment, Path()) == [
        Argument(f"{PLACE}key", "key", "c", is_text=True, is_ours=False),
        Argument("TF_CLI_ARGS: -backend-config=key", "key", "a=b", is_text=True),
        Argument("TF_CLI_ARGS: -backend-config=bucket", "bucket", "b", is_text=True),
    ]


@pytest.mark.parametrize("variable", ["TF_CLI_ARGS", "TF_CLI_ARGS_init"])
def test_a_quote_that_is_not_closed_is_rejected(variable: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        init_arguments({variable: "-backend-config='key=a"}, Path())
    assert str(caught.value) == (
        f"{variable}: cannot be split into arguments: No closing quotation; write it as for a shell"
    )


# --- values in Terraform's language ------------------------------------------------------


def test_a_literal_is_read() -> None:
    literals: dict[str, object] = {
        '"a"': "a",
        "5": 5,
        "true": True,
        "null": None,
        '["a", "b"]': ["a", "b"],
        '{"a" = {b: ["c"]}}': {"a": {"b": ["c"]}},
        '"${a.b}"': "${a.b}",
        '"a\\n\\"b\\""': 'a\n"b"',
    }
    assert {text: value_of_expression(text) for text in literals} == literals


def test_what_is_no_literal_is_rejected() -> None:
    for text in ("", '["a"', '"a', "a b"):
        with pytest.raises(ValueError, match=r"\S"):
            value_of_expression(text)
    for text in ("var.x", "foo()", '["a", b]', "{a = {b = [c]}}", "1 + 1"):
        with pytest.raises(ValueError, match=r"is no value; strings stand in quotes$"):
            value_of_expression(text)


def test_the_parser_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, lib.backend.terraform; print({'hcl2', 'lark'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- files -------------------------------------------------------------------------------


def test_a_file_in_terraform_s_language_is_read(tmp_path: Path) -> None:
    text = """\ufeff
        # a comment
        bucket = "größe" // another
        /* and
           a third */
        encrypt = true
        max_retries = 5
        token = null
        shared_config_files = ["a", "b"]
        assume_role = {
          role_arn = "r"
          tags = { team = "t", "a b" = "c" }
        }
    """
    assert read(tmp_path, "prod.tfbackend", text) == [
        ("bucket", "größe"),
        ("encrypt", True),
        ("max_retries", 5),
        ("token", None),
        ("shared_config_files", ["a", "b"]),
        ("assume_role", {"role_arn": "r", "tags": {"team": "t", "a b": "c"}}),
    ]
    assert read(tmp_path, "a.tfbackend", "") == []


def test_a_file_in_json_is_read(tmp_path: Path) -> None:
    text = '\ufeff{"bucket": "größe", "encrypt": true, "token": null, "tags": {"a": ["b"]}}'
    assert read(tmp_path, "prod.json", text) == [
        ("bucket", "größe"),
        ("encrypt", True),
        ("token", None),
        ("tags", {"a": ["b"]}),
    ]


def test_a_relative_file_lies_in_the_folder_and_its_values_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('{"key": "file"}')
    value = f"-backend-config=key=before -backend-config a.json -backend-config={file}"
    assert init_arguments({"TF_CLI_ARGS_init": value}, tmp_path) == [
        Argument(f"{PLACE}key", "key", "before", is_text=True),
        Argument(f"{PLACE}a.json: key", "key", "file", is_text=False, is_ours=False),
        Argument(f"{PLACE}{file}: key", "key", "file", is_text=False, is_ours=False),
    ]


@pytest.mark.parametrize("end", ["\n", "\u2028"])
def test_a_missing_file_is_reported_in_one_line_with_where_it_was_looked_for(
    tmp_path: Path, end: str
) -> None:
    assert refusal(f"a{end}b", tmp_path) == (
        f"{PLACE}a b: cannot be read: No such file or directory; "
        f"Terraform runs in {tmp_path}, so write an absolute path"
    )


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        *(("a\nb.tfbackend", b"key", ""), ("a.tfbackend", b"key = <<EOT\na", "")),
        *(("a.tfbackend", b'key = "\xff"', ""), ("a.json", b'{"key": "\xff"}', "")),
        *(("a.tfbackend", b"key = var.x", ""), ("a.json", b"", ""), ("a.json", b"[" * 200_000, "")),
        *(
            ("a.json", text, "it holds no object")
            for text in (b'""', b'["ab"]', b'[["a", "b"]]', b"5", b"null")
        ),
    ],
    ids=range(12),
)
def test_a_file_that_cannot_be_understood_is_rejected_in_one_line(
    tmp_path: Path, file: str, content: bytes, why: str
) -> None:
    (tmp_path / file).write_bytes(content)
    text = refusal(file, tmp_path)
    assert text.startswith(f"{PLACE}{file.replace(chr(10), ' ')}: cannot be understood: {why}")
    assert text.endswith('; write lines like name = "value"')
    assert len(text.splitlines()) == 1
    assert "Expected" not in text  # all that the parser would have accepted instead


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<<-EOT\n    a\tc\n      b\n    EOT", "a\tc\n  b"),
        ('<<POLICY\n{"a": "b\\n"}\nPOLICY', '{"a": "b\\n"}'),
        ("<<EOT\n${a}\nEOT", "${a}"),
    ],
    ids=["indented", "quotes and escapes", "template"],
)
def test_a_heredoc_is_its_text(tmp_path: Path, written: str, text: str) -> None:
    file = f'one = "1"\ntwo = {written}\nthree = {{\n  a = {written}\n}}\n'
    [(_, before), (_, value), (_, nested)] = read(tmp_path, "a.tfbackend", file)
    # The end of the last line is Terraform's to keep and the parser's to drop.
    found = [one.removesuffix("\n") for one in (before, value, nested["a"])]
    assert found == ["1", text, text]
