"""The command that cdktf is going to run: which product it is, and in which version."""

from __future__ import annotations

import os
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
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# --- which one ---------------------------------------------------------------------------


def test_the_command_is_terraform_unless_the_environment_names_another(tmp_path: Path) -> None:
    install(tmp_path / "terraform")
    other = tmp_path / "elsewhere" / "terraform-1.9"
    install(other, ANSWER.replace("1.11.4", "1.9.8"))
    assert (ask(tmp_path), ask(tmp_path, "")) == ("Terraform 1.11.4", "Terraform 1.11.4")
    assert ask(tmp_path, str(other)) == "Terraform 1.9.8"
    assert ask(other.parent, "terraform-1.9") == "Terraform 1.9.8"


@pytest.mark.parametrize(
    ("file", "link", "text", "found"),
    [
        ("tofu", "", "", "OpenTofu 1.9.0"),
        ("opt/tofu", "terraform", "", "OpenTofu 1.9.0"),
        ("opt/shim", "tofu", "", "OpenTofu 1.9.0"),
        ("terraform", "", "OpenTofu v1.9.0\non linux_amd64", "OpenTofu 1.9.0"),
        ("terraform", "", "Terraform v1.9.0\non linux_amd64", "Terraform 1.9.0"),
        # Who says whether it is outdated is not asked for its name, nor is a folder's name its own.
        ("terraform", "", "OpenTofu is another product", "Terraform 1.11.4"),
        ("tofu/terraform", "", "", "Terraform 1.11.4"),
    ],
)
def test_the_product_is_known_by_its_name_or_by_what_it_calls_itself(
    tmp_path: Path, file: str, link: str, text: str, found: str
) -> None:
    install(tmp_path / file, ANSWER if "1.11.4" in found else TOFU_S_ANSWER, text)
    if link:
        (tmp_path / link).symlink_to(tmp_path / file)
    assert ask(tmp_path, str(tmp_path / (link or file))) == found


def test_it_gets_the_environment_without_arguments_of_other_commands(tmp_path: Path) -> None:
    check = '[ "$TF_CLI_ARGS$TF_CLI_ARGS_init$TF_LOG$CHECKPOINT_DISABLE" = off1 ] || exit 1'
    folder = install(tmp_path / "terraform", before=check)
    flags = {"TF_CLI_ARGS": "-lock=false", "TF_CLI_ARGS_init": "-lock=false"}
    assert ask(folder, TF_LOG="off", CHECKPOINT_DISABLE="", **flags) == "Terraform 1.11.4"


@pytest.mark.parametrize("before", ["echo using 1.11.4", "echo; echo 'Switched to \"1.11.4\"'"])
def test_what_a_wrapper_says_first_is_no_part_of_the_answer(tmp_path: Path, before: str) -> None:
    assert ask(install(tmp_path / "terraform", before=before)) == "Terraform 1.11.4"


# --- no answer ---------------------------------------------------------------------------


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    assert reason(tmp_path) == "terraform is not installed"
    assert reason(tmp_path, "tofu") == "tofu is not installed"


@pytest.mark.parametrize(
    ("before", "start", "end"),
    [
        ("exit 3", "Command ", "returned non-zero exit status 3."),
        # At the second question.
        ('[ "$2" = -json ] || exit 3', "Command ", "'version']' returned non-zero exit status 3."),
        (r"printf '\377'", "'utf-8' codec can't decode byte 0xff", ""),
    ],
)
def test_what_fails_is_reported(tmp_path: Path, before: str, start: str, end: str) -> None:
    text = reason(install(tmp_path / "terraform", TOFU_S_ANSWER, before=before))
    assert text.startswith(f"terraform version fails: {start}")
    assert text.endswith(end)


def test_what_cannot_be_started_is_reported(tmp_path: Path) -> None:
    install(tmp_path / "terraform").joinpath("terraform").write_text("no program at all")
    assert reason(tmp_path).startswith("terraform version fails: [Errno 8] ")


def test_a_command_that_hangs_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terraform, "_PATIENCE_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    waits = f": < '{tmp_path}/pipe'"  # for somebody who writes to it
    text = reason(install(tmp_path / "terraform", before=waits))
    assert text.endswith("timed out after 0.1 seconds")


@pytest.mark.parametrize(
    "answer",
    [
        *("", "Terraform v1.11.4", "{", "[]", "null", "1.11", "{}", '{"version": "1.11.4"}'),
        *(f'{{"terraform_version": {v}}}' for v in ("null", "1.11", '""', '"dev"', '"1"', "[]")),
    ],
)
def test_an_answer_without_a_version_is_reported(tmp_path: Path, answer: str) -> None:
    folder = install(tmp_path / "opentofu", answer)
    assert reason(folder, "opentofu") == "opentofu version -json does not tell its version"


# --- versions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "numbers"),
    [
        *(("1.10", (1, 10, 0)), ("1.10.5", (1, 10, 5)), ("1.10.0-beta1", (1, 10, 0))),
        *(("1.10.2-dev", (1, 10, 2)), ("12.345.678+meta", (12, 345, 678))),
    ],
)
def test_a_version_is_read_as_numbers(version: str, numbers: tuple[int, int, int]) -> None:
    assert version_numbers(version) == numbers


@pytest.mark.parametrize("version", ["", "1", "v1.10", "beta", " 1.10"])
def test_what_is_no_version_is_named(version: str) -> None:
    with pytest.raises(ValueError, match=f"^'{version}' is no version$"):
        version_numbers(version)


def test_a_terraform_is_at_least_its_own_release_and_all_older_ones() -> None:
    for version, older, newer in [
        *(("1.10.0", "1.10", "1.10.1"), ("1.10.0", "1.9", "2.0"), ("1.6.10", "1.6.9", "1.10")),
        *(("1.10.0-beta1", "1.10.0", "1.11"), ("2.0.0", "1.99.99", "2.0.1")),
    ]:
        own = Terraform("OpenTofu", version)
        assert (own.is_at_least(older), own.is_at_least(newer)) == (True, False)
