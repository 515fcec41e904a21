"""The backend arguments that terraform init gets from the command line in the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lib.backend.terraform import Argument, init_arguments, value_of_expression
from lib.config.document import ConfigurationError


def texts(value: str) -> dict[str, str]:
    """The arguments in a value of TF_CLI_ARGS_init, by name."""
    arguments = init_arguments({"TF_CLI_ARGS_init": value}, Path())
    return {argument.name: argument.value for argument in arguments}


# --- the command line --------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "-backend-config=key=a",
        "--backend-config=key=a",
        "-backend-config key=a",
        "--backend-config key=a",
        "  -backend-config=key=a  ",
        "'-backend-config=key=a'",
        "-backend-config='key=a'",
        '-backend-config="key=a"',
        '-backend-config "key=a"',
        "-backend-config=key='a'",
    ],
)
def test_an_argument_may_be_written_in_every_way_that_terraform_takes(value: str) -> None:
    assert texts(value) == {"key": "a"}


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("-backend-config=key=a=b==", {"key": "a=b=="}),
        ("-backend-config key=a=b", {"key": "a=b"}),
        ("-backend-config=key=", {"key": ""}),
        ("-backend-config='key=a b'", {"key": "a b"}),
        ('\'-backend-config=policy={"a": "b"}\'', {"policy": '{"a": "b"}'}),
        ("-backend-config=encrypt=true", {"encrypt": "true"}),
    ],
)
def test_all_that_follows_the_first_sign_of_equality_is_the_value(
    value: str, argument: dict[str, str]
) -> None:
    assert texts(value) == argument


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "-upgrade", "-lock=false -input=false", "backend-config=key=a"),
        *("-backend-configs=key=a", "---backend-config=key=a", "-backend=key=a", "-var key=a"),
        *("-backend-config=", "-backend-config ''", "-backend-config"),
    ],
)
def test_what_sets_no_argument_of_the_backend_is_ignored(value: str) -> None:
    assert texts(value) == {}


def test_other_flags_may_stand_in_between() -> None:
    value = "-upgrade -backend-config=key=a -lock=false -backend-config bucket=b -reconfigure"
    assert texts(value) == {"key": "a", "bucket": "b"}


def test_a_flag_without_a_value_at_the_end_takes_nothing_from_the_next_variable() -> None:
    environment = {"TF_CLI_ARGS_init": "-backend-config", "TF_CLI_ARGS": "key=a"}
    assert init_arguments(environment, Path()) == []


def test_an_argument_of_the_command_line_is_text_and_tells_its_place() -> None:
    assert init_arguments({"TF_CLI_ARGS_init": "-backend-config=key=a=b"}, Path()) == [
        Argument(
            place="TF_CLI_ARGS_init: -backend-config=key",
            name="key",
            value="a=b",
            is_text=True,
            is_ours=False,
        )
    ]


@pytest.mark.parametrize("variable", ["TF_CLI_ARGS", "TF_CLI_ARGS_init"])
def test_an_argument_may_stand_in_either_variable(variable: str) -> None:
    arguments = init_arguments({variable: "-backend-config=key=a"}, Path())
    assert [argument.place for argument in arguments] == [f"{variable}: -backend-config=key"]


def test_the_variable_of_every_command_lies_over_the_one_of_init() -> None:
    # Terraform puts the former behind the latter: command, TF_CLI_ARGS_init, TF_CLI_ARGS.
    environment = {
        "TF_CLI_ARGS": "-backend-config=key=a -backend-config=bucket=b",
        "TF_CLI_ARGS_init": "-backend-config=key=c",
    }
    arguments = init_arguments(environment, Path())
    assert [(argument.name, argument.value) for argument in arguments] == [
        ("key", "c"),
        ("key", "a"),
        ("bucket", "b"),
    ]


def test_an_argument_that_is_given_twice_is_there_twice_and_in_order() -> None:
    arguments = init_arguments(
        {"TF_CLI_ARGS_init": "-backend-config=key=a -backend-config=key=b"}, Path()
    )
    assert [argument.value for argument in arguments] == ["a", "b"]


@pytest.mark.parametrize("variable", ["TF_CLI_ARGS_plan", "TF_CLI_ARGS_INIT", "TF_VAR_init"])
def test_variables_that_terraform_init_does_not_read_are_ignored(variable: str) -> None:
    assert init_arguments({variable: "-backend-config=key=a"}, Path()) == []


@pytest.mark.parametrize("variable", ["TF_CLI_ARGS", "TF_CLI_ARGS_init"])
def test_a_quote_that_is_not_closed_is_refused(variable: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        init_arguments({variable: "-backend-config='key=a"}, Path())
    assert str(caught.value) == (
        f"{variable}: cannot be split into arguments: No closing quotation; write it as for a shell"
    )


# --- values in Terraform's language ------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a"', "a"),
        ("5", 5),
        ("true", True),
        ("null", None),
        ("[]", []),
        ('["a", "b"]', ["a", "b"]),
        ('{a = "b"}', {"a": "b"}),
        ('{"a" = "b", "c": "d"}', {"a": "b", "c": "d"}),
        ('{a = {b = ["c"]}}', {"a": {"b": ["c"]}}),
        ('"${a.b}"', "${a.b}"),
        ('"a\\n\\"b\\""', 'a\n"b"'),
    ],
)
def test_a_literal_is_read(text: str, value: object) -> None:
    assert value_of_expression(text) == value


@pytest.mark.parametrize("text", ["", "[", '["a"', "{a = }", '"a', "a b", "= 1"])
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\S"):
        value_of_expression(text)


@pytest.mark.parametrize(
    "text", ["a", "var.x", "foo()", '["a", b]', "{a = b}", "{a = {b = [c]}}", "1 + 1"]
)
def test_what_is_not_in_quotes_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no value; strings stand in quotes$"):
        value_of_expression(text)


def test_the_parser_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, lib.backend.terraform; print({'hcl2', 'lark'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
