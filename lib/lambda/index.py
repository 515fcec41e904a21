"""The function's entry point: records in, ``batchItemFailures`` out.

Everything that a warm container keeps is created here, on import.
"""

from __future__ import annotations

import gc

# What is imported is no garbage; looking through it would take a fifth of a cold start.
gc.disable()

import os
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from price_alerts.adapters.log import Lines
from price_alerts.adapters.notifier import Notifier
from price_alerts.adapters.sqs import Record, with_followers
from price_alerts.adapters.store import Store
from price_alerts.batch import Batch, Deadline
from price_alerts.config import Config
from price_alerts.domain.rules import high_price_rule
from price_alerts.domain.state import Firing
from price_alerts.domain.ticks import Tick, parse_message
from price_alerts.processing import Processor

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_dynamodb.service_resource import Table
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

_DEFAULT_TIME_MILLISECONDS = 10_000  # without a context: a call from a test or a shell
# Nothing is started in the last second, or in the last quarter of a shorter time.
_RESERVE_MILLISECONDS = 1_000
# How many symbols, and requests, wait for AWS at once: more threads only wait for each other.
_AT_ONCE = 8
# An unfinished message is sent again at most this often, and then retried like all others.
_MAX_HANDOVERS = 15
_HANDOVER_DELAY_SECONDS = 1

config = Config.from_environment(os.environ)
lines = Lines(config.service_name, config.metrics_namespace)
# A call that hangs is given up and retried; boto3 would wait a minute for it.
_CLIENTS = ClientConfig(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=2 * _AT_ONCE,
    parameter_validation=False,  # it takes a fifth of each call's time
    user_agent=config.service_name,  # so does building boto3's own
)
table = boto3.resource("dynamodb", config=_CLIENTS).Table(config.table_name)
sns = boto3.client("sns", config=_CLIENTS)


def _now_microseconds() -> int:
    return time.time_ns() // 1_000


def build_processor(config: Config, table: Table, sns: SNSClient) -> Processor:
    """Build what a container keeps from one batch to the next."""
    high_price = config.high_price_threshold
    each_call = ThreadPoolExecutor(_AT_ONCE).map
    return Processor(
        store=Store(table, each=each_call, history_days=config.history_days),
        notifier=Notifier(sns, config.topic_arn, config.people_topic_arn),
        high_price=None if high_price is None else high_price_rule(high_price),
        clock=_now_microseconds,
        sleep=time.sleep,
        kept_ticks=config.late_ticks,
        each=ThreadPoolExecutor(_AT_ONCE).map,
        each_call=each_call,
        memory_bytes=config.memory_mebibytes * 2**20 // 4,
    )


_processor = build_processor(config, table, sns)

# Or the collector, once on, looks through all that is loaded: a tenth of a cold start.
gc.freeze()
gc.enable()


def handler(event: Mapping[str, Any], context: LambdaContext | None) -> dict[str, Any]:
    """Process a batch of SQS messages.

    Parameters
    ----------
    event
        What SQS's event source mapping sends. Or ``repair``, from ``./alerts repair``: symbols
        with firings that an invocation left behind.
    context
        Lambda's context, which knows the deadline; ``None`` outside Lambda.

    Returns
    -------
    dict
        ``batchItemFailures``: the messages to be redelivered, each as ``itemIdentifier``.
        Source: AWS Lambda, "Implementing partial batch responses". To ``repair``:
        ``unfinished``, the symbols that are still to be repaired.
    """
    now = _now_microseconds()
    remaining = context.get_remaining_time_in_millis() if context else _DEFAULT_TIME_MILLISECONDS
    lines.request_id = context.aws_request_id if context else None
    reserve = min(_RESERVE_MILLISECONDS, remaining // 4)
    records = [Record.of(record) for record in event.get("Records") or []]
    batch = Batch(
        Deadline(
            owner=uuid.uuid4().hex,
            stop_at_microseconds=now + (remaining - reserve) * 1_000,
            ends_at_microseconds=now + remaining * 1_000,
        ),
        frozenset(record.first_id for record in records if record.is_repeated),
    )
    ticks: list[Tick] = []
    invalid: set[str] = set()
    for record in records:
        content = parse_message(
            record.body, record.first_id, record.sent_at_microseconds, now, config.shapes
        )
        ticks.extend(content.ticks)
        if content.faults:
            invalid.add(record.first_id)
            lines.warning(
                "message rejected",
                message_id=record.first_id,
                reason=content.faults[0],
                faults=len(content.faults),
            )

    repaired = event.get("repair")
    _processor.process(ticks, batch, repaired or ())
    continued = batch.unfinished_message_ids - batch.failed_message_ids
    handed_over = _hand_over([each for each in records if each.first_id in continued], batch)
    # An invalid message has no place in any order: nothing needs to wait for it.
    failed = invalid | with_followers(
        records, batch.failed_message_ids | batch.unfinished_message_ids
    )
    failures = [
        record.message_id
        for record in records
        if record.first_id in failed and record.message_id not in handed_over
    ]
    counts = {
        "Messages": len(records),
        "Ticks": len(ticks),
        "InvalidMessages": len(invalid),
        "FailedMessages": len(failures),
        "HandedOverMessages": len(handed_over),
    }
    _report(counts, batch)
    if repaired is not None:
        return {"unfinished": sorted(batch.unfinished_symbols)}
    # A message can be in a batch twice. SQS takes an empty id to mean the whole batch.
    return {"batchItemFailures": [{"itemIdentifier": name} for name in dict.fromkeys(failures)]}


def _hand_over(records: Sequence[Record], batch: Batch) -> set[str]:
    """Send messages again that need more time; return the ids of those that were sent.

    Nothing is wrong with them, so they must not use up their tries. In a FIFO queue they would
    lose their places: there they are retried.
    """
    handed_over: set[str] = set()
    deadline = batch.deadline
    # Half of the reserve is for the answer.
    stop_at = (deadline.stop_at_microseconds + deadline.ends_at_microseconds) // 2
    # Those with the fewest tries left come first; time may not suffice for all.
    for record in sorted(records, key=lambda record: -record.receive_count):
        if record.group is not None or record.handovers >= _MAX_HANDOVERS or not config.queue_url:
            continue
        if _now_microseconds() >= stop_at:
            break
        if record.message_id in handed_over:
            continue
        try:
            _queue().send_message(
                QueueUrl=config.queue_url,
                DelaySeconds=_HANDOVER_DELAY_SECONDS,
                **record.handed_over,
            )
        except (BotoCoreError, ClientError) as error:
            lines.error("not handed over", error, message_id=record.first_id)
            if isinstance(error, BotoCoreError):
                break  # SQS cannot be reached: each further message would wait as long
        else:
            handed_over.add(record.message_id)
    return handed_over


@cache
def _queue() -> SQSClient:
    # Needed so rarely that no cold start waits for it.
    return boto3.client("sqs", config=_CLIENTS)


def _report(counts: Mapping[str, int], batch: Batch) -> None:
    # No line holds anything of a message; its id leads to its firings, and back.
    if batch.unfinished_message_ids:
        is_late = _now_microseconds() >= batch.deadline.stop_at_microseconds
        message_ids = sorted(batch.unfinished_message_ids)
        lines.warning("out of time" if is_late else "unfinished", message_ids=message_ids)
    for failure in batch.failures:
        lines.error("symbol failed", failure.error, message_ids=failure.message_ids)
    for rule_id, reason in batch.unreadable.items():
        lines.error("rule set aside", rule_id=rule_id, reason=reason)
    for firing in batch.published:
        lines.info("firing published", **_ids(firing))
    for firing, reason in batch.undeliverable:
        lines.error("firing undeliverable", **_ids(firing), reason=reason)
    counts = {
        **counts,
        "LateTicks": batch.late_ticks,
        "Firings": len(batch.published),
        "Conflicts": batch.conflicts,
        "PublishFailures": batch.publish_failures,
        "UndeliverableFirings": len(batch.undeliverable),
        "RulesSetAside": len(batch.unreadable),
    }
    lines.metrics(counts, [lag / 1_000 for lag in batch.lags_microseconds])


def _ids(firing: Firing) -> dict[str, Any]:
    return {
        "firing_id": firing.firing_id,
        "rule_id": firing.rule_id,
        "message_id": firing.position.message_id,
    }
