"""The backend block in the synthesized stack: what was written, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cdktf
import pytest

from lib.backend.block import Backend
from lib.config.provider_versions import DEFAULT_AWS_PROVIDER
from lib.stacks.aws_provider import add_aws_provider
from lib.stacks.backend_block import apply_backend

Block = dict[str, Any]

# One argument of every kind.
S3: Block = {
    "bucket": "states",
    "key": "tap/tap-dev.tfstate",
    "region": "eu-west-1",
    "encrypt": True,
    "use_lockfile": True,
    "use_fips_endpoint": False,
    "use_dualstack_endpoint": True,
    "max_retries": 3,
    "custom_ca_bundle": "",
    "allowed_account_ids": ["210987654321", "123456789012", "210987654320"],
    "endpoints": {"s3": "https://s3.example.com", "dynamodb": "https://db.example.com"},
    "assume_role": {
        "role_arn": "arn:aws:iam::123456789012:role/deploy",
        "duration": "1h",
        "policy": '{"Version": "2012-10-17", "Statement": "a\\\\b"}',
        "tags": {
            "Team Name": "prices & alerts",
            "costCenter": "4711",
            "snake_case": "snake_case",
            "with.dot": "a.b",
            "with-dash": "é 価格 🚀",
            "UPPER": "",
            "0": "zero",
        },
        "transitive_tag_keys": ["with.dot", "Team Name", "costCenter"],
    },
}
OTHERS: dict[str, Block] = {
    "azurerm": {"resource_group_name": "r", "use_azuread_auth": True, "key": "k"},
    "cloud": {"organization": "o", "workspaces": {"name": "tap-dev", "tags": ["b", "a"]}},
    "consul": {"path": "tap", "lock": False},
    "cos": {"bucket": "b-125", "prefix": "p", "assume_role": {"session_duration": 3600}},
    "gcs": {"bucket": "b", "impersonate_service_account_delegates": ["z", "a"]},
    "http": {"address": "https://example.com", "retry_wait_min": 1, "retry_max": 0},
    "kubernetes": {"secret_suffix": "s", "exec": [{"command": "c", "env": {"camelCase": "1"}}]},
    "local": {"path": "/var/tap.tfstate"},
    "oci": {"bucket": "b", "namespace": "n"},
    "oss": {"bucket": "b", "tablestore_table": "t"},
    "pg": {"conn_str": "postgres://h/d", "skip_schema_creation": True},
    "remote": {"hostname": "h", "workspaces": [{"prefix": "tap-"}]},
    "s3": {},
}


def new_stack() -> cdktf.TerraformStack:
    return cdktf.TerraformStack(cdktf.Testing.app(), "tap-dev")


def synthesized(stack: cdktf.TerraformStack) -> Block:
    """The whole configuration, as Terraform gets it."""
    document: Block = json.loads(cdktf.Testing.synth(stack))
    return document


@pytest.fixture
def app(tmp_path: Path) -> cdktf.App:
    """An app as main.py has it, which sees to it that every stack has a backend."""
    return cdktf.App(outdir=str(tmp_path))


def written_by(app: cdktf.App) -> Block:
    app.synth()
    path = Path(app.outdir, "stacks", "tap-dev", "cdk.tf.json")
    settings: Block = json.loads(path.read_text("utf-8"))["terraform"]
    return settings


def settings_of(type_: str | None, arguments: Block, values: Block | None = None) -> Block:
    """Synthesize a stack of nothing but a backend."""
    stack = new_stack()
    apply_backend(stack, Backend(type_, arguments, values or {}))
    document = synthesized(stack)
    assert set(document) <= {"terraform"}
    settings: Block = document.get("terraform", {})
    return settings


# --- the block ---------------------------------------------------------------------------


def test_an_s3_block_stands_there_as_it_was_written() -> None:
    assert settings_of("s3", S3) == {"backend": {"s3": S3}}


def test_a_true_is_no_one() -> None:
    written = settings_of("s3", S3)["backend"]["s3"]
    assert [name for name in S3 if type(written[name]) is not type(S3[name])] == []


def test_any_other_block_stands_there_as_it_was_written_and_cloud_in_its_own_place() -> None:
    assert {type_: settings_of(type_, block) for type_, block in OTHERS.items()} == {
        type_: {type_: block} if type_ == "cloud" else {"backend": {type_: block}}
        for type_, block in OTHERS.items()
    }


def test_a_fraction_stands_there_with_its_value() -> None:
    block = {"a": 0.1, "b": [{"c": 100.0}]}
    assert settings_of("http", block)["backend"]["http"] == block


def test_an_argument_of_null_is_left_out_which_means_the_same() -> None:
    assert settings_of("gcs", {"bucket": "b", "prefix": None}) == {
        "backend": {"gcs": {"bucket": "b"}}
    }


@pytest.mark.parametrize("type_", ["cloud", "gcs", "s3"])
def test_the_app_adds_no_backend_to_the_one_that_is_there(app: cdktf.App, type_: str) -> None:
    apply_backend(cdktf.TerraformStack(app, "tap-dev"), Backend(type_, OTHERS[type_], {}))
    assert written_by(app) == settings_of(type_, OTHERS[type_])


def test_without_a_block_the_state_is_cdktf_s_own_local_file(app: cdktf.App) -> None:
    stack = cdktf.TerraformStack(app, "tap-dev")
    apply_backend(stack, Backend(None, S3, {"use_lockfile": True}))
    settings = written_by(app)
    assert (list(settings), list(settings["backend"])) == (["backend"], ["local"])
    assert Path(settings["backend"]["local"]["path"]).name == "terraform.tap-dev.tfstate"


def test_the_arguments_stay_as_they_are() -> None:
    before = json.dumps(S3)
    settings_of("s3", S3)
    assert json.dumps(S3) == before


# --- the version -------------------------------------------------------------------------


def test_a_lock_file_asks_for_a_terraform_that_knows_it() -> None:
    assert settings_of("s3", S3, {"use_lockfile": True})["required_version"] == ">= 1.10"


def test_a_lock_file_of_the_command_line_asks_for_it_too() -> None:
    assert settings_of("s3", {}, {"use_lockfile": True}) == {
        "backend": {"s3": {}},
        "required_version": ">= 1.10",
    }


@pytest.mark.parametrize("values", [{}, {"use_lockfile": False}, {"dynamodb_table": "locks"}])
def test_any_terraform_may_run_what_needs_no_lock_file(values: Block) -> None:
    assert "required_version" not in settings_of("s3", S3, values)


def test_the_provider_s_version_stands_beside_terraform_s() -> None:
    stack = new_stack()
    add_aws_provider(stack, "eu-west-1")
    apply_backend(stack, Backend("s3", S3, {"use_lockfile": True}))
    assert synthesized(stack)["terraform"] == {
        "backend": {"s3": S3},
        "required_providers": {"aws": {"source": "aws", "version": DEFAULT_AWS_PROVIDER}},
        "required_version": ">= 1.10",
    }


def test_the_other_language_gets_the_block_without_the_version() -> None:
    stack = new_stack()
    apply_backend(stack, Backend("s3", {"bucket": "states"}, {"use_lockfile": True}))
    text = cdktf.Testing.synth_hcl(stack)
    assert ('backend "s3"' in text, "states" in text, "required_version" in text) == (
        True,
        True,
        False,
    )


# --- warnings, and what there is not -----------------------------------------------------


def annotations_of(stack: cdktf.TerraformStack) -> list[tuple[str, str]]:
    return [(entry.type, entry.data) for entry in stack.node.metadata]


@pytest.mark.parametrize("type_", ["s3", "cloud", None])
def test_each_warning_becomes_an_annotation_of_the_stack(type_: str | None) -> None:
    stack = new_stack()
    apply_backend(stack, Backend(type_, {}, {}, ("one: take care", "two: mind the gap")))
    assert annotations_of(stack) == [
        ("@cdktf/warn", "one: take care"),
        ("@cdktf/warn", "two: mind the gap"),
    ]


def test_a_backend_in_order_leaves_no_annotation() -> None:
    stack = new_stack()
    apply_backend(stack, Backend("s3", S3, {}))
    assert annotations_of(stack) == []


def test_no_stack_can_read_another_one_s_state() -> None:
    stack = new_stack()
    apply_backend(stack, Backend("s3", S3, {}))
    block = stack.node.find_child("backend")
    assert isinstance(block, cdktf.TerraformBackend)
    with pytest.raises(NotImplementedError, match=r"^tap-dev does not hand its outputs to other$"):
        block.get_remote_state_data_source(stack, "other", "tap-dev")
