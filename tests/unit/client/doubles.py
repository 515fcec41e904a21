"""Answers of AWS that moto does not give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

Answer = dict[str, Any]

# With an environment test.
CONFIGURATION = Path(__file__).with_name("cdktf.json")


def refusal(code: str, message: str = "", status: int = 400) -> Answer:
    """What boto3 makes an error of."""
    return {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }


def answer_with(client: Any, operation: str, answer: Callable[[Any], Answer | None]) -> None:
    """Have a function of an operation's parameters answer it; ``None`` leaves it to moto."""

    def respond(params: Any, **_: object) -> tuple[AWSResponse, Answer] | None:
        parsed = answer(json.loads(params["body"] or "{}"))
        if parsed is None:
            return None
        metadata = parsed.get("ResponseMetadata", {})
        parsed = {**parsed, "ResponseMetadata": {"RequestId": "r-1", **metadata}}
        status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
        return AWSResponse("", status, HTTPHeaders(), None), parsed

    client.meta.events.register(
        f"before-call.{client.meta.service_model.service_name}.{operation}", respond
    )
