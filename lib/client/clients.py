"""boto3's clients, with one clear line for a wrong endpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from lib.formats.errors import CliError


def aws_client(  # noqa: PLR0913, PLR0917  # what boto3 takes
    make: Callable[..., Any],
    session: boto3.Session,
    service: str,
    region: str,
    config: Config,
    endpoint: str | None = None,
) -> Any:
    """Return a client or a resource that rejects answers that do not come from AWS.

    ``make`` is ``boto3.Session.client`` or ``boto3.Session.resource``; its errors pass through.

    Raises
    ------
    CliError
        If AWS_ENDPOINT_URL is no URL.
    """
    try:
        created = make(session, service, region_name=region, config=config, endpoint_url=endpoint)
        client = getattr(created.meta, "client", created)
        _ = urlsplit(client.meta.endpoint_url).port  # else only the first request would fail
    except BotoCoreError:  # some of them are a ValueError as well
        raise
    except ValueError as reason:
        raise CliError(
            f"{reason}: AWS_ENDPOINT_URL is written like http://127.0.0.1:4566"
        ) from None

    def check(parsed: Mapping[str, Any], **_: object) -> None:
        """Reject what botocore takes for an empty answer.

        AWS puts a request's id into every answer; a gateway in front of it may answer 5xx.
        """
        metadata = parsed["ResponseMetadata"]
        if "RequestId" not in metadata and metadata["HTTPStatusCode"] < 500:
            raise CliError(
                f"what answers at {client.meta.endpoint_url} is not AWS: check AWS_ENDPOINT_URL "
                "and the network's proxy"
            )

    client.meta.events.register("after-call", check)
    return created
