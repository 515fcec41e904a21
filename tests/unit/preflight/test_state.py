from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from lib.backend.block import Backend
from lib.deploy.preflight.finding import Finding, Level, error, skipped, warning
from lib.deploy.preflight.plan import Plan
from lib.deploy.preflight.state import State, check_state
from tests.unit.preflight.account import DENIED, Account, body, lock, refusal

BUCKET = {"bucket": "states", "key": "tap/tap-dev", "region": "eu-west-1"}
REACHED = Finding("state", "bucket states can be reached")
GONE = refusal("NoSuchKey", 404)
HELD = (
    "is held by dev@laptop since 2026-11-22T15:00:00Z: wait until that deployment has ended; if "
    "none is running, make synth ENV=dev && cd cdktf.out/stacks/tap-dev && terraform init && "
    "terraform force-unlock 0b5c"
)


@pytest.fixture
def account() -> Account:
    """A bucket with a state and no lock, and a table with no lock."""
    return Account(
        {
            "HeadBucket": {"BucketRegion": "eu-west-1"},
            "HeadObject": {},
            "GetObject tap/tap-dev.tflock": GONE,
            "DescribeTable": {"Table": {}},
            "GetItem": {},
        }
    )


def look(
    account: Account, type_: str | None = "s3", folder: Path = Path(), /, **values: Any
) -> State:
    values = {**BUCKET, **values} if type_ == "s3" else values
    variables = {"AWS_REGION": "eu-west-2", **values.pop("variables", {})}
    plan = Plan("dev", variables, folder)
    return check_state(plan, Backend(type_, values, values), account.connect)


# --- without S3 --------------------------------------------------------------------------


@pytest.mark.parametrize("is_empty", [True, False])
def test_of_a_local_state_it_is_only_seen_whether_it_is_there(
    account: Account, tmp_path: Path, is_empty: bool
) -> None:
    if not is_empty:
        (tmp_path / "terraform.tap-dev.tfstate").touch()
    assert look(account, None, tmp_path) == State([], is_empty)
    assert account.asked == []


def test_a_backend_of_another_type_is_left_to_terraform(account: Account) -> None:
    assert look(account, "gcs") == State(
        [skipped("state", "is reached in gcs: Terraform will tell")]
    )


@pytest.mark.parametrize("name", ["role_arn", "endpoints", "insecure"])
def test_a_backend_with_a_way_of_its_own_is_left_to_terraform(account: Account, name: str) -> None:
    assert look(account, **{name: {}}) == State(
        [skipped("state", f"is reached by its own {name}: Terraform will tell")]
    )
    assert account.asked == []


# --- the bucket --------------------------------------------------------------------------


def test_a_bucket_that_can_be_reached_is_named(account: Account) -> None:
    assert look(account) == State([REACHED], is_empty=False)


def test_a_state_that_is_not_there_is_empty(account: Account) -> None:
    account.answers["HeadObject"] = refusal("404", 404)
    assert look(account) == State([REACHED], is_empty=True)


@pytest.mark.parametrize("code", ["404", "NoSuchBucket"])
def test_a_bucket_that_is_missing_is_to_be_made(account: Account, code: str) -> None:
    account.answers["HeadBucket"] = refusal(code, 404)
    assert look(account, use_lockfile=True) == State(
        [error("state", "there is no bucket states: make migrate ENV=state makes it")]
    )


def test_a_bucket_elsewhere_is_told_of(account: Account) -> None:
    account.answers["HeadBucket"] = {"BucketRegion": "us-east-2"}
    assert look(account).findings == [
        error(
            "state",
            "bucket states is in us-east-2: write that as region in terraform.backend.s3, not "
            "eu-west-1",
        )
    ]


def test_a_bucket_that_does_not_say_where_it_is_is_taken_as_it_is(account: Account) -> None:
    account.answers["HeadBucket"] = {}
    assert look(account).findings == [REACHED]


def test_a_bucket_that_may_not_be_looked_at_is_a_warning_that_names_the_permission(
    account: Account,
) -> None:
    account.answers["HeadBucket"] = refusal("403", 403)
    assert look(account) == State(
        [warning("state", "cannot be looked at: have s3:ListBucket allowed, or see to it yourself")]
    )


def test_a_state_that_may_not_be_read_is_a_warning_that_names_the_permission(
    account: Account,
) -> None:
    account.answers["HeadObject"] = refusal("403", 403)
    assert look(account) == State(
        [
            REACHED,
            warning(
                "state", "cannot be looked at: have s3:GetObject allowed, or see to it yourself"
            ),
        ]
    )


def test_a_bucket_that_cannot_be_reached_is_an_error(account: Account) -> None:
    account.answers["HeadBucket"] = ConnectTimeoutError(endpoint_url="https://x")
    [finding] = look(account).findings
    assert finding.level is Level.ERROR
    assert finding.text.startswith(
        "AWS cannot be reached: check the network and AWS_ENDPOINT_URL ("
    )


def test_what_aws_refuses_for_another_reason_is_a_warning(account: Account) -> None:
    account.answers["HeadBucket"] = refusal("SlowDown", 503)
    assert look(account).findings == [
        warning(
            "state",
            "cannot be looked at: AWS is throttling HeadBucket (SlowDown): try again in a minute",
        )
    ]


@pytest.mark.parametrize(
    ("values", "region", "profile", "style"),
    [
        ({}, "eu-west-1", None, "auto"),
        ({"region": None}, "eu-west-2", None, "auto"),
        ({"profile": "states"}, "eu-west-1", "states", "auto"),
        ({"use_path_style": True}, "eu-west-1", None, "path"),
        ({"force_path_style": True}, "eu-west-1", None, "path"),
    ],
)
def test_the_bucket_is_looked_for_as_the_backend_says(
    account: Account, values: dict[str, Any], region: str, profile: str | None, style: str
) -> None:
    look(account, **values)
    assert account.connections[0] == ("s3", region, profile, {"s3": {"addressing_style": style}})


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"variables": {"TF_WORKSPACE": "default"}}, "tap/tap-dev"),
        ({"variables": {"TF_WORKSPACE": "blue"}}, "env:/blue/tap/tap-dev"),
        (
            {"variables": {"TF_WORKSPACE": "blue"}, "workspace_key_prefix": "spaces"},
            "spaces/blue/tap/tap-dev",
        ),
    ],
)
def test_the_state_of_a_workspace_is_looked_for_where_terraform_keeps_it(
    account: Account, values: dict[str, Any], key: str
) -> None:
    look(account, **values)
    operation, asked = account.asked[-1]
    assert (operation, asked["Bucket"], asked["Key"]) == ("HeadObject", "states", key)


# --- the lock ----------------------------------------------------------------------------


def lock_of(account: Account, **values: Any) -> list[Finding]:
    return [each for each in look(account, **values).findings if each.subject == "state lock"]


def test_a_lockfile_that_is_not_there_is_a_free_lock(account: Account) -> None:
    assert lock_of(account, use_lockfile=True) == [Finding("state lock", "free")]


def test_a_lockfile_that_is_there_is_told_of_with_who_holds_it(account: Account) -> None:
    account.answers["GetObject tap/tap-dev.tflock"] = body(lock())
    assert lock_of(account, use_lockfile=True) == [error("state lock", HELD)]


@pytest.mark.parametrize("text", ["", "[]"])
def test_a_lock_that_says_nothing_is_held_all_the_same(account: Account, text: str) -> None:
    account.answers["GetObject tap/tap-dev.tflock"] = body(text)
    [finding] = lock_of(account, use_lockfile=True)
    assert (finding.level, finding.text[:24]) == (Level.ERROR, "is held by ? since ?: wa")


def test_the_command_that_unlocks_is_the_one_that_will_run(account: Account) -> None:
    account.answers["GetObject tap/tap-dev.tflock"] = body(lock())
    [finding] = lock_of(account, use_lockfile=True, variables={"TERRAFORM_BINARY_NAME": "tofu"})
    assert finding.text.endswith(" && tofu init && tofu force-unlock 0b5c")


def test_a_lock_table_without_a_lock_is_free(account: Account) -> None:
    found = lock_of(account, dynamodb_table="locks")
    assert found == [Finding("state lock", "free, in table locks")]
    key = {"LockID": {"S": "states/tap/tap-dev"}}
    assert account.asked[-1] == ("GetItem", {"TableName": "locks", "Key": key})


def test_a_lock_in_the_table_is_told_of_with_who_holds_it(account: Account) -> None:
    account.answers["GetItem"] = {"Item": {"Info": {"S": lock()}}}
    assert lock_of(account, dynamodb_table="locks") == [error("state lock", HELD)]


def test_a_lock_table_that_is_missing_is_to_be_made(account: Account) -> None:
    account.answers["DescribeTable"] = refusal("ResourceNotFoundException")
    assert lock_of(account, dynamodb_table="locks") == [
        error(
            "state lock",
            "there is no table locks: TF_CLI_ARGS_plan=-lock=false TF_CLI_ARGS_apply=-lock=false "
            "make deploy ENV=state PREFLIGHT=no makes it",
        )
    ]


@pytest.mark.parametrize(
    ("operation", "values", "permission"),
    [
        ("DescribeTable", {"dynamodb_table": "locks"}, "dynamodb:DescribeTable"),
        ("GetItem", {"dynamodb_table": "locks"}, "dynamodb:GetItem"),
        ("GetObject tap/tap-dev.tflock", {"use_lockfile": True}, "s3:GetObject"),
    ],
)
def test_a_lock_that_may_not_be_looked_at_is_a_warning_that_names_the_permission(
    account: Account, operation: str, values: dict[str, Any], permission: str
) -> None:
    account.answers[operation] = refusal(DENIED, 403)
    assert lock_of(account, **values) == [
        warning(
            "state lock",
            f"cannot be looked at: have {permission} allowed, or see to it yourself",
        )
    ]
