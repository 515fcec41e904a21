"""What holds for any backend: each stack's state is kept apart from the others, and locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.backend_loader import BAD_STACK, S3, TEMPLATE, Loader, refusal, warnings

ONE = "one"
# Those that keep the stacks apart by nothing but {stack}, with what keeps them quiet otherwise.
FILES: dict[str, dict[str, Any]] = {
    "azurerm": {"key": ONE},
    "consul": {"path": ONE},
    "cos": {"key": ONE},
    "gcs": {"prefix": ONE},
    "http": {"address": "https://x", "lock_address": "https://x"},
    "kubernetes": {"secret_suffix": ONE},
    "local": {"path": "/one"},
    "oci": {"key": ONE},
    "oss": {"key": ONE, "tablestore_table": "t"},
    "pg": {"schema_name": ONE},
}
SHARED = {**S3, "key": ONE}
APART = (
    "would keep their state in one place and destroy each other's; "
    "write {stack} into it in cdktf.json, which becomes the stack's name"
)
SHARED_KEY = f"cdktf.json: terraform.backend.s3.key: tap-dev, tap-prod, tap-state {APART}"
RELATIVE = (
    "cdktf.json: terraform.backend.local: a path that is not absolute lies in cdktf.out, "
    "which cdktf clears; write an absolute one, or leave the whole block out"
)


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a backend where no Terraform is installed."""
    return Loader(tmp_path)


def on_the_command_line(*arguments: str) -> str:
    return " ".join(f"-backend-config={argument}" for argument in arguments)


# --- apart: S3 ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "among", "stacks"),
    [
        ("dev", ("dev",), "tap-dev, tap-state"),
        ("prod", ("dev", "prod"), "tap-prod, tap-dev, tap-state"),
        ("state", ("dev", "prod"), "tap-state, tap-dev, tap-prod"),
        ("qa", ("dev", "prod"), "tap-qa, tap-dev, tap-prod, tap-state"),
    ],
)
def test_s3_stacks_that_would_share_a_place_are_rejected_the_one_at_hand_first(
    load: Loader, name: str, among: tuple[str, ...], stacks: str
) -> None:
    assert refusal(load, "s3", SHARED, name, among) == (
        f"cdktf.json: terraform.backend.s3.key: {stacks} {APART}"
    )


@pytest.mark.parametrize(
    ("block", "given"),
    [
        ({"region": "{stack}", "skip_region_validation": True, "profile": "{stack}"}, ""),
        ({}, on_the_command_line("profile=tap-dev")),
        ({"bucket": "of-{stack}"}, on_the_command_line("bucket=other")),
    ],
)
def test_s3_stacks_are_told_apart_by_bucket_and_key_alone(
    load: Loader, block: dict[str, Any], given: str
) -> None:
    assert refusal(load, "s3", {**SHARED, **block}, TF_CLI_ARGS_init=given) == SHARED_KEY


@pytest.mark.parametrize(
    ("block", "given"),
    [
        ({**SHARED, "bucket": "of-{stack}"}, ""),
        ({**SHARED, "bucket": "of-{stack}"}, on_the_command_line("key=other")),
        (SHARED, on_the_command_line("bucket=of-tap-dev")),
        (SHARED, on_the_command_line("key=of-tap-dev")),
        (S3, on_the_command_line("bucket=other")),
    ],
)
def test_a_bucket_or_key_for_each_stack_keeps_them_apart(
    load: Loader, block: dict[str, Any], given: str
) -> None:
    assert warnings(load("s3", block, TF_CLI_ARGS_init=given)) == []


@pytest.mark.parametrize("given", [["key=other"], ["key=of-tap-prod"], ["key=tap-dev", "key=b"]])
def test_a_key_on_the_command_line_that_all_may_have_is_warned_of(
    load: Loader, given: list[str]
) -> None:
    assert warnings(load("s3", S3, TF_CLI_ARGS_init=on_the_command_line(*given))) == [
        f"TF_CLI_ARGS_init: -backend-config=key: tap-dev, tap-prod, tap-state {APART}"
    ]


def test_a_key_that_is_missing_is_not_said_to_be_shared_as_well(load: Loader) -> None:
    missing = "cdktf.json: terraform.backend.s3: key is missing; add it"
    assert refusal(load, "s3", {**S3, "key": None}) == missing


@pytest.mark.parametrize("name", ["bucket", "dynamodb_table"])
def test_one_bucket_is_made_for_all_stacks(load: Loader, name: str) -> None:
    block = {**S3, name: "of-{stack}"}
    assert refusal(load, "s3", block, "state") == (
        f"cdktf.json: terraform.backend.s3.{name}: tap-state makes one for all stacks; "
        "leave {stack} out"
    )
    assert load("s3", block).values[name] == "of-tap-dev"  # somebody else may make it


def test_no_bucket_is_made_for_another_type(load: Loader) -> None:
    assert load("gcs", {"bucket": "of-{stack}"}, "state").arguments == {"bucket": "of-tap-state"}


# --- apart: the others -------------------------------------------------------------------


def test_other_stacks_that_would_share_a_place_are_warned_of(load: Loader) -> None:
    assert {type_: warnings(load(type_, block)) for type_, block in FILES.items()} == {
        type_: [f"cdktf.json: terraform.backend.{type_}: tap-dev, tap-prod {APART}"]
        for type_ in FILES
    }
    assert [warnings(load(type_, FILES[type_], among=("dev",))) for type_ in FILES] == [[]] * 10


def test_the_stack_s_name_anywhere_keeps_others_apart(load: Loader) -> None:
    for nested in ([{"name": "{stack}"}], {"of {stack}": 1}):
        assert warnings(load("gcs", {"prefix": ONE, "nested": nested})) == []


@pytest.mark.parametrize(
    ("value", "is_apart"), [("/of/tap-dev", True), ("/of/tap-prod", False), ("/x", False)]
)
def test_an_argument_on_the_command_line_takes_the_place_of_the_written_one(
    load: Loader, value: str, is_apart: bool
) -> None:
    block = {"path": "/one", "workspace_dir": "/of/{stack}"}
    given = on_the_command_line(f"workspace_dir={value}")
    found = warnings(load("local", block, TF_CLI_ARGS_init=given))
    assert [APART in warning for warning in found] == ([] if is_apart else [True])


def test_workspaces_keep_the_stacks_of_hashicorp_s_own_backends_apart(load: Loader) -> None:
    prefix = {"prefix": "tap-"}
    for type_ in ("cloud", "remote"):
        for workspaces in (None, {}, {"tags": ["w"]}, prefix, [prefix], {"name": "{stack}"}):
            assert warnings(load(type_, {"workspaces": workspaces})) == []
        for workspaces in ({"name": "w"}, [{"name": "w"}]):
            [warning] = warnings(load(type_, {"workspaces": workspaces}))
            assert warning.startswith(f"cdktf.json: terraform.backend.{type_}: tap-dev, tap-prod ")
    assert len(warnings(load("gcs", {"workspaces": prefix}))) == 1


# --- the arguments of others -------------------------------------------------------------


def test_each_argument_with_a_template_is_rejected_once(load: Loader, tmp_path: Path) -> None:
    file = tmp_path / "a.tfbackend"
    file.write_text('b = {a = ["${b}"]}\nc = "{stack}"\n')
    given = f"'-backend-config=prefix=${{a}}' -backend-config=x=of-{{stack}} -backend-config={file}"
    block = {"bucket": "{stack}%{if x}", "labels": {"${a}": ["b", "${c}"]}, "prefix": "fine"}
    place = "TF_CLI_ARGS_init: -backend-config="
    assert refusal(load, "gcs", block, TF_CLI_ARGS_init=given).splitlines() == [
        f"cdktf.json: terraform.backend.gcs.bucket: {TEMPLATE}",
        f"cdktf.json: terraform.backend.gcs.labels: {TEMPLATE}",
        f"{place}prefix: {TEMPLATE}",
        f"{place}x: {BAD_STACK}",
        f"{place}{file}: b: {TEMPLATE}",
        f"{place}{file}: c: {BAD_STACK}",
    ]


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        *(("/a", [], []), ("a", [], [RELATIVE]), ("~/a", [], [RELATIVE]), (None, [], [RELATIVE])),
        *((["/x"], [], [RELATIVE]), ("a", ["path=/a"], []), ("/a", ["path=a"], [RELATIVE])),
        ("/a", ["path="], [RELATIVE]),
    ],
)
def test_a_local_path_that_is_not_absolute_is_warned_of(
    load: Loader, path: object, given: list[str], expected: list[str]
) -> None:
    cli = on_the_command_line(*given)
    assert warnings(load("local", {"path": path}, among=("dev",), TF_CLI_ARGS_init=cli)) == expected


# --- locks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "block", "given", "argument"),
    [
        ("http", {"lock_address": "https://x"}, [], None),
        ("http", {"lock_address": None}, [], "lock_address"),
        ("http", {}, ["lock_address=https://x"], None),
        ("http", {"lock_address": "https://x"}, ["lock_address="], "lock_address"),
        ("oss", {}, ["tablestore_table=t"], None),
        ("oss", {"tablestore_table": ""}, [], "tablestore_table"),
        ("consul", {"lock": None}, [], None),
        ("consul", {"lock": "true"}, [], None),
        ("consul", {"lock": False}, [], "lock"),
        ("consul", {}, ["lock=false"], "lock"),
        ("consul", {"lock": False}, ["lock=false", "lock=true"], None),
        ("gcs", {}, [], None),
    ],
)
def test_a_state_that_nothing_locks_is_warned_of(
    load: Loader, type_: str, block: object, given: list[str], argument: str | None
) -> None:
    cli = on_the_command_line(*given)
    assert warnings(load(type_, block, among=("dev",), TF_CLI_ARGS_init=cli)) == (
        [
            f"cdktf.json: terraform.backend.{type_}: nothing locks the state, so two deployments "
            f"at once can destroy it; write {argument}"
        ]
        if argument
        else []
    )


def test_the_environment_may_give_the_lock_of_http(load: Loader) -> None:
    found = load("http", {}, among=("dev",), TF_HTTP_LOCK_ADDRESS="https://x")
    assert warnings(found) == []
