"""The settings of one environment, read from cdktf.json's ``context`` and checked.

``context.common`` holds for every environment; an entry of ``context.environments`` lies over
it. What AWS would refuse at deployment, or lose messages over, is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from lib.configuration import (
    STATE_ENVIRONMENT,
    ConfigurationError,
    read_configuration,
    stack_name,
)
from lib.settings_rules import PROTOCOLS, SettingsError, check_combinations, check_values

__all__ = ["Settings", "SettingsError", "Subscription", "load_settings"]

DEFAULT_ENVIRONMENT = "dev"

_LISTS = ("producers", "security_group_ids", "subnet_ids", "subscriber_protocols")

# Flags of CDKTF itself that may stand in the context beside our own two keys.
_CDKTF_FLAGS = {"allowSepCharsInLogicalIds", "excludeStackIdFromLogicalIds"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who hears the alerts: an SNS protocol and the endpoint that it takes."""

    protocol: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set, with the limits that AWS documents.

    Attributes
    ----------
    environment
        The environment's name; the stack is ``tap-<environment>``.
    region
        The AWS region.
    high_price_threshold
        Every symbol that goes above it is announced; ``None`` switches that rule off.
    queue_type
        ``standard``, or ``fifo``: each symbol's messages in the order in which they were sent,
        which costs more, and one that fails holds up those behind it.
    batch_size
        Messages in one invocation, 1 to 10,000; more than 10 need a batch window.
    batch_window_seconds
        How long to wait for a full batch, 0 to 300.
    late_ticks
        Among so many of a symbol's last ticks a late one is put, 0 to 100; one that comes later
        is dropped.
    maximum_concurrency
        Invocations at a time that the queue may cause, 2 to 1,000; ``None`` for no limit.
    reserved_concurrency
        Invocations set aside for the function in the account; ``None`` for none.
    function_timeout_seconds
        When an invocation is ended, 1 to 900.
    memory_mebibytes
        The function's memory, 128 to 10,240.
    visibility_timeout_seconds
        When a message that was not finished comes again; at least six times the function's
        time-out plus the batch window. Source: AWS Lambda, "Configuring a queue to use with
        Lambda".
    max_receive_count
        Tries before a message goes to the dead-letter queue, 1 to 1,000.
    queue_retention_seconds, dlq_retention_seconds
        How long a message is kept, 60 to 1,209,600; longer in the dead-letter queue, where its
        age still counts from the first sending.
    log_level
        ``INFO`` or ``DEBUG``: the least that the function logs.
    log_retention_days
        How long CloudWatch keeps the function's log.
    subscriptions, ops_subscriptions
        Who hears the alerts, and who hears of alarms.
    subscriber_protocols
        By which protocols alerts may go out, whoever subscribes.
    producers
        ARNs of the account's roles and users who may send prices without a policy of their own.
    customer_managed_key
        Whether the stack has a key of its own, or uses those that AWS manages.
    point_in_time_recovery, deletion_protection
        Whether the table can be set back, and refuses to be destroyed.
    lag_alarm_seconds
        From when on an announcement is late: counted from its price's timestamp.
    age_alarm_seconds
        From when on a message has waited too long.
    subnet_ids, security_group_ids
        The VPC that the function is connected to; empty for none.
    code_signing_config_arn
        What must have signed the function's code; ``None`` for nobody.
    tags
        On everything that takes tags, besides the stack's own.
    """

    environment: str
    region: str
    high_price_threshold: Decimal | None = None
    queue_type: str = "standard"
    batch_size: int = 10
    batch_window_seconds: int = 0
    late_ticks: int = 16
    maximum_concurrency: int | None = None
    reserved_concurrency: int | None = None
    function_timeout_seconds: int = 10
    memory_mebibytes: int = 256
    visibility_timeout_seconds: int = 60
    max_receive_count: int = 5
    queue_retention_seconds: int = 345_600
    dlq_retention_seconds: int = 1_209_600
    log_level: str = "INFO"
    log_retention_days: int = 30
    subscriptions: tuple[Subscription, ...] = ()
    ops_subscriptions: tuple[Subscription, ...] = ()
    subscriber_protocols: tuple[str, ...] = tuple(PROTOCOLS)
    producers: tuple[str, ...] = ()
    customer_managed_key: bool = True
    point_in_time_recovery: bool = True
    deletion_protection: bool = True
    lag_alarm_seconds: int = 60
    age_alarm_seconds: int = 300
    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    code_signing_config_arn: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse single values that are out of bounds, then combinations that do not go."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        check_values(values)
        check_combinations(values)

    @property
    def is_fifo(self) -> bool:
        """Whether messages of a symbol keep their order."""
        return self.queue_type == "fifo"

    @property
    def prefix(self) -> str:
        """What every name of the stack begins with; also the stack's own name."""
        return stack_name(self.environment)


def load_settings(path: Path, environment: str | None = None) -> Settings:
    """Read one environment's settings.

    Parameters
    ----------
    path
        The cdktf.json to read.
    environment
        The environment's name; ``None`` or an empty one stands for ``dev``.

    Raises
    ------
    SettingsError
        With one line that names the file and the key, and says what would be right.
    """
    name = environment or DEFAULT_ENVIRONMENT
    try:
        context = _context(read_configuration(path))
        values = _values_of(context, name)
        return Settings(environment=name, **_converted(values))
    except ConfigurationError as reason:
        text = f"{path.name}: {reason} (environment {name})"
        raise SettingsError(" ".join(text.splitlines())) from None  # a name may hold a line end


def _context(document: Mapping[str, Any]) -> Mapping[str, Any]:
    context = _object(document.get("context"), "context")
    _refuse_unknown(context, {"common", "environments", *_CDKTF_FLAGS}, "context.")
    return context


def _values_of(context: Mapping[str, Any], name: str) -> dict[str, Any]:
    environments = _object(context.get("environments"), "context.environments")
    if name not in environments:
        known = " or ".join(sorted(environments))
        raise SettingsError(f"context.environments has no {name!r}: set TAP_ENVIRONMENT to {known}")
    if STATE_ENVIRONMENT in environments:
        raise SettingsError(
            f"context.environments.{STATE_ENVIRONMENT}: the name is taken, for the stack that "
            "keeps the state"
        )
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", name):
        raise SettingsError(
            f"context.environments.{name}: a name is a letter and up to 15 more of a-z 0-9 -"
        )
    common = _object(context.get("common", {}), "context.common")
    own = _object(environments[name], f"context.environments.{name}")
    known_keys = {field.name for field in fields(Settings)} - {"environment"}
    _refuse_unknown(common, known_keys, "context.common.")
    _refuse_unknown(own, known_keys, f"context.environments.{name}.")
    values = {**common, **own}
    if "region" not in values:
        raise SettingsError("context.common.region is missing")
    return values


def _converted(values: Mapping[str, Any]) -> dict[str, Any]:
    converted = dict(values)
    threshold = values.get("high_price_threshold")
    if isinstance(threshold, int) and not isinstance(threshold, bool):
        converted["high_price_threshold"] = Decimal(threshold)
    for key in ("subscriptions", "ops_subscriptions"):
        if key in values:
            converted[key] = _subscriptions(key, values[key])
    for key in _LISTS:
        if isinstance(values.get(key), list):
            converted[key] = tuple(values[key])
    return converted


def _subscriptions(key: str, value: Any) -> tuple[Subscription, ...]:
    if not isinstance(value, list):
        raise SettingsError(f"{key} must be a list of {{protocol, endpoint}}")
    subscriptions = []
    for index, entry in enumerate(value):
        where = f"{key}[{index}]"
        _refuse_unknown(_object(entry, where), {"protocol", "endpoint"}, f"{where}.")
        subscription = Subscription(entry.get("protocol", ""), entry.get("endpoint", ""))
        protocol, endpoint = subscription.protocol, subscription.endpoint
        if not isinstance(protocol, str) or protocol not in PROTOCOLS:
            raise SettingsError(f"{where}.protocol must be one of {', '.join(PROTOCOLS)}")
        pattern = PROTOCOLS[protocol]
        # Terraform would take "${" for the beginning of an expression of its own.
        if not isinstance(endpoint, str) or not re.fullmatch(rf"(?!.*\$\{{){pattern}", endpoint):
            raise SettingsError(f"{where}.endpoint is none that {protocol} takes")
        if subscription in subscriptions:
            raise SettingsError(f"{where} is there twice")
        subscriptions.append(subscription)
    return tuple(subscriptions)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be a JSON object")
    return value


def _refuse_unknown(values: Mapping[str, Any], known: set[str], where: str) -> None:
    for key in values:
        if key not in known:
            raise SettingsError(f"{where}{key} is not known: it takes {', '.join(sorted(known))}")
