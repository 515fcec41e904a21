"""Who deploys, by which clock, and how AWS is asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from lib.deploy.preflight.asking import asking, connect
from lib.deploy.preflight.caller import Caller, check_account, check_caller
from lib.deploy.preflight.finding import Finding, error, skipped, warning
from lib.formats.errors import CliError
from tests.unit.deploy.account import DENIED, NOW, Account, Answer, identity, refusal

SET = "set it by the network (timedatectl set-ntp true, or the system's settings)"
BEYOND = f"beyond 300 s AWS refuses everything: {SET}"
UNKNOWN = "AWS does not know these credentials: check AWS_PROFILE, or the keys"


def caller(answer: Answer | Exception, clock_seconds: int = 0) -> Caller:
    """Ask AWS by a clock that is ahead by so much."""
    account = Account({"GetCallerIdentity": answer})
    now = NOW + timedelta(seconds=clock_seconds)
    return check_caller(lambda: account.connect("sts", "us-east-1"), now)


def test_credentials_that_are_good_are_named() -> None:
    known = Finding("credentials", "arn:aws:iam::123456789012:user/dev, account 123456789012")
    assert caller(identity()) == Caller([known, Finding("clock", "as AWS's")], "123456789012")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (
            "ExpiredToken",
            "the AWS credentials have expired: log in again (aws sso login), or set new keys",
        ),
        ("InvalidClientTokenId", UNKNOWN),
        ("SignatureDoesNotMatch", UNKNOWN),
    ],
)
def test_credentials_that_aws_rejects_are_to_be_renewed(code: str, text: str) -> None:
    findings = [error("credentials", text), Finding("clock", "as AWS's")]
    assert caller(refusal(code, 403)) == Caller(findings)


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (
            NoCredentialsError(),
            "no AWS credentials: set AWS_PROFILE, log in with aws sso login, or try make local "
            "(Unable to locate credentials)",
        ),
        (
            UnauthorizedSSOTokenError(),
            "the AWS credentials are not available: log in again with aws sso login (The SSO "
            "session associated with this profile has expired or is otherwise invalid. To refresh "
            "this SSO session run aws sso login with the corresponding profile.)",
        ),
        (
            ProfileNotFound(profile="work"),
            "The config profile (work) could not be found: set AWS_PROFILE to one of ~/.aws/config",
        ),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:1/"),
            "AWS cannot be reached: check the network and AWS_ENDPOINT_URL (Could not connect to "
            'the endpoint URL: "http://127.0.0.1:1/")',
        ),
        (
            ResponseParserError("no XML"),
            "what answers is not AWS: check AWS_ENDPOINT_URL and the network's proxy",
        ),
        (CliError("any other reason"), "any other reason"),
    ],
)
def test_what_keeps_credentials_from_aws_is_reported_with_its_cure(
    failure: Exception, text: str
) -> None:
    def fail() -> Any:
        raise failure

    assert check_caller(fail, NOW) == Caller([error("credentials", text)])
    assert asking("x", fail) == [error("x", text)]


def test_a_denied_operation_that_is_not_listed_is_called_by_its_name() -> None:
    def look() -> list[Finding]:
        raise ClientError(refusal(DENIED), "ListThings")  # type: ignore[arg-type]  # a part

    assert asking("x", look) == [
        warning("x", "cannot be looked at: have ListThings allowed, or see to it yourself")
    ]


def test_a_client_gives_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    config = connect("s3", "eu-west-1", s3={"addressing_style": "path"}).meta.config
    assert (config.connect_timeout, config.read_timeout) == (3, 5)
    assert config.retries == {"mode": "standard", "total_max_attempts": 2}
    assert config.s3["addressing_style"] == "path"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:4566")
    with pytest.raises(CliError, match="AWS_ENDPOINT_URL is written like http://127"):
        connect("sts", "us-east-1")


@pytest.mark.parametrize(
    ("clock_seconds", "finding"),
    [
        (59, Finding("clock", "as AWS's")),
        (60, warning("clock", f"60 s ahead of AWS's, and {BEYOND}")),
        (-299, warning("clock", f"299 s behind AWS's, and {BEYOND}")),
        (
            300,
            error("clock", f"300 s ahead of AWS's, and AWS refuses what is signed by it: {SET}"),
        ),
    ],
)
def test_a_clock_that_is_wrong_is_to_be_set(clock_seconds: int, finding: Finding) -> None:
    assert caller(identity(), clock_seconds).findings[1:] == [finding]


def test_credentials_are_not_blamed_for_a_clock_that_is_wrong() -> None:
    assert caller(refusal("SignatureDoesNotMatch", 403), -400) == Caller(
        [
            skipped("credentials", "cannot be told as long as the clock is wrong"),
            error("clock", f"400 s behind AWS's, and AWS refuses what is signed by it: {SET}"),
        ]
    )


@pytest.mark.parametrize("headers", [{}, {"date": "today"}, {"date": "Sun, 22 Nov 2026 15:04:05"}])
def test_without_a_date_nothing_is_said_of_the_clock(headers: dict[str, str]) -> None:
    answer = {**identity(), "ResponseMetadata": {"HTTPHeaders": headers}}
    assert [finding.subject for finding in caller(answer).findings] == ["credentials"]


@pytest.mark.parametrize(
    ("values", "is_allowed"),
    [
        ({}, True),
        ({"allowed_account_ids": ["123456789012"]}, True),
        ({"forbidden_account_ids": ["210987654321"]}, True),
        ({"allowed_account_ids": ["210987654321"]}, False),
        ({"forbidden_account_ids": ["123456789012"]}, False),
    ],
)
def test_an_account_that_the_backend_does_not_allow_is_to_be_changed(
    values: dict[str, Any], is_allowed: bool
) -> None:
    text = (
        "the backend in cdktf.json does not allow account 123456789012: set AWS_PROFILE to one "
        "that it allows"
    )
    expected = [] if is_allowed else [error("account", text)]
    assert check_account("123456789012", values) == expected
