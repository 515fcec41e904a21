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

from lib.config.document import (
    CI_ENVIRONMENT,
    STATE_ENVIRONMENT,
    ConfigurationError,
    read_configuration,
    stack_name,
)
from lib.config.provider_versions import DEFAULT_AWS_PROVIDER
from lib.config.settings_rules import (
    PEOPLE_PROTOCOLS,
    PROTOCOLS,
    SettingsError,
    check_combinations,
    check_values,
)

DEFAULT_ENVIRONMENT = "dev"

_LISTS = ("producers", "security_group_ids", "subnet_ids", "subscriber_protocols")

_TAKEN = {STATE_ENVIRONMENT: "keeps the state", CI_ENVIRONMENT: "lets CI deploy"}

# Flags of CDKTF itself that may stand in the context beside our own keys.
_CDKTF_FLAGS = {"allowSepCharsInLogicalIds", "excludeStackIdFromLogicalIds"}


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who hears the alerts: an SNS protocol and the endpoint that it takes."""

    protocol: str
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set, with the limits that AWS documents.

    The README's table is made of this (`tools.docs.settings_table`).

    Attributes
    ----------
    environment
        The environment's name; the stack is ``tap-<environment>``.
    region
        The AWS region.
    high_price_threshold
        Every symbol that goes above it is announced; ``None`` for none.
    queue_type
        ``standard``, or ``fifo``: each symbol's messages in the order of their sending, for more
        money; one that fails holds up those of its symbol behind it. Changing it makes new queues.
    batch_size
        Messages in one invocation, 1 to 10,000; over 10 needs a window.
    batch_window_seconds
        How long to wait for a full batch, 0 to 300.
    late_ticks
        Among so many of a symbol's last ticks a late one is put, 0 to 100; a later one is
        dropped.
    history_days
        How long a firing is kept, 1 to 3,650; ``None`` for ever.
    shapes
        How feeds write prices that docs/messages.md does not know; it says how to describe them.
    maximum_concurrency
        Invocations at a time that the queue may cause, 2 to 1,000; ``None`` for no limit.
    reserved_concurrency
        Invocations set aside for the function in the account; ``None`` for none.
    function_timeout_seconds
        When an invocation is ended, 1 to 900.
    memory_mebibytes
        The function's memory, 128 to 10,240.
    visibility_timeout_seconds
        When an unfinished message comes again; at least six function time-outs and the window.
    max_receive_count
        Tries before the dead-letter queue, 1 to 1,000.
    queue_retention_seconds
        How long a message is kept, 60 to 1,209,600.
    dlq_retention_seconds
        The same in the dead-letter queue; longer, since a message keeps its age.
    log_level
        ``INFO`` or ``DEBUG``: the least that the function logs.
    log_retention_days
        How long its log is kept; a value that CloudWatch takes.
    subscriptions
        Who hears the alerts: a list of ``{"protocol": …, "endpoint": …}``, each with one of
        ``subscriber_protocols``. ``email`` and ``sms`` get sentences, all others JSON.
    ops_subscriptions
        Who hears of alarms; written like ``subscriptions``.
    subscriber_protocols
        By which protocols anybody may subscribe to the alerts.
    producers
        ARNs of roles and users of the account that may send prices without a policy of their
        own, at most 50; who administers the account decides on all others.
    customer_managed_key
        A key of the stack's own for all that it keeps and sends (about a dollar a month), or
        those that AWS manages.
    point_in_time_recovery
        The table can be set back to any second of the last 35 days.
    deletion_protection
        The table cannot be destroyed, and ``make destroy`` stops; deploy it with ``False``
        first.
    lag_alarm_seconds
        An alert is late so long after its price's timestamp, 1 to 86,400.
    age_alarm_seconds
        A message has waited too long, 1 to 86,400.
    subnet_ids
        The VPC that the function is connected to; it must lead to DynamoDB, SNS and SQS.
    security_group_ids
        What holds for the function's connections there; both, or neither.
    code_signing_config_arn
        What must have signed the function's code; ``None`` for nobody.
    aws_provider
        Which versions of Terraform's AWS provider may deploy the stack, as Terraform writes it.
    tags
        On everything that takes tags, besides ``stack``; at most 49, with names that differ in more
        than case.
    """

    environment: str
    region: str
    high_price_threshold: Decimal | None = None
    queue_type: str = "standard"
    batch_size: int = 10
    batch_window_seconds: int = 0
    late_ticks: int = 16
    history_days: int | None = 400
    shapes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
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
    aws_provider: str = DEFAULT_AWS_PROVIDER
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
    def people(self) -> tuple[Subscription, ...]:
        """Who of ``subscriptions`` gets alerts as sentences, on a topic of their own."""
        return tuple(each for each in self.subscriptions if each.protocol in PEOPLE_PROTOCOLS)

    @property
    def programs(self) -> tuple[Subscription, ...]:
        """Who of ``subscriptions`` gets alerts as JSON."""
        return tuple(each for each in self.subscriptions if each.protocol not in PEOPLE_PROTOCOLS)

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
    _refuse_unknown(context, {"ci", "common", "environments", *_CDKTF_FLAGS}, "context.")
    return context


def _values_of(context: Mapping[str, Any], name: str) -> dict[str, Any]:
    environments = _object(context.get("environments"), "context.environments")
    if name not in environments:
        known = " or ".join(sorted(environments))
        raise SettingsError(f"context.environments has no {name!r}: set TAP_ENVIRONMENT to {known}")
    for taken, stack in _TAKEN.items():
        if taken in environments:
            raise SettingsError(
                f"context.environments.{taken}: the name is taken, for the stack that {stack}"
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
