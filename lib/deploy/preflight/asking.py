"""How AWS is asked: with short time-outs, and only with calls that read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lib.client.clients import aws_client
from lib.client.errors import explained, is_denied, is_missing
from lib.deploy.preflight.finding import Finding, error, warning
from lib.formats.errors import CliError

_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 5,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
# The permission that each operation needs.
_PERMISSIONS = {
    "DescribeTable": "dynamodb:DescribeTable",
    "GetAccountSettings": "lambda:GetAccountSettings",
    "GetFunctionConcurrency": "lambda:GetFunctionConcurrency",
    "GetItem": "dynamodb:GetItem",
    "GetObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
}
Failure = BotoCoreError | ClientError | CliError | ResponseParserError
FAILURES = (BotoCoreError, ClientError, CliError, ResponseParserError)
Connect = Callable[..., Any]  # such as `connect`
_Found = TypeVar("_Found")


def connect(service: str, region: str, profile: str | None = None, **options: Any) -> Any:
    """Return a client that gives up soon."""
    # Each has a session of its own: boto3's must not be shared between threads.
    session = boto3.Session(profile_name=profile)
    return aws_client(boto3.Session.client, session, service, region, Config(**_CONFIG, **options))


def reason_of(failure: Failure) -> str:
    """Return one line for one of `FAILURES` that says what to do."""
    return str(failure if isinstance(failure, CliError) else explained(failure, "", ""))


def if_there(read: Callable[[], _Found]) -> _Found | None:
    """Return what is read, or ``None`` if AWS says that there is no such thing."""
    try:
        return read()
    except ClientError as refusal:
        if not is_missing(refusal):
            raise
        return None


def asking(subject: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check finds; what it may not read becomes a warning, other failures errors."""
    findings: list[Finding] = []
    try:
        findings.extend(look())  # what is found before it fails stays
    except ClientError as refusal:
        if is_denied(refusal):
            permission = _PERMISSIONS.get(refusal.operation_name, refusal.operation_name)
            text = f"cannot be looked at: have {permission} allowed, or see to it yourself"
        else:
            text = f"cannot be looked at: {reason_of(refusal)}"
        findings.append(warning(subject, text))
    except FAILURES as failure:
        findings.append(error(subject, reason_of(failure)))
    return findings
