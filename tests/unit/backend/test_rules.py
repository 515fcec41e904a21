"""What holds for any backend: each stack's state is kept apart from the others, and locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.backend.rules import faults_of_forgotten_state
from tests.unit.backend.loader import BAD_STACK, S3, TEMPLATE, Loader, refusal, warnings

ONE = "one"
# Those that keep the stacks apart by nothing but {stack}, with what keeps them quiet otherwise.
FILES: dict[str, dict[str, Any]] = {
    "azurerm": {"key": ONE},
    "consul": {"path": ONE},
    "cos": {"key": ONE},
    "gcs": {"prefix": ONE, "workspaces": {"prefix": "tap-"}},
    "http": {"address": "https://x", "lock_address": "https://x"},
    "kubernetes": {"secret_suffix": ONE},
    "local": {"path": "/one"},
    "oci": {"key": ONE},
    "oss": {"key": ONE, "tablestore_table": "t"},
    "pg": {"schema_name": ONE},
    "cloud": {"workspaces": {"name": ONE}},
    "remote": {"workspaces": [{"name": ONE}]},
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


def given(*arguments: str) -> str:
    return " ".join(f"-backend-config={argument}" for argument in arguments)


# --- apart -------------------------------------------------------------------------------


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
    ("block", "arguments"),
    [
        ({"region": "{stack}", "skip_region_validation": True, "profile": "{stack}"}, ""),
        ({}, given("profile=tap-dev")),
        ({"bucket": "of-{stack}"}, given("bucket=other")),
    ],
)
def test_s3_stacks_are_told_apart_by_bucket_and_key_alone(
    load: Loader, block: dict[str, Any], arguments: str
) -> None:
    assert refusal(load, "s3", {**SHARED, **block}, TF_CLI_ARGS_init=arguments) == SHARED_KEY


@pytest.mark.parametrize(
    ("block", "arguments"),
    [
        ({**SHARED, "bucket": "of-{stack}"}, ""),
        ({**SHARED, "bucket": "of-{stack}"}, given("key=other")),
        (SHARED, given("bucket=of-tap-dev")),
        (SHARED, given("key=of-tap-dev")),
        (S3, given("bucket=other")),
    ],
)
def test_a_bucket_or_key_for_each_stack_keeps_them_apart(
    load: Loader, block: dict[str, Any], arguments: str
) -> None:
    assert warnings(load("s3", block, TF_CLI_ARGS_init=arguments)) == []


@pytest.mark.parametrize(
    "arguments", [["key=other"], ["key=of-tap-prod"], ["key=tap-dev", "key=b"]]
)
def test_a_key_on_the_command_line_that_all_may_have_is_warned_of(
    load: Loader, arguments: list[str]
) -> None:
    assert warnings(load("s3", S3, TF_CLI_ARGS_init=given(*arguments))) == [
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
    assert load("gcs", {name: "of-{stack}"}, "state").arguments == {name: "of-tap-state"}


def test_other_stacks_that_would_share_a_place_are_warned_of(load: Loader) -> None:
    assert {type_: warnings(load(type_, block)) for type_, block in FILES.items()} == {
        type_: [f"cdktf.json: terraform.backend.{type_}: tap-dev, tap-prod {APART}"]
        for type_ in FILES
    }
    assert [warnings(load(type_, FILES[type_], among=("dev",))) for type_ in FILES] == [[]] * 12


@pytest.mark.parametrize(
    ("type_", "block"),
    [
        *(("gcs", {"prefix": ONE, "x": each}) for each in ([{"a": "{stack}"}], {"of {stack}": 1})),
        *(
            (type_, {"workspaces": each})
            for type_ in ("cloud", "remote")
            for each in (None, {}, {"tags": ["w"]}, {"prefix": "tap-"}, {"name": "{stack}"})
        ),
    ],
)
def test_the_stack_s_name_anywhere_or_a_workspace_keeps_others_apart(
    load: Loader, type_: str, block: dict[str, Any]
) -> None:
    assert warnings(load(type_, block)) == []


@pytest.mark.parametrize(
    ("value", "is_apart"), [("/of/tap-dev", True), ("/of/tap-prod", False), ("/x", False)]
)
def test_an_argument_on_the_command_line_takes_the_place_of_the_written_one(
    load: Loader, value: str, is_apart: bool
) -> None:
    block = {"path": "/one", "workspace_dir": "/of/{stack}"}
    found = warnings(load("local", block, TF_CLI_ARGS_init=given(f"workspace_dir={value}")))
    assert [APART in warning for warning in found] == ([] if is_apart else [True])


# --- arguments and locks -----------------------------------------------------------------


def test_each_argument_with_a_template_is_rejected_once(load: Loader, tmp_path: Path) -> None:
    file = tmp_path / "a.tfbackend"
    file.write_text('b = {a = ["${b}"]}\nc = "{stack}"\n')
    line = f"'-backend-config=prefix=${{a}}' -backend-config=x=of-{{stack}} -backend-config={file}"
    block = {"bucket": "{stack}%{if x}", "labels": {"${a}": ["b", "${c}"]}, "prefix": "fine"}
    place = "TF_CLI_ARGS_init: -backend-config="
    assert refusal(load, "gcs", block, TF_CLI_ARGS_init=line).splitlines() == [
        f"cdktf.json: terraform.backend.gcs.bucket: {TEMPLATE}",
        f"cdktf.json: terraform.backend.gcs.labels: {TEMPLATE}",
        f"{place}prefix: {TEMPLATE}",
        f"{place}x: {BAD_STACK}",
        f"{place}{file}: b: {TEMPLATE}",
        f"{place}{file}: c: {BAD_STACK}",
    ]


@pytest.mark.parametrize(
    ("path", "arguments", "expected"),
    [
        *(("/a", [], []), ("a", [], [RELATIVE]), ("~/a", [], [RELATIVE]), (None, [], [RELATIVE])),
        *((["/x"], [], [RELATIVE]), ("a", ["path=/a"], []), ("/a", ["path="], [RELATIVE])),
    ],
)
def test_a_local_path_that_is_not_absolute_is_warned_of(
    load: Loader, path: object, arguments: list[str], expected: list[str]
) -> None:
    line = given(*arguments)
    found = load("local", {"path": path}, among=("dev",), TF_CLI_ARGS_init=line)
    assert warnings(found) == expected


@pytest.mark.parametrize(
    ("type_", "block", "arguments", "argument"),
    [
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
    load: Loader, type_: str, block: object, arguments: list[str], argument: str | None
) -> None:
    found = load(type_, block, among=("dev",), TF_CLI_ARGS_init=given(*arguments))
    warning = (
        f"cdktf.json: terraform.backend.{type_}: nothing locks the state, so two deployments at "
        f"once can destroy it; write {argument}"
    )
    assert warnings(found) == ([warning] if argument else [])


def test_the_environment_may_give_the_lock_of_http(load: Loader) -> None:
    found = load("http", {}, among=("dev",), TF_HTTP_LOCK_ADDRESS="https://x")
    assert warnings(found) == []


# --- a local state that Terraform would forget for a backend -----------------------------


@pytest.fixture
def local_state(tmp_path: Path) -> Path:
    """A state of two resources, where CDKTF keeps the one of tap-dev."""
    path = tmp_path / "terraform.tap-dev.tfstate"
    path.write_text('{"version": 4, "resources": [{"type": "a"}, {"type": "b"}]}')
    return path


def test_a_local_state_that_would_be_forgotten_is_an_error(load: Loader, local_state: Path) -> None:
    for type_, block in {"s3": S3, "gcs": {"prefix": "{stack}"}, "cloud": {}}.items():
        assert refusal(load, type_, block) == (
            f"terraform.tap-dev.tfstate: holds resources, and the state is now kept in {type_}, "
            "which may know nothing of them; make migrate ENV=dev moves them there, or tells why "
            "not"
        )
    local_state.rename(local_state.with_name("terraform.tap-state.tfstate"))
    assert "make migrate ENV=state moves them" in refusal(load, "s3", S3, "state")


def test_a_local_state_is_not_forgotten_where_it_is_used_or_moved(
    load: Loader, local_state: Path
) -> None:
    found = [
        load("s3", S3, "prod"),  # another stack
        load("s3", S3, TAP_MOVING_STATE=""),
        load("local", {"path": "/{stack}"}),
        load(None),
    ]
    assert [backend.type for backend in found] == ["s3", "s3", "local", None]


@pytest.mark.parametrize(
    ("content", "count"),
    [
        *((each, 0) for each in (b"", b"{", b"null", b'"resources"', b'["resources"]', b"\xff")),
        *((b'{"resources": %b}' % each, 0) for each in (b"[]", b"null", b"{}")),
        (b"{}", 0),
        *((b'{"resources": %b}' % each, 1) for each in (b"5", b'"a"', b'{"a": 1}', b"[null]")),
    ],
)
def test_a_file_with_any_resources_would_be_forgotten(
    tmp_path: Path, local_state: Path, content: bytes, count: int
) -> None:
    local_state.write_bytes(content)
    assert len([*faults_of_forgotten_state(tmp_path, "tap-dev", "s3")]) == count


def test_a_folder_in_the_state_s_place_holds_nothing_to_forget(tmp_path: Path) -> None:
    (tmp_path / "terraform.tap-dev.tfstate").mkdir()
    assert [*faults_of_forgotten_state(tmp_path, "tap-dev", "s3")] == []
