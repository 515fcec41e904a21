"""boto3's clients, made so that what is wrong with where they lead is told in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from lib.formats.errors import CliError


def made(
    make: Callable[..., Any], session: boto3.Session, service: str, region: str, config: Config
) -> Any:
    """Make a client or a resource that refuses answers that do not come from AWS.

    Parameters
    ----------
    make
        ``boto3.Session.client`` or ``boto3.Session.resource``.
    session, service, region, config
        What it is made of.

    Raises
    ------
    CliError
        If AWS_ENDPOINT_URL is none; what boto3 raises passes through.
    """
    try:
        thing = make(session, service, region_name=region, config=config)
        client = getattr(thing.meta, "client", thing)
        _ = urlsplit(client.meta.endpoint_url).port  # else refused only by the first request
    except BotoCoreError:  # some of them are a ValueError as well
        raise
    except ValueError as reason:
        raise CliError(
            f"{reason}: AWS_ENDPOINT_URL is written like http://127.0.0.1:4566"
        ) from None
    _refuse_strangers(client)
    return thing


def _refuse_strangers(client: Any) -> None:
    """Have answers refused that do not come from AWS; botocore takes any as one that holds nothing.

    Every answer of AWS has the id of its request; only one that tells of trouble may come from
    what stands before it.
    """

    def refuse(parsed: Mapping[str, Any], **_: object) -> None:
        metadata = parsed["ResponseMetadata"]
        if "RequestId" not in metadata and metadata["HTTPStatusCode"] < 500:
            raise CliError(
                f"what answers at {client.meta.endpoint_url} is not AWS: check AWS_ENDPOINT_URL "
                "and the network's proxy"
            )

    client.meta.events.register("after-call", refuse)
