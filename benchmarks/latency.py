"""From the sending of a price to its alert, through a real queue and back."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmarks.scale import Scale
from benchmarks.stage import OURS, THRESHOLD, Stage
from lib.client.status import QueueStatus, read_queue
from lib.client.subscriber import Subscriber, wait_for

_SEED_LIKE = Path(__file__).with_name("seed_like.py")
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.002


def latencies(stage: Stage, scale: Scale) -> dict[str, dict[str, list[float]]]:
    """Send prices one by one to our function and to ``seed_like``, in turn; returns seconds.

    Each is above the threshold of both, so that both publish an alert: first of symbols that have
    had a price before, then of new ones, whose rules we must look for first.
    """
    subscriber = Subscriber(stage.emulator.client("sqs"), "benchmark-subscriber")
    stage.emulator.client("sns").subscribe(
        TopicArn=stage.outputs["topic_arn"], Protocol="sqs", Endpoint=subscriber.arn
    )
    with _seed_like_deployed(stage) as seed_queue:
        queues = {OURS: stage.outputs["queue_url"], "seed_like": seed_queue}
        sqs = stage.emulator.client("sqs")
        seconds: dict[str, dict[str, list[float]]] = {}
        for kind in ("seen", "new"):
            names = [f"{kind.upper()}-{place}" for place in range(scale.announced_prices + 1)]
            if kind == "seen":
                for queue in queues.values():
                    for name in names:
                        _send(sqs, queue, name, THRESHOLD - 1)
                    is_empty = partial(_is_empty, sqs, queue)
                    wait_for(is_empty, "prices were left", _PATIENCE_SECONDS, _POLL_SECONDS)
            taken = seconds[kind] = {name: [] for name in queues}
            for symbol in names:
                for contestant, queue in queues.items():
                    start = time.perf_counter()
                    _send(sqs, queue, symbol, THRESHOLD + 1)
                    _await(subscriber, symbol)
                    taken[contestant].append(time.perf_counter() - start)
    subscriber.close()
    # The first price of each kind starts a container, or may.
    return {
        kind: {name: each[1:] for name, each in taken.items()} for kind, taken in seconds.items()
    }


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(seconds, n=100, method="inclusive")[98]


def _send(sqs: Any, queue_url: str, symbol: str, price: int) -> None:
    body = {"symbol": symbol, "price": str(price), "timestamp": time.time()}
    sqs.send_message(QueueUrl=queue_url, MessageBody=json.dumps(body))


def _is_empty(sqs: Any, queue_url: str) -> bool:
    return read_queue(sqs, queue_url) == QueueStatus(0, 0, 0)


def _await(subscriber: Subscriber, symbol: str) -> None:
    # Long polling there takes tenths of a second at a time: too coarse.
    wait_for(
        lambda: any(firing["symbol"] == symbol for firing in subscriber.receive(wait_seconds=0)),
        f"{symbol} was not announced",
        _PATIENCE_SECONDS,
        _POLL_SECONDS,
    )


@contextmanager
def _seed_like_deployed(stage: Stage) -> Iterator[str]:
    """Deploy ``seed_like`` next to ours, with a queue like ours; yields the queue's URL."""
    functions, sqs = stage.emulator.client("lambda"), stage.emulator.client("sqs")
    ours = functions.get_function_configuration(FunctionName=stage.outputs["function_name"])
    table_name = stage.new_table()
    functions.create_function(
        FunctionName="seed-like",
        Runtime=ours["Runtime"],
        Role=ours["Role"],
        Handler="seed_like.handler",
        Code={"ZipFile": _zipped(_SEED_LIKE)},
        Timeout=ours["Timeout"],
        MemorySize=ours["MemorySize"],
        Environment={
            "Variables": {
                "TABLE_NAME": table_name,
                "TOPIC_ARN": stage.outputs["topic_arn"],
                "HIGH_PRICE_THRESHOLD": str(THRESHOLD),
            }
        },
    )
    queue_url: str = sqs.create_queue(QueueName="seed-like")["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
    mapping = functions.create_event_source_mapping(
        EventSourceArn=attributes["Attributes"]["QueueArn"],
        FunctionName="seed-like",
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    try:
        yield queue_url
    finally:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])


def _zipped(source: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(source, source.name)
    return content.getvalue()
