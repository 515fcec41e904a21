"""tap-state, resource by resource: a bucket that loses no state and shows it to nobody."""

from __future__ import annotations

import json
from typing import Any

import cdktf
import pytest

from lib.backend.block import StateStore
from lib.config.provider_versions import DEFAULT_AWS_PROVIDER
from lib.stacks.state import StateStack

Stack = dict[str, Any]

KEY = "arn:aws:kms:eu-west-1:123456789012:alias/state"
CREDENTIALS = {
    "profile": "ops",
    "assume_role": {"role_arn": "arn:aws:iam::123456789012:role/state"},
    "allowed_account_ids": ["123456789012"],
}
VARIANTS = {
    "bare": StateStore(
        bucket="states", region="us-east-1", kms_key_id=None, lock_table=None, credentials={}
    ),
    "full": StateStore(
        bucket="more-states",
        region="eu-west-1",
        kms_key_id=KEY,
        lock_table="locks",
        credentials=CREDENTIALS,
    ),
}
BUCKET = "${aws_s3_bucket.state.id}"


@pytest.fixture(scope="module")
def stacks() -> dict[str, Stack]:
    return {
        name: json.loads(cdktf.Testing.synth(StateStack(cdktf.Testing.app(), store)))
        for name, store in VARIANTS.items()
    }


@pytest.fixture(params=VARIANTS)
def name(request: pytest.FixtureRequest) -> str:
    variant: str = request.param
    return variant


@pytest.fixture
def stack(name: str, stacks: dict[str, Stack]) -> Stack:
    return stacks[name]


def only(stack: Stack, kind: str) -> dict[str, Any]:
    """The attributes of the one resource of a kind."""
    [attributes] = stack["resource"][kind].values()
    found: dict[str, Any] = attributes
    return found


# --- the stack as a whole ----------------------------------------------------------------


@pytest.mark.parametrize("store", VARIANTS.values(), ids=VARIANTS)
def test_the_stack_is_named_after_the_state(store: StateStore) -> None:
    assert StateStack(cdktf.Testing.app(), store).node.id == "tap-state"


def test_it_holds_these_resources_and_nothing_more(name: str, stack: Stack) -> None:
    assert {kind: len(found) for kind, found in stack["resource"].items()} == {
        "aws_s3_bucket": 1,
        "aws_s3_bucket_lifecycle_configuration": 1,
        "aws_s3_bucket_ownership_controls": 1,
        "aws_s3_bucket_policy": 1,
        "aws_s3_bucket_public_access_block": 1,
        "aws_s3_bucket_server_side_encryption_configuration": 1,
        "aws_s3_bucket_versioning": 1,
        **({"aws_dynamodb_table": 1} if name == "full" else {}),
    }


def test_it_reads_nothing(stack: Stack) -> None:
    assert "data" not in stack


def test_the_provider_is_the_one_that_was_tried(stack: Stack) -> None:
    assert stack["terraform"]["required_providers"] == {
        "aws": {"source": "aws", "version": DEFAULT_AWS_PROVIDER}
    }


def test_the_provider_works_where_the_backend_looks(name: str, stack: Stack) -> None:
    store = VARIANTS[name]
    assert stack["provider"] == {"aws": [{"region": store.region, **store.credentials}]}


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("bare", {"bucket": "${aws_s3_bucket.state.bucket}"}),
        (
            "full",
            {
                "bucket": "${aws_s3_bucket.state.bucket}",
                "lock_table": "${aws_dynamodb_table.locks.name}",
            },
        ),
    ],
)
def test_the_outputs_are_what_the_backend_needs(
    stacks: dict[str, Stack], name: str, outputs: dict[str, str]
) -> None:
    found = stacks[name]["output"]
    assert {output: entry["value"] for output, entry in found.items()} == outputs


# --- the bucket --------------------------------------------------------------------------


def test_the_bucket_is_the_backend_s_and_cannot_be_destroyed(name: str, stack: Stack) -> None:
    assert only(stack, "aws_s3_bucket") == {
        "bucket": VARIANTS[name].bucket,
        "lifecycle": {"prevent_destroy": True},
    }


def test_everything_is_about_that_bucket(stack: Stack) -> None:
    about = {
        kind: only(stack, kind)["bucket"]
        for kind in stack["resource"]
        if kind not in ("aws_s3_bucket", "aws_dynamodb_table")
    }
    assert set(about.values()) == {BUCKET}


def test_versions_go_once_they_are_old_and_followed_by_a_hundred(stack: Stack) -> None:
    assert only(stack, "aws_s3_bucket_lifecycle_configuration") == {
        "bucket": BUCKET,
        "rule": [
            {
                "id": "old-versions",
                "status": "Enabled",
                "filter": [{"prefix": ""}],
                "noncurrent_version_expiration": [
                    {"noncurrent_days": 90, "newer_noncurrent_versions": 100}
                ],
                "expiration": [{"expired_object_delete_marker": True}],
            }
        ],
        "depends_on": ["aws_s3_bucket_versioning.versioning"],
    }


def test_the_state_has_versions(stack: Stack) -> None:
    assert only(stack, "aws_s3_bucket_versioning") == {
        "bucket": BUCKET,
        "versioning_configuration": {"status": "Enabled"},
    }


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (
            "bare",
            {
                "apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"},
                "bucket_key_enabled": False,
            },
        ),
        (
            "full",
            {
                "apply_server_side_encryption_by_default": {
                    "sse_algorithm": "aws:kms",
                    "kms_master_key_id": KEY,
                },
                "bucket_key_enabled": True,
            },
        ),
    ],
)
def test_what_lies_there_is_encrypted_with_the_backend_s_key_or_s3_s_own(
    stacks: dict[str, Stack], name: str, rule: dict[str, Any]
) -> None:
    encryption = only(stacks[name], "aws_s3_bucket_server_side_encryption_configuration")
    assert encryption["rule"] == [rule]


@pytest.mark.parametrize(
    "block",
    ["block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets"],
)
def test_nothing_can_make_it_public(stack: Stack, block: str) -> None:
    assert only(stack, "aws_s3_bucket_public_access_block")[block] is True


def test_everything_in_it_belongs_to_its_owner(stack: Stack) -> None:
    assert only(stack, "aws_s3_bucket_ownership_controls")["rule"] == {
        "object_ownership": "BucketOwnerEnforced"
    }


def test_whoever_comes_without_tls_is_denied_everything(stack: Stack) -> None:
    assert json.loads(only(stack, "aws_s3_bucket_policy")["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["${aws_s3_bucket.state.arn}", "${aws_s3_bucket.state.arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def test_the_policy_waits_for_the_public_access_block(stack: Stack) -> None:
    assert only(stack, "aws_s3_bucket_policy")["depends_on"] == [
        "aws_s3_bucket_public_access_block.private"
    ]


# --- the lock table ----------------------------------------------------------------------


def test_the_lock_table_is_what_terraform_asks_for_and_can_be_destroyed(
    stacks: dict[str, Stack],
) -> None:
    assert only(stacks["full"], "aws_dynamodb_table") == {
        "name": "locks",
        "billing_mode": "PAY_PER_REQUEST",
        "hash_key": "LockID",
        "attribute": [{"name": "LockID", "type": "S"}],
    }
