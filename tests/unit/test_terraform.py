"""The command that cdktf is going to run: which product it is, and in which version."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from lib.backend import terraform
from lib.backend.terraform import Terraform, UnknownTerraform, ask_terraform, version_numbers

ANSWER = '{"terraform_version": "1.11.4", "terraform_outdated": false}'
TOFU_S_ANSWER = '{"terraform_version": "1.9.0", "provider_selections": {}}'


def install(command: Path, answer: str = ANSWER, text: str = "", before: str = "") -> Path:
    """Write a command that answers ``version -json`` and ``version``; returns its folder."""
    command.parent.mkdir(exist_ok=True)
    command.write_text(
        "#!/bin/sh\n"
        f"{before}\n"
        'case "$*" in\n'
        f'"version -json") printf "%s\\n" {shlex.quote(answer)} ;;\n'
        f'version) printf "%s\\n" {shlex.quote(text)} ;;\n'
        "*) exit 1 ;;\n"
        "esac\n",
        "utf-8",
    )
    command.chmod(0o755)
    return command.parent


def ask(folder: Path, name: str | None = None, **environment: str) -> str:
    """What is found of the command of that name in a folder."""
    if name is not None:
        environment["TERRAFORM_BINARY_NAME"] = name
    return str(ask_terraform({"PATH": str(folder), **environment}))


def reason(folder: Path, name: str | None = None) -> str:
    """Why nothing is found: always one line."""
    with pytest.raises(UnknownTerraform) as caught:
        ask(folder, name)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


# --- which one ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "", "terraform"])
def test_terraform_is_found_by_its_name(tmp_path: Path, name: str | None) -> None:
    assert ask(install(tmp_path / "terraform"), name) == "Terraform 1.11.4"


def test_the_command_that_the_environment_names_goes_before_terraform(tmp_path: Path) -> None:
    install(tmp_path / "terraform")
    install(tmp_path / "terraform-1.9", ANSWER.replace("1.11.4", "1.9.8"))
    assert ask(tmp_path, "terraform-1.9") == "Terraform 1.9.8"


def test_the_environment_may_name_a_path(tmp_path: Path) -> None:
    command = tmp_path / "elsewhere" / "terraform"
    install(command)
    assert ask(tmp_path, str(command)) == "Terraform 1.11.4"


def test_opentofu_is_known_by_its_name(tmp_path: Path) -> None:
    assert ask(install(tmp_path / "tofu", TOFU_S_ANSWER), "tofu") == "OpenTofu 1.9.0"


def test_opentofu_is_known_behind_a_link_called_terraform(tmp_path: Path) -> None:
    install(tmp_path / "opt" / "tofu", TOFU_S_ANSWER)
    (tmp_path / "terraform").symlink_to(tmp_path / "opt" / "tofu")
    assert ask(tmp_path) == "OpenTofu 1.9.0"


def test_opentofu_is_known_by_a_link_of_its_name(tmp_path: Path) -> None:
    install(tmp_path / "opt" / "shim", TOFU_S_ANSWER)
    (tmp_path / "tofu").symlink_to(tmp_path / "opt" / "shim")
    assert ask(tmp_path, "tofu") == "OpenTofu 1.9.0"


def test_opentofu_is_known_by_what_it_calls_itself(tmp_path: Path) -> None:
    folder = install(tmp_path / "terraform", TOFU_S_ANSWER, "OpenTofu v1.9.0\non linux_amd64")
    assert ask(folder) == "OpenTofu 1.9.0"


def test_a_terraform_that_does_not_say_whether_it_is_outdated_is_known_by_what_it_calls_itself(
    tmp_path: Path,
) -> None:
    folder = install(tmp_path / "terraform", TOFU_S_ANSWER, "Terraform v1.9.0\non linux_amd64")
    assert ask(folder) == "Terraform 1.9.0"


def test_a_folder_called_tofu_makes_no_opentofu(tmp_path: Path) -> None:
    assert ask(install(tmp_path / "tofu" / "terraform")) == "Terraform 1.11.4"


def test_what_says_whether_it_is_outdated_is_not_asked_for_its_name(tmp_path: Path) -> None:
    folder = install(tmp_path / "terraform", text="OpenTofu is another product")
    assert ask(folder) == "Terraform 1.11.4"


# --- what reaches it ---------------------------------------------------------------------


@pytest.mark.parametrize("variable", ["TF_CLI_ARGS", "TF_CLI_ARGS_version", "TF_CLI_ARGS_init"])
def test_arguments_from_the_environment_do_not_reach_it(tmp_path: Path, variable: str) -> None:
    folder = install(tmp_path / "terraform", before=f'[ -z "${variable}" ] || exit 1')
    assert ask(folder, **{variable: "-lock=false"}) == "Terraform 1.11.4"


@pytest.mark.parametrize("environment", [{}, {"CHECKPOINT_DISABLE": ""}])
def test_it_is_told_not_to_look_for_updates(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = install(tmp_path / "terraform", before='[ "$CHECKPOINT_DISABLE" = 1 ] || exit 1')
    assert ask(folder, **environment) == "Terraform 1.11.4"


def test_every_other_variable_reaches_it(tmp_path: Path) -> None:
    folder = install(tmp_path / "terraform", before='[ "$TF_LOG" = off ] || exit 1')
    assert ask(folder, TF_LOG="off") == "Terraform 1.11.4"


# --- no answer ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["terraform", "tofu"])
def test_what_is_not_installed_is_named(tmp_path: Path, name: str) -> None:
    assert reason(tmp_path, name) == f"{name} is not installed"


def test_an_error_is_reported(tmp_path: Path) -> None:
    text = reason(install(tmp_path / "terraform", before="exit 3"))
    assert text.startswith("terraform version fails: Command ")
    assert text.endswith("returned non-zero exit status 3.")


def test_an_error_at_the_second_question_is_reported(tmp_path: Path) -> None:
    folder = install(tmp_path / "terraform", TOFU_S_ANSWER, before='[ "$2" = -json ] || exit 3')
    assert reason(folder).endswith("'version']' returned non-zero exit status 3.")


def test_what_cannot_be_started_is_reported(tmp_path: Path) -> None:
    command = tmp_path / "terraform"
    command.write_text("no program at all", "utf-8")
    command.chmod(0o755)
    assert reason(tmp_path).startswith("terraform version fails: [Errno 8] ")


def test_a_command_that_hangs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terraform, "_PATIENCE_SECONDS", 0.2)
    slow = "i=0; while [ $i -lt 9999999 ]; do i=$((i + 1)); done"  # some seconds, never for good
    text = reason(install(tmp_path / "terraform", before=slow))
    assert text.endswith("timed out after 0.2 seconds")


def test_bytes_that_are_no_text_are_reported(tmp_path: Path) -> None:
    text = reason(install(tmp_path / "terraform", before=r"printf '\377'"))
    assert text.startswith("terraform version fails: 'utf-8' codec can't decode byte 0xff")


@pytest.mark.parametrize(
    "answer",
    [
        *("", "Terraform v1.11.4", "{", "[]", "null", '"1.11.4"', "1.11", "{}"),
        '{"version": "1.11.4"}',
        *(
            '{"terraform_version": null}',
            '{"terraform_version": 1.11}',
            '{"terraform_version": ""}',
        ),
        *(
            '{"terraform_version": "dev"}',
            '{"terraform_version": "1"}',
            '{"terraform_version": []}',
        ),
    ],
)
def test_an_answer_without_a_version_is_reported(tmp_path: Path, answer: str) -> None:
    folder = install(tmp_path / "opentofu", answer)
    assert reason(folder, "opentofu") == "opentofu version -json does not tell its version"


@pytest.mark.parametrize("before", ["echo using 1.11.4", "echo; echo 'Switched to \"1.11.4\"'"])
def test_what_a_wrapper_says_first_is_no_part_of_the_answer(tmp_path: Path, before: str) -> None:
    assert ask(install(tmp_path / "terraform", before=before)) == "Terraform 1.11.4"


# --- versions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        ("1.10", (1, 10, 0)),
        ("1.10.5", (1, 10, 5)),
        ("1.10.0-beta1", (1, 10, 0)),
        ("1.10.2-dev", (1, 10, 2)),
        ("12.345.678+meta", (12, 345, 678)),
    ],
)
def test_a_version_is_read_as_numbers(version: str, numbers: tuple[int, int, int]) -> None:
    assert version_numbers(version) == numbers


@pytest.mark.parametrize("version", ["", "1", "v1.10", "beta", " 1.10"])
def test_what_is_no_version_is_named(version: str) -> None:
    with pytest.raises(ValueError, match=f"^'{version}' is no version$"):
        version_numbers(version)


@pytest.mark.parametrize(
    ("version", "asked"),
    [
        ("1.10.0", "1.10"),
        ("1.10.0", "1.9"),
        ("1.10.0-beta1", "1.10.0"),
        ("1.6.4", "1.6.4"),
        ("1.6.10", "1.6.9"),
        ("2.0.0", "1.99.99"),
    ],
)
def test_a_terraform_is_at_least_what_is_not_newer(version: str, asked: str) -> None:
    assert Terraform("Terraform", version).is_at_least(asked)


@pytest.mark.parametrize(
    ("version", "asked"),
    [("1.9.8", "1.10"), ("1.10.0-rc2", "1.10.1"), ("1.6.3", "1.6.4"), ("1.99.99", "2.0")],
)
def test_a_terraform_is_not_at_least_what_is_newer(version: str, asked: str) -> None:
    assert not Terraform("OpenTofu", version).is_at_least(asked)
