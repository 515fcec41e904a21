"""How AWS is asked: with little patience, and by nothing that would change anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lib.client.clients import aws_client
from lib.client.errors import explained, is_denied
from lib.deploy.preflight.finding import Finding, error, warning
from lib.formats.errors import CliError

_CONFIG: Mapping[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 5,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
# What has to be allowed for what is asked here.
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


def connect(service: str, region: str, profile: str | None = None, **options: Any) -> Any:
    """Make a client that gives up soon.

    Each has a session of its own: boto3's must not be shared between threads.
    """
    session = boto3.Session(profile_name=profile)
    return aws_client(boto3.Session.client, session, service, region, Config(**_CONFIG, **options))


def reason_of(failure: Failure) -> str:
    """Word one of `FAILURES` in one line that says what to do."""
    return str(failure if isinstance(failure, CliError) else explained(failure, "", ""))


def asking(subject: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Collect what a check finds; what it may not see is worth a warning, and no more.

    Parameters
    ----------
    subject
        What is looked at.
    look
        The check.
    """
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
