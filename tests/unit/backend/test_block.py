"""cdktf.json's backend → Backend: what is accepted, what is not, and what lies over it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import Backend, StateStore, load_backend, state_store
from lib.config.document import ConfigurationError
from tests.unit.backend.loader import S3, TEMPLATE, Loader, refusal

ROLE = "arn:aws:iam::123456789012:role/deploy"
LOCAL = {"path": "/var/{stack}.tfstate"}
# Each with arguments that nothing is to be said of.
OTHERS: dict[str, dict[str, Any]] = {
    "azurerm": {"key": "{stack}", "use_azuread_auth": True},
    "cloud": {"organization": "o", "workspaces": {"name": "{stack}"}},
    "consul": {"path": "{stack}", "lock": True},
    "cos": {"bucket": "b", "prefix": "{stack}"},
    "gcs": {"bucket": "b", "{stack}": ["{stack}/{stack}", {"{stack}": 1}, None, True, "{Stack}"]},
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
TYPES = f"there are {', '.join([*OTHERS, 's3'])}"


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


# --- the block ---------------------------------------------------------------------------


def test_without_a_block_there_is_no_backend(load: Loader) -> None:
    nothing = Backend(None, {}, {}, ())
    assert [load.text("{}"), load.section({}), load.section({"backend": None})] == [nothing] * 3


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        *((None, STRUCTURE), (["backend"], STRUCTURE), ({"s3": {}}, STRUCTURE)),
        ({"backend": {"s3": S3}, "required_version": ">= 1.0"}, STRUCTURE),
        *(({"backend": {}}, ONE_TYPE), ({"backend": "s"}, ONE_TYPE), ({"backend": []}, ONE_TYPE)),
        ({"backend": {"s3": S3, "gcs": {}}}, ONE_TYPE),
        *(({"backend": {"s3": None}}, NO_OBJECT), ({"backend": {"s3": [S3]}}, NO_OBJECT)),
        *(
            (
                {"backend": {type_: {}}},
                f"cdktf.json: terraform.backend.{shown}: there is no such backend; {hint}{TYPES}",
            )
            for type_, shown, hint in [
                *(("HTTP", "HTTP", "did you mean http? "), ("gcp", "gcp", "did you mean gcs? ")),
                *(("mysql", "mysql", ""), ("", "", ""), ("x\u2028y", "x y", "")),
            ]
        ),
    ],
)
def test_what_is_no_block_gets_what_one_looks_like(
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


def test_an_s3_block_in_order_has_no_warnings_and_the_stack_s_name_in_it(load: Loader) -> None:
    block = {**S3, "assume_role": {"role_arn": ROLE, "tags": {"of {stack}": "{stack}"}}}
    arguments = json.loads(json.dumps(block).replace("{stack}", "tap-prod"))
    nested = {f"assume_role.{name}": value for name, value in arguments["assume_role"].items()}
    assert load("s3", block, "prod") == Backend("s3", arguments, {**arguments, **nested}, ())


def test_the_command_line_lies_over_the_block_and_gives_what_that_leaves_out(load: Loader) -> None:
    block = {"region": "eu-west-1", "use_lockfile": True}
    given = {"bucket": "states", "key": "tap-dev", "region": "eu-west-3"}
    line = " ".join(f"-backend-config={name}={value}" for name, value in given.items())
    found = load("s3", block, TF_CLI_ARGS_init=line)
    assert found == Backend("s3", block, {**block, **given}, ())


def test_a_file_of_the_command_line_lies_in_the_synthesized_stack_s_folder(
    load: Loader, tmp_path: Path
) -> None:
    for number, output in enumerate(("cdktf.out", "out")):
        folder = tmp_path / output / "stacks" / "tap-prod"
        folder.mkdir(parents=True)
        (folder / "some.tfbackend").write_text(f'region = "eu-west-{number}"\n')
    given = "-backend-config=some.tfbackend"
    found = load("s3", S3, "prod", CDKTF_OUTDIR="out", TF_CLI_ARGS_init=given)
    assert found.values["region"] == "eu-west-1"
    assert load("s3", S3, "prod", TF_CLI_ARGS_init=given).values["region"] == "eu-west-0"


@pytest.mark.parametrize(
    ("block", "given", "version"),
    [
        *((True, "", ">= 1.10"), (False, "", None), (None, "", None)),
        (False, "-backend-config=use_lockfile=true", ">= 1.10"),
        (True, "-backend-config=use_lockfile=false", None),
    ],
)
def test_a_lock_file_alone_requires_a_terraform_that_knows_it(
    load: Loader, block: bool | None, given: str, version: str | None
) -> None:
    found = load("s3", {**S3, "use_lockfile": block}, TF_CLI_ARGS_init=given)
    assert found.required_version == version


def test_the_terraform_that_will_run_decides_what_is_accepted(
    load: Loader, asked: Path, tmp_path: Path
) -> None:
    load("s3", S3)
    assert asked.exists()
    old = tmp_path / "bin" / "terraform"
    old.write_text(old.read_text().replace("1.11.4", "1.9.8"))
    assert refusal(load, "s3", S3) == (
        "cdktf.json: terraform.backend.s3.use_lockfile: Terraform 1.9.8 does not take it, "
        "Terraform does since 1.10; write dynamodb_table, or use Terraform 1.10 or newer"
    )


def test_without_a_terraform_the_rest_is_checked_and_that_is_warned_of(load: Loader) -> None:
    text = refusal(load, "s3", {**S3, "bucket": 5}, PATH="/nowhere")
    assert text == "cdktf.json: terraform.backend.s3.bucket: must be a string"
    assert load("s3", S3, PATH="/nowhere").warnings == (
        "cdktf.json: terraform.backend.s3: terraform is not installed, "
        "so the arguments were checked without its version",
    )


def test_all_faults_are_reported_together_and_without_the_warnings(load: Loader) -> None:
    block = {**S3, "key": "one", "bucket": 5, "acl": "${x}", "use_lockfile": False, "a\nb": 1}
    with pytest.raises(ConfigurationError) as caught:
        load("s3", block, TF_CLI_ARGS_init="-backend-config=nope=1 -backend-config=token=t")
    assert [fault.rsplit(": ", 1)[0] for fault in caught.value.faults] == [
        "cdktf.json: terraform.backend.s3.bucket",
        "cdktf.json: terraform.backend.s3.acl",
        "cdktf.json: terraform.backend.s3.a b",
        "TF_CLI_ARGS_init: -backend-config=nope",
        "cdktf.json: terraform.backend.s3.key",
    ]
    assert str(caught.value).splitlines() == list(caught.value.faults)


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


def test_a_fraction_becomes_a_float_wherever_it_is(load: Loader) -> None:
    text = '{"terraform": {"backend": {"gcs": {"a": [0.5, {"b": -1e2}]}}}}'
    # Not by ==, for which a Decimal would do as well.
    assert repr(load.text(text).arguments["a"]) == "[0.5, {'b': -100.0}]"


@pytest.mark.parametrize("literal", ["NaN", "-Infinity", '[1, {"a": [NaN, 1e999]}]'])
def test_a_number_that_json_does_not_have_is_one_fault(load: Loader, literal: str) -> None:
    text = '{"terraform": {"backend": {"gcs": {"prefix": "{stack}", "a": %s}}}}'
    assert refusal(load.text, text % literal) == (
        "cdktf.json: terraform.backend.gcs: holds a number that JSON does not have; "
        "write another one"
    )


# --- what tap-state makes ----------------------------------------------------------------

CREDENTIALS: dict[str, Any] = {
    "allowed_account_ids": ["123456789012"],
    "forbidden_account_ids": ["210987654321"],
    "assume_role": {"role_arn": ROLE},
    "assume_role_with_web_identity": {"role_arn": "r", "web_identity_token_file": "f"},
    "profile": "ops",
    "shared_config_files": ["/a"],
    "shared_credentials_files": ["/b"],
}


def store(environment: dict[str, str] | None = None, **values: object) -> StateStore:
    backend = Backend("s3", {}, {"bucket": "states", **values})
    return state_store(Path("cdktf.json"), backend, environment or {})


def test_the_store_is_what_the_backend_needs() -> None:
    needs = {"kms_key_id": "alias/state", "dynamodb_table": "locks", **CREDENTIALS}
    assert store(region="eu-west-1", encrypt=True, access_key="a", **needs) == StateStore(
        bucket="states",
        region="eu-west-1",
        kms_key_id="alias/state",
        lock_table="locks",
        credentials=CREDENTIALS,
    )
    plain = store(dynamodb_table="")
    assert (plain.kms_key_id, plain.lock_table, plain.credentials) == (None, None, {})


@pytest.mark.parametrize(
    ("values", "environment", "region"),
    [
        ({"region": "r1"}, {"AWS_REGION": "r2", "AWS_DEFAULT_REGION": "r3"}, "r1"),
        ({"region": ""}, {"AWS_REGION": "r2", "AWS_DEFAULT_REGION": "r3"}, "r2"),
        ({}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "r3"}, "r3"),
    ],
)
def test_the_region_is_the_one_that_the_backend_will_use(
    values: dict[str, str], environment: dict[str, str], region: str
) -> None:
    assert store(environment, **values).region == region


@pytest.mark.parametrize("type_", [None, "gcs"])
def test_no_bucket_is_made_for_what_is_no_s3(type_: str | None) -> None:
    backend = Backend(type_, {"bucket": "b"}, {})
    assert refusal(state_store, Path("cdktf.json"), backend, {}) == (
        "cdktf.json: terraform.backend names no S3 bucket that could be made; write "
        '{"s3": {"bucket": …, "key": "tap/{stack}.tfstate", "region": …, "use_lockfile": true}}'
    )


def test_a_bucket_s_name_is_one_that_s3_accepts() -> None:
    good = (
        "abc",
        "a.b-c",
        "0-9",
        "a" * 63,
        "a--b",
        "a.-b",
        "192.168.5",
        "192.168.5.4.3",
        "1.6.5.4a",
    )
    assert [store(bucket=bucket).bucket for bucket in good] == [*good]
    for bucket in (
        *("", "ab", "a" * 64, "States", "my_states", "-ab", "ab-", ".ab", "ab.", "abc\n", "äbc"),
        *("ab\u0665", "a b", "a/b", "a..b", "192.168.5.4", "999.999.999.999"),
    ):
        assert refusal(store, bucket=bucket) == (
            "cdktf.json: terraform.backend.s3.bucket: no bucket can be made of that name; "
            "it takes 3 to 63 of a-z 0-9 - . and is no IP address"
        )
