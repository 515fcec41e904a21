"""What a setting must be like: the limits that AWS documents, and what goes together."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lib.config.document import REGION, ConfigurationError
from lib.config.provider_versions import DEFAULT_AWS_PROVIDER, bad_release, is_constraint

Values = Mapping[str, Any]  # of all settings, by their names

# CloudWatch Logs, PutRetentionPolicy: the only values that it takes.
_LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
_QUEUE_TYPES = ("standard", "fifo")
# Above INFO, Lambda would drop the lines that the metrics are written in: they have no level.
_LOG_LEVELS = ("DEBUG", "INFO")
_ARN = r"arn:[a-z-]+:{}:[a-z0-9-]+:[0-9]{{12}}:[A-Za-z0-9_.:/-]+"
PROTOCOLS = {
    "email": r"[^@\s]+@[^@\s]+",
    "email-json": r"[^@\s]+@[^@\s]+",
    "https": r"https://\S+",
    "lambda": _ARN.format("lambda"),
    "sms": r"\+[1-9][0-9]{5,14}",
    "sqs": _ARN.format("sqs"),
}
# By these a person gets the sentence; by all others a program gets JSON.
PEOPLE_PROTOCOLS = ("email", "sms")
# As of a price: tests/unit/test_settings.py holds this against ticks.py.
_LEAST, _MOST, _MAX_DIGITS = Decimal("1e-30"), Decimal("1e30"), 34
# Whoever is not one of the account is denied by the queue's policy in any case.
_PRINCIPAL = r"arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+"


# Source: Amazon SQS, "Policy quotas": 8,192 bytes, and 50 principals.
_MAX_PRODUCERS, _MAX_PRODUCERS_CHARACTERS = 50, 6_000

# Source: AWS General Reference, "Tag your AWS resources", limits; one of 50 is the stack's own.
_MAX_TAGS = 49

# A shape in cdktf.json: docs/messages.md. price_alerts/domain/shapes.py reads it.
_PATHS = ("symbol", "price", "timestamp", "sequence")
_PATH = r"(?!.*[$%]\{)[^.]+(\.[^.]+)*"  # Terraform reads "${" as an expression
_MAX_SHAPES_BYTES = 2_000  # AWS Lambda: 4 KB for all environment variables


class SettingsError(ConfigurationError):
    """Settings that cannot be deployed; the text is one line that names the key."""


def check_values(values: Values) -> None:
    """Refuse single values that are out of bounds, with a `SettingsError`."""
    if not isinstance(values["region"], str) or not re.fullmatch(REGION, values["region"]):
        raise SettingsError("region must look like us-east-1")
    threshold = values["high_price_threshold"]
    if threshold is not None and not (
        isinstance(threshold, Decimal)
        and threshold.is_finite()
        and (not threshold or _LEAST <= threshold.copy_abs() <= _MOST)
        and len("".join(map(str, threshold.as_tuple().digits)).strip("0")) <= _MAX_DIGITS
    ):
        raise SettingsError(
            f"high_price_threshold must be a number, 0 or between 1e-30 and 1e30 in size, with at "
            f"most {_MAX_DIGITS} significant digits; or null"
        )
    if values["queue_type"] not in _QUEUE_TYPES:
        raise SettingsError(f"queue_type must be one of {', '.join(_QUEUE_TYPES)}")
    for key, low, high, may_be_null in (
        ("batch_size", 1, 10_000, False),
        ("batch_window_seconds", 0, 300, False),
        ("late_ticks", 0, 100, False),
        ("history_days", 1, 3_650, True),
        ("maximum_concurrency", 2, 1_000, True),
        ("reserved_concurrency", 1, 100_000, True),
        ("function_timeout_seconds", 1, 900, False),
        ("memory_mebibytes", 128, 10_240, False),
        ("visibility_timeout_seconds", 0, 43_200, False),
        ("max_receive_count", 1, 1_000, False),
        ("queue_retention_seconds", 60, 1_209_600, False),
        ("dlq_retention_seconds", 60, 1_209_600, False),
        ("lag_alarm_seconds", 1, 86_400, False),
        ("age_alarm_seconds", 1, 86_400, False),
    ):
        _check_whole_number(values, key, low, high, may_be_null=may_be_null)
    if values["log_level"] not in _LOG_LEVELS:
        raise SettingsError(f"log_level must be one of {', '.join(_LOG_LEVELS)}")
    days = values["log_retention_days"]
    if type(days) is not int or days not in _LOG_RETENTION_DAYS:
        allowed = " ".join(map(str, _LOG_RETENTION_DAYS))
        raise SettingsError(f"log_retention_days must be one of {allowed}")
    for key in ("customer_managed_key", "deletion_protection", "point_in_time_recovery"):
        if type(values[key]) is not bool:
            raise SettingsError(f"{key} must be true or false")
    _check_lists(values)
    signing = values["code_signing_config_arn"]
    if signing is not None and not _is(_ARN.format("lambda"), signing):
        raise SettingsError(
            "code_signing_config_arn must be the ARN of one, as arn:aws:lambda:us-east-1:"
            "123456789012:code-signing-config:csc-0123456789abcdef0, or null"
        )
    _check_aws_provider(values["aws_provider"])
    _check_tags(values["tags"])
    _check_shapes(values["shapes"])


def _check_lists(values: Values) -> None:
    for key, pattern, example in (
        ("producers", _PRINCIPAL, "arn:aws:iam::123456789012:role/feed"),
        ("security_group_ids", "sg-[0-9a-f]+", "sg-0123456789abcdef0"),
        ("subnet_ids", "subnet-[0-9a-f]+", "subnet-0123456789abcdef0"),
        ("subscriber_protocols", "|".join(PROTOCOLS), ", ".join(PROTOCOLS)),
    ):
        entries = values[key]
        if not isinstance(entries, tuple) or not all(_is(pattern, entry) for entry in entries):
            raise SettingsError(f"{key} must be a list of such as {example}")
        if len(set(entries)) < len(entries):
            raise SettingsError(f"{key} names one twice")
    producers = values["producers"]
    if len(producers) > _MAX_PRODUCERS or sum(map(len, producers)) > _MAX_PRODUCERS_CHARACTERS:
        raise SettingsError(
            f"producers must be at most {_MAX_PRODUCERS}, with {_MAX_PRODUCERS_CHARACTERS:,} "
            "characters in all, or the queue's policy is too long for SQS: give the others "
            "policies of their own"
        )


def _check_aws_provider(constraint: object) -> None:
    if not isinstance(constraint, str) or not is_constraint(constraint):
        raise SettingsError(
            f"aws_provider must be a version constraint as Terraform writes it, such as "
            f"{DEFAULT_AWS_PROVIDER}, or >= 6.5, < 6.10"
        )
    release = bad_release(constraint)
    if release is not None:
        raise SettingsError(
            f"aws_provider must not admit {release}, which plans the table's indexes away and back "
            f"after every deployment: narrow it, or leave it out for {DEFAULT_AWS_PROVIDER}"
        )


def _check_tags(tags: Mapping[str, str]) -> None:
    if not isinstance(tags, dict) or not all(
        _is(r"(?i:(?!aws:))[\w .:/=+@-]{1,128}", name) and _is(r"[\w .:/=+@-]{0,256}", value)
        for name, value in tags.items()
    ):
        raise SettingsError(
            "tags must be an object of texts: letters, digits, blanks and _ . : / = + - @, up to "
            "128 in a name, which does not begin with aws:, and up to 256 in a value"
        )
    if len(tags) > _MAX_TAGS:
        raise SettingsError(f"tags must be at most {_MAX_TAGS}: AWS takes 50, and stack is one")
    names = ["stack"]
    for name in tags:
        if name.lower() in names:
            raise SettingsError(
                f"tags must not name {name}: stack is taken, and IAM takes names that differ in "
                "case alone for one"
            )
        names.append(name.lower())


def _check_shapes(shapes: object) -> None:
    if not isinstance(shapes, dict) or not all(isinstance(each, dict) for each in shapes.values()):
        raise SettingsError("shapes must be an object with an object for each shape")
    for name, shape in shapes.items():
        _check_shape(f"shapes.{name}", shape)
    if len(json.dumps(shapes)) > _MAX_SHAPES_BYTES:
        raise SettingsError(f"shapes must not be longer than {_MAX_SHAPES_BYTES:,} bytes")


def _check_shape(where: str, shape: Values) -> None:
    known = ("when", "items", *_PATHS, "bar", "skip")
    for key, value in shape.items():
        if key not in known:
            raise SettingsError(f"{where}.{key} is not known: it takes {', '.join(known)}")
        if key in ("items", *_PATHS) and not _is(_PATH, value):
            raise SettingsError(f"{where}.{key} must be the name of a field, or a path such as a.b")
    when = shape.get("when")
    if not (
        isinstance(when, dict)
        and when
        and all(_is(_PATH, path) and _is_wanted(value) for path, value in when.items())
    ):
        raise SettingsError(
            f"{where}.when must be an object of fields, each with a text, true, false, a list of "
            "these, or null for any value"
        )
    bar = shape.get("bar")
    if bar is not None and not (
        isinstance(bar, list) and len(bar) == 4 and all(_is(_PATH, each) for each in bar)
    ):
        raise SettingsError(f"{where}.bar must be a list of four fields: open, high, low, close")
    if shape.get("skip", True) is not True:
        raise SettingsError(f"{where}.skip must be true, or left out")
    has = {key for key in ("items", *_PATHS, "bar", "skip") if key in shape}
    has_price = "symbol" in has and ("price" in has) != ("bar" in has) and "skip" not in has
    if not (has_price or has in ({"items"}, {"skip"})):
        raise SettingsError(
            f"{where} must have symbol and either price or bar; or items alone, for an envelope; "
            "or skip alone"
        )


def _is_wanted(value: object) -> bool:
    values = value if isinstance(value, list) and value else [value]
    return value is None or all(
        isinstance(each, bool) or _is(r"(?!.*[$%]\{).*", each) for each in values
    )


def _is(pattern: str, value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _check_whole_number(
    values: Values, key: str, low: int, high: int, *, may_be_null: bool
) -> None:
    value = values[key]
    if value is None and may_be_null:
        return
    if type(value) is not int or not low <= value <= high:  # bool is an int; 10.0 is none
        alternative = " or null" if may_be_null else ""
        raise SettingsError(f"{key} must be a whole number from {low} to {high}{alternative}")


def check_combinations(values: Values) -> None:
    """Refuse values that do not go together, with a `SettingsError`."""
    if values["queue_type"] == "fifo" and (
        values["batch_size"] > 10 or values["batch_window_seconds"]
    ):
        raise SettingsError(
            "queue_type fifo needs a batch_size of at most 10 and a batch_window_seconds of 0"
        )
    if values["batch_size"] > 10 and values["batch_window_seconds"] < 1:
        raise SettingsError("batch_size over 10 needs a batch_window_seconds of at least 1")
    # AWS Lambda, "Configuring a queue to use with Lambda".
    least_visibility = 6 * values["function_timeout_seconds"] + values["batch_window_seconds"]
    if values["visibility_timeout_seconds"] < least_visibility:
        raise SettingsError(
            f"visibility_timeout_seconds must be at least {least_visibility}: six times "
            "function_timeout_seconds plus batch_window_seconds"
        )
    if (
        values["reserved_concurrency"] is not None
        and values["maximum_concurrency"] is not None
        and values["maximum_concurrency"] > values["reserved_concurrency"]
    ):
        raise SettingsError(
            "maximum_concurrency must not be above reserved_concurrency "
            f"({values['reserved_concurrency']})"
        )
    if (
        values["visibility_timeout_seconds"] * values["max_receive_count"]
        >= values["queue_retention_seconds"]
    ):
        raise SettingsError(
            "queue_retention_seconds must be over visibility_timeout_seconds times "
            "max_receive_count, or a message expires before it reaches the dead-letter queue"
        )
    if bool(values["subnet_ids"]) != bool(values["security_group_ids"]):
        raise SettingsError("subnet_ids and security_group_ids go together: both, or neither")
    for subscription in values["subscriptions"]:
        if subscription.protocol not in values["subscriber_protocols"]:
            raise SettingsError(
                f"subscriber_protocols must hold {subscription.protocol}: a subscription uses it"
            )
    if values["dlq_retention_seconds"] <= values["queue_retention_seconds"]:
        raise SettingsError(
            "dlq_retention_seconds must be over queue_retention_seconds: "
            "a message keeps its age when it is moved"
        )
