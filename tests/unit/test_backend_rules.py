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
APART = (
    "would keep their state in one place and destroy each other's; "
    "write {stack} into it in cdktf.json"
)
RELATIVE = (
    "cdktf.json: terraform.backend.local: a path that is not absolute lies in cdktf.out, "
    "which cdktf clears; write an absolute one, or leave the whole block out"
)


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a backend where no Terraform is installed."""
    return Loader(tmp_path)


def unlocked(type_: str, argument: str) -> str:
    return (
        f"cdktf.json: terraform.backend.{type_}: nothing locks the state, so two deployments at "
        f"once can destroy it; write {argument}"
    )


# --- apart -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("among", "stacks"),
    [
        (("dev", "prod"), "tap-dev, tap-prod, tap-state"),
        (("dev",), "tap-dev, tap-state"),
    ],
)
def test_s3_stacks_that_would_share_a_place_are_refused(
    load: Loader, among: tuple[str, ...], stacks: str
) -> None:
    assert refusal(load, "s3", {**S3, "key": "one"}, among=among) == (
        f"cdktf.json: terraform.backend.s3.key: {stacks} {APART}, which becomes the stack's name"
    )


@pytest.mark.parametrize("name", ["region", "workspace_key_prefix", "profile"])
def test_s3_stacks_are_not_told_apart_by_anything_but_bucket_and_key(
    load: Loader, name: str
) -> None:
    assert APART in refusal(load, "s3", {**S3, "key": "one", name: "{stack}"})


def test_a_bucket_for_each_stack_keeps_them_apart(load: Loader) -> None:
    assert warnings(load("s3", {**S3, "bucket": "of-{stack}", "key": "one"})) == []


@pytest.mark.parametrize("name", ["bucket", "key"])
def test_the_stack_s_name_in_the_place_on_the_command_line_keeps_s3_stacks_apart(
    load: Loader, name: str
) -> None:
    given = f"-backend-config={name}=of-tap-dev"
    assert warnings(load("s3", {**S3, "key": "one"}, TF_CLI_ARGS_init=given)) == []


@pytest.mark.parametrize("bucket", ["states", "of-{stack}"])
def test_a_bucket_on_the_command_line_for_all_keeps_no_s3_stacks_apart(
    load: Loader, bucket: str
) -> None:
    given = "-backend-config=bucket=other"
    assert refusal(load, "s3", {**S3, "bucket": bucket, "key": "one"}, TF_CLI_ARGS_init=given) == (
        f"cdktf.json: terraform.backend.s3.key: tap-dev, tap-prod, tap-state {APART}, "
        "which becomes the stack's name"
    )


def test_a_bucket_on_the_command_line_leaves_stacks_apart_that_the_key_tells_apart(
    load: Loader,
) -> None:
    assert warnings(load("s3", S3, TF_CLI_ARGS_init="-backend-config=bucket=other")) == []


@pytest.mark.parametrize("key", ["one", "tap/{stack}.tfstate", None])
@pytest.mark.parametrize("other", ["other", "of-tap-prod"])
def test_a_key_on_the_command_line_that_all_may_have_is_warned_of(
    load: Loader, key: str | None, other: str
) -> None:
    given = f"-backend-config=key={other}"
    assert warnings(load("s3", {**S3, "key": key}, TF_CLI_ARGS_init=given)) == [
        f"TF_CLI_ARGS_init: -backend-config=key: tap-dev, tap-prod, tap-state {APART}, "
        "which becomes the stack's name"
    ]


def test_a_key_on_the_command_line_is_shared_in_no_bucket_of_one_stack(load: Loader) -> None:
    given = "-backend-config=key=other"
    assert warnings(load("s3", {**S3, "bucket": "of-{stack}"}, TF_CLI_ARGS_init=given)) == []


def test_of_two_keys_on_the_command_line_the_later_one_is_warned_of(load: Loader) -> None:
    given = "-backend-config=key=tap-dev -backend-config=key=other"
    assert len(warnings(load("s3", S3, TF_CLI_ARGS_init=given))) == 1


@pytest.mark.parametrize(
    ("name", "stacks"),
    [
        ("dev", "tap-dev, tap-prod, tap-state"),
        ("prod", "tap-prod, tap-dev, tap-state"),
        ("state", "tap-state, tap-dev, tap-prod"),
        ("qa", "tap-qa, tap-dev, tap-prod, tap-state"),
    ],
)
def test_the_stack_at_hand_is_named_first(load: Loader, name: str, stacks: str) -> None:
    assert f": {stacks} {APART}" in refusal(load, "s3", {**S3, "key": "one"}, name)


def test_another_argument_on_the_command_line_keeps_no_s3_stacks_apart(load: Loader) -> None:
    given = "-backend-config=region=eu-west-3"
    assert APART in refusal(load, "s3", {**S3, "key": "one"}, TF_CLI_ARGS_init=given)


@pytest.mark.parametrize("key", [{}, {"key": None}], ids=["left out", "null"])
def test_a_key_that_is_missing_is_not_said_to_be_shared_as_well(
    load: Loader, key: dict[str, None]
) -> None:
    block = {**{name: value for name, value in S3.items() if name != "key"}, **key}
    assert refusal(load, "s3", block) == "cdktf.json: terraform.backend.s3: key is missing; add it"


@pytest.mark.parametrize("type_", FILES)
def test_other_stacks_that_would_share_a_place_are_warned_of(load: Loader, type_: str) -> None:
    assert warnings(load(type_, FILES[type_])) == [
        f"cdktf.json: terraform.backend.{type_}: tap-dev, tap-prod {APART}, "
        "which becomes the stack's name"
    ]


@pytest.mark.parametrize("type_", FILES)
@pytest.mark.parametrize("nested", [[{"name": "{stack}"}], {"of {stack}": 1}])
def test_the_stack_s_name_anywhere_keeps_others_apart(
    load: Loader, type_: str, nested: object
) -> None:
    assert warnings(load(type_, {**FILES[type_], "nested": nested})) == []


@pytest.mark.parametrize("type_", FILES)
@pytest.mark.parametrize(
    ("value", "is_apart"), [("/of/tap-dev", True), ("/of/tap-prod", False), ("/x", False)]
)
def test_the_stack_s_name_in_any_argument_on_the_command_line_keeps_others_apart(
    load: Loader, type_: str, value: str, is_apart: bool
) -> None:
    # A local backend takes no other.
    given = f"-backend-config=workspace_dir={value}"
    found = warnings(load(type_, FILES[type_], TF_CLI_ARGS_init=given))
    assert [APART in warning for warning in found] == ([] if is_apart else [True])


@pytest.mark.parametrize("type_", FILES)
def test_an_argument_on_the_command_line_takes_the_place_of_the_written_one(
    load: Loader, type_: str
) -> None:
    block = {**FILES[type_], "workspace_dir": "/of/{stack}"}
    given = "-backend-config=workspace_dir=/x"
    [warning] = warnings(load(type_, block, TF_CLI_ARGS_init=given))
    assert APART in warning


@pytest.mark.parametrize("type_", FILES)
def test_a_single_environment_has_nobody_to_share_with(load: Loader, type_: str) -> None:
    assert warnings(load(type_, FILES[type_], among=("dev",))) == []


@pytest.mark.parametrize("type_", ["cloud", "remote"])
@pytest.mark.parametrize(
    "block",
    [
        {},
        {"workspaces": None},
        {"workspaces": {}},
        {"workspaces": {"tags": ["w"]}},
        {"workspaces": {"prefix": "tap-"}},
        {"workspaces": [{"prefix": "tap-"}]},
        {"workspaces": {"name": "{stack}"}},
    ],
)
def test_workspaces_keep_stacks_apart(load: Loader, type_: str, block: dict[str, Any]) -> None:
    assert warnings(load(type_, {"organization": "o", **block})) == []


@pytest.mark.parametrize("type_", ["cloud", "remote"])
@pytest.mark.parametrize("workspaces", [{"name": "w"}, [{"name": "w"}]])
def test_one_workspace_for_all_stacks_is_warned_of(
    load: Loader, type_: str, workspaces: Any
) -> None:
    assert warnings(load(type_, {"organization": "o", "workspaces": workspaces})) == [
        f"cdktf.json: terraform.backend.{type_}: tap-dev, tap-prod {APART}, "
        "which becomes the stack's name"
    ]


@pytest.mark.parametrize("type_", ["gcs", "local"])
def test_workspaces_keep_no_other_stacks_apart(load: Loader, type_: str) -> None:
    [warning] = warnings(load(type_, {"path": "/one", "workspaces": {"prefix": "tap-"}}))
    assert APART in warning


def test_without_a_block_every_stack_has_its_own_file(load: Loader) -> None:
    assert warnings(load(None)) == []


# --- one bucket --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bucket", "dynamodb_table"])
def test_one_bucket_is_made_for_all_stacks(load: Loader, name: str) -> None:
    assert refusal(load, "s3", {**S3, name: "of-{stack}"}, "state") == (
        f"cdktf.json: terraform.backend.s3.{name}: tap-state makes one for all stacks; "
        "leave {stack} out"
    )


@pytest.mark.parametrize("name", ["bucket", "dynamodb_table"])
def test_a_bucket_for_each_stack_may_be_made_by_somebody_else(load: Loader, name: str) -> None:
    assert load("s3", {**S3, name: "of-{stack}"}).values[name] == "of-tap-dev"


@pytest.mark.parametrize("type_", ["gcs", "cos", "oci"])
def test_no_bucket_is_made_for_another_type(load: Loader, type_: str) -> None:
    found = load(type_, {"bucket": "of-{stack}"}, "state")
    assert found.arguments == {"bucket": "of-tap-state"}


def test_the_bucket_s_own_state_has_a_place_in_it(load: Loader) -> None:
    assert load("s3", S3, "state").arguments["key"] == "tap/tap-state.tfstate"


# --- the arguments of others -------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prefix", "${var.prefix}"),
        ("prefix", "{stack}%{if x}y%{endif}"),
        ("labels", {"a": ["b", "${c}"]}),
        ("labels", {"${c}": "a"}),
        ("labels", ["${a}", "${b}"]),
    ],
)
def test_a_template_is_refused_wherever_it_stands(load: Loader, name: str, value: object) -> None:
    assert refusal(load, "gcs", {name: value}) == (
        f"cdktf.json: terraform.backend.gcs.{name}: {TEMPLATE}"
    )


def test_each_argument_with_a_template_is_refused(load: Loader) -> None:
    assert refusal(load, "gcs", {"bucket": "${a}", "prefix": "${b}"}).splitlines() == [
        f"cdktf.json: terraform.backend.gcs.bucket: {TEMPLATE}",
        f"cdktf.json: terraform.backend.gcs.prefix: {TEMPLATE}",
    ]


def test_a_template_on_the_command_line_is_refused_in_its_place(load: Loader) -> None:
    given = "'-backend-config=prefix=${a}' -backend-config=bucket=b '-backend-config=x=%{a}'"
    assert refusal(load, "gcs", {"prefix": "{stack}"}, TF_CLI_ARGS_init=given).splitlines() == [
        f"TF_CLI_ARGS_init: -backend-config=prefix: {TEMPLATE}",
        f"TF_CLI_ARGS_init: -backend-config=x: {TEMPLATE}",
    ]


@pytest.mark.parametrize(("written", "text"), [("${b}", TEMPLATE), ("{stack}", BAD_STACK)])
def test_what_is_not_literal_in_a_file_of_the_command_line_is_refused_in_its_place(
    load: Loader, tmp_path: Path, written: str, text: str
) -> None:
    file = tmp_path / "a.tfbackend"
    file.write_text(f'labels = {{a = ["{written}"]}}\n')
    given = f"-backend-config={file}"
    assert refusal(load, "gcs", {"prefix": "{stack}"}, TF_CLI_ARGS_init=given) == (
        f"TF_CLI_ARGS_init: -backend-config={file}: labels: {text}"
    )


@pytest.mark.parametrize("type_", [type_ for type_ in FILES if type_ != "local"])
def test_the_stack_s_name_cannot_be_left_to_the_command_line(load: Loader, type_: str) -> None:
    given = "-backend-config=x=of-{stack}"
    assert refusal(load, type_, FILES[type_], TF_CLI_ARGS_init=given) == (
        f"TF_CLI_ARGS_init: -backend-config=x: {BAD_STACK}"
    )


def test_the_stack_s_name_in_a_local_path_cannot_be_left_to_the_command_line(load: Loader) -> None:
    given = "-backend-config=path=/{stack}"
    assert refusal(load, "local", {}, TF_CLI_ARGS_init=given) == (
        f"TF_CLI_ARGS_init: -backend-config=path: {BAD_STACK}"
    )


@pytest.mark.parametrize("path", ["", "a", "../a", "~/a", None, 5, 0, True, ["x"], ["/x"], {}])
def test_a_local_path_that_is_not_absolute_is_warned_of(load: Loader, path: object) -> None:
    assert warnings(load("local", {"path": path}, among=("dev",))) == [RELATIVE]


def test_a_local_path_that_is_left_out_is_warned_of(load: Loader) -> None:
    assert warnings(load("local", {}, among=("dev",))) == [RELATIVE]


def test_an_absolute_local_path_is_taken_without_a_word(load: Loader) -> None:
    assert warnings(load("local", {"path": "/var/a"}, among=("dev",))) == []


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [("a", "/a", []), ("/a", "a", [RELATIVE]), ("/a", "", [RELATIVE])],
)
def test_a_local_path_of_the_command_line_is_the_one_that_counts(
    load: Loader, path: str, given: str, expected: list[str]
) -> None:
    given = f"-backend-config=path={given}"
    found = load("local", {"path": path}, among=("dev",), TF_CLI_ARGS_init=given)
    assert warnings(found) == expected


# --- locks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type_", "block", "argument"),
    [
        ("http", {}, "lock_address"),
        ("http", {"lock_address": ""}, "lock_address"),
        ("http", {"lock_address": None}, "lock_address"),
        ("oss", {}, "tablestore_table"),
        ("oss", {"tablestore_table": ""}, "tablestore_table"),
        ("consul", {"lock": False}, "lock"),
        ("consul", {"lock": "false"}, "lock"),
    ],
)
def test_a_state_that_nothing_locks_is_warned_of(
    load: Loader, type_: str, block: object, argument: str
) -> None:
    assert warnings(load(type_, block, among=("dev",))) == [unlocked(type_, argument)]


@pytest.mark.parametrize(
    ("type_", "block", "environment"),
    [
        ("http", {"lock_address": "https://x"}, {}),
        ("http", {}, {"TF_HTTP_LOCK_ADDRESS": "https://x"}),
        ("oss", {"tablestore_table": "t"}, {}),
        ("consul", {}, {}),
        ("consul", {"lock": True}, {}),
        ("consul", {"lock": "true"}, {}),
        ("consul", {"lock": None}, {}),
        ("gcs", {}, {}),
    ],
)
def test_a_state_that_is_locked_is_taken_without_a_word(
    load: Loader, type_: str, block: object, environment: dict[str, str]
) -> None:
    assert warnings(load(type_, block, among=("dev",), **environment)) == []


@pytest.mark.parametrize(
    ("type_", "block", "given"),
    [
        ("http", {}, "lock_address=https://x"),
        ("oss", {}, "tablestore_table=t"),
        ("consul", {"lock": False}, "lock=true"),
    ],
)
def test_the_command_line_may_give_the_lock(
    load: Loader, type_: str, block: object, given: str
) -> None:
    given = f"-backend-config={given}"
    assert warnings(load(type_, block, among=("dev",), TF_CLI_ARGS_init=given)) == []


@pytest.mark.parametrize(
    ("type_", "block", "argument", "value"),
    [
        ("http", {"lock_address": "https://x"}, "lock_address", ""),
        ("oss", {"tablestore_table": "t"}, "tablestore_table", ""),
        ("consul", {"lock": True}, "lock", "false"),
        ("consul", {}, "lock", "false"),
    ],
)
def test_the_command_line_may_take_the_lock_away(
    load: Loader, type_: str, block: object, argument: str, value: str
) -> None:
    given = f"-backend-config={argument}={value}"
    found = load(type_, block, among=("dev",), TF_CLI_ARGS_init=given)
    assert warnings(found) == [unlocked(type_, argument)]


def test_of_two_arguments_of_the_command_line_the_later_one_locks(load: Loader) -> None:
    given = "-backend-config=lock=false -backend-config=lock=true"
    assert warnings(load("consul", {}, among=("dev",), TF_CLI_ARGS_init=given)) == []
