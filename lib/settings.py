"""The settings of one environment, read from cdktf.json's ``context`` and checked.

``context.common`` holds for every environment; an entry of ``context.environments`` lies over
it. What AWS would refuse at deployment, or lose messages over, is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from lib.configuration import (
    REGION,
    STATE_ENVIRONMENT,
    ConfigurationError,
    read_configuration,
    stack_name,
)

__all__ = ["Settings", "SettingsError", "Subscription", "load_settings"]

DEFAULT_ENVIRONMENT = "dev"

# CloudWatch Logs, PutRetentionPolicy: the only values that it takes.
_LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
# Above INFO, Lambda would drop the lines that the metrics are written in: they have no level.
_LOG_LEVELS = ("DEBUG", "INFO")
_ARN = r"arn:[a-z-]+:{}:[a-z0-9-]+:[0-9]{{12}}:[A-Za-z0-9_.:/-]+"
_ENDPOINTS = {
    "email": r"[^@\s]+@[^@\s]+",
    "email-json": r"[^@\s]+@[^@\s]+",
    "https": r"https://\S+",
    "lambda": _ARN.format("lambda"),
    "sms": r"\+[1-9][0-9]{5,14}",
    "sqs": _ARN.format("sqs"),
}
# Flags of CDKTF itself that may stand in the context beside our own two keys.
_CDKTF_FLAGS = {"allowSepCharsInLogicalIds", "excludeStackIdFromLogicalIds"}


class SettingsError(ConfigurationError):
    """Settings that cannot be deployed; the text is one line that names the key."""


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
    batch_size
        Messages in one invocation, 1 to 10,000; more than 10 need a batch window.
    batch_window_seconds
        How long to wait for a full batch, 0 to 300.
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
    subscriptions
        Who hears the alerts.
    """

    environment: str
    region: str
    high_price_threshold: Decimal | None = None
    batch_size: int = 10
    batch_window_seconds: int = 0
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

    def __post_init__(self) -> None:
        """Refuse single values that are out of bounds, then combinations that do not go."""
        _check_values(self)
        _check_combinations(self)

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
    if "subscriptions" in values:
        converted["subscriptions"] = _subscriptions(values["subscriptions"])
    return converted


def _subscriptions(value: Any) -> tuple[Subscription, ...]:
    if not isinstance(value, list):
        raise SettingsError("subscriptions must be a list of {protocol, endpoint}")
    subscriptions = []
    for index, entry in enumerate(value):
        where = f"subscriptions[{index}]"
        _refuse_unknown(_object(entry, where), {"protocol", "endpoint"}, f"{where}.")
        subscription = Subscription(entry.get("protocol", ""), entry.get("endpoint", ""))
        protocol, endpoint = subscription.protocol, subscription.endpoint
        if not isinstance(protocol, str) or protocol not in _ENDPOINTS:
            raise SettingsError(f"{where}.protocol must be one of {', '.join(_ENDPOINTS)}")
        pattern = _ENDPOINTS[protocol]
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


def _check_values(settings: Settings) -> None:
    if not isinstance(settings.region, str) or not re.fullmatch(REGION, settings.region):
        raise SettingsError("region must look like us-east-1")
    threshold = settings.high_price_threshold
    if threshold is not None and not (
        isinstance(threshold, Decimal)
        and threshold.is_finite()
        and threshold > 0
        and threshold.adjusted() < 18
        and int(threshold.as_tuple().exponent) >= -18
    ):
        raise SettingsError(
            "high_price_threshold must be a number greater than 0 with at most 18 digits "
            "before and after the point, or null"
        )
    for key, low, high, may_be_null in (
        ("batch_size", 1, 10_000, False),
        ("batch_window_seconds", 0, 300, False),
        ("maximum_concurrency", 2, 1_000, True),
        ("reserved_concurrency", 1, 100_000, True),
        ("function_timeout_seconds", 1, 900, False),
        ("memory_mebibytes", 128, 10_240, False),
        ("visibility_timeout_seconds", 0, 43_200, False),
        ("max_receive_count", 1, 1_000, False),
        ("queue_retention_seconds", 60, 1_209_600, False),
        ("dlq_retention_seconds", 60, 1_209_600, False),
    ):
        _check_whole_number(settings, key, low, high, may_be_null=may_be_null)
    if settings.log_level not in _LOG_LEVELS:
        raise SettingsError(f"log_level must be one of {', '.join(_LOG_LEVELS)}")
    days = settings.log_retention_days
    if type(days) is not int or days not in _LOG_RETENTION_DAYS:
        allowed = " ".join(map(str, _LOG_RETENTION_DAYS))
        raise SettingsError(f"log_retention_days must be one of {allowed}")


def _check_whole_number(
    settings: Settings, key: str, low: int, high: int, *, may_be_null: bool
) -> None:
    value = getattr(settings, key)
    if value is None and may_be_null:
        return
    if type(value) is not int or not low <= value <= high:  # bool is an int; 10.0 is none
        alternative = " or null" if may_be_null else ""
        raise SettingsError(f"{key} must be a whole number from {low} to {high}{alternative}")


def _check_combinations(settings: Settings) -> None:
    if settings.batch_size > 10 and settings.batch_window_seconds < 1:
        raise SettingsError("batch_size over 10 needs a batch_window_seconds of at least 1")
    least_visibility = 6 * settings.function_timeout_seconds + settings.batch_window_seconds
    if settings.visibility_timeout_seconds < least_visibility:
        raise SettingsError(
            f"visibility_timeout_seconds must be at least {least_visibility}: six times "
            "function_timeout_seconds plus batch_window_seconds"
        )
    if (
        settings.reserved_concurrency is not None
        and settings.maximum_concurrency is not None
        and settings.maximum_concurrency > settings.reserved_concurrency
    ):
        raise SettingsError(
            "maximum_concurrency must not be above reserved_concurrency "
            f"({settings.reserved_concurrency})"
        )
    if (
        settings.visibility_timeout_seconds * settings.max_receive_count
        >= settings.queue_retention_seconds
    ):
        raise SettingsError(
            "queue_retention_seconds must be over visibility_timeout_seconds times "
            "max_receive_count, or a message expires before it reaches the dead-letter queue"
        )
    if settings.dlq_retention_seconds <= settings.queue_retention_seconds:
        raise SettingsError(
            "dlq_retention_seconds must be over queue_retention_seconds: "
            "a message keeps its age when it is moved"
        )
