"""cdktf.json's backend → Backend: what is taken, and with what the command line lays over it."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import Backend, load_backend
from tests.unit.backend_loader import S3, Loader, refusal

ROLE = "arn:aws:iam::123456789012:role/deploy"
# Each with arguments that nothing is to be said of.
OTHERS: dict[str, dict[str, Any]] = {
    "azurerm": {"key": "{stack}", "use_azuread_auth": True},
    "cloud": {"organization": "o", "workspaces": {"name": "{stack}"}},
    "consul": {"path": "{stack}", "lock": True},
    "cos": {"bucket": "b", "prefix": "{stack}"},
    "gcs": {"bucket": "b", "prefix": "{stack}", "no_such_argument": [1, None, "x"]},
    "http": {"address": "https://x/{stack}", "lock_address": "https://x/{stack}/lock"},
    "kubernetes": {"secret_suffix": "{stack}", "labels": {"camelCase": "a b"}},
    "local": {"path": "/var/{stack}.tfstate"},
    "oci": {"bucket": "b", "key": "{stack}"},
    "oss": {"bucket": "b", "key": "{stack}", "tablestore_table": "t"},
    "pg": {"schema_name": "{stack}", "skip_schema_creation": False},
    "remote": {"workspaces": [{"prefix": "tap-"}]},
}
NO_NUMBER = "holds a number that JSON does not have; write another one"


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """A file that is there once the Terraform in ``bin`` has been started."""
    command = tmp_path / "bin" / "terraform"
    command.parent.mkdir()
    answer = '{"terraform_version": "1.11.4", "terraform_outdated": false}'
    command.write_text(f"#!/bin/sh\necho started > '{tmp_path}/asked'\necho '{answer}'\n")
    command.chmod(0o755)
    return tmp_path / "asked"


@pytest.fixture
def load(tmp_path: Path, asked: Path) -> Loader:
    """Loads a backend where Terraform 1.11.4 is installed."""
    return Loader(tmp_path)


# --- no block ----------------------------------------------------------------------------


def test_a_file_without_a_block_has_no_backend(tmp_path: Path) -> None:
    path = tmp_path / "cdktf.json"
    path.write_text('{"context": {"environments": {"dev": {}, "prod": {}}}}')
    assert load_backend(path, "dev", {}, tmp_path) == Backend(None, {}, {}, ())


@pytest.mark.parametrize("section", [{}, {"backend": None}])
def test_an_empty_block_is_no_backend(load: Loader, section: object) -> None:
    assert load.section(section) == Backend(None, {}, {}, ())


# --- S3 ----------------------------------------------------------------------------------


def test_an_s3_block_in_order_is_taken_without_a_word(load: Loader) -> None:
    arguments = {**S3, "key": "tap/tap-prod.tfstate"}
    assert load("s3", S3, "prod") == Backend("s3", arguments, arguments, ())


def test_nested_values_are_found_under_their_parent_s_name(load: Loader) -> None:
    values = load("s3", {**S3, "assume_role": {"role_arn": ROLE}}).values
    assert values["assume_role.role_arn"] == ROLE


def test_a_comment_is_passed_on_and_counts_for_nothing(load: Loader) -> None:
    found = load("s3", {**S3, "//": "of ${nobody}"})
    assert (found.arguments["//"], "//" in found.values) == ("of ${nobody}", False)


def test_the_command_line_goes_before_the_block(load: Loader) -> None:
    found = load("s3", S3, TF_CLI_ARGS_init="-backend-config=region=eu-west-3")
    assert (found.values["region"], found.arguments["region"]) == ("eu-west-3", "eu-west-1")


def test_the_command_line_may_give_what_the_block_leaves_out(load: Loader) -> None:
    found = load(
        "s3",
        {"region": "eu-west-1", "use_lockfile": True},
        TF_CLI_ARGS_init="-backend-config=bucket=states -backend-config=key=tap-dev",
    )
    assert (found.values, found.arguments, found.warnings) == (
        {"bucket": "states", "key": "tap-dev", "region": "eu-west-1", "use_lockfile": True},
        {"region": "eu-west-1", "use_lockfile": True},
        (),
    )


def test_a_file_of_the_command_line_lies_in_the_synthesized_stack_s_folder(
    load: Loader, tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "stacks" / "tap-prod"
    folder.mkdir(parents=True)
    (folder / "some.tfbackend").write_text('region = "eu-west-3"\n')
    given = "-backend-config=some.tfbackend"
    found = load("s3", S3, "prod", CDKTF_OUTDIR="out", TF_CLI_ARGS_init=given)
    assert found.values["region"] == "eu-west-3"


@pytest.mark.parametrize(
    ("block", "given", "version"),
    [
        ({"use_lockfile": True}, "", ">= 1.10"),
        ({"use_lockfile": False}, "", None),
        ({}, "", None),
        ({}, "-backend-config=use_lockfile=true", ">= 1.10"),
        ({"use_lockfile": False}, "-backend-config=use_lockfile=true", ">= 1.10"),
        ({"use_lockfile": True}, "-backend-config=use_lockfile=false", None),
    ],
)
def test_a_lock_file_alone_asks_for_a_terraform_that_knows_it(
    load: Loader, block: dict[str, Any], given: str, version: str | None
) -> None:
    block = {**S3, "use_lockfile": None, **block}
    assert load("s3", block, TF_CLI_ARGS_init=given).required_version == version


def test_what_is_worth_a_warning_is_warned_of(load: Loader) -> None:
    assert load("s3", {**S3, "use_lockfile": False}).warnings == (
        "cdktf.json: terraform.backend.s3: nothing locks the state, so two deployments at once "
        'can destroy it; add "use_lockfile": true, or "dynamodb_table" for Terraform before 1.10',
    )


def test_a_secret_is_warned_of_in_the_file_and_not_on_the_command_line(load: Loader) -> None:
    given = "-backend-config=secret_key=s"
    found = load("s3", {**S3, "access_key": "a"}, TF_CLI_ARGS_init=given)
    assert [warning.split(": ")[:2] for warning in found.warnings] == [
        ["cdktf.json", "terraform.backend.s3.access_key"]
    ]


def test_a_fault_names_the_argument(load: Loader) -> None:
    assert refusal(load, "s3", {**S3, "useLockfile": True}) == (
        "cdktf.json: terraform.backend.s3.useLockfile: no Terraform up to 1.15 takes it; "
        "did you mean use_lockfile?"
    )


def test_without_a_terraform_the_rest_is_checked(load: Loader, tmp_path: Path) -> None:
    text = refusal(load, "s3", {**S3, "bucket": 5}, PATH=str(tmp_path / "nowhere"))
    assert text == "cdktf.json: terraform.backend.s3.bucket: must be a string"


def test_a_terraform_that_is_not_installed_is_warned_of(load: Loader, tmp_path: Path) -> None:
    assert load("s3", S3, PATH=str(tmp_path / "nowhere")).warnings == (
        "cdktf.json: terraform.backend.s3: terraform is not installed, "
        "so the arguments were checked without its version",
    )


def test_the_terraform_that_will_run_is_asked_about_s3(load: Loader, asked: Path) -> None:
    load("s3", S3)
    assert asked.exists()


@pytest.mark.parametrize(("type_", "block"), [(None, None), *OTHERS.items()])
def test_no_terraform_is_started_for_anything_else(
    load: Loader, asked: Path, type_: str | None, block: object
) -> None:
    load(type_, block)
    assert not asked.exists()


# --- the other types ---------------------------------------------------------------------


@pytest.mark.parametrize("type_", OTHERS)
def test_any_other_backend_is_passed_on_as_it_was_written(load: Loader, type_: str) -> None:
    arguments = json.loads(json.dumps(OTHERS[type_]).replace("{stack}", "tap-dev"))
    assert load(type_, OTHERS[type_]) == Backend(type_, arguments, {}, ())


# --- {stack} and numbers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{stack}", "tap-dev"),
        ("a/{stack}/{stack}.b", "a/tap-dev/tap-dev.b"),
        (["{stack}", ["{stack}"]], ["tap-dev", ["tap-dev"]]),
        ({"a": "{stack}"}, {"a": "tap-dev"}),
        ({"of {stack}": 1}, {"of tap-dev": 1}),
        ({"{stack}": [{"{stack}": "{stack}"}]}, {"tap-dev": [{"tap-dev": "tap-dev"}]}),
        (["{Stack}", "stack", None, True, 5], ["{Stack}", "stack", None, True, 5]),
    ],
)
def test_the_stack_s_name_is_written_wherever_it_is_asked_for(
    load: Loader, written: object, read: object
) -> None:
    assert load("gcs", {"{stack}": written}).arguments == {"tap-dev": read}


def test_the_stack_s_name_is_written_into_what_counts_as_well(load: Loader) -> None:
    role = {"role_arn": ROLE, "tags": {"of {stack}": "{stack}"}}
    values = load("s3", {**S3, "assume_role": role}).values
    assert (values["key"], values["assume_role.tags"]) == (
        "tap/tap-dev.tfstate",
        {"of tap-dev": "tap-dev"},
    )


@pytest.mark.parametrize(("literal", "value"), [("0.5", 0.5), ("1e2", 100.0), ("-0.1", -0.1)])
@pytest.mark.parametrize("form", ["%s", "[%s]", '{"a": [%s]}'])
def test_a_fraction_becomes_a_float_wherever_it_stands(
    load: Loader, form: str, literal: str, value: float
) -> None:
    text = '{"terraform": {"backend": {"gcs": {"a": %s}}}}'
    found = load.text(text % form % literal).arguments["a"]
    # Not by ==, for which a Decimal would do as well.
    assert repr(found) == repr(json.loads(form % value))


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("form", ["%s", "[1, %s]", '{"a": [{"b": %s}]}', "[%s, NaN, 1e999]"])
def test_a_number_that_json_does_not_have_is_one_fault(
    load: Loader, form: str, literal: str
) -> None:
    text = '{"terraform": {"backend": {"gcs": {"prefix": "{stack}", "a": %s}}}}'
    assert refusal(load.text, text % form % literal) == (
        f"cdktf.json: terraform.backend.gcs: {NO_NUMBER}"
    )


def test_a_number_that_json_does_not_have_is_a_fault_of_s3_too(load: Loader) -> None:
    block = {**S3, "assume_role": {"role_arn": ROLE, "tags": {"a": float("nan")}}}
    faults = refusal(load, "s3", block).splitlines()
    assert f"cdktf.json: terraform.backend.s3: {NO_NUMBER}" in faults


def test_a_backend_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(Backend(None, {}, {}), "type", "s3")  # noqa: B010  # mypy forbids it too
