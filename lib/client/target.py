"""The deployed stack that a command speaks to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from lib.client.clients import made
from lib.client.errors import explained
from lib.config.document import (
    ConfigurationError,
    SettingsError,
    environment_names,
    read_configuration,
    region_of_environment,
)
from lib.config.names import Names
from lib.config.settings import DEFAULT_ENVIRONMENT, load_settings
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.shapes import SHAPES, Shape, shapes_with

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

_CONFIGURATION = Path(__file__).parents[2] / "cdktf.json"
# Somebody waits for the answer; boto3 would try for minutes to reach what is not there.
_CLIENTS = Config(
    connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)


class Target:
    """An environment's stack, with clients for its parts, each made when it is first needed.

    Credentials, profile and endpoint are those of every AWS tool. boto3's errors pass through;
    `explained` words them.

    Parameters
    ----------
    environment
        The environment's name; if ``None``, ``TAP_ENVIRONMENT``'s, else ``dev``.
    configuration
        The cdktf.json that says which environments there are, and names the region if nothing else
        does.
    region
        Where to look for the stack, whatever AWS tools are set to; ``None`` leaves it to them.

    Raises
    ------
    CliError
        If there is no such environment.
    """

    def __init__(
        self,
        environment: str | None = None,
        configuration: Path = _CONFIGURATION,
        region: str | None = None,
    ) -> None:
        if environment is None:
            environment = os.environ.get("TAP_ENVIRONMENT") or DEFAULT_ENVIRONMENT
        try:
            known = environment_names(read_configuration(configuration))
        except ConfigurationError as reason:
            raise CliError(f"{configuration.name}: {reason}") from None
        if environment not in known:
            raise WrongUsage(
                f"there is no environment {environment!r}: name {' or '.join(known)} "
                "(--environment, TAP_ENVIRONMENT)"
            )
        self.environment: str = environment
        self.names = Names(self.environment)
        self._configuration = configuration
        self._region = region

    @cached_property
    def region(self) -> str:
        """The region: the one set for every AWS tool, else that of the environment's settings.

        Raises
        ------
        CliError
            If neither names one.
        """
        region = self._region or region_of_environment(os.environ) or self._session.region_name
        if region:
            return region
        try:
            return load_settings(self._configuration, self.environment).region
        except SettingsError as reason:
            raise CliError(f"no AWS region is set (AWS_REGION), and {reason}") from None

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """What feeds emit, those of the settings among them; without them if they are wrong."""
        try:
            return shapes_with(load_settings(self._configuration, self.environment).shapes)
        except SettingsError:
            return SHAPES

    def client(self, service: str) -> Any:
        """Make a client for any service."""
        return self._made(boto3.Session.client, service)

    @cached_property
    def table(self) -> Table:
        """The table; not to be shared between threads."""
        return self.table_called(self.names.table)

    def table_called(self, name: str) -> Table:
        """Return any table of the account."""
        resource = self._made(boto3.Session.resource, "dynamodb")
        table: Table = resource.Table(name)
        return table

    @cached_property
    def sqs(self) -> SQSClient:
        """A client for both queues."""
        client: SQSClient = self.client("sqs")
        return client

    @cached_property
    def functions(self) -> Any:
        """A client for the function."""
        return self.client("lambda")

    @cached_property
    def topics(self) -> Any:
        """A client for the topics."""
        return self.client("sns")

    @cached_property
    def queue_url(self) -> str:
        """Where prices are sent to."""
        return self._url_of("queue")

    @cached_property
    def dead_letter_queue_url(self) -> str:
        """Where the messages are that were given up."""
        return self._url_of("dead_letter_queue")

    def explained(self, error: BotoCoreError | ClientError | ResponseParserError) -> CliError:
        """Word what boto3 raised in one line that says what to do."""
        # Before anything was asked of AWS, the failure may be why no region is known.
        region = self.region if isinstance(error, ClientError) else ""
        return explained(error, self.environment, region)

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session()

    def _made(self, make: Callable[..., Any], service: str) -> Any:
        return made(make, self._session, service, self.region, _CLIENTS)

    def _url_of(self, queue: str) -> str:
        try:
            return self.sqs.get_queue_url(QueueName=getattr(self.names, queue))["QueueUrl"]
        except self.sqs.exceptions.QueueDoesNotExist:
            # The stack itself says what type its queues have, whatever cdktf.json says by now.
            fifo = replace(self.names, is_fifo=True)
            return self.sqs.get_queue_url(QueueName=getattr(fifo, queue))["QueueUrl"]
