"""What preflight says of the state: whether it can be reached, is empty, or is locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from lib.backend.block import Backend
from lib.deploy.preflight.finding import Finding, error, skipped, warning
from lib.deploy.preflight.plan import Plan
from lib.deploy.preflight.state import State, check_state
from tests.unit.deploy.account import DENIED, Account, Answer, body, lock, refusal

BUCKET = {"bucket": "states", "key": "tap/tap-dev", "region": "eu-west-1"}
REACHED = Finding("state", "bucket states can be reached")
GONE = refusal("NoSuchKey", 404)
LOCKFILE = "GetObject tap/tap-dev.tflock"
HELD = (
    "is held by {}: wait until that deployment has ended; if none is running, make synth ENV=dev "
    "&& cd cdktf.out/stacks/tap-dev && {} init && {} force-unlock {}"
)
HELD_BY_DEV = HELD.format("dev@laptop since 2026-11-22T15:00:00Z", *["terraform"] * 2, "0b5c")
HELD_BY_NOBODY = HELD.format("? since ?", *["terraform"] * 2, "ID")


@pytest.fixture
def account() -> Account:
    """A bucket with a state and no lock, and a table with no lock."""
    return Account(
        {
            "HeadBucket": {"BucketRegion": "eu-west-1"},
            "HeadObject": {},
            LOCKFILE: GONE,
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


def unseen(permission: str, subject: str = "state") -> Finding:
    text = f"cannot be looked at: have {permission} allowed, or see to it yourself"
    return warning(subject, text)


# --- without S3 --------------------------------------------------------------------------


@pytest.mark.parametrize("is_empty", [True, False])
def test_of_a_local_state_it_is_only_seen_whether_it_is_there(
    account: Account, tmp_path: Path, is_empty: bool
) -> None:
    if not is_empty:
        (tmp_path / "terraform.tap-dev.tfstate").touch()
    assert look(account, None, tmp_path) == State([], is_empty)
    assert account.asked == []


def test_a_backend_with_a_way_of_its_own_is_left_to_terraform(account: Account) -> None:
    assert look(account, "gcs") == State(
        [skipped("state", "is reached in gcs: Terraform will tell")]
    )
    for name in ("role_arn", "endpoints", "insecure", "access_key", "assume_role", "http_proxy"):
        assert look(account, **{name: {}}) == State(
            [skipped("state", f"is reached by its own {name}: Terraform will tell")]
        )
    assert account.asked == []


# --- the bucket --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "object_", "state"),
    [
        ({"BucketRegion": "eu-west-1"}, {}, State([REACHED], is_empty=False)),
        ({}, {}, State([REACHED], is_empty=False)),  # it does not say where it is
        ({}, refusal("404", 404), State([REACHED], is_empty=True)),
        *(
            (
                refusal(code, 404),
                {},
                State(
                    [error("state", "there is no bucket states: make migrate ENV=state makes it")]
                ),
            )
            for code in ("404", "NoSuchBucket")
        ),
        (
            {"BucketRegion": "us-east-2"},
            {},
            State(
                [
                    error(
                        "state",
                        "bucket states is in us-east-2: write that as region in "
                        "terraform.backend.s3, not eu-west-1",
                    )
                ],
                is_empty=False,
            ),
        ),
        (refusal("403", 403), {}, State([unseen("s3:ListBucket")])),
        ({}, refusal("403", 403), State([REACHED, unseen("s3:GetObject")])),
        (
            refusal("SlowDown", 503),
            {},
            State(
                [
                    warning(
                        "state",
                        "cannot be looked at: AWS is throttling HeadBucket (SlowDown): try again "
                        "in a minute",
                    )
                ]
            ),
        ),
        (
            ConnectTimeoutError(endpoint_url="https://x"),
            {},
            State(
                [
                    error(
                        "state",
                        "AWS cannot be reached: check the network and AWS_ENDPOINT_URL (Connect "
                        'timeout on endpoint URL: "https://x")',
                    )
                ]
            ),
        ),
    ],
)
def test_the_bucket_is_reached_or_it_is_said_why_not(
    account: Account, bucket: Answer, object_: Answer, state: State
) -> None:
    account.answers |= {"HeadBucket": bucket, "HeadObject": object_}
    assert look(account) == state


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
    look(account, dynamodb_table="locks", **values)
    assert account.connections == [
        ("s3", region, profile, {"s3": {"addressing_style": style}}),
        ("dynamodb", region, profile, {}),
    ]


@pytest.mark.parametrize(
    ("workspace", "values", "key"),
    [
        ("default", {}, "tap/tap-dev"),
        ("blue", {}, "env:/blue/tap/tap-dev"),
        ("blue", {"workspace_key_prefix": "spaces"}, "spaces/blue/tap/tap-dev"),
    ],
)
def test_the_state_of_a_workspace_is_looked_for_where_terraform_keeps_it(
    account: Account, workspace: str, values: dict[str, Any], key: str
) -> None:
    look(account, dynamodb_table="locks", variables={"TF_WORKSPACE": workspace}, **values)
    asked = dict(account.asked)
    assert asked["HeadObject"] == {"Bucket": "states", "Key": key}
    lock_id = {"LockID": {"S": f"states/{key}"}}
    assert asked["GetItem"] == {"TableName": "locks", "Key": lock_id}


# --- the lock ----------------------------------------------------------------------------

FILE = {"use_lockfile": True}
TABLE = {"dynamodb_table": "locks"}
TOFU = {"TERRAFORM_BINARY_NAME": "tofu"}


@pytest.mark.parametrize(
    ("values", "answers", "finding"),
    [
        (FILE, {}, Finding("state lock", "free")),
        (FILE, {LOCKFILE: lock()}, error("state lock", HELD_BY_DEV)),
        *(({**FILE}, {LOCKFILE: text}, error("state lock", HELD_BY_NOBODY)) for text in ("", "[]")),
        (
            {**FILE, "variables": TOFU},
            {LOCKFILE: lock()},
            error("state lock", HELD_BY_DEV.replace("terraform", "tofu")),
        ),
        (FILE, {LOCKFILE: refusal(DENIED, 403)}, unseen("s3:GetObject", "state lock")),
        (TABLE, {}, Finding("state lock", "free, in table locks")),
        (
            TABLE,
            {"GetItem": {"Item": {"Info": {"S": lock()}}}},
            error("state lock", HELD_BY_DEV),
        ),
        (TABLE, {"GetItem": {"Item": {}}}, error("state lock", HELD_BY_NOBODY)),
        (
            TABLE,
            {"DescribeTable": refusal("ResourceNotFoundException")},
            error(
                "state lock",
                "there is no table locks: TF_CLI_ARGS_plan=-lock=false "
                "TF_CLI_ARGS_apply=-lock=false make deploy ENV=state PREFLIGHT=no makes it",
            ),
        ),
        *(
            (
                TABLE,
                {operation: refusal(DENIED, 403)},
                unseen(f"dynamodb:{operation}", "state lock"),
            )
            for operation in ("DescribeTable", "GetItem")
        ),
    ],
)
def test_a_lock_is_free_or_it_is_said_who_holds_it(
    account: Account, values: dict[str, Any], answers: dict[str, Any], finding: Finding
) -> None:
    account.answers |= {
        name: body(answer) if isinstance(answer, str) else answer
        for name, answer in answers.items()
    }
    assert look(account, **values) == State([REACHED, finding], is_empty=False)


def test_without_a_bucket_its_lock_is_not_looked_for_and_the_table_s_is(account: Account) -> None:
    account.answers["HeadBucket"] = refusal("404", 404)
    found = look(account, **FILE, **TABLE)
    assert found.findings[1:] == [Finding("state lock", "free, in table locks")]
