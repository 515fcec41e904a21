"""What AWS answers when it rejects a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class AwsError(Exception):
    """A rejection: a code, a status, and what else is in the answer."""

    def __init__(
        self,
        code: str,
        message: str = "",
        status: int = 400,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.more = dict(more or {})

    def answer(self) -> dict[str, Any]:
        """Write it as botocore parses it."""
        return {
            "Error": {"Code": self.code, "Message": self.message},
            "ResponseMetadata": {"HTTPStatusCode": self.status, "RequestId": "", "HTTPHeaders": {}},
            "message": self.message,
            **self.more,
        }


def invalid(message: str) -> AwsError:
    """Reject a request that makes no sense."""
    return AwsError("ValidationException", message)


def condition_failed(item: Mapping[str, Any] | None = None) -> AwsError:
    """Reject a write whose condition does not hold."""
    more = {} if item is None else {"Item": dict(item)}
    return AwsError("ConditionalCheckFailedException", "The conditional request failed", more=more)
