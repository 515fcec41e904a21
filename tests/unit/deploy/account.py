"""An AWS account that answers what a test has it answer, and remembers what it was asked."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

NOW = datetime(2026, 11, 22, 15, 4, 5, tzinfo=UTC)
DENIED = "AccessDenied"
Answer = dict[str, Any]
_DATE = {"HTTPHeaders": {"date": format_datetime(NOW, usegmt=True)}}


def refusal(code: str, status: int = 400) -> Answer:
    """What boto3 makes an error of."""
    metadata = {"HTTPStatusCode": status, **_DATE}
    return {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": metadata}


def identity(account_id: str = "123456789012") -> Answer:
    """What STS says to credentials that are good."""
    arn = f"arn:aws:iam::{account_id}:user/dev"
    return {"Account": account_id, "Arn": arn, "ResponseMetadata": _DATE}


def limits(unreserved: int, limit: int = 1_000) -> Answer:
    """What Lambda says of the account's concurrency."""
    counts = {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": unreserved}
    return {"AccountLimit": counts}


def body(text: str) -> Answer:
    """An object in S3."""
    return {"Body": io.BytesIO(text.encode())}


@dataclass
class Account:
    """Makes real clients whose requests end here.

    Attributes
    ----------
    answers
        What each operation is answered with, or fails with; ``GetObject KEY`` that of an object.
    asked
        The operations that were asked for, with their parameters.
    connections
        What clients were made of.
    """

    answers: dict[str, Answer | Exception] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    connections: list[tuple[Any, ...]] = field(default_factory=list)

    def connect(self, service: str, region: str, profile: str | None = None, **options: Any) -> Any:
        self.connections.append((service, region, profile, options))
        client: Any = boto3.client(service, region_name=region)  # type: ignore[call-overload]  # any
        own: list[dict[str, Any]] = []  # several clients ask at the same time

        def note(params: Any, model: Any, **_: object) -> None:
            own.append(dict(params))
            self.asked.append((model.name, own[-1]))

        def respond(model: Any, **_: object) -> tuple[AWSResponse, Answer]:
            name = model.name
            answer = self.answers[f"{name} {own[-1]['Key']}" if name == "GetObject" else name]
            if isinstance(answer, Exception):
                raise answer
            metadata: Answer = {"RequestId": "r-1", "HTTPStatusCode": 200}
            metadata |= answer.get("ResponseMetadata", {})
            return (
                AWSResponse("", metadata["HTTPStatusCode"], HTTPHeaders(), None),
                {**answer, "ResponseMetadata": metadata},
            )

        client.meta.events.register("before-parameter-build", note)
        client.meta.events.register("before-call", respond)
        return client


def lock() -> str:
    """What Terraform writes into a lock."""
    return json.dumps({"ID": "0b5c", "Who": "dev@laptop", "Created": "2026-11-22T15:00:00Z"})
