"""The function's settings, read once from its environment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from price_alerts.domain.shapes import Shape, shapes_with
from price_alerts.domain.ticks import InvalidMessage, parse_price

_REQUIRED = ("TABLE_NAME", "TOPIC_ARN")
_OPTIONAL = (
    "HISTORY_DAYS",
    "HIGH_PRICE_THRESHOLD",
    "LATE_TICKS",
    "METRICS_NAMESPACE",
    "PEOPLE_TOPIC_ARN",
    "QUEUE_URL",
    "SERVICE_NAME",
    "SHAPES",
)
_MEMORY_VARIABLE = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"  # Lambda sets it itself
_USUAL_MEMORY_MEBIBYTES = 256
# A hundred of them take some 5 KB of a symbol's state.
MAX_LATE_TICKS = 100
_USUAL_LATE_TICKS = 16
ENVIRONMENT_VARIABLES = frozenset((*_REQUIRED, *_OPTIONAL))


class ConfigError(ValueError):
    """An environment in which the function cannot work; the text says what to set."""


class Config(NamedTuple):
    """What the function must know.

    Attributes
    ----------
    table_name, topic_arn
        Where it keeps what it knows, and where it publishes for programs.
    people_topic_arn
        Where it publishes for people; empty for nowhere.
    high_price_threshold
        The stack's own rule; ``None`` switches it off.
    queue_url
        The queue of prices, to which messages that need more time are sent again; empty for none.
    history_days
        How long firings are kept; ``None`` for ever.
    late_ticks
        How many later ticks a late tick may trail and still be applied in order.
    shapes
        What feeds emit.
    memory_mebibytes
        The function's memory.
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
            memory_mebibytes=int(environment.get(_MEMORY_VARIABLE, _USUAL_MEMORY_MEBIBYTES)),
            queue_url=environment.get("QUEUE_URL", ""),
            metrics_namespace=environment.get("METRICS_NAMESPACE", "PriceAlerts"),
            service_name=environment.get("SERVICE_NAME", "price-alerts"),
        )


def _threshold(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return parse_price(text)
    except InvalidMessage as reason:
        raise ConfigError(f"HIGH_PRICE_THRESHOLD: {reason}") from None


def _shapes(text: str) -> tuple[Shape, ...]:
    try:
        return shapes_with(json.loads(text or "{}"))
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ConfigError("SHAPES must be JSON as in cdktf.json") from None


def _history_days(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise ConfigError("HISTORY_DAYS must be a whole number of days, from 1 on")
    return int(text)


def _late_ticks(text: str) -> int:
    if not text:
        return _USUAL_LATE_TICKS
    if not (text.isascii() and text.isdecimal() and int(text) <= MAX_LATE_TICKS):
        raise ConfigError(f"LATE_TICKS must be a whole number from 0 to {MAX_LATE_TICKS}")
    return int(text)
