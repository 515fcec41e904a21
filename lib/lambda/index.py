"""The function's entry point: records in, ``batchItemFailures`` out.

Everything that a warm container keeps is made here, when the module is imported.
"""

from __future__ import annotations

import gc

# What is loaded stays: to look through it for garbage takes a fifth of a cold start.
gc.disable()

import os
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.config import Config as ClientConfig

from price_alerts.batch import Batch
from price_alerts.config import Config
from price_alerts.groups import group_of, with_followers
from price_alerts.notifier import Notifier
from price_alerts.processing import Processor
from price_alerts.rules import high_price_rule
from price_alerts.store import Store
from price_alerts.ticks import InvalidMessage, Tick, parse_message

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Without a context (a call from a test or a shell) there is no deadline to ask for.
_DEFAULT_TIME_MILLISECONDS = 10_000
# No work is begun in the last second, or in the last quarter of a shorter time.
_RESERVE_MILLISECONDS = 1_000

config = Config.from_environment(os.environ)
logger = Logger(service=config.service_name, level=config.log_level, utc=True, use_rfc3339=True)
metrics = Metrics(namespace=config.metrics_namespace, service=config.service_name)

# So many symbols wait for DynamoDB at a time; more threads only wait for each other.
_SYMBOLS_AT_ONCE = 8
# A call that hangs is given up and tried again; boto3 would wait a minute for it.
_CLIENTS = ClientConfig(
    connect_timeout=1,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 3},
    # To check parameters, and to put this together anew, takes a fifth of each call's time.
    parameter_validation=False,
    user_agent=config.service_name,
)
table = boto3.resource("dynamodb", config=_CLIENTS).Table(config.table_name)
sns = boto3.client("sns", config=_CLIENTS)


def _now_microseconds() -> int:
    return time.time_ns() // 1_000


_processor = Processor(
    store=Store(table),
    notifier=Notifier(sns, config.topic_arn),
    high_price=(
        high_price_rule(config.high_price_threshold) if config.high_price_threshold else None
    ),
    clock=_now_microseconds,
    sleep=time.sleep,
    kept_ticks=config.late_ticks,
    each=ThreadPoolExecutor(_SYMBOLS_AT_ONCE).map,
)

gc.enable()


def handler(event: Mapping[str, Any], context: LambdaContext | None) -> dict[str, Any]:
    """Process a batch of SQS messages.

    Parameters
    ----------
    event
        What SQS's event source mapping sends: ``Records`` with ``messageId``, ``body`` and
        ``attributes``. Or ``repair``, from ``./alerts repair``: symbols with firings that an
        invocation left behind.
    context
        Lambda's context, which knows the deadline; ``None`` outside Lambda.

    Returns
    -------
    dict
        ``batchItemFailures``: the messages that must come again, each as ``itemIdentifier``.
        Source: AWS Lambda, "Implementing partial batch responses". To ``repair``:
        ``unfinished``, the symbols that are still to be repaired.
    """
    now = _now_microseconds()
    remaining = context.get_remaining_time_in_millis() if context else _DEFAULT_TIME_MILLISECONDS
    request_id = context.aws_request_id if context else None
    records = event.get("Records") or []
    # SQS takes an empty identifier to mean the whole batch: nothing is lost that has no name.
    message_ids = [record.get("messageId", "") for record in records]
    logger.append_keys(request_id=request_id)
    batch = Batch(
        owner=uuid.uuid4().hex,
        stop_at_microseconds=now + (remaining - min(_RESERVE_MILLISECONDS, remaining // 4)) * 1_000,
        deadline_microseconds=now + remaining * 1_000,
        repeated_message_ids=frozenset(
            message_id
            for message_id, record in zip(message_ids, records, strict=True)
            if _receive_count(record) > 1
        ),
    )

    ticks: list[Tick] = []
    invalid: set[str] = set()
    for message_id, record in zip(message_ids, records, strict=True):
        try:
            ticks.extend(
                parse_message(record.get("body"), message_id, _sent_at_microseconds(record), now)
            )
        except InvalidMessage as reason:
            invalid.add(message_id)
            logger.warning("message refused", message_id=message_id, reason=str(reason))

    messages = list(zip(message_ids, map(group_of, records), strict=True))
    held_up = with_followers(messages, invalid)
    ticks = [tick for tick in ticks if tick.position.message_id not in held_up]
    repaired = event.get("repair")
    _processor.process(ticks, batch, repaired or ())
    failed = with_followers(messages, held_up | batch.unfinished_message_ids)
    _report(len(records), len(ticks), len(invalid), len(failed), batch)
    if repaired is not None:
        return {"unfinished": sorted(batch.unfinished_symbols)}
    # A message can be in a batch twice; it is named once.
    return {
        "batchItemFailures": [
            {"itemIdentifier": message_id}
            for message_id in dict.fromkeys(message_ids)
            if message_id in failed
        ]
    }


def _sent_at_microseconds(record: Mapping[str, Any]) -> int | None:
    sent = (record.get("attributes") or {}).get("SentTimestamp", "")
    return int(sent) * 1_000 if sent.isdecimal() else None


def _receive_count(record: Mapping[str, Any]) -> int:
    count = (record.get("attributes") or {}).get("ApproximateReceiveCount", "")
    return int(count) if count.isdecimal() else 1


def _report(messages: int, ticks: int, invalid: int, failed: int, batch: Batch) -> None:
    # No line tells anything that a message held; its id leads from here to its firings, and back.
    if batch.has_run_out_of_time:
        logger.warning("out of time", message_ids=sorted(batch.unfinished_message_ids))
    for failure in batch.failures:
        logger.error("symbol failed", message_ids=failure.message_ids, exc_info=failure.error)
    for firing in batch.announced:
        logger.info(
            "firing announced",
            firing_id=firing.firing_id,
            rule_id=firing.rule_id,
            message_id=firing.position.message_id,
        )
    for lag in batch.lags_microseconds:
        metrics.add_metric(name="Lag", unit=MetricUnit.Milliseconds, value=lag / 1_000)
    for name, count in (
        ("Messages", messages),
        ("Ticks", ticks),
        ("LateTicks", batch.late_ticks),
        ("Firings", len(batch.announced)),
        ("InvalidMessages", invalid),
        ("FailedMessages", failed),
        ("Conflicts", batch.conflicts),
        ("PublishFailures", batch.publish_failures),
    ):
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    metrics.flush_metrics()
