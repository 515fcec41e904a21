"""What has to be made for an S3 backend before it can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lib.backend.block import Backend, StateStore, state_store
from lib.config.document import ConfigurationError
from tests.unit.backend_loader import S3, Loader

FILE = Path("cdktf.json")


def store(environment: dict[str, str] | None = None, **values: object) -> StateStore:
    return state_store(FILE, Backend("s3", {}, {"bucket": "states", **values}), environment or {})


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Loads a backend where no Terraform is installed."""
    return Loader(tmp_path)


def test_everything_that_has_to_be_made_is_named() -> None:
    assert store(region="eu-west-1", kms_key_id="alias/state", dynamodb_table="locks") == (
        StateStore(
            bucket="states",
            region="eu-west-1",
            kms_key_id="alias/state",
            lock_table="locks",
            credentials={},
        )
    )


def test_neither_a_key_nor_a_lock_table_has_to_be_made() -> None:
    for found in (store(region="eu-west-1"), store(region="eu-west-1", dynamodb_table="")):
        assert (found.kms_key_id, found.lock_table) == (None, None)


@pytest.mark.parametrize(
    ("values", "environment", "region"),
    [
        ({"region": "r1"}, {"AWS_REGION": "r2", "AWS_DEFAULT_REGION": "r3"}, "r1"),
        ({}, {"AWS_REGION": "r2", "AWS_DEFAULT_REGION": "r3"}, "r2"),
        ({"region": ""}, {"AWS_REGION": "r2"}, "r2"),
        ({}, {"AWS_REGION": "", "AWS_DEFAULT_REGION": "r3"}, "r3"),
        ({}, {"AWS_DEFAULT_REGION": "r3"}, "r3"),
    ],
)
def test_the_region_is_the_one_that_the_backend_will_use(
    values: dict[str, str], environment: dict[str, str], region: str
) -> None:
    assert store(environment, **values).region == region


def test_the_region_of_the_environment_is_enough_for_the_block_too(load: Loader) -> None:
    block = {name: value for name, value in S3.items() if name != "region"}
    environment = {"AWS_DEFAULT_REGION": "eu-west-2"}
    found = load("s3", block, "state", **environment)
    assert state_store(FILE, found, environment).region == "eu-west-2"


CREDENTIALS: dict[str, Any] = {
    "allowed_account_ids": ["123456789012"],
    "forbidden_account_ids": ["210987654321"],
    "assume_role": {"role_arn": "arn:aws:iam::123456789012:role/state"},
    "assume_role_with_web_identity": {"role_arn": "r", "web_identity_token_file": "f"},
    "profile": "ops",
    "shared_config_files": ["/a"],
    "shared_credentials_files": ["/b"],
}


def test_what_chooses_the_backend_s_account_chooses_the_bucket_s() -> None:
    found = store(region="eu-west-1", key="k", encrypt=True, access_key="a", **CREDENTIALS)
    assert found.credentials == CREDENTIALS


def test_the_command_line_may_choose_the_account(load: Loader) -> None:
    found = load("s3", S3, "state", TF_CLI_ARGS_init="-backend-config=profile=ops")
    assert state_store(FILE, found, {}).credentials == {"profile": "ops"}


@pytest.mark.parametrize("type_", [None, "gcs"])
def test_no_bucket_can_be_made_for_what_is_no_s3(type_: str | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        state_store(FILE, Backend(type_, {"bucket": "b"}, {}), {})
    assert str(caught.value) == (
        "cdktf.json: terraform.backend names no S3 bucket that could be made; write "
        '{"s3": {"bucket": …, "key": "tap/{stack}.tfstate", "region": …, "use_lockfile": true}}'
    )


GOOD = (
    *("abc", "a.b-c", "0-9", "a" * 63, "a--b", "a.-b"),
    *("192.168.5", "192.168.5.4.3", "192.168.5.4a", "a192.168.5.4"),
)
BAD = (
    *("", "ab", "a" * 64, "States", "my_states", "-ab", "ab-", ".ab", "ab.", "abc\n", "äbc"),
    *("ab\u0665", "a b", "a/b", "arn:aws:s3:::abc", "a..b", "192.168.5.4", "999.999.999.999"),
)


def test_a_bucket_s_name_is_one_that_s3_gives() -> None:
    assert [store(bucket=bucket, region="eu-west-1").bucket for bucket in GOOD] == [*GOOD]
    for bucket in BAD:
        with pytest.raises(ConfigurationError) as caught:
            store(bucket=bucket, region="eu-west-1")
        assert str(caught.value) == (
            "cdktf.json: terraform.backend.s3.bucket: no bucket can be made of that name; "
            "it takes 3 to 63 of a-z 0-9 - . and is no IP address"
        )
