"""A soak: prices through the embedded AWS while invocations are killed, held against the oracle.

``python -m tests.soak`` prints what comes of it. The queue is one that keeps each symbol's order:
in a standard queue, what a killed invocation held is redelivered after more ticks than are kept.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import redirect_stdout, suppress
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from rich.console import Console
from rich.progress import Progress
from rich.table import Table as Grid

from lib.client.rule_store import RuleStore
from lib.formats.prices import Price
from lib.local.emulator import Emulator, running_emulator
from lib.local.virtual_environment import virtual_environment
from price_alerts.domain.portions import portions
from price_alerts.domain.ticks import format_timestamp
from tests.faults import Fault, Killed, Wire
from tests.histories import rule_of
from tests.oracle import Oracle, Spec
from tests.unit.doubles import Clock, create_table, items_of

PROJECT = Path(__file__).parents[1]
TABLE, QUEUE, DLQ = "soak", "soak.fifo", "soak-dlq.fifo"
SECOND = 1_000_000
BEGIN = 1_767_225_600 * SECOND  # 2026-01-01
REMAINING_MILLISECONDS = 2_000
VISIBILITY_SECONDS = 8  # by then, the lease of who was killed has run out
# Many: what an invocation does not finish in two seconds costs a try in such a queue, and this
# machine may be slow. What five tries are worth, the simulation shows in virtual time.
MAX_RECEIVE_COUNT = 15
TICKS_AT_ONCE = 10  # of a symbol, before it is the next one's turn
POLL_SECONDS = 0.2
CONDITIONS = ("crosses_up", "crosses_down", "crosses", "above", "below")
CHANNELS, MOVES = ("enters", "exits", "inside", "outside"), ("rises", "falls")

Told = tuple[str, str, int, Decimal | None, Decimal]


@dataclass(frozen=True)
class Plan:
    """How much is to be done, by how many, and how many invocations of a hundred are killed."""

    ticks: int = 100_000
    symbols: int = 50
    rules: int = 2_000
    workers: int = 4
    killed_percent: int = 5
    threshold: int = 130


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    ticks: int
    rules: int
    invocations: int
    killed: int
    firings: int
    lost: int
    doubled: int
    unannounced: int
    extra_announcements: int
    dead: int
    left: int
    seconds: int


def specs_of(plan: Plan) -> Iterator[Spec]:
    """Write rules that share few levels; the same ones each time."""
    random = Random("rules")
    for number in range(plan.rules):
        condition = random.choice((*CONDITIONS, *CHANNELS, *MOVES))
        level = random.randint(70, 130)
        levels: tuple[int, ...] = (level,)
        window = None
        if condition in CHANNELS:
            levels = (level, level + random.randint(3, 10))
        if condition in MOVES:
            levels, window = (random.randint(5, 15),), random.choice(("1m", "5m"))
        is_once = random.random() < 0.3
        yield Spec(
            rule_id=f"r-{number}",
            symbol=f"S{number % plan.symbols:03}",
            condition=condition,
            levels=tuple(map(Decimal, levels)),
            window=window,
            trigger="once" if is_once else "every",
            rearm=None if is_once else Decimal(random.randint(1, 3)),
            cooldown_seconds=0 if is_once else random.choice((0, 60)),
        )


def prices_of(plan: Plan) -> Iterator[Price]:
    """Walk at random, all symbols side by side, some ticks of each at a time."""
    random = Random("prices")
    places = {f"S{number:03}": 100 for number in range(plan.symbols)}
    count = plan.ticks // plan.symbols
    for start in range(0, count, TICKS_AT_ONCE):
        for symbol, place in places.items():
            at = place
            for second in range(start, min(start + TICKS_AT_ONCE, count)):
                at = min(140, max(60, at + random.choice((-2, -1, -1, 0, 1, 1, 2))))
                yield Price(symbol, Decimal(at), BEGIN + second * SECOND)
            places[symbol] = at


def wanted_of(plan: Plan) -> Counter[Told]:
    """Ask the oracle what fires."""
    oracle = Oracle(Decimal(plan.threshold))
    for spec in specs_of(plan):
        oracle.add(spec)
    return Counter(
        (price.symbol, rule_id, at, before, now)
        for price in prices_of(plan)
        for rule_id, at, before, now in oracle.tick(
            price.symbol, price.price, price.timestamp_microseconds or 0
        )
    )


def soak(
    emulator: Emulator, plan: Plan, on_progress: Callable[[int], object] = lambda _left: None
) -> Outcome:
    """Play a plan on an embedded AWS; tells ``on_progress`` how many messages are left."""
    began = time.monotonic()
    variables = {**emulator.variables, "AWS_DEFAULT_REGION": emulator.region}
    with patch.dict(os.environ, variables), tempfile.TemporaryDirectory() as folder:
        table = create_table(TABLE)
        RuleStore(table, time.sleep).add_all(
            [rule_of(spec) for spec in specs_of(plan)], lambda _count: None
        )
        sqs = emulator.client("sqs")
        dlq_url, queue_url = _queues(sqs)
        topic_arn = emulator.client("sns").create_topic(Name="soak")["TopicArn"]
        _send(sqs, queue_url, plan)
        task = {"queue_url": queue_url, "killed_percent": plan.killed_percent}
        environment = {
            **os.environ,
            "HIGH_PRICE_THRESHOLD": str(plan.threshold),
            "PYTHONPATH": os.pathsep.join((str(PROJECT), str(PROJECT / "lib" / "lambda"))),
            "TABLE_NAME": TABLE,
            "TOPIC_ARN": topic_arn,
        }
        reports = [Path(folder, str(number)) for number in range(plan.workers)]
        stop = Path(folder, "stop")
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.soak", "--work"],
                env={
                    **environment,
                    "SOAK": json.dumps({**task, "report": str(report), "stop": str(stop)}),
                },
                cwd=PROJECT,
            )
            for report in reports
        ]
        try:
            wanted = wanted_of(plan)
            while left := _waiting(sqs, queue_url):
                on_progress(left)
                time.sleep(POLL_SECONDS)
        finally:
            stop.touch()
            for worker in workers:
                worker.wait()
        told = [json.loads(report.read_text()) for report in reports]
        found, states = _recorded(table)
        dead = _waiting(sqs, dlq_url)
    announced: Counter[str] = sum((Counter(each["announced"]) for each in told), Counter())
    firings = Counter(key for key, _ in found)
    return Outcome(
        ticks=plan.ticks,
        rules=plan.rules,
        invocations=sum(each["invocations"] for each in told),
        killed=sum(each["killed"] for each in told),
        firings=len(found),
        lost=(wanted - firings).total(),
        doubled=(firings - wanted).total(),
        unannounced=sum(firing_id not in announced for _, firing_id in found),
        extra_announcements=announced.total() - len(announced),
        dead=dead,
        left=states,
        seconds=round(time.monotonic() - began),
    )


def _send(sqs: Any, queue_url: str, plan: Plan) -> None:
    """Send each symbol's next ticks as a message in its group."""
    messages = (
        (symbol, [_tick(price) for price in prices])
        for symbol, prices in groupby(prices_of(plan), key=lambda price: price.symbol)
    )
    for portion in portions(messages, 10):
        entries = [
            {
                "Id": str(place),
                "MessageBody": json.dumps(ticks),
                "MessageGroupId": symbol,
                "MessageDeduplicationId": uuid.uuid4().hex,
            }
            for place, (symbol, ticks) in enumerate(portion)
        ]
        answer = sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
        assert len(answer["Successful"]) == len(entries)


def _tick(price: Price) -> dict[str, Any]:
    timestamp = format_timestamp(price.timestamp_microseconds or 0)
    return {"symbol": price.symbol, "price": str(price.price), "timestamp": timestamp}


def _queues(sqs: Any) -> tuple[str, str]:
    kind = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    dlq_url = sqs.create_queue(QueueName=DLQ, Attributes=kind)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dlq_url, AttributeNames=["QueueArn"])["Attributes"]
    redrive = {"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": MAX_RECEIVE_COUNT}
    attributes = {
        **kind,
        "VisibilityTimeout": str(VISIBILITY_SECONDS),
        "RedrivePolicy": json.dumps(redrive),
    }
    return dlq_url, sqs.create_queue(QueueName=QUEUE, Attributes=attributes)["QueueUrl"]


def _waiting(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def _recorded(table: Any) -> tuple[list[tuple[Told, str]], int]:
    """Read what was recorded, and count what is still to be delivered."""
    found: list[tuple[Told, str]] = []
    left = 0
    for item in items_of(table, ""):
        if item["pk"].startswith("FIRINGS#"):
            at = int(item["timestamp_microseconds"])
            before = item.get("previous_price")
            key = (item["symbol"], item["rule"], at, before, item["price"])
            found.append((key, item["firing_id"]))
        left += item["sk"] == "STATE" and bool(item.keys() & {"outbox", "step"})
    return found, left


class Worker:
    """One container: takes messages off the queue, calls the handler, deletes what is done."""

    def __init__(self, index: Any, queue_url: str, killed_percent: int) -> None:
        self._index = index
        self._queue_url = queue_url
        self._killed_percent = killed_percent
        self._sqs = boto3.client("sqs")
        self._random = Random()
        self._calls = 1
        clients = (index.table.meta.client, index.sns)
        self._wire = Wire(clients, _sent, Clock())
        # Those who work on symbols wait for those who change rules: a pool for each.
        self._pools = [ThreadPoolExecutor(index._AT_ONCE) for _ in range(2)]
        self._begin_cold()
        self.announced: Counter[str] = Counter()
        self.invocations = self.killed = 0

    def work(self) -> None:
        """Take what there is, for a second at most."""
        messages = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["All"],
        ).get("Messages", ())
        if not messages:
            return
        records = [
            {
                "messageId": message["MessageId"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{QUEUE}",
            }
            for message in messages
        ]
        done = self._invoke(records)
        for message in messages:
            if message["MessageId"] in done:
                self._sqs.delete_message(
                    QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"]
                )

    def _invoke(self, records: list[dict[str, Any]]) -> set[str]:
        self.invocations += 1
        fault, call = None, -1
        if self._random.random() * 100 < self._killed_percent:
            fault = self._random.choice((Fault.KILLED_BEFORE, Fault.KILLED_AFTER))
            call = self._random.randrange(self._calls)
        self._wire.strike(fault, call)
        end = time.monotonic() + REMAINING_MILLISECONDS / 1_000
        context = SimpleNamespace(
            aws_request_id="soak",
            get_remaining_time_in_millis=lambda: round((end - time.monotonic()) * 1_000),
        )
        ids = {record["messageId"] for record in records}
        with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing), suppress(Killed):
            answer = self._index.handler({"Records": records}, context)
            self._calls = max(1, len(self._wire.calls))
            self.announced += self._wire.announced
            return ids - {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        self.announced += self._wire.announced
        self.killed += 1
        self._begin_cold()
        return set()

    def _begin_cold(self) -> None:
        """Have a new container, in which nothing outlives an invocation that is killed."""
        processor = self._index.build_processor(
            self._index.config, self._index.table, self._index.sns
        )
        processor.each, processor.store._each = map(_together, self._pools)
        processor.each_call = processor.store._each
        self._index._processor = processor


def _together(threads: ThreadPoolExecutor) -> Callable[..., list[Any]]:
    """Do something for each of some things at once; who is killed dies with all threads."""

    def each(do: Callable[[Any], Any], things: Iterable[Any]) -> list[Any]:
        working = [threads.submit(do, thing) for thing in things]
        wait(working)
        return [one.result() for one in working]

    return each


def _sent(client: Any, request: Any) -> Any:
    return client._endpoint.http_session.send(request)


def work() -> None:
    """Be a worker until the file is there that says to stop."""
    task = json.loads(os.environ["SOAK"])
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing):
        index = importlib.import_module("index")
    worker = Worker(index, task["queue_url"], task["killed_percent"])
    while not Path(task["stop"]).exists():
        worker.work()
    report = {
        "announced": worker.announced,
        "invocations": worker.invocations,
        "killed": worker.killed,
    }
    Path(task["report"]).write_text(json.dumps(report))


def main() -> int:
    """Play a plan on an embedded AWS of its own; returns 1 if anything was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    for field in fields(Plan):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=int, default=field.default)
    given = vars(parser.parse_args())
    if given.pop("work"):
        work()
        return 0
    plan = Plan(**given)
    ministack = virtual_environment("emulator") / "ministack"
    with running_emulator(ministack, "us-east-1") as emulator, Progress() as progress:
        bar = progress.add_task("messages left")
        outcome = soak(emulator, plan, lambda left: progress.update(bar, total=left))
    grid = Grid("", "", title="Soak", show_header=False)
    for name, value in asdict(outcome).items():
        grid.add_row(name.replace("_", " "), f"{value:,}")
    Console().print(grid)
    wrong = outcome.lost + outcome.doubled + outcome.unannounced + outcome.dead + outcome.left
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
