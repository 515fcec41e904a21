"""Alarms: the reasons to wake an operator. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lib.config.names import Names
from lib.config.settings import Settings

METRICS_NAMESPACE = "PriceAlerts"
PERIOD_SECONDS = 60
# After this share of its time-out, the function stops with unfinished work.
_SLOW_SHARE = 0.8
_INVALID_PERCENT = 5


@dataclass(frozen=True, slots=True)
class Metric:
    """A CloudWatch metric; the statistic, such as ``Sum`` or ``p99``, is computed per minute."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm: the metric has been above the threshold for some minutes in a row.

    Attributes
    ----------
    name
        Its name without the stack's; the runbook has a section with this title.
    summary
        What is wrong, in one sentence.
    percent_of
        If present, the metric counts in percent of this one.
    """

    name: str
    summary: str
    metric: Metric
    threshold: float = 0
    minutes: int = 1
    percent_of: Metric | None = None


def metrics_of(names: Names) -> dict[str, Metric]:
    """Return all metrics of the alarms and the dashboard, by short names."""
    function = {"FunctionName": names.function}
    queue, dead = {"QueueName": names.queue}, {"QueueName": names.dead_letter_queue}
    ours = {"service": names.function}
    return {
        "messages": Metric(METRICS_NAMESPACE, "Messages", ours, "Sum"),
        "ticks": Metric(METRICS_NAMESPACE, "Ticks", ours, "Sum"),
        "late": Metric(METRICS_NAMESPACE, "LateTicks", ours, "Sum"),
        "invalid": Metric(METRICS_NAMESPACE, "InvalidMessages", ours, "Sum"),
        "failed": Metric(METRICS_NAMESPACE, "FailedMessages", ours, "Sum"),
        "handed_over": Metric(METRICS_NAMESPACE, "HandedOverMessages", ours, "Sum"),
        "firings": Metric(METRICS_NAMESPACE, "Firings", ours, "Sum"),
        "conflicts": Metric(METRICS_NAMESPACE, "Conflicts", ours, "Sum"),
        "publish_failures": Metric(METRICS_NAMESPACE, "PublishFailures", ours, "Sum"),
        "undeliverable": Metric(METRICS_NAMESPACE, "UndeliverableFirings", ours, "Sum"),
        "set_aside": Metric(METRICS_NAMESPACE, "RulesSetAside", ours, "Sum"),
        "lag_p50": Metric(METRICS_NAMESPACE, "Lag", ours, "p50"),
        "lag_p99": Metric(METRICS_NAMESPACE, "Lag", ours, "p99"),
        "invocations": Metric("AWS/Lambda", "Invocations", function, "Sum"),
        "errors": Metric("AWS/Lambda", "Errors", function, "Sum"),
        "throttles": Metric("AWS/Lambda", "Throttles", function, "Sum"),
        "duration_p50": Metric("AWS/Lambda", "Duration", function, "p50"),
        "duration_p99": Metric("AWS/Lambda", "Duration", function, "p99"),
        "age": Metric("AWS/SQS", "ApproximateAgeOfOldestMessage", queue, "Maximum"),
        "waiting": Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue, "Maximum"),
        "in_flight": Metric("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", queue, "Maximum"),
        "dead": Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", dead, "Maximum"),
    }


def alarms_of(names: Names, settings: Settings) -> list[Alarm]:
    """Return all alarms of a stack."""
    metrics = metrics_of(names)
    return [
        Alarm(
            "dead-letters",
            "Messages were given up, and their prices may not have been applied.",
            metrics["dead"],
        ),
        Alarm(
            "old-messages",
            f"A message has waited for more than {settings.age_alarm_seconds} s.",
            metrics["age"],
            settings.age_alarm_seconds,
            minutes=2,
        ),
        Alarm(
            "function-errors",
            "Invocations have ended with an exception, or were ended by Lambda.",
            metrics["errors"],
        ),
        Alarm(
            "function-throttles",
            "Lambda has too little concurrency left for the function.",
            metrics["throttles"],
            minutes=3,
        ),
        Alarm(
            "function-slow",
            f"One invocation in a hundred takes over {_SLOW_SHARE:.0%} of its time-out.",
            metrics["duration_p99"],
            settings.function_timeout_seconds * 1_000 * _SLOW_SHARE,
            minutes=3,
        ),
        Alarm(
            "late-announcements",
            f"One alert in a hundred comes over {settings.lag_alarm_seconds} s after its price.",
            metrics["lag_p99"],
            settings.lag_alarm_seconds * 1_000,
            minutes=3,
        ),
        Alarm(
            "publish-failures",
            "SNS has not accepted alerts: they are recorded, and wait to be published.",
            metrics["publish_failures"],
        ),
        Alarm(
            "invalid-messages",
            f"Over {_INVALID_PERCENT}% of the messages are invalid.",
            metrics["invalid"],
            _INVALID_PERCENT,
            minutes=3,
            percent_of=metrics["messages"],
        ),
        Alarm(
            "undeliverable-alerts",
            "SNS rejects alerts for good: they are recorded, and not everybody is notified.",
            metrics["undeliverable"],
        ),
        Alarm("rules-set-aside", "Rules cannot be read, and do not fire.", metrics["set_aside"]),
    ]
