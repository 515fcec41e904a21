"""The function's settings, read once from its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from price_alerts.domain.shapes import Shape, shapes_with
from price_alerts.domain.ticks import InvalidMessage, parse_price

_REQUIRED = ("TABLE_NAME", "TOPIC_ARN")
_MEMORY_VARIABLE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"  # Lambda sets it itself
MAX_LATE_TICKS = 100  # they take some 5 KB of a symbol's state


class ConfigError(ValueError):
    """An environment in which the function cannot work; the text says what to set."""


class Config(NamedTuple):
    """The function's settings.

    Attributes
    ----------
    topic_arn, people_topic_arn
        Where it publishes for programs, and for people; empty for nowhere.
    high_price_threshold
        The stack's own rule; ``None`` switches it off.
    history_days
        How long firings are kept; ``None`` for ever.
    late_ticks
        How many later ticks a late tick may trail and still be applied in order.
    shapes
        What feeds emit.
    queue_url
        The queue to which messages that need more time are sent again; empty for none.
    metrics_namespace, service_name
        Under which CloudWatch keeps its metrics.
    """

    table_name: str
    topic_arn: str
    people_topic_arn: str
    high_price_threshold: Decimal | None
    history_days: int | None
    late_ticks: int
    shapes: tuple[Shape, ...]
    memory_mebibytes: int
    queue_url: str
    metrics_namespace: str
    service_name: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Config:
        """Read the settings.

        Raises
        ------
        ConfigError
            If a required variable is missing or empty, or an optional one cannot be read.
        """
        missing = [name for name in _REQUIRED if not environment.get(name)]
        if missing:
            raise ConfigError(f"set {' and '.join(missing)} in the function's environment")
        return cls(
            table_name=environment["TABLE_NAME"],
            topic_arn=environment["TOPIC_ARN"],
            people_topic_arn=environment.get("PEOPLE_TOPIC_ARN", ""),
            high_price_threshold=_threshold(environment.get("HIGH_PRICE_THRESHOLD", "")),
            history_days=_history_days(environment.get("HISTORY_DAYS", "")),
            late_ticks=_late_ticks(environment.get("LATE_TICKS", "")),
            shapes=_shapes(environment.get("SHAPES", "")),
            memory_mebibytes=int(environment.get(_MEMORY_VARIABLE, "256")),
            queue_url=environment.get("QUEUE_URL", ""),
            metrics_namespace=environment.get("METRICS_NAMESPACE", "PriceAlerts"),
            service_name=environment.get("SERVICE_NAME", "price-alerts"),
        )


def _threshold(text: str) -> Decimal | None:
    try:
        return parse_price(text) if text else None
    except InvalidMessage as reason:
        raise ConfigError(f"HIGH_PRICE_THRESHOLD: {reason}") from None


def _shapes(text: str) -> tuple[Shape, ...]:
    try:
        return shapes_with(json.loads(text or "{}"))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError("SHAPES must be JSON as in cdktf.json") from None


def _history_days(text: str) -> int | None:
    days = _whole_number(text) if text else None
    if text and not days:
        raise ConfigError("HISTORY_DAYS must be a whole number of days, from 1 on")
    return days


def _late_ticks(text: str) -> int:
    late_ticks = _whole_number(text or "16")
    if late_ticks is None or late_ticks > MAX_LATE_TICKS:
        raise ConfigError(f"LATE_TICKS must be a whole number from 0 to {MAX_LATE_TICKS}")
    return late_ticks


def _whole_number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None
