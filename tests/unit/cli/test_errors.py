from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from lib.client.errors import explained
from tests.unit.cli.doubles import refusal

ADDRESS = {"endpoint_url": "http://127.0.0.1:1/"}


def line_for(code: str, message: str = "", operation: str = "ReceiveMessage") -> str:
    error = ClientError(refusal(code, message), operation)  # type: ignore[arg-type]  # a part
    return str(explained(error, "dev", "us-east-1"))


@pytest.mark.parametrize(
    "code",
    [
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
        "ResourceNotFoundException",
    ],
)
def test_what_is_missing_means_that_there_is_no_stack(code: str) -> None:
    assert line_for(code) == (
        "there is no stack tap-dev in us-east-1: make deploy ENV=dev, or name another with "
        "--environment"
    )


@pytest.mark.parametrize("code", ["ExpiredToken", "ExpiredTokenException", "RequestExpired"])
def test_expired_credentials_are_to_be_renewed(code: str) -> None:
    assert line_for(code) == (
        "the AWS credentials have expired: log in again (aws sso login), or set new keys"
    )


@pytest.mark.parametrize(
    "code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"]
)
def test_credentials_that_aws_does_not_know_are_to_be_checked(code: str) -> None:
    assert line_for(code).startswith("AWS does not know these credentials: check AWS_PROFILE")


def test_what_is_denied_names_the_action() -> None:
    message = "User: arn:aws:iam::1:user/u is not authorized to perform: sqs:sendmessage on r"
    assert line_for("AccessDenied", message) == (
        "the AWS credentials do not allow sqs:sendmessage: use others, or ask for the permission"
    )


def test_what_is_denied_without_a_word_names_the_operation() -> None:
    assert "do not allow ReceiveMessage:" in line_for("AccessDeniedException", "Access denied")


@pytest.mark.parametrize(("message", "reason"), [("Too\nlong", "Too long"), ("", "TooLong")])
def test_any_other_refusal_is_one_line_in_the_words_of_aws(message: str, reason: str) -> None:
    assert line_for("TooLong", message) == f"AWS rejected ReceiveMessage: {reason}"


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("RequestLimitExceeded", 400), ("InternalFailure", 500)],
)
def test_what_passes_is_to_be_tried_again(code: str, status: int) -> None:
    error = ClientError(refusal(code, status=status), "Scan")  # type: ignore[arg-type]  # a part
    assert str(explained(error, "dev", "us-east-1")) == (
        f"AWS is throttling Scan ({code}): try again in a minute"
    )


@pytest.mark.parametrize(
    ("error", "beginning"),
    [
        (NoCredentialsError(), "no AWS credentials: set AWS_PROFILE, or log in"),
        (
            PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"),
            "no AWS credentials: set AWS_PROFILE, or log in",
        ),
        (
            CredentialRetrievalError(provider="custom-process", error_msg="exit 1"),
            "the AWS credentials are not available: log in again",
        ),
        (SSOTokenLoadError(error_msg="x"), "the AWS credentials are not available: log in again"),
        (UnauthorizedSSOTokenError(), "the AWS credentials are not available: log in again"),
        (
            TokenRetrievalError(provider="sso", error_msg="x"),
            "the AWS credentials are not available: log in again",
        ),
        (
            ProfileNotFound(profile="p"),
            "The config profile (p) could not be found: set AWS_PROFILE",
        ),
        (EndpointConnectionError(**ADDRESS), "AWS cannot be reached: check the network"),
        (ConnectTimeoutError(**ADDRESS), "AWS cannot be reached: check the network"),
        (ReadTimeoutError(**ADDRESS), "AWS cannot be reached: check the network"),
        (ResponseParserError("no XML"), "what answers is not AWS: check AWS_ENDPOINT_URL"),
        (ParamValidationError(report="a\nb"), "Parameter validation failed: a b"),
    ],
)
def test_a_failure_says_what_to_do(
    error: BotoCoreError | ResponseParserError, beginning: str
) -> None:
    line = str(explained(error, "dev", ""))
    assert line.startswith(beginning)
    assert "\n" not in line
