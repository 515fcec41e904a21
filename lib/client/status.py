"""The status of a stack: its queues, its table and its function."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lib.client.history import firings_of_all
from lib.client.reading import listed_keys
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
    """How many messages are in a queue, approximately: to be received, received, or delayed."""

    waiting: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """How many there are."""
        return self.waiting + self.in_flight + self.delayed


@dataclass(slots=True)
class TableStatus:
    """What is in the table.

    Attributes
    ----------
    rules
        The number of rules by status, without those set aside.
    rules_set_aside
        The number of rules that cannot be read.
    symbols
        The number of symbols with a state.
    delivering
        Symbols with firings that an invocation is delivering, sorted.
    stuck
        Symbols with firings that an invocation left behind, sorted: their next price delivers
        them, or `repair`.
    firings_of_last_day, undeliverable_firings
        The number of firings decided in the last 24 hours, and of those that SNS rejected for
        good.
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
    """Lambda's words for the function, and for what feeds it; ``None`` if nothing does."""

    state: str
    last_update: str
    mapping: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """The status of a stack."""

    queue: QueueStatus
    dead_letter_queue: QueueStatus
    table: TableStatus
    function: FunctionStatus


def read_status(target: Target, now_microseconds: int) -> Status:
    """Return the status of a stack, for people.

    It reads all rules and states, and the firings of a day, which is too much for a dashboard.
    Only CloudWatch knows the age of the oldest message, and is not asked.
    """
    return Status(
        queue=read_queue(target.sqs, target.queue_url),
        dead_letter_queue=read_queue(target.sqs, target.dead_letter_queue_url),
        table=read_table(target.table, now_microseconds),
        function=_function(target.functions, target.names.function),
    )


def read_queue(sqs: SQSClient, url: str) -> QueueStatus:
    """Return the numbers of messages in a queue."""
    counts = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return QueueStatus(
        waiting=int(counts["ApproximateNumberOfMessages"]),
        in_flight=int(counts["ApproximateNumberOfMessagesNotVisible"]),
        delayed=int(counts["ApproximateNumberOfMessagesDelayed"]),
    )


def read_table(table: Table, now_microseconds: int) -> TableStatus:
    """Count what is in a table; the present decides which deliveries are stuck."""
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
