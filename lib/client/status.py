"""How a stack is doing: its queues, its table and its function."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lib.client.history import firings_of_all
from lib.client.listing import listed_keys
from lib.client.target import Target
from lib.formats.words import SetAside, rule_in
from price_alerts.adapters.items import symbol_in
from price_alerts.adapters.symbol_index import read_all

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sqs import SQSClient

_DAY_MICROSECONDS = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """How many messages are in a queue, as far as SQS knows at the moment.

    Attributes
    ----------
    waiting, in_flight, delayed
        Those to be received, those received and not finished, and those not to be received yet.
    """

    waiting: int
    in_flight: int
    delayed: int


@dataclass(slots=True)
class TableStatus:
    """What the table holds.

    Attributes
    ----------
    rules
        How many rules there are of each status.
    rules_set_aside
        How many rules cannot be read; the others do not count them.
    symbols
        How many symbols have a state.
    delivering
        Symbols with firings that somebody is delivering, sorted.
    stuck
        Symbols with firings that an invocation left behind, sorted: their next price delivers
        them, or `repair`.
    firings_of_last_day
        How many firings were decided in the last 24 hours.
    undeliverable_firings
        How many of them SNS rejected for good.
    last_fired_at
        When the last of them was decided, as ISO 8601; ``None`` if there is none.
    """

    rules: Counter[str] = field(default_factory=Counter)
    rules_set_aside: int = 0
    symbols: int = 0
    delivering: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    firings_of_last_day: int = 0
    undeliverable_firings: int = 0
    last_fired_at: str | None = None


@dataclass(frozen=True, slots=True)
class FunctionStatus:
    """Lambda's words for the function.

    Attributes
    ----------
    state, last_update
        Such as ``Active`` and ``Successful``.
    mapping
        The state of what feeds it from the queue, such as ``Enabled``; ``None`` without one.
    """

    state: str
    last_update: str
    mapping: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """How a stack is doing."""

    queue: QueueStatus
    dead_letter_queue: QueueStatus
    table: TableStatus
    function: FunctionStatus


def read_status(target: Target, now_microseconds: int) -> Status:
    """Ask all parts of a stack how they are doing.

    All rules and states are read, and the firings of a day: this is for people, not for a
    dashboard. How old the oldest message is only CloudWatch knows,
    which is not asked.

    Parameters
    ----------
    target
        The stack.
    now_microseconds
        The present, by which a delivery is stuck or not.
    """
    return Status(
        queue=read_queue(target.sqs, target.queue_url),
        dead_letter_queue=read_queue(target.sqs, target.dead_letter_queue_url),
        table=read_table(target.table, now_microseconds),
        function=_function(target.functions, target.names.function),
    )


def read_queue(sqs: SQSClient, url: str) -> QueueStatus:
    """Ask SQS how many messages are in a queue."""
    answer = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )
    counts = answer["Attributes"]
    return QueueStatus(
        waiting=int(counts["ApproximateNumberOfMessages"]),
        in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(counts["ApproximateNumberOfMessagesDelayed"]),
    )


def read_table(table: Table, now_microseconds: int) -> TableStatus:
    """Count what is in a table: reads rules and states, and the firings of the last day."""
    status = TableStatus()
    for item in read_all(table, listed_keys(table)):
        if item["sk"] == "STATE":
            status.symbols += 1
            if "outbox" in item or "step" in item:
                is_held = item.get("lease_until_microseconds", 0) >= now_microseconds
                (status.delivering if is_held else status.stuck).append(symbol_in(item["pk"]))
        elif isinstance(rule := rule_in(item), SetAside):
            status.rules_set_aside += 1
        else:
            status.rules[rule.progress.status] += 1
    status.delivering.sort()
    status.stuck.sort()
    for firing in firings_of_all(table, now_microseconds - _DAY_MICROSECONDS, now_microseconds):
        status.firings_of_last_day += 1
        status.undeliverable_firings += firing["undeliverable"] is not None
        status.last_fired_at = firing["fired_at"]
    return status


def _function(functions: Any, name: str) -> FunctionStatus:
    configuration = functions.get_function_configuration(FunctionName=name)
    mappings = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    return FunctionStatus(
        state=configuration["State"],
        last_update=configuration["LastUpdateStatus"],
        mapping=mappings[0]["State"] if mappings else None,
    )
