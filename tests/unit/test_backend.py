"""cdktf.json's backend → Backend: what is taken, what is none, and what lies over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import Backend, load_backend
from lib.config.document import ConfigurationError
from tests.unit.backend_loader import S3, TEMPLATE, Loader, refusal

ROLE = "arn:aws:iam::123456789012:role/deploy"
LOCAL = {"path": "/var/{stack}.tfstate"}
# Each with arguments that nothing is to be said of.
OTHERS: dict[str, dict[str, Any]] = {
    "azurerm": {"key": "{stack}", "use_azuread_auth": True},
    "cloud": {"organization": "o", "workspaces": {"name": "{stack}"}},
    "consul": {"path": "{stack}", "lock": True},
    "cos": {"bucket": "b", "prefix": "{stack}"},
    "gcs": {"bucket": "b", "prefix": "{stack}", "no_such_argument": [1, None, "x"]},
    "http": {"address": "https://x/{stack}", "lock_address": "https://x/{stack}/lock"},
    "kubernetes": {"secret_suffix": "{stack}", "labels": {"camelCase": "a b"}},
    "local": LOCAL,
    "oci": {"bucket": "b", "key": "{stack}"},
    "oss": {"bucket": "b", "key": "{stack}", "tablestore_table": "t"},
    "pg": {"schema_name": "{stack}", "skip_schema_creation": False},
    "remote": {"workspaces": [{"prefix": "tap-"}]},
}
STRUCTURE = 'cdktf.json: terraform takes one thing, a backend: {"backend": {"s3": {…}}}'
ONE_TYPE = 'cdktf.json: terraform.backend must be an object with one key, the type: {"s3": {…}}'
NO_OBJECT = "cdktf.json: terraform.backend.s3 must be an object"
TYPES = "there are azurerm, cloud, consul, cos, gcs, http, kubernetes, local, oci, oss, pg, remote"
NO_NUMBER = "holds a number that JSON does not have; write another one"
LINE_ENDS = ["\n", "\r\n", "\r", "\u2028", "\x85"]


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


# --- no block, and what is none ----------------------------------------------------------


@pytest.mark.parametrize("section", [{}, {"backend": None}])
def test_an_empty_block_is_no_backend(load: Loader, section: object) -> None:
    assert load.section(section) == Backend(None, {}, {}, ())


def test_a_file_without_a_block_has_no_backend(load: Loader) -> None:
    assert load.text("{}") == Backend(None, {}, {}, ())


@pytest.mark.parametrize(
    ("type_", "hint"),
    [
        *(("HTTP", "did you mean http? "), ("gcp", "did you mean gcs? "), ("mysql", "")),
        ("", ""),
    ],
)
def test_an_unknown_type_is_told_the_nearest_and_all(load: Loader, type_: str, hint: str) -> None:
    assert refusal(load, type_, {}) == (
        f"cdktf.json: terraform.backend.{type_}: there is no such backend; {hint}{TYPES}, s3"
    )


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        *((None, STRUCTURE), (["backend"], STRUCTURE), ({"s3": {}}, STRUCTURE)),
        ({"backend": {"s3": S3}, "required_version": ">= 1.0"}, STRUCTURE),
        *(({"backend": {}}, ONE_TYPE), ({"backend": "s"}, ONE_TYPE), ({"backend": []}, ONE_TYPE)),
        ({"backend": {"s3": S3, "gcs": {}}}, ONE_TYPE),
        *(({"backend": {"s3": None}}, NO_OBJECT), ({"backend": {"s3": [S3]}}, NO_OBJECT)),
    ],
)
def test_what_is_no_block_is_told_what_one_looks_like(
    load: Loader, section: object, complaint: str
) -> None:
    assert refusal(load.section, section) == complaint


def test_the_file_is_named_with_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    text = refusal(load_backend, path, "dev", {}, tmp_path)
    assert text == "other.json: cannot be read: No such file or directory"
    path.write_text('{"terraform": {"backend": {"local": {"path": "/${x}"}}}}')
    text = refusal(load_backend, path, "dev", {}, tmp_path)
    assert text == f"other.json: terraform.backend.local.path: {TEMPLATE}"


# --- S3 ----------------------------------------------------------------------------------


def test_an_s3_block_in_order_is_taken_without_a_word(load: Loader) -> None:
    arguments = {**S3, "key": "tap/tap-prod.tfstate"}
    assert load("s3", S3, "prod") == Backend("s3", arguments, arguments, ())


def test_the_stack_s_name_is_written_into_what_counts_as_well(load: Loader) -> None:
    role = {"role_arn": ROLE, "tags": {"of {stack}": "{stack}"}}
    values = load("s3", {**S3, "assume_role": role}).values
    assert values["assume_role.tags"] == {"of tap-dev": "tap-dev"}


def test_the_command_line_goes_before_the_block(load: Loader) -> None:
    found = load("s3", S3, TF_CLI_ARGS_init="-backend-config=region=eu-west-3")
    assert (found.values["region"], found.arguments["region"]) == ("eu-west-3", "eu-west-1")


def test_the_command_line_may_give_what_the_block_leaves_out(load: Loader) -> None:
    block = {"region": "eu-west-1", "use_lockfile": True}
    given = "-backend-config=bucket=states -backend-config=key=tap-dev"
    found = load("s3", block, TF_CLI_ARGS_init=given)
    assert found == Backend("s3", block, {**block, "bucket": "states", "key": "tap-dev"}, ())


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
        *((True, "", ">= 1.10"), (False, "", None), (None, "", None)),
        (False, "-backend-config=use_lockfile=true", ">= 1.10"),
        (True, "-backend-config=use_lockfile=false", None),
    ],
)
def test_a_lock_file_alone_asks_for_a_terraform_that_knows_it(
    load: Loader, block: bool | None, given: str, version: str | None
) -> None:
    found = load("s3", {**S3, "use_lockfile": block}, TF_CLI_ARGS_init=given)
    assert found.required_version == version


def test_a_secret_is_warned_of_in_the_file_and_not_on_the_command_line(load: Loader) -> None:
    given = "-backend-config=secret_key=s"
    [warning] = load("s3", {**S3, "access_key": "a"}, TF_CLI_ARGS_init=given).warnings
    assert warning.startswith("cdktf.json: terraform.backend.s3.access_key: is a secret ")


def test_without_a_terraform_the_rest_is_checked_and_that_is_warned_of(
    load: Loader, tmp_path: Path
) -> None:
    nowhere = str(tmp_path / "nowhere")
    text = refusal(load, "s3", {**S3, "bucket": 5}, PATH=nowhere)
    assert text == "cdktf.json: terraform.backend.s3.bucket: must be a string"
    assert load("s3", S3, PATH=nowhere).warnings == (
        "cdktf.json: terraform.backend.s3: terraform is not installed, "
        "so the arguments were checked without its version",
    )


def test_the_terraform_that_will_run_is_asked_about_s3(load: Loader, asked: Path) -> None:
    load("s3", S3)
    assert asked.exists()


# --- the other types ---------------------------------------------------------------------


def test_any_other_backend_is_passed_on_as_it_was_written_without_a_terraform(
    load: Loader, asked: Path
) -> None:
    arguments = json.loads(json.dumps(OTHERS).replace("{stack}", "tap-dev"))
    assert {type_: load(type_, block) for type_, block in OTHERS.items()} == {
        type_: Backend(type_, written, {}, ()) for type_, written in arguments.items()
    }
    assert not asked.exists()


@pytest.mark.parametrize(
    ("type_", "block", "cure"),
    [
        (
            *(None, None),
            'write {"terraform": {"backend": {"s3": {}}}} into cdktf.json to keep it in S3',
        ),
        ("local", LOCAL, "name another backend in cdktf.json"),
    ],
    ids=["no block", "a local one"],
)
def test_the_command_line_may_give_a_local_backend_its_paths_alone(
    load: Loader, type_: str | None, block: object, cure: str
) -> None:
    given = "-backend-config=path=/tap-dev -backend-config=workspace_dir=/tap-dev"
    assert load(type_, block, TF_CLI_ARGS_init=given).warnings == ()
    assert refusal(load, type_, block, TF_CLI_ARGS_init="-backend-config=region=eu-west-3") == (
        "TF_CLI_ARGS_init: -backend-config=region: the state is kept in a local file, "
        f"and path and workspace_dir are all that takes; {cure}"
    )


# --- {stack} and numbers -----------------------------------------------------------------


def test_the_stack_s_name_is_written_wherever_it_is_asked_for(load: Loader) -> None:
    written = ["a/{stack}/{stack}", {"of {stack}": ["{stack}", 1]}, "{Stack}", None, True]
    read = ["a/tap-dev/tap-dev", {"of tap-dev": ["tap-dev", 1]}, "{Stack}", None, True]
    assert load("gcs", {"{stack}": written}).arguments == {"tap-dev": read}


def test_a_fraction_becomes_a_float_wherever_it_is(load: Loader) -> None:
    text = '{"terraform": {"backend": {"gcs": {"a": [0.5, {"b": -1e2}]}}}}'
    # Not by ==, for which a Decimal would do as well.
    assert repr(load.text(text).arguments["a"]) == "[0.5, {'b': -100.0}]"


@pytest.mark.parametrize("literal", ["NaN", "-Infinity", "1e999", '[1, {"a": [NaN, 1e999]}]'])
def test_a_number_that_json_does_not_have_is_one_fault(load: Loader, literal: str) -> None:
    text = '{"terraform": {"backend": {"gcs": {"prefix": "{stack}", "a": %s}}}}'
    assert refusal(load.text, text % literal) == f"cdktf.json: terraform.backend.gcs: {NO_NUMBER}"


# --- several faults, and one line for each -----------------------------------------------


def test_faults_of_different_places_are_reported_together_and_without_the_warnings(
    load: Loader,
) -> None:
    block = {**S3, "key": "one", "bucket": 5, "acl": "${x}", "use_lockfile": False}
    with pytest.raises(ConfigurationError) as caught:
        load("s3", block, TF_CLI_ARGS_init="-backend-config=nope=1")
    assert [fault.rsplit(": ", 1)[0] for fault in caught.value.faults] == [
        "cdktf.json: terraform.backend.s3.bucket",
        "cdktf.json: terraform.backend.s3.acl",
        "TF_CLI_ARGS_init: -backend-config=nope",
        "cdktf.json: terraform.backend.s3.key",
    ]
    assert str(caught.value).splitlines() == list(caught.value.faults)


def test_a_line_end_in_a_name_does_not_break_the_line(load: Loader) -> None:
    unknown = "no Terraform up to 1.15 takes it; leave it out"
    for end in LINE_ENDS:
        assert refusal(load, "s3", {**S3, f"a{end}b": 1}) == (
            f"cdktf.json: terraform.backend.s3.a b: {unknown}"
        )
        assert refusal(load, f"x{end}y", {}) == (
            f"cdktf.json: terraform.backend.x y: there is no such backend; {TYPES}, s3"
        )
