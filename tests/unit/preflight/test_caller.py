from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import (
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from lib.deploy.preflight.caller import Caller, check_account, check_caller
from lib.deploy.preflight.finding import Finding, error, skipped, warning
from lib.formats.errors import CliError
from tests.unit.preflight.account import NOW, Account, Answer, identity, refusal

SET = "set it by the network (timedatectl set-ntp true, or the system's settings)"


def caller(answer: Answer | Exception, clock_seconds: int = 0) -> Caller:
    """Ask AWS by a clock that is ahead by so much."""
    account = Account({"GetCallerIdentity": answer})
    now = NOW + timedelta(seconds=clock_seconds)
    return check_caller(lambda: account.connect("sts", "us-east-1"), now)


def test_credentials_that_are_good_are_named() -> None:
    assert caller(identity()) == Caller(
        [
            Finding("credentials", "arn:aws:iam::123456789012:user/dev, account 123456789012"),
            Finding("clock", "as AWS's"),
        ],
        "123456789012",
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (
            refusal("ExpiredToken"),
            "the AWS credentials have expired: log in again (aws sso login), or set new keys",
        ),
        (
            refusal("InvalidClientTokenId", 403),
            "AWS does not know these credentials: check AWS_PROFILE, or the keys",
        ),
        (
            refusal("SignatureDoesNotMatch", 403),
            "AWS does not know these credentials: check AWS_PROFILE, or the keys",
        ),
    ],
)
def test_credentials_that_aws_refuses_are_to_be_renewed(answer: Answer, text: str) -> None:
    assert caller(answer) == Caller([error("credentials", text), Finding("clock", "as AWS's")])


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (
            NoCredentialsError(),
            "no AWS credentials: set AWS_PROFILE, or log in with aws sso login "
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
def test_what_keeps_credentials_from_aws_is_told_with_its_cure(
    failure: Exception, text: str
) -> None:
    assert caller(failure) == Caller([error("credentials", text)])


def test_a_client_that_cannot_be_made_is_told_of() -> None:
    def fail() -> Any:
        raise ProfileNotFound(profile="work")

    assert check_caller(fail, NOW).findings[0].text.startswith("The config profile (work)")


@pytest.mark.parametrize(
    ("clock_seconds", "finding"),
    [
        (59, Finding("clock", "as AWS's")),
        (
            60,
            warning(
                "clock", f"60 s ahead of AWS's, and beyond 300 s AWS refuses everything: {SET}"
            ),
        ),
        (
            -299,
            warning("clock", f"299 s behind AWS's, and beyond 300 s AWS refuses everything: {SET}"),
        ),
        (
            300,
            error("clock", f"300 s ahead of AWS's, and AWS refuses what is signed by it: {SET}"),
        ),
    ],
)
def test_a_clock_that_is_wrong_is_to_be_set(clock_seconds: int, finding: Finding) -> None:
    assert caller(identity(), clock_seconds).findings[1:] == [finding]


def test_credentials_are_not_blamed_for_a_clock_that_is_wrong() -> None:
    found = caller(refusal("SignatureDoesNotMatch", 403), -400)
    assert found.findings == [
        skipped("credentials", "cannot be told as long as the clock is wrong"),
        error("clock", f"400 s behind AWS's, and AWS refuses what is signed by it: {SET}"),
    ]
    assert found.account_id is None


@pytest.mark.parametrize("headers", [{}, {"date": "today"}, {"date": "Sun, 22 Nov 2026 15:04:05"}])
def test_without_a_date_nothing_is_said_of_the_clock(headers: dict[str, str]) -> None:
    answer = {**identity(), "ResponseMetadata": {"HTTPHeaders": headers}}
    assert [finding.subject for finding in caller(answer).findings] == ["credentials"]


# --- the account -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"allowed_account_ids": ["123456789012"]},
        {"forbidden_account_ids": ["210987654321"]},
    ],
)
def test_an_account_that_the_backend_allows_is_not_mentioned(values: dict[str, Any]) -> None:
    assert check_account("123456789012", values) == []


@pytest.mark.parametrize(
    "values",
    [
        {"allowed_account_ids": ["210987654321"]},
        {"forbidden_account_ids": ["123456789012"]},
    ],
)
def test_an_account_that_the_backend_does_not_allow_is_to_be_changed(
    values: dict[str, Any],
) -> None:
    assert check_account("123456789012", values) == [
        error(
            "account",
            "the backend in cdktf.json does not allow account 123456789012: set AWS_PROFILE to "
            "one that it allows",
        )
    ]
