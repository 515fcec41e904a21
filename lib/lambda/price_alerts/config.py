"""The function's settings, read once from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from price_alerts.ticks import InvalidMessage, parse_price

__all__ = ["ENVIRONMENT_VARIABLES", "Config", "ConfigError"]

_REQUIRED = ("TABLE_NAME", "TOPIC_ARN")
_OPTIONAL = (
    "HIGH_PRICE_THRESHOLD",
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
)
ENVIRONMENT_VARIABLES = frozenset((*_REQUIRED, *_OPTIONAL))


class ConfigError(ValueError):
    """An environment in which the function cannot work; the text says what to set."""


@dataclass(frozen=True, slots=True)
class Config:
    """What the function must know; ``high_price_threshold`` ``None`` switches that rule off."""

    table_name: str
    topic_arn: str
    high_price_threshold: Decimal | None
    log_level: str
    metrics_namespace: str
    service_name: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Config:
        """Read the settings.

        Raises
        ------
        ConfigError
            If a required variable is missing or empty, or the threshold is no price.
        """
        missing = [name for name in _REQUIRED if not environment.get(name)]
        if missing:
            raise ConfigError(f"set {' and '.join(missing)} in the function's environment")
        return cls(
            table_name=environment["TABLE_NAME"],
            topic_arn=environment["TOPIC_ARN"],
            high_price_threshold=_threshold(environment.get("HIGH_PRICE_THRESHOLD", "")),
            log_level=environment.get("POWERTOOLS_LOG_LEVEL", "INFO"),
            metrics_namespace=environment.get("POWERTOOLS_METRICS_NAMESPACE", "PriceAlerts"),
            service_name=environment.get("POWERTOOLS_SERVICE_NAME", "price-alerts"),
        )


def _threshold(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return parse_price(text)
    except InvalidMessage as reason:
        raise ConfigError(f"HIGH_PRICE_THRESHOLD: {reason}") from None
