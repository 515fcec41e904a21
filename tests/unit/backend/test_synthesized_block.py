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
    "encrypt": True,
    "use_lockfile": True,
    "use_fips_endpoint": False,
    "max_retries": 3,
    "custom_ca_bundle": "",
    "allowed_account_ids": ["210987654321", "123456789012", "210987654320"],
    "endpoints": {"s3": "https://s3.example.com", "dynamodb": "https://db.example.com"},
    "assume_role": {
        "role_arn": "arn:aws:iam::123456789012:role/deploy",
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
    "http": {"address": "https://example.com", "a": 0.1, "b": [{"c": 100.5}], "retry_max": 0},
    "kubernetes": {"secret_suffix": "s", "exec": [{"command": "c", "env": {"camelCase": "1"}}]},
    "local": {"path": "/var/tap.tfstate"},
    "oci": {"bucket": "b", "namespace": "n"},
    "oss": {"bucket": "b", "tablestore_table": "t"},
    "pg": {"conn_str": "postgres://h/d", "skip_schema_creation": True},
    "remote": {"hostname": "h", "workspaces": [{"prefix": "tap-"}]},
    "s3": S3,
}


def new_stack() -> cdktf.TerraformStack:
    return cdktf.TerraformStack(cdktf.Testing.app(), "tap-dev")


def settings_of(type_: str | None, arguments: Block, values: Block | None = None) -> Block:
    """Synthesize a stack of nothing but a backend; returns what Terraform gets of it."""
    stack = new_stack()
    apply_backend(stack, Backend(type_, arguments, values or {}))
    document = json.loads(cdktf.Testing.synth(stack))
    assert set(document) <= {"terraform"}
    settings: Block = document.get("terraform", {})
    return settings


def test_a_block_is_synthesized_as_it_was_written_and_cloud_in_its_own_place() -> None:
    before = json.dumps(OTHERS, sort_keys=True)
    found = {type_: settings_of(type_, block) for type_, block in OTHERS.items()}
    expected = {
        type_: {type_: block} if type_ == "cloud" else {"backend": {type_: block}}
        for type_, block in OTHERS.items()
    }
    # Not by ==, for which 1 would do for True.
    assert json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)
    assert json.dumps(OTHERS, sort_keys=True) == before


def test_an_argument_of_null_is_left_out_which_means_the_same() -> None:
    assert settings_of("gcs", {"bucket": "b", "prefix": None}) == {
        "backend": {"gcs": {"bucket": "b"}}
    }


@pytest.mark.parametrize("type_", ["cloud", "s3", None])
def test_the_app_adds_no_backend_but_a_local_file_where_there_is_none(
    tmp_path: Path, type_: str | None
) -> None:
    app = cdktf.App(outdir=str(tmp_path))
    block = OTHERS[type_] if type_ else S3
    apply_backend(cdktf.TerraformStack(app, "tap-dev"), Backend(type_, block, {}))
    app.synth()
    path = tmp_path / "stacks" / "tap-dev" / "cdk.tf.json"
    written = json.loads(path.read_text("utf-8"))["terraform"]
    if type_:
        assert written == settings_of(type_, block)
    else:
        assert (list(written), list(written["backend"])) == (["backend"], ["local"])
        assert Path(written["backend"]["local"]["path"]).name == "terraform.tap-dev.tfstate"


def test_a_lock_file_requires_a_terraform_that_knows_it_beside_the_provider_s_version() -> None:
    stack = new_stack()
    add_aws_provider(stack, "eu-west-1")
    apply_backend(stack, Backend("s3", {}, {"use_lockfile": True}))
    assert json.loads(cdktf.Testing.synth(stack))["terraform"] == {
        "backend": {"s3": {}},
        "required_providers": {"aws": {"source": "aws", "version": DEFAULT_AWS_PROVIDER}},
        "required_version": ">= 1.10",
    }
    assert "required_version" not in settings_of("s3", S3, {"use_lockfile": False})


def test_the_other_language_gets_the_block_without_the_version() -> None:
    stack = new_stack()
    apply_backend(stack, Backend("s3", {"bucket": "states"}, {"use_lockfile": True}))
    text = cdktf.Testing.synth_hcl(stack)
    assert ('backend "s3"' in text, "states" in text, "required_version" in text) == (
        *(True, True, False),
    )


@pytest.mark.parametrize("type_", ["s3", "cloud", None])
def test_each_warning_becomes_an_annotation_of_the_stack(type_: str | None) -> None:
    stack = new_stack()
    apply_backend(stack, Backend(type_, {}, {}, ("one: take care", "two: mind the gap")))
    assert [(entry.type, entry.data) for entry in stack.node.metadata] == [
        ("@cdktf/warn", "one: take care"),
        ("@cdktf/warn", "two: mind the gap"),
    ]


def test_no_stack_can_read_another_one_s_state() -> None:
    stack = new_stack()
    apply_backend(stack, Backend("s3", S3, {}))
    block = stack.node.find_child("backend")
    assert isinstance(block, cdktf.TerraformBackend)
    with pytest.raises(NotImplementedError, match=r"^tap-dev does not hand its outputs to other$"):
        block.get_remote_state_data_source(stack, "other", "tap-dev")
