"""The deployed stack that a command manages."""

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

from lib.client.clients import aws_client
from lib.client.errors import explained
from lib.client.local_stack import LocalStack
from lib.config.document import (
    ConfigurationError,
    SettingsError,
    environment_names,
    read_configuration,
    region_of_environment,
)
from lib.config.names import Names
from lib.config.settings import DEFAULT_ENVIRONMENT, Settings, load_settings
from lib.formats.errors import CliError, WrongUsage
from price_alerts.domain.rules import Rule, high_price_rule
from price_alerts.domain.shapes import SHAPES, Shape, shapes_with

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

_CONFIGURATION = Path(__file__).parents[2] / "cdktf.json"
# Someone waits for the answer; boto3 would try for minutes to reach what is not there.
_CONFIG = Config(
    connect_timeout=3, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 4}
)


class Target:
    """An environment's stack, with clients for its parts, each created when it is first used.

    Credentials, profile and endpoint are those of every AWS tool. boto3's errors pass through;
    `explained` puts them into words.

    Parameters
    ----------
    environment
        By default ``TAP_ENVIRONMENT``, else ``dev``.
    configuration
        The cdktf.json with the environments, and with the region if nothing else names one.
    region
        Overrides the region of AWS tools.

    Attributes
    ----------
    local
        The stack of ``make local``, if it is this one.

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
        self.local: LocalStack | None = None
        self._configuration = configuration
        self._region = region

    @cached_property
    def region(self) -> str:
        """The region of AWS tools, else that of the environment's settings.

        Raises
        ------
        CliError
            If neither names one.
        """
        if self.local:
            return self.local.region
        region = self._region or region_of_environment(os.environ) or self._session.region_name
        if region:
            return region
        if isinstance(self._settings, Settings):
            return self._settings.region
        raise CliError(f"no AWS region is set (AWS_REGION), and {self._settings}")

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes that feeds emit; only the built-in ones if the settings are invalid."""
        settings = self._settings
        return shapes_with(settings.shapes) if isinstance(settings, Settings) else SHAPES

    @cached_property
    def high_price_rule(self) -> Rule | None:
        """The stack's own rule as cdktf.json has it, if there is one."""
        if isinstance(self._settings, SettingsError) or self.local:
            return None
        threshold = self._settings.high_price_threshold
        return None if threshold is None else high_price_rule(threshold)

    def client(self, service: str) -> Any:
        """Return a new client for any service."""
        return self._made(boto3.Session.client, service)

    @cached_property
    def table(self) -> Table:
        """The table; not to be shared between threads."""
        return self.table_called(self.names.table)

    def table_called(self, name: str) -> Table:
        """Return any table of the account."""
        table: Table = self._made(boto3.Session.resource, "dynamodb").Table(name)
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
        """The queue of prices."""
        return self._url_of("queue")

    @cached_property
    def dead_letter_queue_url(self) -> str:
        """The queue of messages that failed for good."""
        return self._url_of("dead_letter_queue")

    def explained(self, error: BotoCoreError | ClientError | ResponseParserError) -> CliError:
        """Return one line that says what boto3's error means."""
        # Before anything was asked of AWS, the error may be why no region is known.
        region = self.region if isinstance(error, ClientError) else ""
        home = self._settings.region if isinstance(self._settings, Settings) else None
        return explained(error, self.environment, region, None if self.local else home)

    @cached_property
    def _settings(self) -> Settings | SettingsError:
        try:
            return load_settings(self._configuration, self.environment)
        except SettingsError as reason:
            return reason

    @cached_property
    def _session(self) -> boto3.Session:
        if self.local:
            return boto3.Session(self.local.access_key_id, self.local.secret_access_key)
        return boto3.Session()

    def _made(self, make: Callable[..., Any], service: str) -> Any:
        endpoint = self.local.endpoint if self.local else None
        return aws_client(make, self._session, service, self.region, _CONFIG, endpoint)

    def _url_of(self, queue: str) -> str:
        try:
            return self.sqs.get_queue_url(QueueName=getattr(self.names, queue))["QueueUrl"]
        except self.sqs.exceptions.QueueDoesNotExist:
            # cdktf.json may have changed since the deployment.
            fifo = replace(self.names, is_fifo=True)
            return self.sqs.get_queue_url(QueueName=getattr(fifo, queue))["QueueUrl"]
