"""From the sending of a price to its alert, through a real queue and back."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from statistics import quantiles

from benchmarks.scale import Scale
from benchmarks.stage import OURS, THRESHOLD, Stage
from lib.client.subscriber import Subscriber, wait_for

_SEED_LIKE = Path(__file__).with_name("seed_like.py")
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.002


def latencies(stage: Stage, scale: Scale) -> dict[str, list[float]]:
    """Send prices one by one to our function and to ``seed_like``, in turn; returns seconds.

    Each is above the threshold of both, so that both publish an alert.
    """
    subscriber = Subscriber(stage.emulator.client("sqs"), "benchmark-subscriber")
    stage.emulator.client("sns").subscribe(
        TopicArn=stage.outputs["topic_arn"], Protocol="sqs", Endpoint=subscriber.arn
    )
    with _seed_like_deployed(stage) as seed_queue:
        queues = {OURS: stage.outputs["queue_url"], "seed_like": seed_queue}
        sqs = stage.emulator.client("sqs")
        seconds: dict[str, list[float]] = {name: [] for name in queues}
        for place, name in zip(range(2 * scale.announced_prices + 2), cycle(queues), strict=False):
            symbol = f"{name.upper().replace('_', '-')}-{place}"
            body = {"symbol": symbol, "price": str(THRESHOLD + 1), "timestamp": time.time()}
            start = time.perf_counter()
            sqs.send_message(QueueUrl=queues[name], MessageBody=json.dumps(body))
            _await(subscriber, symbol)
            seconds[name].append(time.perf_counter() - start)
    subscriber.close()
    return {name: taken[1:] for name, taken in seconds.items()}  # the first starts a container


def p99(seconds: list[float]) -> float:
    """Return the 99th percentile."""
    return quantiles(seconds, n=100, method="inclusive")[98]


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
