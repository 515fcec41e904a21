"""The settings of one environment, read from cdktf.json's ``context`` and checked.

``context.common`` applies to every environment; an entry of ``context.environments`` overrides it.
What AWS would reject at deployment, or what would lose messages, is rejected here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from lib.config.document import (
    CI_ENVIRONMENT,
    REGION,
    STATE_ENVIRONMENT,
    ConfigurationError,
    SettingsError,
    one_line,
    read_configuration,
    stack_name,
)
from lib.config.entries import ARN, PEOPLE_PROTOCOLS, PROTOCOLS, SHAPE, SUBSCRIPTION, Subscription
from lib.config.kinds import (
    SWITCH,
    choice,
    exact,
    items,
    named,
    reject_unknown,
    settings_of,
    text,
    whole,
)
from lib.config.provider_versions import CONSTRAINT, DEFAULT_AWS_PROVIDER
from lib.config.relations import faults_of

DEFAULT_ENVIRONMENT = "dev"
TAKEN = {STATE_ENVIRONMENT: "keeps the state", CI_ENVIRONMENT: "lets CI deploy"}
ENVIRONMENT_NAME = text(r"[a-z][a-z0-9-]{0,15}", "be a letter and up to 15 more of a-z 0-9 -")
# Flags of CDKTF itself that may be in the context next to our own keys.
CDKTF_FLAGS = ("allowSepCharsInLogicalIds", "excludeStackIdFromLogicalIds")

_REGION = text(REGION, "look like us-east-1")
_PRICE = exact("1e-30", "1e30", 34)  # price_alerts/domain/ticks.py has the same limits
# Above INFO, Lambda would drop the lines that the metrics are written in: they have no level.
_LOG_LEVEL = choice("DEBUG", "INFO")
# Source: CloudWatch Logs, PutRetentionPolicy.
_LOG_DAYS = choice(
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
# The queue's policy denies other accounts in any case.
_PRINCIPAL = text(
    r"arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+",
    "look like arn:aws:iam::123456789012:role/feed",
)
# Source: Amazon SQS, "Policy quotas": 8,192 bytes, and 50 principals.
_PRODUCERS = items(_PRINCIPAL, most=50, hint="; give others policies of their own")
_SIGNING = text(
    ARN.format("lambda"),
    "look like arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0",
)
_VERSIONS = text(
    CONSTRAINT,
    "be a version constraint as Terraform writes it, such as "
    f"{DEFAULT_AWS_PROVIDER}, or >= 6.5, < 6.10",
)
# Source: AWS General Reference, "Tag your AWS resources", limits; one of 50 is the stack's own.
_TAG = r"[\w .:/=+@-]"
_LETTERS = "letters, digits, blanks and _ . : / = + - @"
_TAGS = named(
    text(
        rf"(?![aA][wW][sS]:){_TAG}{{1,128}}",
        f"be 1 to 128 {_LETTERS}, and not begin with aws:",
    ),
    text(f"{_TAG}{{0,256}}", f"be a text of up to 256 {_LETTERS}"),
    most=49,
    hint="; AWS takes 50, and stack is one",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings, each with its kind, a sentence for its page and editors, and its default."""

    environment: str
    region: Annotated[str, _REGION, "The AWS region"]
    high_price_threshold: Annotated[
        Decimal | None, _PRICE, "Every symbol that goes above it triggers an alert; `null` for none"
    ] = None
    queue_type: Annotated[
        str,
        choice("standard", "fifo"),
        "`fifo` keeps each symbol's messages in the order in which they were sent, for more money; "
        "one that fails holds up those of its symbol after it. Changing it makes new queues",
    ] = "standard"
    batch_size: Annotated[
        int, whole(1, 10_000), "Messages in one invocation; over 10 needs a window"
    ] = 10
    batch_window_seconds: Annotated[int, whole(0, 300), "How long to wait for a full batch"] = 0
    late_ticks: Annotated[
        int,
        whole(0, 100),
        "How many later ticks of its symbol a late tick may trail and still be applied in order; "
        "a later one is dropped",
    ] = 16
    history_days: Annotated[
        int | None, whole(1, 3_650), "How long a firing is kept; `null` for ever"
    ] = 400
    shapes: Annotated[
        Mapping[str, Mapping[str, Any]],
        named(text(r"[\s\S]*", "be a text"), SHAPE),
        "How feeds write prices that docs/messages.md does not list; it says how to describe them",
    ] = field(default_factory=dict)
    maximum_concurrency: Annotated[
        int | None,
        whole(2, 1_000),
        "Invocations at a time that the queue may cause; `null` for no limit",
    ] = None
    reserved_concurrency: Annotated[
        int | None,
        whole(1, 100_000),
        "Invocations set aside for the function in the account; `null` for none",
    ] = None
    function_timeout_seconds: Annotated[int, whole(1, 900), "When an invocation is ended"] = 10
    memory_mebibytes: Annotated[int, whole(128, 10_240), "The function's memory"] = 256
    visibility_timeout_seconds: Annotated[
        int,
        whole(0, 43_200),
        "When an unfinished message is redelivered; at least six function time-outs and the window",
    ] = 60
    max_receive_count: Annotated[int, whole(1, 1_000), "Tries before the dead-letter queue"] = 5
    queue_retention_seconds: Annotated[int, whole(60, 1_209_600), "How long a message is kept"] = (
        345_600
    )
    dlq_retention_seconds: Annotated[
        int,
        whole(60, 1_209_600),
        "The same in the dead-letter queue; longer, since a message keeps its age",
    ] = 1_209_600
    log_level: Annotated[str, _LOG_LEVEL, "The least that the function logs"] = "INFO"
    log_retention_days: Annotated[int, _LOG_DAYS, "How long its log is kept"] = 30
    subscriptions: Annotated[
        tuple[Subscription, ...],
        items(SUBSCRIPTION),
        'Alert recipients, each as `{"protocol": …, "endpoint": …}` with one of '
        "`subscriber_protocols`. `email` and `sms` get sentences, all others JSON",
    ] = ()
    ops_subscriptions: Annotated[
        tuple[Subscription, ...],
        items(SUBSCRIPTION),
        "Recipients of alarms; written like `subscriptions`",
    ] = ()
    subscriber_protocols: Annotated[
        tuple[str, ...],
        items(choice(*PROTOCOLS)),
        "By which protocols anybody may subscribe to the alerts",
    ] = PROTOCOLS
    producers: Annotated[
        tuple[str, ...],
        _PRODUCERS,
        "ARNs of roles and users of the account that may send prices without a policy of their "
        "own; who administers the account decides on all others",
    ] = ()
    customer_managed_key: Annotated[
        bool,
        SWITCH,
        "A key of the stack's own for all that it keeps and sends (about a dollar a month), or "
        "those that AWS manages",
    ] = True
    point_in_time_recovery: Annotated[
        bool, SWITCH, "The table can be set back to any second of the last 35 days"
    ] = True
    deletion_protection: Annotated[
        bool,
        SWITCH,
        "The table cannot be destroyed, and `make destroy` stops; deploy it with `false` first",
    ] = True
    lag_alarm_seconds: Annotated[
        int, whole(1, 86_400), "An alert is late this long after its price's timestamp"
    ] = 60
    age_alarm_seconds: Annotated[
        int, whole(1, 86_400), "A message has waited too long after this time"
    ] = 300
    subnet_ids: Annotated[
        tuple[str, ...],
        items(text("subnet-[0-9a-f]+", "look like subnet-0123456789abcdef0")),
        "The VPC that the function is connected to; it must lead to DynamoDB, SNS and SQS",
    ] = ()
    security_group_ids: Annotated[
        tuple[str, ...],
        items(text("sg-[0-9a-f]+", "look like sg-0123456789abcdef0")),
        "What holds for the function's connections there; both, or neither",
    ] = ()
    code_signing_config_arn: Annotated[
        str | None, _SIGNING, "What must have signed the function's code; `null` for nobody"
    ] = None
    aws_provider: Annotated[
        str,
        _VERSIONS,
        "Which versions of Terraform's AWS provider may deploy the stack, as Terraform writes it",
    ] = DEFAULT_AWS_PROVIDER
    tags: Annotated[
        Mapping[str, str],
        _TAGS,
        "On everything that takes tags, besides `stack`; with names that differ in more than case",
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject values that do not fit, then those that do not go together."""
        for setting in settings_of(Settings):
            # The class is frozen, and a list in JSON becomes a tuple here.
            object.__setattr__(self, setting.name, setting.read(getattr(self, setting.name)))
        for fault in faults_of(self):
            raise SettingsError(fault)

    @property
    def is_fifo(self) -> bool:
        """Whether messages of a symbol keep their order."""
        return self.queue_type == "fifo"

    @property
    def people(self) -> tuple[Subscription, ...]:
        """The ``subscriptions`` that get alerts as sentences, from a topic of their own."""
        return tuple(each for each in self.subscriptions if each.protocol in PEOPLE_PROTOCOLS)

    @property
    def programs(self) -> tuple[Subscription, ...]:
        """The ``subscriptions`` that get alerts as JSON."""
        return tuple(each for each in self.subscriptions if each.protocol not in PEOPLE_PROTOCOLS)

    @property
    def prefix(self) -> str:
        """The stack's name, which all names in it start with."""
        return stack_name(self.environment)


def load_settings(path: Path, environment: str | None = None) -> Settings:
    """Read one environment's settings; without a name, those of ``dev``.

    Raises
    ------
    SettingsError
        With one line that names the file and the key, and says what would be right.
    """
    name = environment or DEFAULT_ENVIRONMENT
    try:
        return Settings(environment=name, **_values(read_configuration(path), name))
    except ConfigurationError as reason:
        raise SettingsError(one_line(f"{path.name}: {reason} (environment {name})")) from None


def _values(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    context = _object(document.get("context"), "context")
    reject_unknown(context, ["ci", "common", "environments", *CDKTF_FLAGS], "context.")
    environments = _object(context.get("environments"), "context.environments")
    if name not in environments:
        known = " or ".join(sorted(environments))
        raise SettingsError(f"context.environments has no {name!r}: set TAP_ENVIRONMENT to {known}")
    for taken, stack in TAKEN.items():
        if taken in environments:
            raise SettingsError(
                f"context.environments.{taken}: the name is taken, for the stack that {stack}"
            )
    ENVIRONMENT_NAME.read(name, f"context.environments.{name}: a name")
    common = _object(context.get("common", {}), "context.common")
    own = _object(environments[name], f"context.environments.{name}")
    known_names = [setting.name for setting in settings_of(Settings)]
    reject_unknown(common, known_names, "context.common.")
    reject_unknown(own, known_names, f"context.environments.{name}.")
    values = {**common, **own}
    if "region" not in values:
        raise SettingsError("context.common.region is missing")
    return values


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{where} must be a JSON object")
    return value
